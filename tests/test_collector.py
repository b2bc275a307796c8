"""The stand-in Metrics server does what the wire format says, and misbehaves on demand."""

from __future__ import annotations

import gzip
import re
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from readme_metrics.collector import HANG, RESET, Answer, Collector, Post

AUTH = ("key", "")


def post(collector: Collector, logs: object, **options: Any) -> requests.Response:
    with requests.Session() as session:
        return session.post(f"{collector.url}/v1/request", **{"json": logs, "auth": AUTH, "timeout": 10, **options})


def test_logs_are_stored_before_the_202_arrives(collector: Collector) -> None:
    assert post(collector, [{"_id": "a"}, {"_id": "b"}]).status_code == 202
    assert collector.logs == [{"_id": "a"}, {"_id": "b"}]
    (received,) = collector.posts
    assert (received.count, received.status) == (2, 202)
    assert received.raw == b'[{"_id": "a"}, {"_id": "b"}]'
    assert received.headers["content-type"] == "application/json"


def test_duplicates_are_counted_by_id(collector: Collector) -> None:
    post(collector, [{"_id": "a"}, {"_id": "b"}])
    post(collector, [{"_id": "a"}])
    assert collector.ids() == {"a", "b"}
    assert (collector.received, collector.duplicates) == (3, 1)


def test_gzip_bodies_are_decompressed(collector: Collector) -> None:
    raw = gzip.compress(b'[{"_id": "a"}]')
    response = post(collector, None, json=None, data=raw, headers={"Content-Encoding": "gzip"})
    assert response.status_code == 202
    (received,) = collector.posts
    assert (received.raw, received.body) == (raw, b'[{"_id": "a"}]')


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not JSON"),
        (b"[{]", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"_id": "a"}', "not a JSON array"),
        (b'["a"]', "log 0 is not an object"),
        (b'[{"_id": "a"}, {"_id": 1}]', "log 1 has no _id"),
    ],
)
def test_malformed_bodies_answer_400_with_a_reason(collector: Collector, body: bytes, message: str) -> None:
    response = post(collector, None, json=None, data=body)
    assert response.status_code == 400
    assert message in response.json()["message"]
    assert [received.status for received in collector.posts] == [400]
    assert collector.logs == []


@pytest.mark.parametrize("body", [b"not gzip", gzip.compress(b"[]")[:-3]])
def test_broken_gzip_answers_400(collector: Collector, body: bytes) -> None:
    response = post(collector, None, json=None, data=body, headers={"Content-Encoding": "gzip"})
    assert response.status_code == 400


def test_requests_without_the_api_key_answer_401(collector: Collector) -> None:
    assert post(collector, [{"_id": "a"}], auth=None).status_code == 401
    assert requests.get(f"{collector.url}/v1", timeout=10).status_code == 401
    assert collector.posts == []


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/api/v1", "/api/v1/"])
def test_the_base_url_of_the_project_can_be_looked_up(collector: Collector, path: str) -> None:
    response = requests.get(collector.url + path, auth=AUTH, timeout=10)
    assert response.json() == {"baseUrl": "https://docs.example.com"}
    assert collector.lookups == 1


def test_lookups_fail_on_demand(collector: Collector) -> None:
    collector.lookup = Answer(503)
    assert requests.get(f"{collector.url}/v1", auth=AUTH, timeout=10).status_code == 503


def test_unknown_paths_answer_404(collector: Collector) -> None:
    assert requests.get(f"{collector.url}/v2", auth=AUTH, timeout=10).status_code == 404
    assert requests.post(f"{collector.url}/v1", auth=AUTH, json=[], timeout=10).status_code == 404


def test_one_connection_serves_many_posts_refused_ones_included(collector: Collector) -> None:
    requests_on_one_connection = (
        b"POST /v1/request HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n[]"
        b"POST /v1/request HTTP/1.1\r\nHost: x\r\nAuthorization: Basic azo=\r\nContent-Length: 2\r\n\r\n[]"
        b"POST /v1/request HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    )
    with socket.create_connection((collector.host, collector.port), timeout=10) as client:
        client.sendall(requests_on_one_connection)
        answers = b"".join(iter(lambda: client.recv(65536), b""))
    assert re.findall(rb"HTTP/1\.1 (\d+)", answers) == [b"401", b"202", b"401"]


@pytest.mark.parametrize("length", ["x", "-1", "99999999999", "²"])
def test_a_bad_length_is_refused_and_ends_the_connection(collector: Collector, length: str) -> None:
    with socket.create_connection((collector.host, collector.port), timeout=10) as client:
        client.sendall(f"POST /v1/request HTTP/1.1\r\nContent-Length: {length}\r\n\r\n".encode("latin-1"))
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert answer.split()[1] in (b"400", b"413")


def test_answers_are_injected_at_run_time(collector: Collector) -> None:
    collector.answer = lambda _: Answer(429, {"Retry-After": "7"}, b"slow down")
    response = post(collector, [{"_id": "a"}])
    assert (response.status_code, response.headers["Retry-After"], response.text) == (429, "7", "slow down")
    assert collector.ids() == set()
    collector.answer = lambda received: Answer(400 if received.count > 1 else 202)
    assert post(collector, [{"_id": "a"}, {"_id": "b"}]).status_code == 400
    assert post(collector, [{"_id": "a"}]).status_code == 202
    assert [received.status for received in collector.posts] == [429, 400, 202]


def test_a_reset_is_a_reset_and_stores_nothing(collector: Collector) -> None:
    collector.answer = lambda _: RESET
    with pytest.raises(requests.ConnectionError):
        post(collector, [{"_id": "a"}])
    assert collector.ids() == set()


def test_an_answer_can_be_lost_after_the_logs_were_stored(collector: Collector) -> None:
    collector.answer = lambda _: Answer(202, raw=b"")
    with pytest.raises(requests.ConnectionError):
        post(collector, [{"_id": "a"}])
    assert collector.ids() == {"a"}


def test_garbage_can_be_answered(collector: Collector) -> None:
    collector.answer = lambda _: Answer(status=0, raw=b"\x00garbage\r\n\r\n")
    with pytest.raises(requests.ConnectionError):
        post(collector, [{"_id": "a"}])


def test_a_hanging_post_ends_when_the_collector_closes() -> None:
    with ThreadPoolExecutor(1) as pool:
        with Collector() as collector:
            collector.answer = lambda _: HANG
            hanging = pool.submit(post, collector, [{"_id": "a"}])
            assert collector.wait_until(lambda: len(collector.posts) == 1, 10)
        with pytest.raises(requests.ConnectionError):
            hanging.result(10)
    assert (collector.posts[0].status, collector.ids()) == (0, set())


def test_closing_cuts_idle_connections_and_frees_the_port() -> None:
    with Collector() as collector:
        port = collector.port
        client = socket.create_connection((collector.host, port), timeout=10)
        client.sendall(b"GET /v1 HTTP/1.1\r\nAuthorization: Basic azo=\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 200")
    with client:
        assert b"HTTP/" not in client.recv(65536)
    with Collector(port=port) as successor:
        assert post(successor, [{"_id": "a"}]).status_code == 202


def test_a_taken_port_is_an_os_error() -> None:
    with Collector() as collector, pytest.raises(OSError, match="in use"):
        Collector(port=collector.port)


def test_wait_for_wakes_up_for_distinct_ids(collector: Collector) -> None:
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(collector.wait_for, 2, 10)
        post(collector, [{"_id": "a"}])
        post(collector, [{"_id": "a"}, {"_id": "b"}])
        assert waiting.result(10) is True
    assert collector.wait_for(3, timeout=0) is False


def test_many_clients_at_once(collector: Collector) -> None:
    barrier = threading.Barrier(16)

    def send(client: int) -> None:
        barrier.wait(10)
        for number in range(10):
            post(collector, [{"_id": f"{client}/{number}"}])

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(send, range(16)))
    assert collector.wait_for(160, timeout=60)
    assert (len(collector.ids()), collector.duplicates) == (160, 0)


def test_a_failing_sink_leaves_the_logs_with_their_sender() -> None:
    def fail(_: Post) -> None:
        raise OSError("disk full")

    with Collector(sink=fail) as collector:
        response = post(collector, [{"_id": "a"}])
        assert (response.status_code, response.json()) == (503, {"message": "disk full"})
        assert collector.ids() == set()


def test_keep_bounds_what_is_remembered_but_not_the_counts() -> None:
    with Collector(keep=2) as collector:
        for number in range(5):
            post(collector, [{"_id": str(number)}])
        assert [log["_id"] for log in collector.logs] == ["3", "4"]
        assert (len(collector.posts), collector.received, len(collector.ids())) == (2, 5, 5)
