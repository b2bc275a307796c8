"""From the queue to the server, through every way in which that can go wrong."""

from __future__ import annotations

import gzip
import http.server
import json
import logging
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

import wsgi
from readme_metrics import MetricsApiConfig, MetricsMiddleware, backoff
from readme_metrics.commands.collector import HANG, RESET, Answer, Collector, Post
from wsgi import call

Logged = Callable[..., Any]
#: Nothing is sent but by `flush`, which waits for no pause.
BY_HAND = {"buffer_length": 100_000, "flush_interval": 3600}


def check_sums(middleware: MetricsMiddleware) -> dict[str, Any]:
    stats: dict[str, Any] = middleware.stats()
    for sums in (stats, stats["host"]):
        assert sums["made"] == sums["sent"] + sums["queued"] + sum(sums["dropped"].values()), stats
    return stats


def log(middleware: MetricsMiddleware, count: int) -> None:
    for number in range(count):
        assert call(middleware, query=f"n={number}").status == "200 OK"


def number(entry: dict[str, Any]) -> int:
    return int(entry["request"]["log"]["entries"][0]["request"]["queryString"][0]["value"])


FAULTS: dict[str, Answer] = {
    "503": Answer(503),
    "500": Answer(500),
    "429": Answer(429, {"Retry-After": "1"}),
    "408": Answer(408),
    "401": Answer(401),
    "403": Answer(403),
    "404": Answer(404),
    "redirect": Answer(302, {"Location": "http://127.0.0.1:9/"}),
    "reset": RESET,
    "cut head": Answer(0, raw=b"HTTP/1.1 202 Acc"),
    "garbage": Answer(0, raw=b"\x00\xff garbage\r\n\r\n"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_costs_nothing(collector: Collector, logged: Logged, fault: str) -> None:
    middleware, logs = logged(**BY_HAND)
    collector.answer = lambda _: FAULTS[fault]
    log(middleware, 3)
    assert middleware.flush(10) == 3
    assert len(collector.posts) == 1, "one try, then a pause"
    stats = check_sums(middleware)
    assert stats["host"]["last_error"] is not None
    assert (stats["retries"], stats["host"]["failures"]) == (1, 1)

    collector.answer = lambda _: Answer()
    assert [number(entry) for entry in logs(3)] == [0, 1, 2]
    stats = check_sums(middleware)
    assert (stats["sent"], stats["host"]["failures"], stats["host"]["pause_until"]) == (3, 0, None)


def test_an_outage_is_made_good_without_anybody_asking(collector: Collector, logged: Logged) -> None:
    middleware, _ = logged(buffer_length=1)
    collector.answer = lambda _: Answer(503)
    log(middleware, 5)
    assert collector.wait_until(lambda: len(collector._posts) >= 2, timeout=30)
    collector.answer = lambda _: Answer()
    assert collector.wait_for(5, timeout=30)
    check_sums(middleware)


def test_a_lost_answer_sends_the_same_ids_again(collector: Collector, logged: Logged) -> None:
    stored: list[str] = []

    def answer(post: Post) -> Answer:
        stored.extend(entry["_id"] for entry in post.logs)
        return RESET if len(collector.posts) == 1 else Answer()

    collector.answer = answer
    middleware, _ = logged(**BY_HAND)
    log(middleware, 2)
    assert (middleware.flush(10), middleware.flush(10)) == (2, 0)
    assert set(Counter(stored).values()) == {2}


def refuse_odd(post: Post) -> Answer:
    return Answer(400) if any(number(entry) == 13 for entry in post.logs) else Answer()


def test_the_bad_log_alone_is_lost(collector: Collector, logged: Logged) -> None:
    collector.answer = refuse_odd
    middleware, _ = logged(**BY_HAND)
    log(middleware, 30)
    middleware.flush(10)
    assert sorted(number(entry) for entry in collector.logs) == [n for n in range(30) if n != 13]
    assert check_sums(middleware)["dropped"]["refused"] == 1
    assert len(collector.posts) < 20


def test_too_large_a_batch_is_halved_and_its_size_remembered(collector: Collector, logged: Logged) -> None:
    limit = 20_000
    collector.answer = lambda post: Answer(413) if len(post.raw) > limit else Answer()
    middleware, logs = logged(**BY_HAND)
    log(middleware, 100)
    logs(100)
    refused = sum(post.status == 413 for post in collector.posts)
    assert 0 < refused <= 5
    log(middleware, 100)
    logs(200)
    assert sum(post.status == 413 for post in collector.posts) == refused
    check_sums(middleware)


def test_a_flood_of_refusals_is_no_flood_of_posts(collector: Collector, logged: Logged) -> None:
    collector.answer = lambda _: Answer(422)
    middleware, _ = logged(**BY_HAND)
    log(middleware, 500)
    middleware.flush(20)
    assert len(collector.posts) <= 60
    stats = check_sums(middleware)
    assert stats["queued"] > 400, "they wait: all of them refused means that the server is to blame"


class Dripping(http.server.BaseHTTPRequestHandler):
    """Answers a byte now and then, for ever, so that no single read takes long."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        try:
            self.wfile.write(b"HTTP/1.1 ")
            while True:
                self.wfile.write(b"2")
                time.sleep(0.05)
        except OSError:
            pass

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def dripping() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Dripping)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_deadline_is_for_the_whole_post(dripping: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("README_METRICS_SERVER", dripping)
    config = MetricsApiConfig(wsgi.API_KEY, wsgi.group, "https://d.example", timeout=0.5, **BY_HAND)  # type: ignore[arg-type]
    middleware = MetricsMiddleware(wsgi.app, config)
    log(middleware, 1)
    started_s = time.monotonic()
    assert middleware.flush(30) == 1
    assert time.monotonic() - started_s < 10  # for ever, without


def test_a_server_that_does_not_read_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        monkeypatch.setenv("README_METRICS_SERVER", f"http://127.0.0.1:{listening.getsockname()[1]}")
        config = MetricsApiConfig(wsgi.API_KEY, wsgi.group, "https://d.example", timeout=0.5, **BY_HAND)  # type: ignore[arg-type]
        middleware = MetricsMiddleware(wsgi.app, config)
        for _ in range(2):  # each is more than the kernel takes for a reader
            call(middleware, "/echo", method="POST", body=b"x" * 1_000_000, content_type="text/plain")
        started_s = time.monotonic()
        assert middleware.flush(30) == 2
        assert time.monotonic() - started_s < 10


def test_compress(collector: Collector, logged: Logged) -> None:
    middleware, logs = logged(compress=True)
    log(middleware, 3)
    logs(3)
    post = collector.posts[0]
    assert post.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(post.raw) == post.body


def test_one_middleware_or_ten_need_one_thread(collector: Collector, logged: Logged) -> None:
    before = threading.active_count()
    made = [logged(**BY_HAND)[0] for _ in range(10)]
    for middleware in made:
        log(middleware, 2)
    threads = [thread for thread in threading.enumerate() if thread.name == "readme-metrics.Flusher"]
    assert threading.active_count() <= before + 1, threads
    assert made[0].flush(10) == 0
    assert len(collector.logs) == 20
    check_sums(made[3])


def test_losses_are_told_when_they_begin_and_end(
    logged: Logged, caplog: pytest.LogCaptureFixture, collector: Collector
) -> None:
    collector.answer = lambda _: HANG
    middleware, _ = logged(queue_bytes=1024 * 1024, background_worker_mode=False, timeout=0.2, **BY_HAND)
    with caplog.at_level(logging.DEBUG, "readme_metrics"):
        for _ in range(60):
            call(middleware, "/echo", method="POST", body=b"x" * 100_000, content_type="text/plain")
    dropped = check_sums(middleware)["dropped"]["full"]
    assert dropped > 20
    lines = [record.getMessage() for record in caplog.records]
    assert sum("are being dropped: the queue is full" in line for line in lines) == 1
    assert len(lines) <= 3, lines


@pytest.mark.parametrize("how", ["option", "1", "file"])
def test_a_dry_run_shows_and_sends_nothing(
    collector: Collector,
    logged: Logged,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    how: str,
) -> None:
    file = tmp_path / "logs.jsonl"
    if how != "option":
        monkeypatch.setenv("README_METRICS_DRY_RUN", str(file) if how == "file" else how)
    middleware, _ = logged(denylist=["token"], **BY_HAND, **({"dry_run": True} if how == "option" else {}))
    with caplog.at_level(logging.INFO, "readme_metrics"):
        log(middleware, 2)
        assert middleware.flush(10) == 0
    lines = file.read_text().splitlines() if how == "file" else [r.getMessage() for r in caplog.records]
    logs = [json.loads(line.removeprefix("Dry run: ")) for line in lines]
    assert [number(entry) for entry in logs] == [0, 1]
    assert "[REDACTED 5]" in lines[0]
    assert collector.posts == []
    assert collector.lookups == 0


def test_disabled_means_nothing_at_all(
    collector: Collector, logged: Logged, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("README_METRICS_DISABLED", "1")
    seen = []

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        seen.append(environ)
        return wsgi.app(environ, start_response)

    threads = threading.active_count()
    middleware, _ = logged(app=app, buffer_length=1)
    assert call(middleware).header("x-documentation-url") is None
    assert "Exchange" not in repr(seen[0]["wsgi.input"])
    assert (threading.active_count(), list(tmp_path.iterdir()), middleware.flush()) == (threads, [], 0)


NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("5", 5.0),
        (" 120 ", 120.0),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("٣", None),
        ("9" * 10_000, 9_999_999_999.0),
        (format_datetime(NOW + timedelta(seconds=30), usegmt=True), 30.0),
        (format_datetime(NOW - timedelta(seconds=30), usegmt=True), 0.0),
    ],
    ids=repr,
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert backoff.parse_retry_after(value, NOW) == seconds


def test_backoff_grows_to_a_cap_and_never_comes_early() -> None:
    ceilings = [backoff.delay_s(attempt, None, 1.0) for attempt in range(1, 40)]
    assert ceilings[:5] == [0.5, 1.0, 2.0, 4.0, 8.0]
    assert ceilings == sorted(ceilings)
    assert max(ceilings) == backoff.LONGEST_S
    assert backoff.delay_s(3, None, 0.5) == 1.0
    assert backoff.delay_s(1, 7.0, 0.5) == 7.0
    assert backoff.delay_s(5, 0.0, 0.5) == 4.0, "a Retry-After of 0 must not make a flood"
    assert backoff.delay_s(1, 1e9, 0.5) == backoff.RETRY_AFTER_LONGEST_S


def test_a_budget_is_a_burst_and_then_a_trickle() -> None:
    budget = backoff.Budget(burst=3, per_s=2)
    assert [budget.spend(0.0) for _ in range(4)] == [True, True, True, False]
    assert [budget.spend(0.5), budget.spend(0.5)] == [True, False]
    assert sum(budget.spend(1000.0) for _ in range(10)) == 3


def test_a_proxy_of_the_environment_is_used(
    collector: Collector, logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"http_proxy": collector.url, "no_proxy": ""}.items():
        monkeypatch.setenv(name, value)
        monkeypatch.setenv(name.upper(), value)
    middleware, logs = logged(**BY_HAND)
    monkeypatch.setenv("README_METRICS_SERVER", "http://metrics.invalid")
    log(middleware, 1)
    logs(1)
    assert collector.posts[0].headers["Host"] == "metrics.invalid"


def test_a_private_authority_of_the_environment_is_believed(
    logged: Logged, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("makes its certificate with openssl")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    arguments = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    subprocess.run(
        [openssl, *arguments.split(), "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    collector = Collector()
    collector._server.socket = context.wrap_socket(collector._server.socket, server_side=True)
    with collector:
        middleware, _ = logged(**BY_HAND)
        monkeypatch.setenv("README_METRICS_SERVER", f"https://localhost:{collector.port}")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", "")
        log(middleware, 1)
        assert middleware.flush(10) == 1, "a stranger's certificate"
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        assert middleware.flush(10) == 0
        assert len(collector.logs) == 1


def test_a_hanging_server_costs_one_thread_and_no_request(collector: Collector, logged: Logged) -> None:
    collector.answer = lambda _: HANG
    before = threading.active_count()
    middleware, _ = logged(buffer_length=1, timeout=30)
    slowest_s = 0.0
    for _ in range(500):
        started_s = time.monotonic()
        log(middleware, 1)
        slowest_s = max(slowest_s, time.monotonic() - started_s)
        assert threading.active_count() <= before + 2  # the flusher, and the stand-in server's for its connection
    assert slowest_s < 5
    check_sums(middleware)
