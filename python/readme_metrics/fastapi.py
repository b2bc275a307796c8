"""`ReadMeMetricsMiddleware`: the ASGI middleware by its published name."""

from __future__ import annotations

try:
    import starlette  # noqa: F401
except ImportError as error:
    raise ImportError(
        'readme_metrics.fastapi needs FastAPI or Starlette: pip install "readme-metrics[FastAPI]"'
    ) from error

from readme_metrics.asgi import MetricsMiddleware as ReadMeMetricsMiddleware

__all__ = ["ReadMeMetricsMiddleware"]
