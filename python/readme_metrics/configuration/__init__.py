"""How the arguments of `MetricsApiConfig` are read and checked."""
