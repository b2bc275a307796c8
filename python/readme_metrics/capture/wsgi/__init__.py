"""An exchange between a WSGI server and its app: the body that the app reads, the body that it returns."""
