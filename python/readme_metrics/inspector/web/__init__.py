"""The HTTP side of the inspector: the server, who may ask it, and what it answers."""
