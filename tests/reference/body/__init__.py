"""Request and response bodies, as `rust/redact/body`."""
