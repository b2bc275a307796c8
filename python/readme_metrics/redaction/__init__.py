"""Redaction by the core, for the inspector and for logs that `before_send` has changed."""
