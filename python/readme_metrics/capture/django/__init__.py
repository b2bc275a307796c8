"""An exchange inside the middleware chain of Django."""
