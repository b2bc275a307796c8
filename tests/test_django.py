"""Django's door, sync and async, under its WSGI and its ASGI handler: an app that notices nothing, and one log."""

from __future__ import annotations

import asyncio
import gc
import json
import pickle
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpResponse, StreamingHttpResponse
from django.test import AsyncClient, Client, RequestFactory, override_settings

import asgi_driver
import wsgi
from apps import django_project
from har_schema import VALIDATOR
from readme_metrics import MetricsApiConfig
from readme_metrics import asgi as asgi_door
from readme_metrics import middleware as wsgi_door
from readme_metrics.collector import Answer as Reply
from readme_metrics.collector import Collector
from readme_metrics.django import MetricsMiddleware

Logged = Callable[..., Any]
OURS = "readme_metrics.django.MetricsMiddleware"
EAGER = "apps.django_project.EagerMiddleware"
COMMON = "django.middleware.common.CommonMiddleware"
SYNC_ONLY = "django.middleware.csrf.CsrfViewMiddleware"

pytestmark = pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume:Warning")


@pytest.fixture(autouse=True)
def project() -> Iterator[None]:
    with override_settings(ROOT_URLCONF="apps.django_project", MIDDLEWARE=[]):
        yield


@pytest.fixture
def logs(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], Any]]:
    """Returns the logs once there are so many; the configuration is in the settings."""
    monkeypatch.setenv("README_METRICS_SERVER", collector.url)
    with configured():
        yield lambda count: taken(collector, count)


def configured(function: Any = django_project.group, **options: Any) -> Any:
    config = MetricsApiConfig(wsgi.API_KEY, function, "https://docs.example.com", **options)
    return override_settings(README_METRICS_CONFIG=config, MIDDLEWARE=[OURS])


def taken(collector: Collector, count: int) -> Any:
    probe = MetricsMiddleware(lambda request: HttpResponse(), settings.README_METRICS_CONFIG)
    probe.flush(10)
    # The last middleware of a process that goes sends what is left from its thread.
    collector.wait_for(count, timeout=30)
    stats: Any = probe.stats()
    assert len(collector.logs) == count, stats
    assert stats["dropped"]["internal"] == 0
    for log in collector.logs:
        VALIDATOR.validate(log)
    return [log["request"]["log"]["entries"][0] for log in collector.logs]


class Answer:
    def __init__(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.status, self.body = status, body
        self.headers = sorted((name.lower(), value) for name, value in headers)

    def without_ours(self) -> Any:
        headers = [pair for pair in self.headers if pair[0] != "x-documentation-url"]
        return self.status, headers, self.body


def by_wsgi(path: str, method: str = "GET", body: bytes = b"", content_type: str = "") -> Answer:
    response = wsgi.call(WSGIHandler(), path, method=method, body=body, content_type=content_type)
    return Answer(int(response.status[:3]), response.headers, response.body)


def by_asgi(path: str, method: str = "GET", body: bytes = b"", content_type: str = "") -> Answer:
    scope = asgi_driver.http_scope(path, method=method)
    if body:
        scope = asgi_driver.post_scope(body, content_type.encode(), path)
    pieces = [body[start : start + 5000] for start in range(0, len(body), 5000)]
    call = asgi_driver.call(Patient(ASGIHandler()), scope, asgi_driver.body_messages(*pieces))
    assert call.error is None
    headers = [(name.decode(), value.decode("latin-1")) for name, value in call.headers]
    return Answer(call.status, headers, call.body)


class Patient:
    """A client that stays until it has its answer: Django gives up a request whose client is gone."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        done = asyncio.Event()

        async def receive_or_wait() -> Any:
            message = await receive()
            if message["type"] == "http.disconnect":
                await done.wait()
            return message

        async def send_and_end(message: Any) -> None:
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                done.set()

        await self._app(scope, receive_or_wait, send_and_end)


HANDLERS = {"wsgi": by_wsgi, "asgi": by_asgi}
BOUNDARY = "multipart/form-data; boundary=x"
UPLOAD = (
    b'--x\r\nContent-Disposition: form-data; name="n"\r\n\r\n1\r\n--x\r\nContent-Disposition: form-data; name="f"; '
    b'filename="a.bin"\r\nContent-Type: application/octet-stream\r\n\r\n' + b"y" * 20_000 + b"\r\n--x--\r\n"
)
JSON = b'{"password": "hunter2"}'
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
#: Where the middleware stands among others, some of which are sync only.
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
def test_the_answer_is_the_bare_ones_and_one_log_says_so(
    name: str, handler: str, logs: Callable[[int], Any], caplog: pytest.LogCaptureFixture
) -> None:
    with override_settings(MIDDLEWARE=[]):
        bare = HANDLERS[handler](*REQUESTS[name])

    seen = HANDLERS[handler](*REQUESTS[name])

    assert seen.without_ours() == bare.without_ours()
    [har] = logs(1)
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
def test_in_every_place_of_a_chain(name: str, chain: str, handler: str, logs: Callable[[int], Any]) -> None:
    with override_settings(MIDDLEWARE=[one for one in CHAINS[chain] if one != OURS]):
        bare = HANDLERS[handler](*REQUESTS[name])
    with override_settings(MIDDLEWARE=CHAINS[chain]):
        seen = HANDLERS[handler](*REQUESTS[name])
    assert seen.without_ours() == bare.without_ours()
    [har] = logs(1)
    assert har["response"]["status"] == seen.status
    if name in ("body", "async view"):
        assert har["request"]["postData"]["text"] == REQUESTS[name][2].decode()


def test_an_upload_goes_to_a_temporary_file_as_without_it(logs: Callable[[int], Any]) -> None:
    for handler in HANDLERS.values():
        files = json.loads(handler(*REQUESTS["upload"]).body)["files"]
        assert files == {"f": ["TemporaryUploadedFile", 20_000]}
    logs(2)


def test_no_extra_hop(monkeypatch: pytest.MonkeyPatch, logs: Callable[[int], Any]) -> None:
    """Django adapts what can only be sync or async: it has nothing to adapt here."""
    for handler in (WSGIHandler, ASGIHandler):
        made = handler()
        inner = made._middleware_chain
        while hasattr(inner, "__wrapped__"):
            inner = inner.__wrapped__
        assert isinstance(inner, MetricsMiddleware)
        assert inner._is_async is (handler is ASGIHandler)
    logs(0)


def test_file_responses_stay_files(logs: Callable[[int], Any]) -> None:
    class Wrapper:
        def __init__(self, file: Any, size: int) -> None:
            self.file, self.close = file, file.close

    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/file", "wsgi.file_wrapper": Wrapper}
    environ = RequestFactory().get("/file").environ | environ
    result: Any = WSGIHandler()(environ, lambda status, headers: None)
    assert isinstance(result, Wrapper)
    assert result.file.read() == django_project.FILE.read_bytes()
    result.file.close()
    [har] = logs(1)
    assert "text" not in har["response"]["content"]
    assert har["response"]["bodySize"] == django_project.FILE.stat().st_size


def test_a_response_goes_into_a_cache_and_out_again(logs: Callable[[int], Any]) -> None:
    caching = ["django.middleware.cache.UpdateCacheMiddleware", OURS]
    caching.append("django.middleware.cache.FetchFromCacheMiddleware")
    with override_settings(MIDDLEWARE=caching):
        handler = WSGIHandler()
        first = wsgi.call(handler, "/image", HTTP_HOST="cache.example.com")
        second = wsgi.call(handler, "/image", HTTP_HOST="cache.example.com")
    assert first.body == second.body == django_project.PNG
    logs(2)


def test_a_response_can_be_pickled(logs: Callable[[int], Any]) -> None:
    middleware: Any = MetricsMiddleware(lambda request: HttpResponse(b"pickled"))
    response = middleware(RequestFactory().get("/"))
    copy = pickle.loads(pickle.dumps(response))
    copy.close()
    logs(0)
    response.close()
    logs(1)


def test_a_middleware_further_out_that_answers_instead(logs: Callable[[int], Any]) -> None:
    with override_settings(MIDDLEWARE=["django.middleware.http.ConditionalGetMiddleware", OURS]):
        handler = WSGIHandler()
        tag = wsgi.call(handler, "/image").header("ETag")
        assert wsgi.call(handler, "/image", HTTP_IF_NONE_MATCH=tag).status == "304 Not Modified"
    logs(2)


def test_a_response_that_nobody_closes_is_logged(logs: Callable[[int], Any]) -> None:
    middleware = MetricsMiddleware(lambda request: HttpResponse(b"x"))
    middleware(RequestFactory().get("/"))
    gc.collect()
    logs(1)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Django leaves a file open
def test_an_exception_that_django_raises_on(logs: Callable[[int], Any]) -> None:
    with override_settings(DEBUG_PROPAGATE_EXCEPTIONS=True):
        with pytest.raises(KeyError):
            by_wsgi("/fail")
        call = asgi_driver.call(Patient(ASGIHandler()), asgi_driver.http_scope("/fail"))
        assert isinstance(call.error, KeyError)
        del call
        gc.collect()
    assert [har["response"]["status"] for har in logs(2)] == [500, 500]


def test_without_a_host(logs: Callable[[int], Any]) -> None:
    wsgi.call(WSGIHandler(), "/items/1", HTTP_HOST="")
    logs(1)


def test_djangos_own_clients(logs: Callable[[int], Any]) -> None:
    assert Client().post("/body", JSON, content_type="application/json").content == JSON
    assert b"".join(Client().get("/stream")) == "één two three".encode()

    async def main() -> Any:
        return await AsyncClient().get("/items/7", {"q": "é"})

    assert asyncio.run(main()).json()["number"] == 7
    urls = [har["request"]["url"] for har in logs(3)]
    assert urls[2] == "http://testserver/items/7?q=%C3%A9"


# The grouping function


def test_it_gets_the_request_after_the_view(collector: Collector, logs: Callable[[int], Any]) -> None:
    seen: list[Any] = []

    def function(request: Any) -> Any:
        seen.append((type(request).__name__, request.resolver_match.route, request.headers["X-A"]))
        return {"api_key": "a", "label": "b", "email": "c"}

    with configured(function):
        wsgi.call(WSGIHandler(), "/items/7", HTTP_X_A="1")
        scope = asgi_driver.http_scope("/items/7", headers=[(b"x-a", b"1")])
        asgi_driver.call(Patient(ASGIHandler()), scope)
        assert seen == [(name, "items/<int:number>", "1") for name in ("WSGIRequest", "ASGIRequest")]
        logs(2)


@pytest.fixture(scope="module")
def user() -> Any:
    """A user with a session, in a database that every thread sees."""
    from django.contrib.auth import get_user_model
    from django.contrib.sessions.backends.db import SessionStore
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    user = get_user_model().objects.create_user("jane", "jane@example.com")
    session = SessionStore()
    session["_auth_user_id"] = str(user.pk)
    session["_auth_user_backend"] = "django.contrib.auth.backends.ModelBackend"
    session["_auth_user_hash"] = user.get_session_auth_hash()
    session.save()
    return session.session_key


@pytest.mark.parametrize("path", ["/items/7", "/async_view"])
@pytest.mark.parametrize("door", ["inside", "twice", "outside"])
def test_request_user_works_although_it_needs_the_database(
    user: str, door: str, path: str, collector: Collector, logs: Callable[[int], Any]
) -> None:
    def function(request: Any) -> Any:
        return {"api_key": str(request.user.pk), "label": request.user.username, "email": request.user.email}

    chain = [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ]
    with configured(function), override_settings(MIDDLEWARE=[OURS, *chain]):
        app: Any = ASGIHandler()
        if door != "inside":
            config = settings.README_METRICS_CONFIG
            if door == "outside":
                config = MetricsApiConfig(wsgi.API_KEY, lambda request: None, "https://docs.example.com")
            app = asgi_door.MetricsMiddleware(app, config)
        for _ in range(2):  # the second time it is known to need a thread
            scope = asgi_driver.http_scope(path, headers=[(b"cookie", f"sessionid={user}".encode())])
            assert asgi_driver.call(Patient(app), scope).status == 200
        logs(2)
        assert [log["group"]["label"] for log in collector.logs] == ["jane", "jane"]


def test_it_may_be_async_in_an_async_chain(collector: Collector, logs: Callable[[int], Any]) -> None:
    async def function(request: Any) -> Any:
        await asyncio.sleep(0)
        return {"api_key": "a", "label": request.path, "email": "c"}

    with configured(function):
        by_asgi("/items/7")
        logs(1)
        assert collector.logs[0]["group"]["label"] == "/items/7"


@pytest.mark.parametrize("handler", HANDLERS)
@pytest.mark.parametrize("function", [lambda request: 1 / 0, lambda request: "nobody"])
def test_what_it_breaks_is_counted(function: Any, handler: str, logs: Callable[[int], Any]) -> None:
    with configured(function):
        assert HANDLERS[handler]("/items/7").status == 200
        logs(0)
        stats: Any = MetricsMiddleware(lambda request: None).stats()
        assert stats["dropped"]["grouping"] == 1


# Other doors, settings


def test_inside_a_wrapped_wsgi_app_there_is_one_log(logs: Callable[[int], Any]) -> None:
    app = wsgi_door.MetricsMiddleware(WSGIHandler(), settings.README_METRICS_CONFIG)
    response = wsgi.call(app, "/body", method="POST", body=JSON, content_type="application/json")
    assert [name for name, _ in response.headers].count("x-documentation-url") == 1
    [har] = logs(1)
    assert har["request"]["postData"]["text"] == JSON.decode()


@pytest.mark.skipif(
    not hasattr(ASGIHandler, "listen_for_disconnect"), reason="a Django that goes on whether the client is there or not"
)
def test_the_client_of_an_async_stream_leaves(logs: Callable[[int], Any]) -> None:
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
    [har] = logs(1)
    assert har["response"]["content"]["text"] == "first"


def test_a_missing_or_wrong_setting_is_named() -> None:
    with pytest.raises(AttributeError, match="README_METRICS_CONFIG"):
        MetricsMiddleware(lambda request: None)
    with override_settings(README_METRICS_CONFIG={}), pytest.raises(TypeError, match="README_METRICS_CONFIG takes a"):
        MetricsMiddleware(lambda request: None)
    config = MetricsApiConfig("key", "no.such.function")
    with pytest.raises(ValueError, match="leads nowhere"):
        MetricsMiddleware(lambda request: None, config)


def test_background_worker_mode_off_does_not_block_the_loop(collector: Collector, logs: Callable[[int], Any]) -> None:
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
