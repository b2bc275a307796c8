"""Apps that log to a Redis stream, and relays that take from it, for the tests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar

import wsgi
from readme_metrics import MetricsApiConfig, MetricsMiddleware
from readme_metrics.collector import Collector
from readme_metrics.relay import layout
from redis_server import RedisServer

HERE = Path(__file__).parent
KEYS = layout.Keys.of("shop")
#: How long relays wait before they take over, in these tests.
TAKE_OVER_S = 3.0
#: Nothing is sent except by `flush`.
BY_HAND: dict[str, Any] = {"buffer_length": 100_000, "flush_interval": 3600}


def app(url: str, project: str = "shop", **options: Any) -> MetricsMiddleware:
    options = {"base_log_url": "https://docs.example.com", **options}
    return MetricsMiddleware(wsgi.app, MetricsApiConfig(None, wsgi.group, relay=url, project=project, **options))


def log(middleware: MetricsMiddleware, numbers: Iterable[int]) -> None:
    for number in numbers:
        assert wsgi.call(middleware, query=f"n={number}").status == "200 OK"


def number(entry: dict[str, Any]) -> int:
    return int(entry["request"]["log"]["entries"][0]["request"]["queryString"][0]["value"])


def host(middleware: MetricsMiddleware) -> Any:
    """What the processes of this host share, by the middleware's figures."""
    return middleware.stats()["host"]


def logs_in(redis_server: RedisServer, project: str = "shop") -> list[dict[str, Any]]:
    """The logs in the stream."""
    logs: list[dict[str, Any]] = []
    for _, flat in redis_server("XRANGE", layout.Keys.of(project).stream, "-", "+"):
        logs += json.loads(dict(zip(flat[::2], flat[1::2], strict=True))[b"b"])
    return logs


def eventually(condition: Callable[[], object], timeout_s: float = 60) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, "the condition has not become true"
        time.sleep(0.02)


class RelayProcess:
    """A real `readme-metrics relay`."""

    #: All that were started, so that those that a failed test has left can be killed.
    started: ClassVar[list[RelayProcess]] = []

    def __init__(self, redis_url: str, server: str, *arguments: str, keys: dict[str, str] | None = None) -> None:
        keys = {"shop": "rdme_shop"} if keys is None else keys
        projects = [argument for name in keys for argument in ("--project", f"{name}=KEY_{name.upper()}")]
        environ = {**os.environ, "README_METRICS_RELAY": redis_url, "README_METRICS_SERVER": server, "NO_PROXY": "*"}
        environ |= {f"KEY_{name.upper()}": key for name, key in keys.items()}
        times = ["--timeout", "1", "--take-over-after", str(TAKE_OVER_S)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "readme_metrics", "relay", *projects, *times, *arguments],
            cwd=HERE,
            env=environ,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.output = ""
        self.started.append(self)

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        if self._process.stderr is not None and not self._process.stderr.closed:
            self.output += self._process.communicate(timeout=60)[1]

    def stop(self) -> int:
        """SIGTERM; returns the exit status."""
        self._process.send_signal(signal.SIGTERM)
        self.output += self._process.communicate(timeout=60)[1]
        return self._process.returncode

    def wait_until_dead(self) -> None:
        self._process.wait(timeout=60)

    @property
    def pid(self) -> int:
        return self._process.pid


def check_fleet(redis_server: RedisServer, collector: Collector, sent: int, project: str = "shop") -> None:
    """The fleet equation, by Redis's sums and by what has arrived."""
    # The sums and the length are not read at the same moment, and a relay may be at work.
    eventually(lambda: redis_server.sums(project).entries == redis_server.length(project))
    sums = redis_server.sums(project)
    assert sums.added == sums.delivered + sums.refused + sums.lost + sums.queued, sums
    assert sent == sums.delivered + sums.refused + sums.queued, sums
    assert len(collector.ids()) >= sums.delivered, sums
