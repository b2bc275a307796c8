"""docs/migration.md, "What is better"."""

from __future__ import annotations

import io
import threading
import time
from typing import Any

import pytest

import wsgi
from logs import Logged, entry
from readme_metrics.collector import HANG, Answer, Collector
from readme_metrics.VerifyWebhook import VerificationError, VerifyWebhook
from test_webhook import SECRET, signature
from wsgi import call


def test_once(logged: Logged) -> None:
    middleware, logs = logged()
    call(middleware, "/stream")
    call(middleware, "/empty")
    assert [entry(log)["response"]["status"] for log in logs(2)] == [200, 204]


def test_methods(logged: Logged) -> None:
    middleware, logs = logged()
    methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
    for method in methods:
        call(middleware, "/echo", method=method, body=b"text", content_type="text/plain")
    entries = [entry(log)["request"] for log in logs(len(methods))]
    assert [request["method"] for request in entries] == methods
    assert {request["postData"]["text"] for request in entries} == {"text"}


def test_binary(logged: Logged) -> None:
    middleware, logs = logged()
    image = b"\x89PNG\r\n\x1a\n\xff\x00"
    assert call(middleware, "/echo", method="POST", body=image, content_type="image/png").body == image
    assert entry(logs(1)[0])["response"]["content"]["text"] == "[NOT VALID UTF-8]"


def test_exceptions(logged: Logged) -> None:
    middleware, logs = logged()
    with pytest.raises(wsgi.AppError):
        call(middleware, "/raise")
    assert entry(logs(1)[0])["response"]["status"] == 500


def test_redaction(logged: Logged, collector: Collector) -> None:
    middleware, logs = logged(denylist=["token", "x-token"])
    call(
        middleware,
        "/echo",
        method="POST",
        query="token=5ecret-a",
        body=b"token=5ecret-b",
        content_type="application/x-www-form-urlencoded",
        HTTP_X_TOKEN="5ecret-c",
    )
    logs(1)
    assert b"5ecret" not in b"".join(post.body for post in collector.posts)


def test_unparsable(logged: Logged) -> None:
    middleware, logs = logged(denylist=["token"])
    call(middleware, "/echo", method="POST", body=b'{"token": "5ecret"', content_type="application/json")
    assert entry(logs(1)[0])["request"]["postData"]["text"] == "[WITHHELD 18 bytes: not valid JSON]"


def test_waiting(collector: Collector, logged: Logged) -> None:
    collector.answer = lambda post: HANG
    middleware, _ = logged(base_log_url=None, timeout=30, buffer_length=1, shutdown_timeout=0)
    middleware.config.README_API_URL = "http://127.0.0.1:9"
    started = time.monotonic()
    call(middleware)
    assert time.monotonic() - started < 5


def test_lost(collector: Collector, logged: Logged) -> None:
    answers = [Answer(503), Answer(429), Answer()]
    collector.answer = lambda post: answers.pop(0)
    middleware, logs = logged(flush_interval=3600)
    call(middleware)
    assert [middleware.flush(10), middleware.flush(10)] == [1, 1]
    logs(1)


def test_threads(collector: Collector, logged: Logged) -> None:
    collector.answer = lambda post: HANG
    before = set(threading.enumerate())
    middleware, _ = logged(buffer_length=1, timeout=30, shutdown_timeout=0)
    for _ in range(50):
        call(middleware)
    new = [thread.name for thread in threading.enumerate() if thread not in before]
    assert new.count("readme-metrics.Flusher") == 1


def test_header(logged: Logged) -> None:
    middleware, logs = logged()
    response = call(middleware)
    assert response.header("x-documentation-url") == f"https://docs.example.com/logs/{logs(1)[0]['_id']}"


def test_body(logged: Logged) -> None:
    class Input(io.BytesIO):
        def read(self, *args: Any) -> bytes:
            reads.append("read")
            return super().read(*args)

    reads: list[str] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        reads.append("app")
        environ["wsgi.input"].read(4)
        start_response("200 OK", [])
        return []

    middleware, _ = logged(app=app)
    environ: dict[str, Any] = {"CONTENT_LENGTH": "4", "wsgi.input": Input(b"body")}
    call(middleware, method="POST", **environ)
    assert reads == ["app", "read"]


def test_dict(logged: Logged) -> None:
    answer = {"api_key": "customer-0001", "label": "L", "email": "E"}
    middleware, logs = logged(group=lambda request: answer)
    call(middleware)
    call(middleware)
    one, two = logs(2)
    assert one["group"] == two["group"]
    assert answer == {"api_key": "customer-0001", "label": "L", "email": "E"}


def test_nonascii() -> None:
    body = {"email": "jürgen@example.com"}
    VerifyWebhook(body, signature(body), SECRET)
    for malformed in ("nonsense", "v0=1"):
        with pytest.raises(VerificationError):
            VerifyWebhook(body, malformed, SECRET)
