"""Redis senders in forked processes, under gunicorn and without a thread; which thread imports redis-py."""

from __future__ import annotations

import multiprocessing
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from readme_metrics import MetricsMiddleware
from redis_server import RedisServer
from relaying import BY_HAND, HERE, app, log, logs_in, number


def _child(middleware: MetricsMiddleware, start: int) -> None:
    log(middleware, range(start, start + 10))
    assert middleware.flush(60) == 0


def test_a_fork_with_a_warm_connection(redis_server: RedisServer) -> None:
    middleware = app(redis_server.url, **BY_HAND)
    log(middleware, range(10))
    assert middleware.flush(60) == 0
    children = [
        multiprocessing.get_context("fork").Process(target=_child, args=(middleware, start)) for start in (100, 200)
    ]
    for child in children:
        child.start()
    log(middleware, range(10, 20))
    assert middleware.flush(60) == 0
    for child in children:
        child.join(60)
        assert child.exitcode == 0
    # The parent still uses the connection that the children inherited.
    log(middleware, range(20, 30))
    assert middleware.flush(60) == 0
    assert sorted(number(entry) for entry in logs_in(redis_server)) == [*range(30), *range(100, 110), *range(200, 210)]


@pytest.mark.parametrize("worker", [["--preload"], ["-k", "gevent"]], ids=["preload", "gevent"])
def test_under_gunicorn(
    redis_server: RedisServer, gunicorn: Callable[..., Any], worker: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("README_METRICS_RELAY", redis_server.url)
    monkeypatch.setenv("README_METRICS_PROJECT", "shop")
    server = gunicorn("-w", "2", *worker, flush_interval=0.1)
    for index in range(20):
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as client:
            client.sendall(f"GET /?n={index} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
            while client.recv(65536):
                pass
    connections = redis_server("CLIENT", "LIST").count(b"\n") - 1
    assert connections <= 2, "one per process"
    output = server.stop()
    assert "Traceback" not in output, output
    arrived = [number(entry) for entry in logs_in(redis_server)]
    assert sorted(arrived) == list(range(20)), output


def test_without_a_thread(redis_server: RedisServer) -> None:
    middleware = app(redis_server.url, background_worker_mode=False, buffer_length=1)
    before = threading.active_count()
    log(middleware, range(5))
    assert threading.active_count() <= before  # threads of earlier tests may end
    assert middleware.flush(60) == 0
    assert len(logs_in(redis_server)) == 5


def test_a_request_imports_nothing(redis_server: RedisServer) -> None:
    """The import of redis-py takes a tenth of a second: in the flusher's thread, not in the first request."""
    code = (
        "import sys, threading, wsgi\n"
        "from readme_metrics import MetricsApiConfig, MetricsMiddleware\n"
        "main, importers = threading.get_ident(), []\n"
        "class Watch:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name.split('.')[0] == 'redis': importers.append(threading.get_ident())\n"
        "config = MetricsApiConfig(None, wsgi.group, 'https://d.example', 1, relay=sys.argv[1], project='shop')\n"
        "middleware = MetricsMiddleware(wsgi.app, config)\n"
        "sys.meta_path.insert(0, Watch())\n"
        "wsgi.call(middleware)\n"
        "assert middleware.flush(60) == 0\n"
        "assert importers and main not in importers, importers\n"
        "print('fine')\n"
    )
    command = [sys.executable, "-c", code, redis_server.url]
    result = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=60, env={**os.environ})
    assert result.stdout == "fine\n", result.stderr
