"""The logs that the fixture `logged` returns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from readme_metrics import MetricsMiddleware

#: The fixture: makes a middleware, and a function that returns as many logs as it is told.
Logged = Callable[..., tuple[MetricsMiddleware, Callable[[int], list[dict[str, Any]]]]]


def entry(log: dict[str, Any]) -> Any:
    """The HAR entry of a log."""
    return log["request"]["log"]["entries"][0]
