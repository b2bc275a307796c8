"""What is shown of the counts: the dicts of `stats()` and `status`, Prometheus text, ages."""
