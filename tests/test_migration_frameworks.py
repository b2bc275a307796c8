"""docs/migration.md, "Flask, Django, FastAPI"."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import threading
from typing import Any

import fastapi
import flask
import pytest
from starlette.middleware.base import BaseHTTPMiddleware

import readme_metrics
import wsgi
from asgi_driver import call as asgi_call
from logs import entry
from readme_metrics import MetricsApiConfig, MetricsMiddleware
from readme_metrics.collector import Collector
from readme_metrics.fastapi import ReadMeMetricsMiddleware
from readme_metrics.flask_readme import ReadMeMetrics
from wsgi import group


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
