"""Header values, as `rust/redact/header`."""
