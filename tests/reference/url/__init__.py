"""URLs, queries and urlencoded forms, as `rust/redact/url`."""
