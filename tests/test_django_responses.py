"""Responses of Django: files, caches, pickles, streams, and those that nobody closes."""

from __future__ import annotations

import asyncio
import gc
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpResponse, StreamingHttpResponse
from django.test import RequestFactory, override_settings

import asgi_driver
import wsgi
from apps import django_project
from django_door import OURS, Patient, by_wsgi
from readme_metrics.django import MetricsMiddleware

pytestmark = pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume:Warning")


def test_file_responses_stay_files(django_logs: Callable[[int], Any]) -> None:
    class Wrapper:
        def __init__(self, file: Any, size: int) -> None:
            self.file, self.close = file, file.close

    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/file", "wsgi.file_wrapper": Wrapper}
    environ = RequestFactory().get("/file").environ | environ
    result: Any = WSGIHandler()(environ, lambda status, headers: None)
    assert isinstance(result, Wrapper)
    assert result.file.read() == django_project.FILE.read_bytes()
    result.file.close()
    [har] = django_logs(1)
    assert "text" not in har["response"]["content"]
    assert har["response"]["bodySize"] == django_project.FILE.stat().st_size


def test_a_response_goes_into_a_cache_and_out_again(django_logs: Callable[[int], Any]) -> None:
    caching = ["django.middleware.cache.UpdateCacheMiddleware", OURS]
    caching.append("django.middleware.cache.FetchFromCacheMiddleware")
    with override_settings(MIDDLEWARE=caching):
        handler = WSGIHandler()
        first = wsgi.call(handler, "/image", HTTP_HOST="cache.example.com")
        second = wsgi.call(handler, "/image", HTTP_HOST="cache.example.com")
    assert first.body == second.body == django_project.PNG
    django_logs(2)


def test_a_response_can_be_pickled(django_logs: Callable[[int], Any]) -> None:
    middleware: Any = MetricsMiddleware(lambda request: HttpResponse(b"pickled"))
    response = middleware(RequestFactory().get("/"))
    copy = pickle.loads(pickle.dumps(response))
    copy.close()
    django_logs(0)
    response.close()
    django_logs(1)


def test_an_outer_middleware_that_answers_instead(django_logs: Callable[[int], Any]) -> None:
    with override_settings(MIDDLEWARE=["django.middleware.http.ConditionalGetMiddleware", OURS]):
        handler = WSGIHandler()
        tag = wsgi.call(handler, "/image").header("ETag")
        assert wsgi.call(handler, "/image", HTTP_IF_NONE_MATCH=tag).status == "304 Not Modified"
    django_logs(2)


def test_a_response_that_nobody_closes_is_logged(django_logs: Callable[[int], Any]) -> None:
    middleware = MetricsMiddleware(lambda request: HttpResponse(b"x"))
    middleware(RequestFactory().get("/"))
    gc.collect()
    django_logs(1)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Django leaves a file open
def test_an_exception_that_django_passes_on(django_logs: Callable[[int], Any]) -> None:
    with override_settings(DEBUG_PROPAGATE_EXCEPTIONS=True):
        with pytest.raises(KeyError):
            by_wsgi("/fail")
        call = asgi_driver.call(Patient(ASGIHandler()), asgi_driver.http_scope("/fail"))
        assert isinstance(call.error, KeyError)
        del call
        gc.collect()
    assert [har["response"]["status"] for har in django_logs(2)] == [500, 500]


@pytest.mark.skipif(
    not hasattr(ASGIHandler, "listen_for_disconnect"), reason="this Django goes on whether the client is there or not"
)
def test_the_client_of_an_async_stream_leaves(django_logs: Callable[[int], Any]) -> None:
    async def view(request: Any) -> StreamingHttpResponse:
        async def pieces() -> Any:
            yield "first"
            await asyncio.Event().wait()

        return StreamingHttpResponse(pieces())

    async def main() -> None:
        middleware = MetricsMiddleware(view)
        handler = ASGIHandler()
        handler._middleware_chain = middleware
        received = asyncio.Event()

        async def receive() -> Any:
            if not received.is_set() and not messages:
                await received.wait()
            return messages.pop() if messages else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message.get("body"):
                received.set()

        messages = asgi_driver.body_messages()
        await handler(asgi_driver.http_scope("/"), receive, send)

    asyncio.run(main())
    [har] = django_logs(1)
    assert har["response"]["content"]["text"] == "first"
