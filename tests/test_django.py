"""Django's door, sync and async, under its WSGI and its ASGI handler: an app that notices nothing, and one log."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpResponse
from django.test import AsyncClient, Client, RequestFactory, override_settings

import wsgi
from apps import django_project
from django_door import HANDLERS, JSON, OURS, configured
from readme_metrics import MetricsApiConfig
from readme_metrics import middleware as wsgi_door
from readme_metrics.collector import Answer as Reply
from readme_metrics.collector import Collector
from readme_metrics.django import MetricsMiddleware

EAGER = "apps.django_project.EagerMiddleware"
COMMON = "django.middleware.common.CommonMiddleware"
SYNC_ONLY = "django.middleware.csrf.CsrfViewMiddleware"

pytestmark = pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume:Warning")


BOUNDARY = "multipart/form-data; boundary=x"
UPLOAD = (
    b'--x\r\nContent-Disposition: form-data; name="n"\r\n\r\n1\r\n--x\r\nContent-Disposition: form-data; name="f"; '
    b'filename="a.bin"\r\nContent-Type: application/octet-stream\r\n\r\n' + b"y" * 20_000 + b"\r\n--x--\r\n"
)


REQUESTS: dict[str, tuple[Any, ...]] = {
    "item": ("/items/7",),
    "body": ("/body", "POST", JSON, "application/json"),
    "read": ("/read", "POST", b"read in pieces", "text/plain"),
    "lines": ("/lines", "POST", b"one\ntwo\n", "text/plain"),
    "form": ("/form", "POST", b"name=value&password=x", "application/x-www-form-urlencoded"),
    "upload": ("/form", "POST", UPLOAD, BOUNDARY),
    "read, then body": ("/read_then_body", "POST", b"text", "text/plain"),
    "body, then form": ("/body_then_form", "POST", b"a=1", "application/x-www-form-urlencoded"),
    "too large": ("/body", "POST", b"z" * 100_001, "text/plain"),
    "unread": ("/unread", "POST", b"unread body", "text/plain"),
    "stream": ("/stream",),
    "async stream": ("/async_stream",),
    "events": ("/events",),
    "file": ("/file",),
    "image": ("/image",),
    "empty": ("/empty",),
    "fail": ("/fail",),
    "missing": ("/nowhere",),
    "async view": ("/async_view", "POST", b"question", "text/plain"),
}
#: Where our middleware stands among others. Some of them are sync only.
CHAINS = {
    "alone": [OURS],
    "first": [OURS, COMMON, SYNC_ONLY],
    "last": [COMMON, SYNC_ONLY, OURS],
    "between": [COMMON, OURS, "django.middleware.http.ConditionalGetMiddleware"],
    "behind an eager one": [EAGER, OURS],
    "twice": [OURS, OURS],
}


@pytest.mark.parametrize("handler", HANDLERS)
@pytest.mark.parametrize("name", REQUESTS)
def test_the_answer_is_that_of_the_bare_app_and_makes_one_log(
    name: str, handler: str, django_logs: Callable[[int], Any], caplog: pytest.LogCaptureFixture
) -> None:
    with override_settings(MIDDLEWARE=[]):
        bare = HANDLERS[handler](*REQUESTS[name])

    seen = HANDLERS[handler](*REQUESTS[name])

    assert seen.without_ours() == bare.without_ours()
    [har] = django_logs(1)
    assert har["response"]["status"] == seen.status
    assert [pair[0] for pair in seen.headers].count("x-documentation-url") == 1
    body, content_type = REQUESTS[name][2:] or (b"", "")
    assert har["request"]["bodySize"] == len(body)
    if body and content_type == "text/plain" and len(body) < 100_000:
        assert har["request"]["postData"]["text"] == body.decode()
    if name == "stream":
        assert har["response"]["content"]["text"] == "één two three"
    if name == "events":
        assert "text" not in har["response"]["content"]
    if name == "file":
        assert har["response"]["bodySize"] == django_project.FILE.stat().st_size
    if name == "upload":
        assert [param["name"] for param in har["request"]["postData"]["params"]] == ["n", "f"]
    assert har["response"]["bodySize"] == len(seen.body)


@pytest.mark.parametrize("handler", HANDLERS)
@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("name", ["item", "body", "stream", "file", "fail", "async view", "upload"])
def test_in_every_place_of_a_chain(name: str, chain: str, handler: str, django_logs: Callable[[int], Any]) -> None:
    with override_settings(MIDDLEWARE=[one for one in CHAINS[chain] if one != OURS]):
        bare = HANDLERS[handler](*REQUESTS[name])
    with override_settings(MIDDLEWARE=CHAINS[chain]):
        seen = HANDLERS[handler](*REQUESTS[name])
    assert seen.without_ours() == bare.without_ours()
    [har] = django_logs(1)
    assert har["response"]["status"] == seen.status
    if name in ("body", "async view"):
        assert har["request"]["postData"]["text"] == REQUESTS[name][2].decode()


def test_an_upload_goes_to_a_temporary_file_as_without_us(django_logs: Callable[[int], Any]) -> None:
    for handler in HANDLERS.values():
        files = json.loads(handler(*REQUESTS["upload"]).body)["files"]
        assert files == {"f": ["TemporaryUploadedFile", 20_000]}
    django_logs(2)


def test_no_extra_hop(monkeypatch: pytest.MonkeyPatch, django_logs: Callable[[int], Any]) -> None:
    """Django wraps a middleware that is only sync or only async in an adapter. Ours needs none."""
    for handler in (WSGIHandler, ASGIHandler):
        made = handler()
        inner = made._middleware_chain
        while hasattr(inner, "__wrapped__"):
            inner = inner.__wrapped__
        assert isinstance(inner, MetricsMiddleware)
        assert inner._is_async is (handler is ASGIHandler)
    django_logs(0)


def test_without_a_host(django_logs: Callable[[int], Any]) -> None:
    wsgi.call(WSGIHandler(), "/items/1", HTTP_HOST="")
    django_logs(1)


def test_djangos_own_clients(django_logs: Callable[[int], Any]) -> None:
    assert Client().post("/body", JSON, content_type="application/json").content == JSON
    assert b"".join(Client().get("/stream")) == "één two three".encode()

    async def main() -> Any:
        return await AsyncClient().get("/items/7", {"q": "é"})

    assert asyncio.run(main()).json()["number"] == 7
    urls = [har["request"]["url"] for har in django_logs(3)]
    assert urls[2] == "http://testserver/items/7?q=%C3%A9"


def test_inside_a_wrapped_wsgi_app_there_is_one_log(django_logs: Callable[[int], Any]) -> None:
    app = wsgi_door.MetricsMiddleware(WSGIHandler(), settings.README_METRICS_CONFIG)
    response = wsgi.call(app, "/body", method="POST", body=JSON, content_type="application/json")
    assert [name for name, _ in response.headers].count("x-documentation-url") == 1
    [har] = django_logs(1)
    assert har["request"]["postData"]["text"] == JSON.decode()


@pytest.mark.usefixtures("django_urls")
def test_a_missing_or_wrong_setting_is_named() -> None:
    with pytest.raises(AttributeError, match="README_METRICS_CONFIG"):
        MetricsMiddleware(lambda request: None)
    with override_settings(README_METRICS_CONFIG={}), pytest.raises(TypeError, match="README_METRICS_CONFIG takes a"):
        MetricsMiddleware(lambda request: None)
    config = MetricsApiConfig("key", "no.such.function")
    with pytest.raises(ValueError, match="leads nowhere"):
        MetricsMiddleware(lambda request: None, config)


def test_background_worker_mode_off_does_not_block_the_loop(
    collector: Collector, django_logs: Callable[[int], Any]
) -> None:
    posting: list[str] = []

    def note(post: Any) -> Reply:
        posting.append("posted")
        return Reply()

    collector.answer = note
    before = set(threading.enumerate())
    with configured(background_worker_mode=False, buffer_length=1):

        async def view(request: Any) -> HttpResponse:
            return HttpResponse()

        middleware: Any = MetricsMiddleware(view)

        async def main() -> None:
            response = await middleware(RequestFactory().get("/"))
            response.close()

        asyncio.run(main())
        new = [thread.name for thread in threading.enumerate() if thread not in before]
        assert "readme-metrics.Flusher" in new
        middleware.flush(10)
    assert posting == ["posted"]
