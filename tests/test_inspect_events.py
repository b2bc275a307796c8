"""The stream of events that keeps the inspector's page up to date."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Generator

import pytest
import requests

from inspecting import Page, inspecting
from inspector_logs import log
from readme_metrics.inspector.logs.store import Store
from readme_metrics.inspector.web.server import Inspector


def events(page: Page, query: str = "", **headers: str) -> Generator[dict[str, str], None, None]:
    """The events of a stream, each as its fields."""
    with page.session.get(f"{page.url}/api/events?{query}", headers=headers, stream=True, timeout=60) as stream:
        fields: dict[str, str] = {}
        for line in stream.iter_lines(chunk_size=1, decode_unicode=True):
            name, colon, value = line.partition(": ")
            if name and colon:
                fields[name] = value
            elif not line and fields:
                if "data" in fields:
                    yield fields
                fields = {}


def test_events_come_in_order_and_resume() -> None:
    with inspecting() as page:
        page.post(log(log_id="1"))
        last = page.session.get(f"{page.url}/api/logs", timeout=30).json()["last"]
        stream = events(page, f"after={last}")
        threading.Timer(0.2, lambda: page.post(log(log_id="2"), log(log_id="3"))).start()
        first, second = next(stream), next(stream)
        assert [json.loads(event["data"])["_id"] for event in (first, second)] == ["2", "3"]
        assert int(first["id"]) < int(second["id"])
        stream.close()
        again = next(events(page, **{"Last-Event-ID": first["id"]}))
        assert again == second


@pytest.mark.parametrize("last", ["5", "9" * 18, "nonsense"])
def test_a_tab_of_another_run_is_told_of_the_gap_and_gets_later_logs(last: str) -> None:
    with inspecting() as page:
        page.post(log(log_id="1"))
        stream = events(page, **{"Last-Event-ID": last})
        assert next(stream)["event"] == "gap"
        assert json.loads(next(stream)["data"])["_id"] == "1"
        page.post(log(log_id="2"))
        assert json.loads(next(stream)["data"])["_id"] == "2"


def test_events_pass_the_filter() -> None:
    with inspecting() as page:
        last = page.session.get(f"{page.url}/api/logs", timeout=30).json()["last"]
        page.post(log("/no", log_id="1"), log("/yes", log_id="2"))
        stream = events(page, f"after={last}&filter=path:/yes")
        assert json.loads(next(stream)["data"])["_id"] == "2"
        assert json.loads(next(stream)["data"]) == {"total": 2}


def test_a_reader_that_does_not_read_holds_up_no_other_and_is_told_of_the_gap() -> None:
    store = Store(max_logs=200)
    with Inspector(0, store) as inspector, requests.Session() as session:
        session.trust_env = False
        assert session.get(inspector.address, timeout=30).ok
        cookie = "; ".join(f"{name}={value}" for name, value in session.cookies.items())
        with socket.create_connection(("127.0.0.1", inspector.port), 60) as slow:
            slow.sendall(f"GET /api/events HTTP/1.1\r\nHost: {inspector.url[7:]}\r\nCookie: {cookie}\r\n\r\n".encode())
            received = slow.recv(100)
            assert received
            # More than the kernel buffers for a reader that does not read, and several times what the store keeps.
            path = "/" + "x" * 2000
            for _ in range(20):
                store.add([log(path) for _ in range(200)])
                last = str(store.last)
                # Another reader is told at once.
                with session.get(f"{inspector.url}/api/events?after={int(last) - 1}", stream=True, timeout=60) as other:
                    assert f"id: {last}" in (line.decode() for line in other.iter_lines(chunk_size=1))
            while b"event: gap" not in received and (chunk := slow.recv(1 << 20)):
                received = received[-20:] + chunk
            # Or the reader has been dropped for not reading. Its browser comes back with the last id that it has.
            if b"event: gap" not in received:
                headers = {"Last-Event-ID": "1"}
                with session.get(f"{inspector.url}/api/events", headers=headers, stream=True, timeout=60) as again:
                    assert "event: gap" in (line.decode() for line in again.iter_lines(chunk_size=1))
