"""Real gunicorn, real worker processes, a real server to send to."""

from __future__ import annotations

import http.client
import os
import re
import signal
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from readme_metrics.collector import Collector

REQUESTS = 2000
CLIENTS = 8


def get(port: int, path: str = "/", method: str = "GET", body: bytes | None = None) -> tuple[int, bytes, str | None]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body=body, headers={"Content-Type": "text/plain"} if body else {})
        response = connection.getresponse()
        return response.status, response.read(), response.getheader("x-documentation-url")
    finally:
        connection.close()


def load(port: int, requests: int = REQUESTS, clients: int = CLIENTS) -> list[str]:
    """Sends `requests` requests; returns the log ids that the clients were told."""
    told: list[str] = []

    def client(count: int) -> None:
        for number in range(count):
            status, body, url = get(port, "/echo", "POST", f"request {number}".encode())
            assert (status, body) == (200, f"request {number}".encode())
            assert url is not None
            told.append(url.rpartition("/")[2])

    threads = [threading.Thread(target=client, args=(requests // clients,)) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(told) == requests
    return told


@pytest.mark.parametrize("buffer_length", [1, 10, 100])
@pytest.mark.parametrize("preload", [False, True], ids=["", "preload"])
def test_every_request_arrives_once(
    gunicorn: Callable[..., Any], collector: Collector, tmp_path: Path, buffer_length: int, preload: bool
) -> None:
    server = gunicorn("--workers", "4", *(["--preload"] if preload else []), buffer_length=buffer_length)
    told = load(server.port)
    server.stop(signal.SIGTERM)

    # What a worker could not send before its exit deadline would wait for the next start, and this test has none.
    arrived = Counter(log["_id"] for log in collector.logs)
    assert arrived == Counter(told)
    assert segments(tmp_path) == []


def test_a_killed_worker_loses_nothing(gunicorn: Callable[..., Any], collector: Collector, tmp_path: Path) -> None:
    # Nothing is sent before the kill: the threshold is out of reach, and so is the interval.
    server = gunicorn("--workers", "2", buffer_length=100_000, flush_interval=3600)
    told = load(server.port, requests=200)
    # The first log of a worker starts its flusher. On a busy machine one worker may have answered everything so far.
    while len(segments(tmp_path)) < 2:
        told += load(server.port, requests=CLIENTS)
    assert collector.logs == []

    victim = int(get(server.port, "/pid")[1])
    process = psutil.Process(victim)
    os.kill(victim, signal.SIGKILL)
    psutil.wait_procs([process], timeout=30)
    # A sibling adopts the segment and sends its entries unasked; only then is the server told to end.
    arrived_before_exit = collector.wait_for(1, timeout=60)
    assert arrived_before_exit
    server.stop(signal.SIGTERM)
    assert Counter(log["_id"] for log in collector.logs) == Counter(told)


def test_the_next_start_delivers_what_no_other_process_could(
    gunicorn: Callable[..., Any], collector: Collector
) -> None:
    server = gunicorn("--workers", "1", buffer_length=100_000, flush_interval=3600)
    told = load(server.port, requests=80)
    server.kill()
    assert collector.logs == []

    server = gunicorn("--workers", "1", buffer_length=100_000, flush_interval=3600)
    told += load(server.port, requests=8)  # the first log of a process starts its flusher
    collector.wait_for(80, timeout=60)
    server.stop(signal.SIGTERM)
    assert Counter(log["_id"] for log in collector.logs) == Counter(told)


def test_the_master_stays_single_threaded_and_without_files(
    gunicorn: Callable[..., Any], collector: Collector, tmp_path: Path
) -> None:
    server = gunicorn("--workers", "2", "--preload", buffer_length=1)
    load(server.port, requests=80)
    master = psutil.Process(server.pid)
    assert master.num_threads() == 1
    assert not [file for file in master.open_files() if Path(file.path).is_relative_to(tmp_path)]
    output = server.stop(signal.SIGTERM)
    assert not re.search("Warning|Traceback|Error", output), output


def segments(queue_dir: Path) -> list[Path]:
    return [path for path in queue_dir.rglob("*") if path.suffix == ".seg"]
