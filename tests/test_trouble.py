"""What a flusher meets on real hosts: no thread can be started, other code interferes, a proxy fails."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import urllib3.connection
import urllib3.connectionpool

from readme_metrics import _core
from readme_metrics.collector import HANG, RESET, Answer, Collector
from readme_metrics.delivery import background, drop_notices
from servers import wait_until
from test_delivery import BY_HAND, Logged, check_sums, log
from wsgi import call

HERE = Path(__file__).parent


# No thread


def test_without_a_thread_requests_send_a_little_and_a_thread_is_tried_again(
    collector: Collector, logged: Logged, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    start = threading.Thread.start

    def fails(thread: threading.Thread) -> None:
        if thread.name == "readme-metrics.Flusher":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", fails)
    collector.answer = lambda _: HANG
    middleware, _ = logged(buffer_length=1, timeout=30)
    started_s = time.monotonic()
    log(middleware, 200)
    assert time.monotonic() - started_s < 20  # without a bound, the first request alone would take 30 s
    assert sum("No thread can be started" in record.getMessage() for record in caplog.records) == 1
    collector.answer = lambda _: Answer()
    monkeypatch.setattr(background, "RETRY_S", 0.0)
    monkeypatch.setattr(threading.Thread, "start", start)
    flusher = middleware._intake.flusher
    assert flusher is not None
    flusher._background._start_at_s = 0.0

    def has_thread() -> bool:
        call(middleware)
        return bool(flusher.has_thread)

    wait_until(has_thread, "no thread is started")
    wait_until(lambda: middleware.stats()["queued"] == 0, "not everything is sent")
    check_sums(middleware)


# Visible losses


def test_losses_are_seen_where_no_logging_is_configured(tmp_path: Path) -> None:
    program = """
import wsgi
from readme_metrics import MetricsApiConfig, MetricsMiddleware
config = MetricsApiConfig(wsgi.API_KEY, wsgi.group, "https://d.example", queue_bytes=1024 * 1024, shutdown_timeout=0.1)
middleware = MetricsMiddleware(wsgi.app, config)
for _ in range(60):
    wsgi.call(middleware, "/echo", method="POST", body=b"x" * 100_000, content_type="text/plain")
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(HERE)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert re.search(r"\d\d logs were dropped: the queue is full", done.stderr), done.stderr
    assert done.stdout == ""


def test_what_is_lost_with_private_memory_is_reported(tmp_path: Path) -> None:
    program = """
import wsgi
from readme_metrics import MetricsApiConfig, MetricsMiddleware
config = MetricsApiConfig(wsgi.API_KEY, wsgi.group, "https://d.example", shutdown_timeout={seconds})
import readme_metrics.delivery.queue_dirs as queue_dirs
queue_dirs.rungs = lambda _: ["/nowhere"]
middleware = MetricsMiddleware(wsgi.app, config)
for _ in range(3):
    wsgi.call(middleware)
"""
    for seconds in (0, 5):
        done = subprocess.run(
            [sys.executable, "-c", program.format(seconds=seconds)],
            env={**os.environ, "PYTHONPATH": str(HERE)},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert "3 logs are lost: they could not be sent" in done.stderr, done.stderr
        assert "no shared directory" in done.stderr


def test_a_million_drops_are_three_lines() -> None:
    lines: list[str] = []

    class Reporter:
        def loss(self, message: str, *args: object) -> None:
            lines.append(message % args)

    now_s = 0.0
    told = drop_notices.DropNotices(Reporter(), lambda: now_s)  # type: ignore[arg-type]
    for count in range(0, 1_000_001, 1000):
        told.update({"full": count, "refused": 0})
        now_s += 1
    assert len(lines) == 1
    now_s += drop_notices.QUIET_S
    told.update({"full": 1_000_000, "refused": 0})
    assert len(lines) == 2
    assert lines[1].startswith("1000000 logs were dropped: the queue is full")
    told.close()
    assert len(lines) == 2


# Locks, and other people's code


def test_a_log_handler_that_calls_the_app_at_its_first_request(
    collector: Collector, logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A queue in private memory is reported, but not while the lock is held that the handler's request needs."""
    monkeypatch.setattr("readme_metrics.delivery.queue_dirs.rungs", lambda _: ["/nowhere"])
    middleware, _ = logged(buffer_length=1)
    calls: list[str] = []

    class Calling(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            # On another thread: a re-entrant lock would not help.
            thread = threading.Thread(target=lambda: calls.append(call(middleware).status))
            thread.start()
            thread.join(30)

    handler = Calling()
    middleware.config.LOGGER.addHandler(handler)
    try:
        assert call(middleware).status == "200 OK"
        wait_until(lambda: calls, "the handler's request is not answered")
    finally:
        middleware.config.LOGGER.removeHandler(handler)
    wait_until(lambda: middleware.stats()["sent"] == len(calls) + 1, "not all logs are sent")


@pytest.mark.parametrize("works", [True, False])
def test_a_recorder_of_http_traffic_leaves_nothing_behind(
    collector: Collector, logged: Logged, monkeypatch: pytest.MonkeyPatch, works: bool
) -> None:
    """VCR and similar libraries replace the class of urllib3's connections for a while: here, during the first POST."""
    used = []

    class Recording(urllib3.connection.HTTPConnection):
        def connect(self) -> None:
            used.append(self)
            if not works:
                raise RuntimeError("not in the cassette")
            super().connect()

    middleware, _ = logged(**BY_HAND)
    log(middleware, 1)
    with monkeypatch.context() as patched:
        patched.setattr(urllib3.connectionpool.HTTPConnectionPool, "ConnectionCls", Recording)
        assert middleware.flush(10) == (0 if works else 1)
        assert len(used) == 1
    log(middleware, 1)
    assert middleware.flush(10) == 0
    assert len(used) == 1
    assert len(collector.logs) == 2


def test_a_reused_connection_that_is_cut_is_replaced_without_a_word(
    collector: Collector, logged: Logged, caplog: pytest.LogCaptureFixture
) -> None:
    middleware, _ = logged(**BY_HAND)
    log(middleware, 1)
    assert middleware.flush(10) == 0
    answers = [RESET, Answer()]
    collector.answer = lambda _: answers.pop(0)
    log(middleware, 1)
    assert middleware.flush(10) == 0
    assert (check_sums(middleware)["retries"], caplog.records, answers) == (0, [], [])
    # A fresh connection that is cut says something about the server.
    collector.answer = lambda _: RESET
    log(middleware, 1)
    assert middleware.flush(10) == 1
    assert check_sums(middleware)["retries"] == 1


# A process's own trouble


OWN: dict[str, dict[str, str]] = {
    "proxy away": {"http_proxy": "http://127.0.0.1:9"},
    "proxy that cannot be read": {"http_proxy": "http://[broken"},
    "proxy that cannot be looked up": {"http_proxy": "http://nowhere.invalid:3128"},
    "name": {"README_METRICS_SERVER": "http://nowhere.invalid"},
}


@pytest.mark.parametrize("trouble", OWN)
def test_a_process_with_trouble_of_its_own_pauses_alone(
    collector: Collector, logged: Logged, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    middleware, _ = logged(**BY_HAND)
    for name, value in {"no_proxy": "", "NO_PROXY": "", **OWN[trouble]}.items():
        monkeypatch.setenv(name, value)
    log(middleware, 1)
    assert middleware.flush(10) == 1
    stats: Any = middleware.stats()
    assert (stats["retries"], stats["host"]["failures"], stats["host"]["pause_until"]) == (1, 0, None)
    assert stats["last_error"] is not None
    flusher: Any = middleware._intake.flusher
    assert flusher._delivery._resume_at_s > _core.monotonic() - 30
    assert flusher.queue.pause_s() == 0, "other processes go on sending"


def test_a_proxy_that_wants_a_password_pauses_its_process_alone(collector: Collector, logged: Logged) -> None:
    collector.answer = lambda _: Answer(407)
    middleware, _ = logged(**BY_HAND)
    log(middleware, 1)
    assert middleware.flush(10) == 1
    flusher: Any = middleware._intake.flusher
    assert flusher.queue.pause_s() == 0
    assert flusher._delivery.pause_s() > 30


@pytest.mark.parametrize("answer", [Answer(503), Answer(401), RESET], ids=["503", "401", "reset"])
def test_what_the_server_says_pauses_all(collector: Collector, logged: Logged, answer: Answer) -> None:
    collector.answer = lambda _: answer
    middleware, _ = logged(**BY_HAND)
    log(middleware, 1)
    assert middleware.flush(10) == 1
    stats: Any = middleware.stats()
    assert (stats["host"]["failures"], stats["last_error"]) == (1, stats["host"]["last_error"])


def test_a_stopped_clock_delays_nothing(collector: Collector, logged: Logged, monkeypatch: pytest.MonkeyPatch) -> None:
    """As freezegun stops it."""
    for name in ("monotonic", "time", "perf_counter"):
        monkeypatch.setattr(time, name, lambda: 1_000_000.0)
    middleware, _ = logged(buffer_length=1000, flush_interval=0.2)
    sent = threading.Event()

    def answer(_: object) -> Answer:
        sent.set()
        return Answer()

    collector.answer = answer
    log(middleware, 1)
    assert sent.wait(30)
    log(middleware, 1)
    assert middleware.flush(10) == 0
