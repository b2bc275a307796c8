from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from itertools import count
from pathlib import Path
from typing import Any

import psutil
import pytest

import redis_server as redis_servers
import wsgi
from readme_metrics import MetricsApiConfig, MetricsMiddleware
from readme_metrics.collector import Collector
from redis_server import RedisServer

HERE = Path(__file__).parent

#: Modules with fixtures that several test files use.
pytest_plugins = (
    "asgi_logging", "django_logs", "exchange_doors", "host_status", "inspector_browser", "inspector_target",
    "relay_in_process",
)  # fmt: skip

# A shell that runs the tests in the background makes them ignore Ctrl-C, and `nohup` makes them ignore the hang-up.
# Every process that they start would inherit this.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("root") and (sys.platform != "linux" or os.geteuid() != 0):
        pytest.skip("needs root: make as-root")


#: Addresses of the loopback network, 127.0.0.0/8: 4,096 for this process, of which each test takes one.
_addresses = (ip_address(0x7F00_0000 + (os.getpid() % 0x1000) * 0x1000 + test) for test in count(2))


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A stand-in Metrics server, at an address of its own.

    The flushers of earlier tests keep trying the addresses that they were given. If the system reused one of those
    ports, a later test would receive their logs.
    """
    # Systems other than Linux answer at one loopback address only.
    host = str(next(_addresses)) if sys.platform == "linux" else "127.0.0.1"
    with Collector(host) as server:
        yield server


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Every test has a queue directory of its own, and no way to the real server."""
    monkeypatch.setenv("README_METRICS_QUEUE_DIR", str(tmp_path))
    monkeypatch.setenv("README_METRICS_SERVER", "http://127.0.0.1:9")  # the discard port: refused at once
    return tmp_path


@pytest.fixture
def logged(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., tuple[MetricsMiddleware, Callable[[int], list[dict[str, Any]]]]]]:
    """Makes a middleware, and a function that flushes it and returns its logs, of which there must be `count`."""
    monkeypatch.setenv("README_METRICS_SERVER", collector.url)
    made = []

    def make(
        app: Any = wsgi.app, group: Any = wsgi.group, **options: Any
    ) -> tuple[MetricsMiddleware, Callable[[int], list[dict[str, Any]]]]:
        options.setdefault("base_log_url", "https://docs.example.com")
        middleware = MetricsMiddleware(app, MetricsApiConfig(wsgi.API_KEY, group, **options))
        made.append(middleware)

        def logs(count: int) -> list[dict[str, Any]]:
            middleware.flush(10)
            assert len(collector.logs) == count, middleware.stats()
            return list(collector.logs)

        return middleware, logs

    yield make
    for middleware in made:
        dropped = middleware.stats()["dropped"]
        assert isinstance(dropped, dict)
        assert dropped["internal"] == 0, "a step of the SDK failed"


def listening_port(gunicorn: subprocess.Popen[str]) -> tuple[int, str]:
    """Waits until gunicorn listens; returns its port and its output so far."""
    assert gunicorn.stderr is not None
    output = ""
    for line in gunicorn.stderr:
        output += line
        if found := re.search(r"Listening at: http://127\.0\.0\.1:(\d+)", line):
            return int(found[1]), output
    raise AssertionError(f"gunicorn did not start:\n{output}")


class Gunicorn:
    """A real gunicorn with real workers, serving `wsgi:make()`."""

    def __init__(self, *args: str, config: dict[str, Any], server: str, queue_dir: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "--no-control-socket", "--bind", "127.0.0.1:0", *args, "wsgi:make()"],
            cwd=HERE,
            env={
                **os.environ,
                "TEST_CONFIG": json.dumps(config),
                "README_METRICS_SERVER": server,
                "README_METRICS_QUEUE_DIR": str(queue_dir),
            },
            stderr=subprocess.PIPE,
            text=True,
        )
        self.port, self._output = listening_port(self._process)

    def stop(self, signal_number: int = signal.SIGTERM) -> str:
        """Ends gunicorn, waits until it is gone and returns its output."""
        self._process.send_signal(signal_number)
        _, rest = self._process.communicate(timeout=60)
        return self._output + rest

    def workers(self) -> list[psutil.Process]:
        return psutil.Process(self.pid).children()

    def kill(self) -> None:
        """SIGKILL to the master and every worker, at once."""
        if self._process.poll() is None:
            workers = self.workers()
            self._process.kill()
            for worker in workers:
                worker.kill()
            psutil.wait_procs(workers, timeout=30)
            self._process.communicate()

    @property
    def pid(self) -> int:
        return self._process.pid


@pytest.fixture
def gunicorn(collector: Collector, tmp_path: Path) -> Iterator[Callable[..., Gunicorn]]:
    started: list[Gunicorn] = []

    def start(*args: str, **config: Any) -> Gunicorn:
        server = Gunicorn(*args, config=config, server=collector.url, queue_dir=tmp_path)
        started.append(server)
        return server

    yield start
    for server in started:
        server.kill()


TABLE = pytest.StashKey[list[tuple[object, ...]]]()


@pytest.fixture
def report_row(request: pytest.FixtureRequest) -> Callable[[tuple[object, ...]], None]:
    """Adds a row to the table of servers that is printed at the end of the run."""
    return request.config.stash.setdefault(TABLE, []).append


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    rows = config.stash.get(TABLE, [])
    if rows:
        terminalreporter.section("servers")
        heading = ("server", "scenarios", "requests", "logs", "duplicates", "lost", "bytes equal", "first byte")
        for name, *cells in [heading, *rows]:
            terminalreporter.write_line(f"{name!s:48}" + "".join(f"{cell!s:>12}" for cell in cells))


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A real redis-server that writes nothing to disk."""
    if redis_servers.BINARY is None:
        pytest.skip("needs redis-server")
    server = RedisServer(tmp_path / "redis")
    server.start()
    yield server
    server.kill()
