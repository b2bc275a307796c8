"""Every server, for real: the app's bytes are those of the bare app, and there is one log for each request.

`pytest tests/test_servers.py` ends with the table of what was sent and what has arrived.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import wsgi
from readme_metrics import MetricsApiConfig, MetricsMiddleware
from readme_metrics.commands.collector import Collector
from servers import BY_NAME, PATIENCE_S, SERVERS, Client, Running, Server, exchange, request, without_ours

JSON = b'{"name": "caf\xc3\xa9", "password": "hunter2"}'
UPLOAD = bytes(range(256)) * 1024


class Scenario(NamedTuple):
    name: str
    data: bytes
    #: Whether the app's own code calls start_response; where the server makes up the response, nobody adds a header.
    is_answered: bool = True


SCENARIOS = [
    Scenario("GET", request("GET", "/?{n}")),
    Scenario("HEAD", request("HEAD", "/file?{n}")),
    Scenario("JSON POST", request("POST", "/echo?{n}", body=JSON, headers=("Content-Type: application/json",))),
    Scenario("PUT", request("PUT", "/echo?{n}", body=b"plain", headers=("Content-Type: text/plain",))),
    Scenario("upload", request("POST", "/echo?{n}", body=UPLOAD, headers=("Content-Type: application/octet-stream",))),
    Scenario("chunked", request("POST", "/lines?{n}", body=b"one\ntwo\nthree", chunked=True)),
    Scenario("lines", request("PATCH", "/lines?{n}", body=b"one\n" * 1000)),
    Scenario("unread", request("POST", "/unread?{n}", body=JSON)),
    Scenario("stream", request("GET", "/stream?{n}")),
    Scenario("write()", request("GET", "/write?{n}")),
    Scenario("204", request("DELETE", "/empty?{n}")),
    Scenario("304", request("GET", "/not-modified?{n}")),
    Scenario("two cookies", request("GET", "/repeated?{n}")),
    Scenario("file", request("GET", "/file?{n}")),
    Scenario("500", request("GET", "/raise?{n}"), is_answered=False),
    Scenario("broken off", request("GET", "/raise-late?{n}")),
]
ROUNDS = 2


@pytest.fixture
def heir(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> Iterator[MetricsMiddleware]:
    """A later start of the app on the same host: it sends what a killed server left behind."""
    monkeypatch.setenv("README_METRICS_SERVER", collector.url)
    yield MetricsMiddleware(wsgi.app, MetricsApiConfig(wsgi.API_KEY, wsgi.group))


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
    heir: MetricsMiddleware,
    report_row: Callable[[tuple[object, ...]], None],
) -> None:
    expected = Counter({f"{number}": 1 for number in range(ROUNDS * len(SCENARIOS))})
    different = []
    with (
        Running(server, None, environ(collector, tmp_path)) as bare,
        Running(server, {"buffer_length": 4}, environ(collector, tmp_path)) as wrapped,
    ):
        for number, scenario in enumerate(SCENARIOS * ROUNDS):
            data = scenario.data.replace(b"{n}", b"%d" % number)
            responses = [without_ours(exchange(running.port, data)) for running in (bare, wrapped)]
            if [responses[0], responses[0]._replace(documentation_headers=int(scenario.is_answered))] != responses:
                different.append((scenario.name, *responses))
        wrapped.stop()
    heir.stats()  # starts it, as the first request would
    collector.wait_for(len(expected), PATIENCE_S)
    logs = numbers(collector)
    duplicates, lost = (logs - expected).total(), (expected - logs).total()
    report_row((server.name, len(SCENARIOS), expected.total(), logs.total(), duplicates, lost, not different))
    assert (logs, different) == (expected, [])
