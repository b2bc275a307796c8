"""Logs every request of a WSGI or ASGI app to ReadMe's API Metrics dashboard.

Importing the package starts no thread and opens no file; the first logged request of a process does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from readme_metrics._core import __version__

# Imported through the published module paths. A later import of such a module would otherwise bind the package's
# attribute of the same name to the module, in place of the class.
from readme_metrics.MetricsApiConfig import MetricsApiConfig
from readme_metrics.MetricsMiddleware import MetricsMiddleware
from readme_metrics.rule import Rule
from readme_metrics.safe_defaults import SAFE_DEFAULTS

if TYPE_CHECKING:
    from readme_metrics.probes import PROBES

__all__ = ["PROBES", "SAFE_DEFAULTS", "MetricsApiConfig", "MetricsMiddleware", "Rule", "__version__"]


def __getattr__(name: str) -> object:
    """Loads `PROBES`, whose rules are made when they are first asked for."""
    if name == "PROBES":
        from readme_metrics.probes import PROBES

        return PROBES
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
