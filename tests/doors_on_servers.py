"""Each framework's door on each server, as real processes: `make doors` prints the table.

The tests of `make test` have the WSGI and the ASGI door on each server, and the others on one. What differs between a
framework on one server and on another is the framework's own, so these run apart from the others.
"""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import test_asgi_servers as asgi
import wsgi
from readme_metrics.collector import Collector
from servers import PATIENCE_S, SERVERS, Running, Server, exchange, request, wait_until_logged, without_ours

WSGI = ["gunicorn sync", "gunicorn gthread", "gunicorn gevent", "gunicorn gevent_pywsgi", "uWSGI --enable-threads"]
WSGI += ["waitress", "cheroot", "wsgiref", "gevent", "eventlet", "granian"]
#: Django and FastAPI's file responses need asyncio.
ASGI = [server for server in asgi.SERVERS if "trio" not in server.name]


def loading(server: Server) -> Server:
    """The server, with `apps.doors:app` as its app."""
    places = ("wsgi:make()", "wsgi:make", "asgi_app:app")
    command = ["apps.doors:app" if part in places else part for part in server.command if part != "--factory"]
    if command[1].endswith("serve.py"):
        command.append("apps.doors:app")
    return server._replace(command=command)


PAIRS = [
    *((door, server) for door in ("flask", "django_wsgi") for server in SERVERS if server.name in WSGI),
    *((door, server) for door in ("django_asgi", "fastapi") for server in ASGI),
]


@pytest.mark.parametrize(("door", "server"), PAIRS, ids=[f"{door} on {server.name}" for door, server in PAIRS])
def test_a_door_on_a_server(door: str, server: Server, collector: Collector, tmp_path: Path, report_row: Any) -> None:
    json_header = ["Content-Type: application/json"]
    text_header = ["Content-Type: text/plain"]
    requests = [request("GET", path) for path in ("/json?1", "/stream?2", "/file?3", "/raise?4", "/missing?5")]
    requests += [
        request("HEAD", "/json?6"),
        request("POST", "/echo?7", body=b'{"a": 1, "token": "s3cret"}', headers=json_header),
        request("POST", "/echo?8", body=b"x" * 300_000, headers=text_header),
        request("POST", "/echo?9", body=b"in chunks", headers=text_header, chunked=True),
        request("POST", "/unread?10", body=b'{"token": "s3cret"}', headers=json_header),
        request("OPTIONS", "/json"),
    ]
    expected = Counter({f"{number}": 1 for number in range(1, 11)})
    # The order of the methods in a framework's `Allow` is that of a set.
    environ = {"README_METRICS_SERVER": collector.url, "TEST_DOOR": door, "PYTHONHASHSEED": "0"}
    (tmp_path / "ours").mkdir()
    with Running(loading(server), None, {**environ, "README_METRICS_QUEUE_DIR": str(tmp_path)}) as bare:
        answers = [without_ours(exchange(bare.port, data)).response for data in requests]
    config = {"denylist": ["token"], "buffer_length": 1000, "flush_interval": 3600, "shutdown_timeout": 30}
    with Running(loading(server), config, {**environ, "README_METRICS_QUEUE_DIR": str(tmp_path / "ours")}) as ours:
        seen = [without_ours(exchange(ours.port, data)).response for data in requests]
        first_byte_ms = asgi.first_byte_of_a_stream(ours.port, tmp_path / "gate")
        wait_until_logged(tmp_path / "ours", len(expected) + 1)
        ours.stop(signal.SIGTERM)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("README_METRICS_SERVER", collector.url)
        patch.setenv("README_METRICS_QUEUE_DIR", str(tmp_path / "ours"))
        heir = wsgi.heir()  # sends what a server has left that SIGTERM ends at once
        assert collector.wait_for(len(expected) + 1, PATIENCE_S), heir.stats()
    entries = [log["request"]["log"]["entries"][0] for log in collector.logs]
    logs = Counter(
        entry["request"]["url"].rpartition("?")[2] for entry in entries if "/wait?" not in entry["request"]["url"]
    )
    duplicates, lost = (logs - expected).total(), (expected - logs).total()
    is_equal = [a == b for a, b in zip(answers, seen, strict=True)]
    row = (f"{door} on {server.name}", len(requests), len(requests), logs.total(), duplicates, lost, all(is_equal))
    report_row((*row, f"{first_byte_ms:.1f} ms"))
    assert (logs, is_equal) == (expected, [True] * len(requests))
    assert not any(b"s3cret" in post.body or b"t0ken" in post.body for post in collector.posts)
