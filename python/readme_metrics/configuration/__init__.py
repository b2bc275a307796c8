"""What `MetricsApiConfig` is made with: the check of each kind of argument."""
