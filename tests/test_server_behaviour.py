"""What a comparison of bytes cannot show: when they come, who waits, what is kept in memory and what is reported."""

from __future__ import annotations

import functools
import os
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

import wsgi
from readme_metrics.collector import HANG, Collector
from servers import BY_NAME, PATIENCE_S, Client, Running, exchange, request, wait_until, wait_until_logged

ONE_OF_EACH = ["gunicorn sync", "gunicorn gthread", "gunicorn gevent", "uWSGI", "uWSGI --enable-threads"]
ONE_OF_EACH += ["waitress", "cheroot", "wsgiref", "granian"]

Start = Callable[..., Running]


@pytest.fixture
def start(collector: Collector, tmp_path: Path) -> Any:
    running: list[Running] = []
    environ = {"README_METRICS_SERVER": collector.url, "README_METRICS_QUEUE_DIR": str(tmp_path)}

    def start_server(name: str, *options: str, **config: Any) -> Running:
        running.append(Running(BY_NAME[name], config, environ, *options))
        return running[-1]

    yield start_server
    for server in running:
        server.__exit__()


def logs(collector: Collector, queue_dir: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> list[dict[str, Any]]:
    """The HAR entries of `count` logs; what a server left behind is sent by a later start."""
    monkeypatch.setenv("README_METRICS_SERVER", collector.url)
    heir = wsgi.heir()
    assert collector.wait_for(count, PATIENCE_S), heir.stats()
    return [log["request"]["log"]["entries"][0] for log in collector.logs]


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_the_first_chunk_comes_before_the_second_is_made(start: Start, name: str, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    server = start(name)
    with Client(server.port) as client:
        client.send(request("GET", f"/wait?{gate}"))
        client.receive_until(b"data: first\n\n")
        gate.touch()
        assert b"data: last\n\n" in client.receive_all()


@pytest.mark.parametrize("name", ["gunicorn sync", "gunicorn gevent", "uWSGI", "waitress", "wsgiref"])
def test_an_endless_stream_is_bounded_and_logged_once_when_the_client_hangs_up(
    start: Start, collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    server = start(name, max_body_bytes=1024, buffer_length=1)
    with Client(server.port) as client:
        client.send(request("GET", "/endless"))
        client.receive_at_least(4 << 20)
        before = sum(process.memory_info().rss for process in server.processes())
        client.receive_at_least(60 << 20)
        # Beside the cap there is only what the server itself buffers.
        assert sum(process.memory_info().rss for process in server.processes()) - before < 24 << 20
    assert exchange(server.port, request("GET", "/")).startswith(b"HTTP/1.")
    wait_until_logged(tmp_path, 2, buffer_length=1)
    server.stop()
    by_path = {entry["request"]["url"].rpartition("/")[2]: entry for entry in logs(collector, tmp_path, monkeypatch, 2)}
    content = by_path["endless"]["response"]["content"]
    assert content["size"] >= 64 << 20
    assert len(collector.logs) == 2


def peak_bytes(process: psutil.Process) -> int:
    status = Path(f"/proc/{process.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found
    return int(found[1]) * 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from Linux's /proc")
def test_a_large_upload_costs_the_worker_no_more_than_the_cap(start: Start) -> None:
    # Nothing is sent meanwhile: the first POST loads modules, which take memory of their own.
    server = start("gunicorn sync", "--workers", "1", flush_interval=3600)
    piece = bytes(1024 * 1024)

    def upload(mebibytes: int) -> None:
        head = request("POST", "/sink").replace(b"\r\n\r\n", b"\r\nContent-Length: %d\r\n\r\n" % (mebibytes << 20))
        with Client(server.port) as client:
            client.send(head)
            for _ in range(mebibytes):
                client.send(piece)
            assert client.receive_all().endswith(b"\r\n%d\r\n0\r\n\r\n" % (mebibytes << 20))

    upload(16)
    [worker] = server.processes()[1:]
    before = peak_bytes(worker)
    upload(256)  # a whole gigabyte is uploaded in test_request_body.py
    assert peak_bytes(worker) - before < 16 * 1024 * 1024


@pytest.mark.parametrize(
    "name", ["gunicorn sync", "gunicorn gthread", "gunicorn gevent", "uWSGI", "wsgiref", "waitress"]
)
def test_a_client_that_stalls_blocks_no_other(
    start: Start, collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    server = start(name)
    stalled = [Client(server.port) for _ in range(4)]
    head = request("POST", "/unread", body=b"x" * 100, headers=["Content-Type: text/plain"])[:-90]
    for client in stalled:
        client.send(head)
    if name == "waitress":  # which calls the app only once it has the whole body
        for client in stalled:
            client.send(b"x" * 90)
    for client in stalled:
        assert client.receive_until(b"no").startswith(b"HTTP/1.")
    # More clients than there are workers were answered, and the workers are free again.
    assert b" 403 " in exchange(server.port, request("POST", "/unread", body=b"whole"))
    for client in stalled:
        client.hang_up()
    wait_until_logged(tmp_path, 5)
    server.stop()
    sizes = sorted(entry["request"]["bodySize"] for entry in logs(collector, tmp_path, monkeypatch, 5))
    assert sizes == [5, 100, 100, 100, 100]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("gunicorn sync", []),
        ("gunicorn gthread", []),
        ("gunicorn gevent", []),
        ("uWSGI", ["--post-buffering", "1"]),
        ("waitress", []),
        ("wsgiref", []),
    ],
)
@pytest.mark.parametrize("size", [20, 20_000])
def test_a_rejected_request_is_logged_with_its_body(
    start: Start,
    collector: Collector,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    options: list[str],
    size: int,
) -> None:
    server = start(name, *options)
    headers = ["Content-Type: text/plain"]
    assert b" 403 " in exchange(server.port, request("POST", "/unread", body=b"x" * size, headers=headers))
    wait_until_logged(tmp_path, 1)
    server.stop()
    [entry] = logs(collector, tmp_path, monkeypatch, 1)
    assert entry["request"]["postData"]["text"] == "x" * size


@pytest.mark.parametrize("name", ["cheroot", "gevent", "gunicorn gevent_pywsgi", "eventlet", "granian", "uWSGI"])
def test_a_body_that_nobody_can_have_is_marked(
    start: Start, collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    server = start(name)
    headers = ["Content-Type: text/plain"]
    assert b" 403 " in exchange(server.port, request("POST", "/unread", body=b"x" * 20, headers=headers))
    wait_until_logged(tmp_path, 1)
    server.stop()
    [entry] = logs(collector, tmp_path, monkeypatch, 1)
    assert entry["request"]["postData"]["text"] == "[NOT READ 20]"
    assert entry["request"]["bodySize"] == 20


def test_keep_alive_goes_on_after_an_unread_body(start: Start, collector: Collector) -> None:
    server = start("gunicorn gthread")
    with Client(server.port) as client:
        for number in range(3):
            body = b"x" * (10 + number)
            client.send(request("POST", "/unread", body=body).replace(b"Connection: close\r\n", b""))
            assert client.receive_until(b"\r\n0\r\n\r\n").startswith(b"HTTP/1.1 403")
        client.send(request("POST", "/echo", body=b"still in step"))
        assert b"still in step" in client.receive_all()


@pytest.mark.parametrize(
    ("name", "options"),
    [("gunicorn sync", ["--config", "apps/gunicorn_sendfile.py"]), ("uWSGI", ["--processes", "1"])],
)
def test_files_go_out_by_sendfile(start: Start, name: str, options: list[str]) -> None:
    server = start(name, *options)
    assert exchange(server.port, request("GET", "/file")).endswith(wsgi.FILE.read_bytes())
    exchange(server.port, request("GET", "/"))  # uWSGI writes its line once a response is out
    output = server.stop()
    assert re.search(r"via sendfile\(\)(?! False)", output), output


@pytest.mark.parametrize("name", ["gunicorn gevent", "gunicorn gevent --preload", "gunicorn gthread", "waitress"])
def test_requests_are_answered_while_the_metrics_server_hangs(start: Start, collector: Collector, name: str) -> None:
    collector.answer = lambda _: HANG
    # If the one POST blocked its process, it would do so for longer than the client waits.
    server = start(name, buffer_length=1, timeout=3600, shutdown_timeout=0.1)
    answered = 0
    while not collector.posts:
        assert b" 200 " in exchange(server.port, request("GET", "/"))
        answered += 1
    for _ in range(50):
        assert b" 200 " in exchange(server.port, request("GET", "/"))
    assert [post.status for post in collector.posts if post.status] == []  # the POST still hangs


@pytest.mark.parametrize("options", [["--lazy-apps"], []], ids=["lazy", "forked"])
def test_uwsgi_without_threads_sends_inline_and_says_so_once(
    start: Start, collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    server = start("uWSGI", *options, buffer_length=2)
    if "python threads support enabled" in server.output:
        pytest.skip("this uWSGI always runs threads")
    for _ in range(8):
        exchange(server.port, request("GET", "/"))
    # Eight logs in buffers of two, shared by two workers: at least three buffers are full.
    assert collector.wait_for(6, PATIENCE_S)
    wait_until_logged(tmp_path, 8)
    output = server.stop()
    assert 1 <= output.count("Start it with --enable-threads") <= 2
    # The partial buffers are not lost either: the exit sends them, or leaves them to the next start.
    assert len(logs(collector, tmp_path, monkeypatch, 8)) >= 8
    assert len(collector.ids()) == 8


@pytest.mark.parametrize("name", ["uWSGI", "uWSGI --enable-threads"])
def test_uwsgi_workers_that_are_reloaded_lose_nothing_and_leave_no_core(
    start: Start, collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    server = start(name)

    def workers() -> set[int]:
        return {process.pid for process in server.processes()[1:]}

    def are_replaced(before: set[int]) -> bool:
        return len(workers()) == 2 and not workers() & before

    for number in range(2):
        before = workers()
        exchange(server.port, request("GET", f"/?{number}"))
        wait_until_logged(tmp_path, number + 1)
        for worker in before:
            os.kill(worker, signal.SIGHUP)
        wait_until(functools.partial(are_replaced, before), "no new workers")
    try:
        output = server.stop()
    except subprocess.TimeoutExpired:  # uWSGI forgets a worker that it forks while it is told to stop
        output = server.stop(signal.SIGINT)
    assert not re.search("SIGSEGV|Segmentation|core dumped|Traceback", output), output
    urls = sorted(entry["request"]["url"] for entry in logs(collector, tmp_path, monkeypatch, 2))
    assert [url.rpartition("?")[2] for url in urls] == ["0", "1"]
