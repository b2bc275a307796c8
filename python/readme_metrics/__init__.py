"""Logs every request of a WSGI app to ReadMe's API Metrics dashboard.

Importing this starts nothing and opens nothing; the first logged request of a process does.
"""

from __future__ import annotations

from readme_metrics._core import __version__
from readme_metrics.config import MetricsApiConfig
from readme_metrics.middleware import MetricsMiddleware

__all__ = ["MetricsApiConfig", "MetricsMiddleware", "__version__"]
