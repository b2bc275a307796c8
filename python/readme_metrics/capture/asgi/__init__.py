"""An exchange between an ASGI server and its app."""
