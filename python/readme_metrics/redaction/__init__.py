"""The core's redactor, asked from Python: for the inspector, and for logs that `before_send` has changed."""
