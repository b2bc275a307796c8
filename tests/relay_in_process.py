"""Relays in the process of the tests, and entries for these relays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from readme_metrics import MetricsApiConfig
from readme_metrics.collector import Collector
from readme_metrics.relay.service import Options, Relay
from redis_server import RedisServer
from relaying import BY_HAND, TAKE_OVER_S, RelayProcess, app, log

MakeRelay = Callable[..., Relay]


@pytest.fixture
def no_process_is_left() -> Iterator[None]:
    """Kills the relays that a failed test has left."""
    yield
    while RelayProcess.started:
        RelayProcess.started.pop().kill()


@pytest.fixture
def relay(redis_server: RedisServer, collector: Collector, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeRelay]:
    """Starts relays in this process."""
    monkeypatch.setenv("README_METRICS_SERVER", collector.url)
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(MetricsApiConfig, "README_API_URL", collector.url)
    started: list[Relay] = []

    def start(url: str = "", **keys: str) -> Relay:
        relay = Relay(Options(url or redis_server.url, 1.0, TAKE_OVER_S), keys or {"shop": "rdme_shop"})
        started.append(relay)
        relay.start()
        return relay

    yield start
    for one in started:
        one.stop()


def add(redis_server: RedisServer, count: int, start: int = 0, **options: Any) -> None:
    """Logs requests in an app, and sends them to the stream as one entry."""
    middleware = app(redis_server.url, **{**BY_HAND, **options})
    log(middleware, range(start, start + count))
    assert middleware.flush(60) == 0
