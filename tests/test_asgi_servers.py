"""Real ASGI servers: the same bytes as from the bare app, one log for each request, and nothing lost at the end."""

from __future__ import annotations

import re
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

import asgi_app
import wsgi
from readme_metrics.collector import HANG, Collector
from servers import Client, Running, Server, exchange, request, wait_until, wait_until_logged, without_ours


def _uvicorn(name: str, *options: str) -> Server:
    command = [sys.executable, "-m", "uvicorn", "--port", "0", *options, "asgi_app:app"]
    return Server(f"uvicorn {name}", command, "Application startup complete")


def _hypercorn(kind: str) -> Server:
    command = [sys.executable, "-m", "hypercorn", "--worker-class", kind, "--bind", "127.0.0.1:0", "asgi_app:app"]
    return Server(f"hypercorn {kind}", command, "Running on")


def _gunicorn(*options: str) -> Server:
    command = [sys.executable, "-m", "gunicorn", "--no-control-socket", "--bind", "127.0.0.1:0", "--workers", "2"]
    command += ["--worker-class", "uvicorn_worker.UvicornWorker", *options, "asgi_app:app"]
    return Server(" ".join(["gunicorn", *options]), command, "Listening at")


#: For a machine that is busy with something else.
MARGIN_S = 20.0

H11 = _uvicorn("h11", "--http", "h11")
WORKERS = _uvicorn("--workers 2", "--workers", "2")
DAPHNE = Server("daphne", [sys.executable, "-m", "daphne", "-p", "0", "asgi_app:app"], "Listening on TCP")
GRANIAN = Server(
    "granian",
    [sys.executable, "-m", "granian", "--interface", "asgi", "--port", "0", "--workers", "2", "asgi_app:app"],
    ("Started worker-1", "Started worker-2"),
)
HYPERCORN = _hypercorn("asyncio")
SERVERS = [
    H11,
    _uvicorn("httptools", "--http", "httptools"),
    WORKERS,
    HYPERCORN,
    _hypercorn("trio"),
    GRANIAN,
    DAPHNE,
    _gunicorn(),
    _gunicorn("--preload"),
]
ids = {server.name: server for server in SERVERS}


@contextmanager
def running(server: Server, collector: Collector, config: Any, queue_dir: Path, **environ: str) -> Iterator[Running]:
    queue_dir.mkdir(exist_ok=True)
    environ = {"README_METRICS_SERVER": collector.url, "README_METRICS_QUEUE_DIR": str(queue_dir), **environ}
    with Running(server, config, environ) as started:
        yield started


PATHS = ["/", "/stream", "/image", "/file", "/raise", "/background", "/a%2Fb%20c?q=%20", "/unread"]


@pytest.mark.parametrize("server", SERVERS, ids=list(ids))
def test_the_same_bytes_and_one_log_each(server: Server, collector: Collector, tmp_path: Path, report_row: Any) -> None:
    # The route `/background` sleeps by means of asyncio.
    paths = [path for path in PATHS if path != "/background" or "trio" not in server.name]
    requests = [request("GET", path) for path in paths]
    requests += [
        request("POST", "/echo", body=b'{"a": 1, "token": "s3cret"}', headers=["Content-Type: application/json"]),
        request("POST", "/echo", body=b"x" * 300_000, headers=["Content-Type: text/plain"]),
        request("POST", "/echo", body=b"in chunks", headers=["Content-Type: text/plain"], chunked=True),
        request("HEAD", "/"),
        request("OPTIONS", "/"),
    ]
    with running(server, collector, None, tmp_path / "bare") as bare:
        expected = [without_ours(exchange(bare.port, data)) for data in requests]
    config = {"denylist": ["token"], "buffer_length": 1000, "flush_interval": 3600, "shutdown_timeout": 30}
    with running(server, collector, config, tmp_path / "ours") as ours:
        seen = [without_ours(exchange(ours.port, data)) for data in requests]
        first_byte_ms = first_byte_of_a_stream(ours.port, tmp_path / "gate") if "trio" not in server.name else None
        wait_until_logged(tmp_path / "ours", len(requests) - (first_byte_ms is None))
        ours.stop()
    assert [answer.response for answer in seen] == [answer.response for answer in expected]
    documented = [answer.documentation_headers for answer in seen]
    unanswered = paths.index("/raise")
    assert documented == [int(index != unanswered and index != len(requests) - 1) for index in range(len(requests))]

    all_logs = [log["request"]["log"]["entries"][0] for log in collector.logs]
    logs = [log for log in all_logs if "/wait?" not in log["request"]["url"]]
    assert len(logs) == len(requests) - 1
    by_url = {log["request"]["method"] + " " + re.sub(r"http://[^/]+", "", log["request"]["url"]): log for log in logs}
    assert by_url["GET /raise"]["response"]["status"] == 500
    assert by_url["GET /background"]["response"]["status"] == 200 if "/background" in paths else True
    assert by_url["GET /stream"]["response"]["content"]["text"] == "one two three"
    assert by_url["GET /image"]["response"]["bodySize"] == len(asgi_app.PNG)
    assert by_url["GET /file"]["response"]["bodySize"] == wsgi.FILE.stat().st_size
    assert "GET /a%2Fb%20c?q=%20" in by_url
    texts = {log["request"]["postData"]["text"][:40] for log in logs if log["request"]["url"].endswith("/echo")}
    assert texts == {'{"a": 1, "token": "[REDACTED 6]"}', "x" * 40, "in chunks"}
    sizes = sorted(log["request"]["bodySize"] for log in logs if log["request"]["url"].endswith("/echo"))
    assert sizes == [9, 27, 300_000]
    assert all(log["request"]["headers"][0]["value"] == "api.example.com" for log in logs)
    duplicates = len(all_logs) - len({str(log["_id"]) for log in collector.logs})
    shown = "" if first_byte_ms is None else f"{first_byte_ms:.1f} ms"
    report_row((server.name, len(requests), len(requests) - 1, len(logs), duplicates, 0, "yes", shown))


def first_byte_of_a_stream(port: int, gate: Path) -> float:
    """Milliseconds until the first piece of a stream whose second piece waits for `gate`."""
    with Client(port) as client:
        started_s = time.monotonic()
        client.send(request("GET", f"/wait?{gate}"))
        client.receive_until(b"data: first\n\n")
        elapsed_s = time.monotonic() - started_s
        gate.touch()
        client.receive_all()
    return elapsed_s * 1000


@pytest.mark.parametrize("server", [H11, HYPERCORN, GRANIAN, DAPHNE], ids=lambda server: server.name)
def test_the_first_piece_of_a_stream_comes_at_once(server: Server, collector: Collector, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with running(server, collector, {}, tmp_path) as ours, Client(ours.port) as client:
        client.send(request("GET", f"/wait?{gate}"))
        client.receive_until(b"data: first\n\n")
        gate.touch()
        assert b"data: last" in client.receive_all()
        ours.stop()
    [log] = collector.logs
    assert "text" not in log["request"]["log"]["entries"][0]["response"]["content"]


def test_a_client_that_leaves_in_the_middle(collector: Collector, tmp_path: Path) -> None:
    with running(H11, collector, {}, tmp_path) as ours:
        with Client(ours.port) as client:
            client.send(request("GET", f"/wait?{tmp_path / 'gate'}"))
            client.receive_until(b"data: first\n\n")
        (tmp_path / "gate").touch()
        wait_until_logged(tmp_path, 1)
        ours.stop()
    assert len(collector.logs) == 1


# The first test of this file covers the end of an app with a lifespan.
@pytest.mark.parametrize("server", [H11, HYPERCORN, GRANIAN, _gunicorn()], ids=lambda server: server.name)
def test_nothing_is_left_after_sigterm_without_a_lifespan(server: Server, collector: Collector, tmp_path: Path) -> None:
    config = {"buffer_length": 1000, "flush_interval": 3600, "shutdown_timeout": 30}
    with running(server, collector, config, tmp_path, TEST_LIFESPAN="unsupported") as ours:
        for _ in range(20):
            exchange(ours.port, request("GET", "/"))
        wait_until_logged(tmp_path, 20)
        assert collector.logs == []
        ours.stop(signal.SIGTERM)
    assert len({str(log["_id"]) for log in collector.logs}) == len(collector.logs) == 20


@pytest.mark.parametrize("server", [H11, GRANIAN], ids=lambda server: server.name)
def test_a_silent_server_delays_the_end_by_one_deadline(server: Server, collector: Collector, tmp_path: Path) -> None:
    collector.answer = lambda post: HANG
    config = {"buffer_length": 1000, "flush_interval": 3600, "shutdown_timeout": 1, "timeout": 60}
    with running(server, collector, config, tmp_path) as ours:
        exchange(ours.port, request("GET", "/"))
        wait_until_logged(tmp_path, 1)
        started_s = time.monotonic()
        ours.stop(signal.SIGTERM)
        # Without a deadline, the end would take the 60 s of a POST.
        assert time.monotonic() - started_s < 1 + MARGIN_S


@pytest.mark.parametrize("server", [WORKERS, _gunicorn("--preload")], ids=lambda server: server.name)
def test_what_killed_workers_leave_is_delivered(server: Server, collector: Collector, tmp_path: Path) -> None:
    config = {"buffer_length": 1000, "flush_interval": 3600}
    with running(server, collector, config, tmp_path) as ours:
        for _ in range(20):
            exchange(ours.port, request("GET", "/"))
        wait_until_logged(tmp_path, 20)
        doomed = ours.processes()
        for process in doomed:
            process.kill()
        psutil.wait_procs(doomed[1:], timeout=30)
    with running(server, collector, config, tmp_path) as heir:
        exchange(heir.port, request("GET", "/"))
        wait_until(lambda: len(collector.logs) >= 20, "the logs of the killed processes have not arrived")
        heir.stop()
    assert len({str(log["_id"]) for log in collector.logs}) == len(collector.logs) == 21
