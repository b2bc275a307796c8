"""The published SDK's module path: `from readme_metrics.MetricsMiddleware import MetricsMiddleware`."""

from readme_metrics.middleware import MetricsMiddleware as MetricsMiddleware
