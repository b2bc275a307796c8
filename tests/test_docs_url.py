"""The look-up of the documentation's address delays no log and no exit, even if the server never answers."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import wsgi
from readme_metrics import MetricsApiConfig, MetricsMiddleware
from readme_metrics.collector import Collector
from wsgi import call

HERE = Path(__file__).parent


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def asking(silent: str, monkeypatch: pytest.MonkeyPatch, **options: Any) -> MetricsMiddleware:
    """A middleware that has to look up the address of the documentation, at a server that never answers."""
    monkeypatch.setattr(MetricsApiConfig, "README_API_URL", silent)
    return MetricsMiddleware(wsgi.app, MetricsApiConfig(wsgi.API_KEY, wsgi.group, **options))


def test_the_look_up_delays_no_batch(collector: Collector, monkeypatch: pytest.MonkeyPatch, silent: str) -> None:
    monkeypatch.setenv("README_METRICS_SERVER", collector.url)
    middleware = asking(silent, monkeypatch, buffer_length=1, timeout=60, shutdown_timeout=0)
    for count in range(1, 4):
        call(middleware)
        assert collector.wait_for(count, timeout=30), "the log is sent while the look-up goes on"
    asked = [thread for thread in threading.enumerate() if thread.name == "readme-metrics.DocsUrl"]
    assert len(asked) <= 1


def test_the_look_up_delays_no_exit(collector: Collector, tmp_path: Path, silent: str) -> None:
    program = f"""
import time, wsgi
from readme_metrics import MetricsApiConfig, MetricsMiddleware
MetricsApiConfig.README_API_URL = {silent!r}
options = dict(buffer_length=2, timeout=60, shutdown_timeout=30)
middleware = MetricsMiddleware(wsgi.app, MetricsApiConfig(wsgi.API_KEY, wsgi.group, **options))
wsgi.call(middleware); wsgi.call(middleware)
while middleware.stats()["sent"] < 2: time.sleep(0.01)
wsgi.call(middleware)
"""
    started_s = time.monotonic()
    subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(HERE), "README_METRICS_SERVER": collector.url},
        check=True,
        timeout=55,
    )
    assert time.monotonic() - started_s < 25  # if the exit waited for the look-up, it would take 30 or 60
    assert len(collector.ids()) == 3


def test_requests_that_send_for_themselves_ask_after_the_logs_and_in_time(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, silent: str
) -> None:
    monkeypatch.setenv("README_METRICS_SERVER", collector.url)
    middleware = asking(silent, monkeypatch, buffer_length=1, timeout=0.5, background_worker_mode=False)
    call(middleware)
    assert len(collector.logs) == 1
    before = set(threading.enumerate())  # threads of earlier tests may end meanwhile
    call(middleware)
    new = [thread.name for thread in set(threading.enumerate()) - before]
    # The stand-in server has a thread for each connection.
    assert [name for name in new if not name.endswith("(process_request_thread)")] == []
    assert len(collector.logs) == 2
