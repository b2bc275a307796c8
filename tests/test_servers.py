"""Every server, as a real process: it sends the bytes of the bare app, and there is one log for each request.

At its end, `pytest tests/test_servers.py` prints a table of what was sent and what has arrived.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

import wsgi
from readme_metrics.collector import Collector
from servers import PATIENCE_S, SERVERS, Running, Server, exchange, request, wait_until_logged, without_ours

JSON = b'{"name": "caf\xc3\xa9", "password": "hunter2"}'
UPLOAD = bytes(range(256)) * 1024


class Scenario(NamedTuple):
    name: str
    method: str
    path: str
    body: bytes = b""
    content_type: str = "text/plain"
    chunked: bool = False

    def request(self, number: int) -> bytes:
        headers = [f"Content-Type: {self.content_type}"] if self.body else []
        return request(self.method, f"{self.path}?{number}", body=self.body, headers=headers, chunked=self.chunked)


SCENARIOS = [
    Scenario("GET", "GET", "/"),
    Scenario("HEAD", "HEAD", "/file"),
    Scenario("JSON POST", "POST", "/echo", JSON, "application/json"),
    Scenario("PUT", "PUT", "/echo", b"plain"),
    Scenario("upload", "POST", "/echo", UPLOAD, "application/octet-stream"),
    Scenario("chunked upload", "POST", "/echo", b"one\ntwo\nthree", chunked=True),
    Scenario("upload in lines", "PATCH", "/lines", b"one\n" * 1000),
    Scenario("upload left unread", "POST", "/unread", JSON, "application/json"),
    Scenario("stream", "GET", "/stream"),
    Scenario("tuple", "GET", "/tuple"),
    Scenario("write()", "GET", "/write"),
    Scenario("204", "DELETE", "/empty"),
    Scenario("304", "GET", "/not-modified"),
    Scenario("two cookies", "GET", "/repeated"),
    Scenario("file", "GET", "/file"),
    Scenario("exception", "GET", "/raise"),
    Scenario("exception after the first chunk", "GET", "/raise-late"),
]
ROUNDS = 2
BUFFER_LENGTH = 4
#: Servers that SIGTERM ends without Python's exit hooks.
END_AT_ONCE = {"waitress", "cheroot", "wsgiref", "granian", "gevent", "eventlet"}


def environ(collector: Collector, queue_dir: Path) -> dict[str, str]:
    return {"README_METRICS_SERVER": collector.url, "README_METRICS_QUEUE_DIR": str(queue_dir)}


def numbers(collector: Collector) -> Counter[str]:
    """How many logs there are of each request, by the number in its query."""
    urls = [log["request"]["log"]["entries"][0]["request"]["url"] for log in collector.logs]
    return Counter(url.rpartition("?")[2] for url in urls)


@pytest.mark.parametrize("server", SERVERS, ids=lambda server: server.name)
def test_the_same_bytes_and_one_log_each(
    server: Server,
    collector: Collector,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    report_row: Callable[[tuple[object, ...]], None],
) -> None:
    expected = Counter({f"{number}": 1 for number in range(ROUNDS * len(SCENARIOS))})
    different = []
    with (
        Running(server, None, environ(collector, tmp_path)) as bare,
        Running(
            server, {"buffer_length": BUFFER_LENGTH, "flush_interval": 3600}, environ(collector, tmp_path)
        ) as wrapped,
    ):
        for number, scenario in enumerate(SCENARIOS * ROUNDS):
            data = scenario.request(number)
            responses = [without_ours(exchange(running.port, data)) for running in (bare, wrapped)]
            # Where the app does not call start_response, no header can be added to the response that the server makes.
            headers = int(scenario.path not in ("/raise", *server.deaf_to))
            if responses != [responses[0], responses[0]._replace(documentation_headers=headers)]:
                different.append((scenario.name, *responses))
        wait_until_logged(tmp_path, len(expected), BUFFER_LENGTH if server.name in END_AT_ONCE else None)
        wrapped.stop()
    monkeypatch.setenv("README_METRICS_SERVER", collector.url)
    heir = wsgi.heir()  # what a killed server left behind is sent by a later start
    assert collector.wait_for(len(expected), PATIENCE_S), heir.stats()
    logs = numbers(collector)
    duplicates, lost = (logs - expected).total(), (expected - logs).total()
    report_row((server.name, len(SCENARIOS), expected.total(), logs.total(), duplicates, lost, not different))
    assert (logs, different) == (expected, [])
