"""Logs every request of a WSGI or ASGI app to ReadMe's API Metrics dashboard.

Importing this starts nothing and opens nothing; the first logged request of a process does.
"""

from __future__ import annotations

from readme_metrics._core import __version__

# By way of the published module paths: importing such a module later would put it in the place of the class.
from readme_metrics.MetricsApiConfig import MetricsApiConfig
from readme_metrics.MetricsMiddleware import MetricsMiddleware
from readme_metrics.rule import PROBES, Rule
from readme_metrics.safe_defaults import SAFE_DEFAULTS

__all__ = ["PROBES", "SAFE_DEFAULTS", "MetricsApiConfig", "MetricsMiddleware", "Rule", "__version__"]
