"""The published SDK's module path: `from readme_metrics.MetricsApiConfig import MetricsApiConfig`."""

from readme_metrics.config import MetricsApiConfig as MetricsApiConfig
