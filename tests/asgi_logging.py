"""The ASGI middleware and its logs, for the tests of the ASGI door."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import wsgi
from har_schema import VALIDATOR
from readme_metrics import MetricsApiConfig
from readme_metrics.asgi import MetricsMiddleware
from readme_metrics.collector import Collector

Logged = Callable[..., Any]


def group(request: Any) -> dict[str, str]:
    return {"api_key": "customer-0001", "label": "Customer", "email": "customer@example.com"}


@pytest.fixture
def logged_asgi(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> Iterator[Logged]:
    """Makes a middleware, and a function that returns the middleware's logs and checks how many there are."""
    monkeypatch.setenv("README_METRICS_SERVER", collector.url)
    made = []

    def make(app: Any, group: Any = group, key: str = wsgi.API_KEY, **options: Any) -> Any:
        options.setdefault("base_log_url", "https://docs.example.com")
        middleware = MetricsMiddleware(app, MetricsApiConfig(key, group, **options))
        made.append(middleware)

        def logs(count: int) -> Any:
            middleware.flush(10)
            assert len(collector.logs) == count, middleware.stats()
            for log in collector.logs:
                VALIDATOR.validate(log)
            return list(collector.logs)

        return middleware, logs

    yield make
    for middleware in made:
        dropped = middleware.stats()["dropped"]
        assert isinstance(dropped, dict)
        assert dropped["internal"] == 0, "a step of the SDK failed"
