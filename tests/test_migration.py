"""docs/migration.md, statement by statement: each anchor on that page has the test of its name here."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import io
import json
import logging
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastapi
import flask
import pytest
from starlette.middleware.base import BaseHTTPMiddleware
from werkzeug import Request

import readme_metrics
import wsgi
from asgi_driver import call as asgi_call
from readme_metrics import MetricsApiConfig, MetricsMiddleware
from readme_metrics.collector import HANG, Answer, Collector
from readme_metrics.fastapi import ReadMeMetricsMiddleware
from readme_metrics.flask_readme import ReadMeMetrics
from readme_metrics.VerifyWebhook import VerificationError, VerifyWebhook
from test_webhook import SECRET, signature
from wsgi import call, group

ROOT = Path(__file__).parent.parent
Logged = Callable[..., Any]


def entry(log: dict[str, Any]) -> Any:
    return log["request"]["log"]["entries"][0]


def test_every_statement_has_a_test() -> None:
    page = (ROOT / "docs" / "migration.md").read_text()
    anchors = re.findall(r'<a id="(\w+)"></a>', page)
    tests = [name.removeprefix("test_") for name in globals() if name.startswith("test_")]
    assert [*anchors, "every_statement_has_a_test"] == [*tests[1:], tests[0]]
    # Rows without an anchor are headings or figures.
    rows = [row for row in page.partition("## What it weighs")[0].splitlines() if row.startswith("| ")]
    assert [row for row in rows if "<a id" not in row] == [
        "| | |",
        "| before | now |",
        "| before | now | the old way |",
        "| before | now | the old way |",
    ]


# What is the same


def test_imports() -> None:
    for name in ("MetricsApiConfig", "MetricsMiddleware"):
        assert getattr(importlib.import_module(f"readme_metrics.{name}"), name) is getattr(readme_metrics, name)
    assert importlib.import_module("readme_metrics.VerifyWebhook").VerifyWebhook is VerifyWebhook
    mask = importlib.import_module("readme_metrics.util").mask
    assert mask("deadbeef") == (
        "sha512-ETo7x4PYUfwDcyFLGep76fo95UHsuf4CbVLGA+jqGcF0zA6XBfi5DTEiEsDDpthFPd+z4xQUCc9L7cjvAzWQtA==?beef"
    )


def test_arguments() -> None:
    config = MetricsApiConfig(
        "key", "wsgi.group", "https://docs.example.com", 5, True, False, None, None, ["b"], ["w"], ["example.com"], 7
    )
    assert config.imported_grouping_function() is group
    assert (config.DENYLIST, config.ALLOWLIST, config.METRICS_API_TIMEOUT) == (["b"], ["w"], 7)


def test_attributes(logged: Logged, caplog: pytest.LogCaptureFixture) -> None:
    middleware, _ = logged(group=lambda request: {"api_key": "a"}, buffer_length=5)
    config = middleware.config
    assert middleware.app is wsgi.app
    assert (config.README_API_KEY, config.BUFFER_LENGTH) == (wsgi.API_KEY, 5)
    config.LOGGER = logging.getLogger("replaced")
    call(middleware)
    assert {record.name for record in caplog.records} == {"replaced"}


def test_grouping(logged: Logged) -> None:
    seen: list[object] = []
    answers: list[Any] = [{"api_key": "one"}, {"id": "two", "label": "L", "email": "E"}, None]

    def function(request: object) -> Any:
        seen.append(request)
        return answers.pop(0)

    middleware, logs = logged(group=function)
    for _ in range(3):
        call(middleware)
    groups = [log["group"] for log in logs(2)]
    assert all(isinstance(request, Request) for request in seen)
    assert groups[0]["id"].startswith("sha512-") and groups[1]["label"] == "L" and groups[1]["email"] == "E"


def test_wire(logged: Logged, collector: Collector) -> None:
    middleware, logs = logged(denylist=["token"])
    call(middleware, HTTP_HOST="api.example.com")
    [log] = logs(1)
    assert set(log) >= {"_id", "group", "clientIPAddress", "development", "request"}
    assert log["request"]["log"]["creator"]["name"] == "readme-metrics (python)"
    assert json.loads(entry(log)["response"]["content"]["text"])["token"] == "[REDACTED 5]"
    assert re.fullmatch(r"sha512-[\w+/]{86}==\?0001", log["group"]["id"])
    [post] = collector.posts
    assert post.headers["Authorization"].startswith("Basic ")
    assert MetricsApiConfig.METRICS_API == "https://metrics.readme.io"


def test_server(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    # The "proxy" answers for a host that does not exist.
    monkeypatch.setenv("README_METRICS_SERVER", "http://metrics.invalid")
    monkeypatch.setenv("HTTP_PROXY", collector.url)
    middleware = MetricsMiddleware(
        wsgi.app, MetricsApiConfig(wsgi.API_KEY, group, base_log_url="https://d.example.com")
    )
    call(middleware)
    middleware.flush(10)
    assert [post.headers["Host"] for post in collector.posts] == ["metrics.invalid"]


def test_webhooks() -> None:
    body = {"email": "owl@example.com", "n": 1}
    VerifyWebhook(body, signature(body), SECRET)
    with pytest.raises(VerificationError):
        VerifyWebhook(body, signature(body, secret="another"), SECRET)


# What is better


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


# What differs on purpose


def test_buffer() -> None:
    config = MetricsApiConfig("key", group)
    assert (config.BUFFER_LENGTH, config.flush_interval) == (10, 5.0)
    assert MetricsApiConfig("key", group, buffer_length=1).BUFFER_LENGTH == 1


def test_bothlists(logged: Logged) -> None:
    middleware, logs = logged(denylist=["token"], allowlist=["nothing"])
    call(middleware)
    assert json.loads(entry(logs(1)[0])["response"]["content"]["text"]) == {"path": "/", "token": "[REDACTED 5]"}


def test_options(logged: Logged) -> None:
    middleware, logs = logged()
    call(middleware, method="OPTIONS")
    logs(0)


def test_checked() -> None:
    with pytest.raises(TypeError, match="buffer_length"):
        MetricsApiConfig("key", group, buffer_length="10")  # type: ignore[arg-type]
    config = MetricsApiConfig(
        123,  # type: ignore[arg-type]
        group,
        base_log_url="",
        development_mode=1,  # type: ignore[arg-type]
        background_worker_mode=0,  # type: ignore[arg-type]
    )
    assert (config.README_API_KEY, config.BASE_LOG_URL) == ("123", None)
    assert (config.IS_DEVELOPMENT_MODE, config.IS_BACKGROUND_MODE) == (True, False)


def test_endless() -> None:
    assert MetricsApiConfig("key", group, timeout=None).METRICS_API_TIMEOUT == 3
    assert MetricsApiConfig("key", group, timeout=86400).METRICS_API_TIMEOUT == 86400


def test_dotted() -> None:
    config = MetricsApiConfig("key", "no.such.function")
    assert config.GROUPING_FUNCTION == "no.such.function"
    with pytest.raises(ValueError, match=r"'no\.such\.function' leads nowhere"):
        MetricsMiddleware(wsgi.app, config)


def test_keyless(caplog: pytest.LogCaptureFixture) -> None:
    for arguments in ({"api_key": None}, {"grouping_function": None}):
        config = MetricsApiConfig(**{"api_key": "key", "grouping_function": group, **arguments})  # type: ignore[arg-type]
        assert call(MetricsMiddleware(wsgi.app, config)) == call(wsgi.app)
    assert len(caplog.records) == 2


def test_late(logged: Logged) -> None:
    middleware, logs = logged()
    middleware.config.DENYLIST = ["token"]
    call(middleware)
    assert json.loads(entry(logs(1)[0])["response"]["content"]["text"])["token"] == "t0ken"


def test_logger() -> None:
    logger = MetricsApiConfig("key", group).LOGGER
    MetricsApiConfig("key", group)
    assert logger is logging.getLogger("readme_metrics")
    assert logger.level == logging.NOTSET
    assert not [handler for handler in logger.handlers if "pytest" not in str(type(handler))]


def test_mask() -> None:
    mask = importlib.import_module("readme_metrics.util").mask
    assert mask("abcd").endswith("?")
    assert mask("abcde").endswith("?bcde")


def test_spacing(logged: Logged) -> None:
    middleware, logs = logged(denylist=["token"])
    text = b'{ "token":"t0ken",  "n": 1.50e0, "u": "\\u00e9" }'
    call(middleware, "/echo", method="POST", body=text, content_type="application/json")
    assert entry(logs(1)[0])["request"]["postData"]["text"] == text.decode().replace("t0ken", "[REDACTED 5]")


def test_exit(collector: Collector) -> None:
    assert MetricsApiConfig("key", group).shutdown_timeout == 2.0
    collector.answer = lambda post: HANG
    code = (
        "import wsgi; from readme_metrics import *;"
        "m = MetricsMiddleware(wsgi.app, MetricsApiConfig('k', wsgi.group, base_log_url='https://d.example.com',"
        "                                                 timeout=600, shutdown_timeout=0.5)); wsgi.call(m)"
    )
    started = time.monotonic()
    subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        cwd=ROOT / "tests",
        env={**os.environ, "README_METRICS_SERVER": collector.url},
    )
    assert time.monotonic() - started < 30  # far from 600, and room for a busy machine


def test_python() -> None:
    assert '\nrequires-python = ">=3.10"\n' in (ROOT / "pyproject.toml").read_text()


# Flask, Django, FastAPI


def test_doors() -> None:
    config = MetricsApiConfig("key", group)
    app = flask.Flask("app")
    assert ReadMeMetrics(config, app).config is config
    ReadMeMetrics(config).init_app(app)
    django_middleware = importlib.import_module("readme_metrics.django").MetricsMiddleware
    assert django_middleware.sync_capable and django_middleware.async_capable
    assert django_middleware(lambda request: None, config).config is config
    fastapi_app = fastapi.FastAPI()
    fastapi_app.add_middleware(ReadMeMetricsMiddleware, config=config)
    assert ReadMeMetricsMiddleware(fastapi_app, config).config is config


def test_hooks() -> None:
    app = flask.Flask("app")
    extension = ReadMeMetrics(MetricsApiConfig("key", group), app)
    assert isinstance(app.wsgi_app, MetricsMiddleware)
    assert not any(hasattr(extension, name) for name in ("before_request", "after_request", "metrics_core"))


def test_base() -> None:
    assert not issubclass(ReadMeMetricsMiddleware, BaseHTTPMiddleware)
    assert not hasattr(ReadMeMetricsMiddleware, "dispatch")


def test_answers(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    image = b"\x89PNG\r\n\x1a\n\xff\x00"
    calls: list[str] = []
    app = fastapi.FastAPI()

    @app.get("/")
    def endpoint() -> fastapi.Response:
        calls.append("called")
        return fastapi.Response(image, media_type="image/png")

    monkeypatch.setenv("README_METRICS_SERVER", collector.url)
    middleware = ReadMeMetricsMiddleware(app, MetricsApiConfig("key", lambda request: 1 / 0, "https://d.example"))  # type: ignore[arg-type, return-value]
    assert (asgi_call(middleware).body, calls) == (image, ["called"])


def test_drained(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("README_METRICS_SERVER", collector.url)
    app = flask.Flask("app")
    app.post("/", endpoint="stream")(lambda: flask.request.stream.read())
    app.get("/", endpoint="file")(lambda: flask.send_file(wsgi.FILE))
    ReadMeMetrics(MetricsApiConfig("key", lambda _: {"api_key": "a"}, "https://d.example"), app)
    client = app.test_client()
    assert client.post("/", data=b"question", content_type="text/plain", buffered=True).data == b"question"
    client.get("/", buffered=True)
    app.wsgi_app.flush(10)  # type: ignore[attr-defined]
    assert len(collector.logs) == 2


def django_call(view: Any, function: Any, collector: Collector) -> Any:
    """The response of a view, sync or async, and the only log."""
    from django.test import RequestFactory

    from apps import django_project  # noqa: F401 - its settings

    config = MetricsApiConfig("key", function, "https://d.example", background_worker_mode=False, buffer_length=1)
    middleware = importlib.import_module("readme_metrics.django").MetricsMiddleware(view, config)
    response = middleware(RequestFactory().post("/", b"question", content_type="text/plain"))
    if inspect.isawaitable(response):

        async def main() -> Any:
            return await response

        response = asyncio.run(main())
    body = b"".join(response)
    response.close()
    collector.wait_for(1, timeout=30)
    return body, collector.logs[0]


def test_early(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.http import StreamingHttpResponse

    from apps import django_project  # noqa: F401 - its settings

    monkeypatch.setenv("README_METRICS_SERVER", collector.url)

    def view(request: Any) -> Any:
        assert not hasattr(request, "_body")
        return StreamingHttpResponse(iter([b"streamed ", request.read()]))

    body, log = django_call(view, lambda _: {"api_key": "a"}, collector)
    assert body == b"streamed question"
    assert entry(log)["response"]["content"]["text"] == "streamed question"


def test_user(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.http import HttpResponse
    from django.utils.asyncio import async_unsafe

    monkeypatch.setenv("README_METRICS_SERVER", collector.url)

    @async_unsafe  # type: ignore[untyped-decorator]
    def from_the_database() -> str:
        return "jane"

    async def view(request: Any) -> Any:
        return HttpResponse(request.read())

    body, log = django_call(view, lambda _: {"api_key": "a", "label": from_the_database()}, collector)
    assert (body, log["group"]["label"]) == (b"question", "jane")


def test_loop(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("README_METRICS_SERVER", collector.url)
    before = set(threading.enumerate())

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    config = MetricsApiConfig("key", lambda _: {"api_key": "a"}, background_worker_mode=False, buffer_length=1)
    middleware = ReadMeMetricsMiddleware(app, config)
    asgi_call(middleware)
    new = [thread.name for thread in threading.enumerate() if thread not in before]
    assert "readme-metrics.Flusher" in new


def test_internal() -> None:
    for name in ("Metrics", "PayloadBuilder", "ResponseInfoWrapper", "publisher", "GetProjectBaseUrl"):
        assert importlib.util.find_spec(f"readme_metrics.{name}") is None
    assert inspect.isclass(readme_metrics.MetricsApiConfig)
