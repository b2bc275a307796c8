"""How the counters are shown: the dicts of `stats()` and `status`, Prometheus text, ages."""
