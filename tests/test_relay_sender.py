"""From an app to a Redis stream: the app is killed, Redis is away or silent, the stream is full."""

from __future__ import annotations

import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import wsgi
from readme_metrics.collector import Collector
from redis_server import Between, RedisServer
from relaying import BY_HAND, HERE, KEYS, RelayProcess, app, check_fleet, eventually, host, log, logs_in, number

pytestmark = pytest.mark.usefixtures("no_process_is_left")


#: An app in a process of its own: logs requests, and prints a line when they are logged.
SHORT_LIVED = """
import sys, wsgi
from relaying import app, log
middleware = app(sys.argv[1], **eval(sys.argv[3]))
log(middleware, range(int(sys.argv[2])))
print("logged", flush=True)
"""


def short_lived(url: str, count: int, rest: str = "", **options: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SHORT_LIVED + rest, url, str(count), repr(options)]
    return subprocess.Popen(command, cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_an_app_killed_between_add_and_release(redis_server: RedisServer, tmp_path: Path) -> None:
    processes: list[subprocess.Popen[str]] = []

    def kill() -> bool:
        processes[0].kill()
        return False

    between = Between(redis_server.port, b"EVAL", kill)
    # The address is part of the queue's name, so the heir finds the queue by the same address.
    processes.append(short_lived(between.url, 10, "middleware.flush(60)", **BY_HAND))
    processes[0].communicate(timeout=60)
    assert processes[0].returncode == -signal.SIGKILL
    assert len(logs_in(redis_server)) == 10, "added"
    between._on_answer = lambda: True
    heir = app(between.url)
    wsgi.call(heir, "/pid")
    log(heir, [99])
    eventually(lambda: heir.flush(60) == 0 and len(logs_in(redis_server)) == 21)
    ids = [entry["_id"] for entry in logs_in(redis_server)]
    assert len(set(ids)) == 11, "the ten logs of the killed app are there twice, with the same ids"
    between.close()


# Redis is away or silent


def test_nobody_waits_for_a_redis_that_is_away(redis_server: RedisServer) -> None:
    middleware = app(redis_server.url, buffer_length=1, flush_interval=0.05, timeout=0.5)

    def call_ms() -> float:
        started_s = time.perf_counter()
        log(middleware, [0])
        return (time.perf_counter() - started_s) * 1000

    up = [call_ms() for _ in range(300)]
    eventually(lambda: middleware.stats()["queued"] == 0)
    redis_server.kill()
    down = [call_ms() for _ in range(600)]
    eventually(lambda: host(middleware)["failures"] > 1)
    down += [call_ms() for _ in range(600)]
    p99_up, p99_down = (statistics.quantiles(times, n=100)[98] for times in (up, down))
    assert p99_down < 10 * p99_up + 20, (p99_up, p99_down)
    stats: Any = middleware.stats()
    assert stats["made"] == 1500 and not any(stats["dropped"].values()), stats
    redis_server.start()
    eventually(lambda: middleware.flush(60) == 0)
    assert middleware.stats()["sent"] == 1500


class Silent:
    """Accepts connections; sends nothing, or a byte now and then."""

    def __init__(self, is_dripping: bool) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"
        self._thread = threading.Thread(target=self._serve)
        self._is_dripping = is_dripping
        self._connections: list[socket.socket] = []
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            if self._is_dripping:
                threading.Thread(target=self._drip, args=[connection], daemon=True).start()

    def _drip(self, connection: socket.socket) -> None:
        try:
            while True:
                connection.sendall(b"+")
                time.sleep(0.05)
        except OSError:
            pass

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()
        for connection in self._connections:
            connection.close()


@pytest.fixture(params=[False, True], ids=["silent", "dripping"])
def silent(request: pytest.FixtureRequest) -> Iterator[Silent]:
    server = Silent(request.param)
    yield server
    server.close()


def test_the_timeout_holds(silent: Silent) -> None:
    middleware = app(silent.url, timeout=0.5, **BY_HAND)
    log(middleware, range(5))
    started_s = time.monotonic()
    assert middleware.flush(30) == 5
    assert 0.4 < time.monotonic() - started_s < 10, "0.5 s for one try, and the import of redis-py"
    assert host(middleware)["last_error"] == "TimeoutError"


def test_an_exit_keeps_its_deadline(silent: Silent) -> None:
    process = short_lived(silent.url, 5, timeout=30, shutdown_timeout=0.5, **BY_HAND)
    assert process.stdout is not None
    process.stdout.readline()
    started_s = time.monotonic()
    process.communicate(timeout=60)
    assert time.monotonic() - started_s < 15, "the deadline is half a second, not 30"
    assert process.returncode == 0


def test_a_process_that_ends_at_once_delivers(redis_server: RedisServer) -> None:
    """The flusher has hardly begun to import redis-py when the interpreter begins to shut down."""
    for _ in range(5):
        process = short_lived(redis_server.url, 4, buffer_length=10, shutdown_timeout=30)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0 and "Traceback" not in errors, errors
    eventually(lambda: len(logs_in(redis_server)) == 20)


# The stream is full


def test_a_stream_at_its_bound_takes_no_more_and_the_app_counts(
    redis_server: RedisServer, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    bounds: dict[str, Any] = {"relay_bytes": 2**20, "queue_bytes": 2**20}
    middleware = app(redis_server.url, **bounds, **BY_HAND)
    total = 0
    while middleware.stats()["queued"] == 0 or total < 20:
        for _ in range(20):
            wsgi.call(middleware, "/echo", method="POST", body=b"x" * 20_000, content_type="text/plain")
        total += 20
        middleware.flush(60)
    assert host(middleware)["last_error"] == "the stream is full"
    sums = redis_server.sums()
    assert 2**19 < sums.bytes <= 2**20
    assert sums.bytes == sum(
        len(dict(zip(flat[::2], flat[1::2], strict=True))[b"b"])
        for _, flat in redis_server("XRANGE", KEYS.stream, "-", "+")
    )
    while not middleware.stats()["dropped"]["full"]:  # type: ignore[index]
        wsgi.call(middleware, "/echo", method="POST", body=b"x" * 20_000, content_type="text/plain")
        total += 1
    stats: Any = middleware.stats()
    assert stats["made"] == stats["sent"] + stats["queued"] + stats["dropped"]["full"] == total
    relay = RelayProcess(redis_server.url, collector.url)
    try:
        eventually(lambda: middleware.flush(60) == 0)
        stats = middleware.stats()
        eventually(lambda: redis_server.length() == 0)
        check_fleet(redis_server, collector, stats["sent"])
        assert len(collector.ids()) == stats["sent"] == total - stats["dropped"]["full"]
    finally:
        relay.kill()


def test_a_log_larger_than_the_bound_is_the_only_one_refused(redis_server: RedisServer) -> None:
    middleware = app(redis_server.url, relay_bytes=2**20, max_body_bytes=2**22, queue_bytes=2**24, **BY_HAND)
    log(middleware, range(3))
    wsgi.call(middleware, "/echo", method="POST", body=b"x" * 2_000_000, content_type="text/plain")
    log(middleware, range(3, 6))
    assert middleware.flush(60) == 0
    stats: Any = middleware.stats()
    assert (stats["sent"], stats["dropped"]["refused"]) == (6, 1)
    assert sorted(number(entry) for entry in logs_in(redis_server)) == list(range(6))
