"""The ASGI door: one log for each request, and an app and a server that notice nothing."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import trio

import wsgi
from asgi_driver import Message, body_messages, call, http_scope, post_scope
from readme_metrics import MetricsApiConfig
from readme_metrics.asgi import MetricsMiddleware
from readme_metrics.collector import Collector

SCHEMA = json.loads(Path(__file__).with_name("har-1.2.schema.json").read_text())
#: Made once: the schema is not checked again for each log.
VALIDATOR = jsonschema.validators.validator_for(SCHEMA)(SCHEMA)
Logged = Callable[..., Any]
RUNS = [asyncio.run, trio.run]


class AppError(Exception):
    """What an app raises; it must reach the server as this very object."""


def group(request: Any) -> dict[str, str]:
    return {"api_key": "customer-0001", "label": "Customer", "email": "customer@example.com"}


@pytest.fixture
def logged(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> Iterator[Logged]:
    """Makes a middleware and a function that returns its logs once there are as many as it is told."""
    monkeypatch.setenv("README_METRICS_SERVER", collector.url)
    made = []

    def make(app: Any, group: Any = group, key: str = wsgi.API_KEY, **options: Any) -> Any:
        options.setdefault("base_log_url", "https://docs.example.com")
        middleware = MetricsMiddleware(app, MetricsApiConfig(key, group, **options))
        made.append(middleware)

        def logs(count: int) -> Any:
            middleware.flush(10)
            assert len(collector.logs) == count, middleware.stats()
            for log in collector.logs:
                VALIDATOR.validate(log)
            return list(collector.logs)

        return middleware, logs

    yield make
    for middleware in made:
        dropped = middleware.stats()["dropped"]
        assert isinstance(dropped, dict)
        assert dropped["internal"] == 0, "a step of the SDK failed"


def entry(log: Any) -> Any:
    return log["request"]["log"]["entries"][0]


def app_of(*messages: Message, reads: bool = True, raises: Exception | None = None) -> Any:
    """An app that reads its request's body, sends these messages and then raises."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while reads and (await receive()).get("more_body"):
            pass
        for message in messages:
            await send(message)
        if raises:
            raise raises

    return app


def start(status: int = 200, headers: Any = ((b"content-type", b"text/plain"),), **more: Any) -> Message:
    return {"type": "http.response.start", "status": status, "headers": list(headers), **more}


def body(data: bytes = b"", more_body: bool = False, **more: Any) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": more_body, **more}


LAST = body(b"done")
#: What an app may send, and what its log says: status, text (None: no text), size.
RESPONSES: dict[str, tuple[list[Message], int, str | None, int]] = {
    "one piece": ([start(201), body(b"created")], 201, "created", 7),
    "more_body left out": ([start(), {"type": "http.response.body", "body": b"x"}], 200, "x", 1),
    "body left out": ([start(204, []), {"type": "http.response.body"}], 204, "", 0),
    "pieces": ([start(), *[body(b"ab", True)] * 1000, body()], 200, "ab" * 1000, 2000),
    "a buffer": ([start(), {"type": "http.response.body", "body": bytearray(b"buffer")}], 200, "buffer", 6),
    "unknown": ([{"type": "x.unknown"}, start(), {"type": "x.unknown"}, LAST, {"type": "x.unknown"}], 200, "done", 4),
    "push": ([{"type": "http.response.push", "path": "/", "headers": []}, start(), LAST], 200, "done", 4),
    "early hint": ([{"type": "http.response.early_hint", "links": []}, start(), LAST], 200, "done", 4),
    "debug": ([{"type": "http.response.debug", "info": {}}, start(), LAST], 200, "done", 4),
    "trailers": (
        [
            start(trailers=True),
            body(b"x"),
            {"type": "http.response.trailers", "headers": [], "more_trailers": True},
            {"type": "http.response.trailers", "headers": [(b"a", b"b")]},
        ],
        200,
        "x",
        1,
    ),
    "pathsend": (
        [start(headers=[(b"content-length", b"11")]), {"type": "http.response.pathsend", "path": "/tmp/x"}],
        200,
        None,
        11,
    ),
    "zerocopysend": (
        [start(headers=[(b"content-length", b"9")]), {"type": "http.response.zerocopysend", "file": 3}],
        200,
        None,
        9,
    ),
    "events": (
        [start(headers=[(b"content-type", b"text/event-stream")]), body(b"data: 1\n\n", True), body(b"data: 2\n\n")],
        200,
        None,
        18,
    ),
    "unknown status": ([start(299), LAST], 299, "done", 4),
    "binary": ([start(headers=[(b"content-type", b"image/png")]), body(b"\x89PNG\xff")], 200, "[NOT VALID UTF-8]", 5),
}


@pytest.mark.parametrize("run", RUNS, ids=["asyncio", "trio"])
@pytest.mark.parametrize("name", RESPONSES)
def test_every_message_passes_as_it_is_and_one_log_says_so(logged: Logged, name: str, run: Any) -> None:
    messages, status, text, size = RESPONSES[name]
    bare = call(app_of(*messages), run=run)
    middleware, logs = logged(app_of(*messages))

    seen = call(middleware, run=run)

    [log] = logs(1)
    url = (b"x-documentation-url", f"https://docs.example.com/logs/{log['_id']}".encode())
    assert seen.headers == [*bare.headers, url]
    for passed, message in zip(seen.sent, messages, strict=True):
        if message["type"] == "http.response.start":
            assert {**passed, "headers": 0} == {**message, "headers": 0}
            assert message["headers"] == bare.headers, "the app's own message was changed"
        else:
            assert passed is message
    assert (seen.receives, seen.error) == (bare.receives, None)
    response = entry(log)["response"]
    assert (response["status"], response["content"].get("text")) == (status, text)
    assert response["content"]["size"] == response["bodySize"] == size


@pytest.mark.parametrize("kind", [list, tuple, iter], ids=["list", "tuple", "iterator"])
def test_headers_stay_of_the_kind_they_were(logged: Logged, kind: Any) -> None:
    pairs = [[b"Set-Cookie", b"a=1"], (b"set-cookie", b"b=2"), (b"X-UPPER", b"\xe9")]
    middleware, logs = logged(app_of({"type": "http.response.start", "status": 200, "headers": kind(pairs)}, LAST))
    seen = call(middleware)
    passed = seen.sent[0]["headers"]
    assert type(passed) is type(kind(pairs))
    [log] = logs(1)
    logged_headers = [(h["name"], h["value"]) for h in entry(log)["response"]["headers"]]
    assert logged_headers[:3] == [("Set-Cookie", "a=1"), ("set-cookie", "b=2"), ("X-UPPER", "é")]
    assert logged_headers[3][0] == "x-documentation-url"
    # An iterator was read once, by the test.
    if kind is not iter:
        assert [tuple(pair) for pair in passed][:3] == [tuple(pair) for pair in pairs]


def test_a_start_without_headers_stays_without(logged: Logged) -> None:
    message = {"type": "http.response.start", "status": 200}
    middleware, logs = logged(app_of(message, LAST))
    assert call(middleware).sent[0] is message
    assert entry(logs(1)[0])["response"]["headers"] == []


def test_receive_is_called_when_the_app_calls_it_and_never_else(logged: Logged) -> None:
    for reads in (True, False):
        app = app_of(start(), LAST, reads=reads)
        middleware, _ = logged(app)
        pieces = body_messages(b"one", b"two", b"three")
        assert call(middleware, post_scope(b"onetwothree"), pieces).receives == call(app, None, pieces).receives


def test_the_request_body_is_what_the_app_received(logged: Logged) -> None:
    received: list[Message] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while not received or received[-1].get("more_body"):
            received.append(await receive())
        await send(start())
        await send(LAST)

    middleware, logs = logged(app, denylist=["password"])
    data = b'{"a": 1, "password": "5ecret"}'
    messages = body_messages(data[:10], data[10:])
    call(middleware, post_scope(data), messages)
    assert [id(message) for message in received] == [id(message) for message in messages]
    request = entry(logs(1)[0])["request"]
    assert request["postData"] == {"mimeType": "application/json", "text": '{"a": 1, "password": "[REDACTED 6]"}'}
    assert request["bodySize"] == len(data)


@pytest.mark.parametrize("run", RUNS, ids=["asyncio", "trio"])
def test_an_exception_passes_as_the_same_object_and_is_logged_as_500(logged: Logged, run: Any) -> None:
    error = AppError()
    middleware, logs = logged(app_of(raises=error))
    bare = call(app_of(raises=error), run=run).error
    assert bare is error
    depth = _depth(error)
    error.__traceback__ = None
    assert call(middleware, run=run).error is error
    assert _depth(error) <= depth + 1
    assert error.__cause__ is None and error.__context__ is None
    assert entry(logs(1)[0])["response"]["status"] == 500


def _depth(error: BaseException) -> int:
    trace, depth = error.__traceback__, 0
    while trace:
        trace, depth = trace.tb_next, depth + 1
    return depth


def test_an_exception_after_the_start_leaves_the_status_as_sent(logged: Logged) -> None:
    middleware, logs = logged(app_of(start(202), body(b"half", True), raises=AppError()))
    assert isinstance(call(middleware).error, AppError)
    response = entry(logs(1)[0])["response"]
    assert (response["status"], response["content"]["text"]) == (202, "half")


def test_an_exception_in_a_background_task_changes_nothing(logged: Logged) -> None:
    middleware, logs = logged(app_of(start(), LAST, raises=AppError()))
    assert isinstance(call(middleware).error, AppError)
    assert entry(logs(1)[0])["response"]["status"] == 200


def test_time_ends_with_the_last_body_message(logged: Logged) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start())
        await send(LAST)
        await asyncio.sleep(0.5)

    middleware, logs = logged(app)
    call(middleware)
    # The log was made before the background task began to wait; on a slow machine both may take their time.
    assert entry(logs(1)[0])["time"] < 500


def test_an_app_that_answers_nothing_is_a_500(logged: Logged) -> None:
    middleware, logs = logged(app_of())
    call(middleware)
    assert entry(logs(1)[0])["response"]["status"] == 500


@pytest.mark.parametrize("raises", [None, AppError()])
def test_a_client_that_left_before_the_start_is_a_499(logged: Logged, raises: Exception | None) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        if raises:
            raise raises

    middleware, logs = logged(app)
    call(middleware, messages=[])
    response = entry(logs(1)[0])["response"]
    assert (response["status"], response["statusText"]) == (499, "Client Closed Request")


def test_a_client_that_left_later_has_the_status_and_the_bytes_so_far(logged: Logged) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start(206))
        await send(body(b"some", True))
        assert (await receive())["type"] == "http.disconnect"

    middleware, logs = logged(app)
    call(middleware, messages=[])
    response = entry(logs(1)[0])["response"]
    assert (response["status"], response["content"]["text"], response["bodySize"]) == (206, "some", 4)


def test_a_cancelled_request_is_logged_and_the_cancellation_passes(logged: Logged) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.Event().wait()

    middleware, logs = logged(app)

    async def main() -> None:
        task = asyncio.ensure_future(middleware(http_scope(), None, None))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert entry(logs(1)[0])["response"]["status"] == 499


def test_a_cancelled_request_under_trio(logged: Logged) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start(200))
        await send(body(b"a", True))
        await trio.sleep_forever()

    async def send(message: Message) -> None:
        pass

    middleware, logs = logged(app)

    async def main() -> None:
        with trio.move_on_after(0) as scope:
            await middleware(http_scope(), None, send)
        assert scope.cancelled_caught

    trio.run(main)
    response = entry(logs(1)[0])["response"]
    assert (response["status"], response["content"]["text"]) == (200, "a")


def test_a_coroutine_that_is_closed_is_logged(logged: Logged) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.Event().wait()

    middleware, logs = logged(app)

    async def main() -> None:
        coroutine = middleware(http_scope(), None, None)
        coroutine.send(None)
        coroutine.close()

    asyncio.run(main())
    logs(1)


@pytest.mark.parametrize("kind", ["lifespan", "websocket", "x.unknown"])
def test_what_is_not_http_passes_and_is_not_logged(logged: Logged, kind: str) -> None:
    got: list[Any] = []
    error = AppError()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        got.extend((scope, await receive()))
        await send({"type": f"{kind}.accept"})
        raise error

    middleware, logs = logged(app)
    scope = {"type": kind, "asgi": {}}
    message = {"type": f"{kind}.connect"}
    seen = call(middleware, scope, [message])
    assert got[0] is scope and got[1] is message
    assert seen.sent == [{"type": f"{kind}.accept"}]
    assert seen.error is error
    logs(0)


def test_options_and_ignored_paths_are_not_logged(logged: Logged) -> None:
    app = app_of(start(), LAST)
    middleware, logs = logged(app, ignore_paths=["/v1/health", "/static/*"], allowed_http_hosts=["API.example.com"])
    for scope in (
        http_scope(method="OPTIONS"),
        http_scope("/v1/health"),
        http_scope("/health", root_path="/v1/"),
        http_scope("/static/a"),
        {**http_scope(), "headers": [(b"host", b"other.example.com")]},
        {**http_scope(), "headers": []},
    ):
        assert b"x-documentation-url" not in dict(call(middleware, scope).headers)
    logs(0)
    call(middleware, {**http_scope(), "headers": [(b"host", b"api.example.com:8000")]})
    logs(1)


# What is in the log


@pytest.mark.parametrize(
    ("parts", "url"),
    [
        # uvicorn: with --root-path /api, both have it. hypercorn, daphne: neither has.
        ({"path": "/api/a b", "raw_path": b"/api/a%20b", "root_path": "/api"}, "http://api.example.com/api/a%20b"),
        ({"path": "/a b", "raw_path": b"/a%20b", "root_path": "/api"}, "http://api.example.com/api/a%20b"),
        ({"path": "/api", "raw_path": b"/api", "root_path": "/api"}, "http://api.example.com/api"),
        ({"path": "/apiary", "raw_path": b"/apiary", "root_path": "/api"}, "http://api.example.com/api/apiary"),
        ({"path": "/x", "raw_path": b"/x", "root_path": "/api/"}, "http://api.example.com/api/x"),
        ({"path": "/x", "raw_path": b"/x", "root_path": "/"}, "http://api.example.com/x"),
        ({"path": "/x", "raw_path": None}, "http://api.example.com/x"),
        ({"path": "/a/b", "raw_path": b"/a%2Fb"}, "http://api.example.com/a%2Fb"),
        ({"path": "/a/b", "raw_path": b"/a%2Fb?q=1", "query_string": b"q=1"}, "http://api.example.com/a%2Fb?q=1"),
        ({"path": "/é", "raw_path": b"/%C3%A9"}, "http://api.example.com/%C3%A9"),
        ({"path": "/é", "raw_path": b"/\xc3\xa9"}, "http://api.example.com/%C3%A9"),
        ({"path": "/é"}, "http://api.example.com/%C3%A9"),
        ({"path": "/100%", "raw_path": b"/100%"}, "http://api.example.com/100%25"),
        ({"path": "/x", "raw_path": b"http://other.example.com/x"}, "http://api.example.com/x"),
        ({"path": "/x", "query_string": "a=1&é"}, "http://api.example.com/x?a=1&%C3%A9"),
        ({"path": "/x", "scheme": "https"}, "https://api.example.com/x"),
    ],
)
def test_url(logged: Logged, parts: dict[str, Any], url: str) -> None:
    scope = {**http_scope(), "raw_path": None, **parts}
    middleware, logs = logged(app_of(start(), LAST))
    call(middleware, scope)
    assert entry(logs(1)[0])["request"]["url"] == url


def test_the_url_is_that_of_the_arrival(logged: Logged) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["root_path"] = "/v1"
        scope["path"] = "/elsewhere"
        scope["headers"].clear()
        await send(start())
        await send(LAST)

    middleware, logs = logged(app)
    call(middleware, http_scope("/v1/x"))
    request = entry(logs(1)[0])["request"]
    assert request["url"] == "http://api.example.com/v1/x"
    assert request["headers"] == [{"name": "Host", "value": "api.example.com"}]


def test_headers_of_http_2(logged: Logged) -> None:
    headers = [
        (b":method", b"GET"),
        (b":authority", b"h2.example.com"),
        (b"cookie", b"a=1"),
        (b"accept", b"one"),
        (b"cookie", b"b=2"),
        (b"accept", b"two"),
        (b"X-Latin", b"\xe9"),
    ]
    middleware, logs = logged(app_of(start(), LAST))
    call(middleware, {**http_scope(http_version="2"), "headers": headers})
    request = entry(logs(1)[0])["request"]
    assert request["httpVersion"] == "HTTP/2"
    assert request["url"] == "http://h2.example.com/"
    assert [(header["name"], header["value"]) for header in request["headers"]] == [
        ("Host", "h2.example.com"),
        ("Cookie", "a=1; b=2"),
        ("Accept", "one"),
        ("Accept", "two"),
        ("X-Latin", "é"),
    ]


@pytest.mark.parametrize(
    ("client", "address"),
    [(("203.0.113.9", 1), "203.0.113.9"), (["203.0.113.9", "1"], "203.0.113.9"), (None, ""), ((), ""), ("", "")],
)
def test_client_address(logged: Logged, client: Any, address: str) -> None:
    middleware, logs = logged(app_of(start(), LAST))
    call(middleware, http_scope(client=client))
    assert logs(1)[0]["clientIPAddress"] == address


@pytest.mark.parametrize(
    ("server", "host"),
    [
        (("10.0.0.1", 8000), "10.0.0.1:8000"),
        (["10.0.0.1", "80"], "10.0.0.1"),
        (("/run/app.sock", None), ""),
        (None, ""),
    ],
)
def test_without_a_host_it_is_the_server(logged: Logged, server: Any, host: str) -> None:
    middleware, logs = logged(app_of(start(), LAST))
    call(middleware, {**http_scope(server=server), "headers": []})
    assert entry(logs(1)[0])["request"]["url"] == f"http://{host}/"


def test_what_the_server_made_of_x_forwarded_for_is_not_made_again(logged: Logged) -> None:
    forwarded = [(b"x-forwarded-for", b"6.6.6.6, 198.51.100.7"), (b"x-forwarded-proto", b"https")]
    middleware, logs = logged(app_of(start(), LAST), trust_forwarded=True)
    # From a proxy that the server does not know, and as uvicorn leaves it for one that it knows.
    call(middleware, http_scope(headers=forwarded))
    call(middleware, http_scope(headers=forwarded, client=("198.51.100.7", 0), scheme="https"))
    assert [log["clientIPAddress"] for log in logs(2)] == ["6.6.6.6", "198.51.100.7"]


def test_large_bodies_are_cut_and_their_sizes_are_true(logged: Logged) -> None:
    app = app_of(start(), *[body(b"x" * 1000, True)] * 100, body())
    middleware, logs = logged(app, max_body_bytes=1500)
    messages = body_messages(*[b"y" * 1000] * 10)
    call(middleware, post_scope(b"y" * 10_000, b"text/plain"), messages)
    log = entry(logs(1)[0])
    assert (log["request"]["bodySize"], log["response"]["bodySize"]) == (10_000, 100_000)
    assert log["response"]["content"]["text"].count("x") == 1500


# The grouping function


def test_it_gets_starlettes_request_with_what_the_app_left(logged: Logged) -> None:
    from starlette.requests import Request

    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["path_params"] = {"id": 7}
        scope["state"] = {"user": "alice"}
        await receive()
        await send(start())
        await send(LAST)

    async def group(request: Any) -> Any:
        assert isinstance(request, Request)
        body = await request.body()
        seen.append((request.headers["x-a"], request.path_params, request.state.user, request.query_params["q"], body))
        return {"api_key": "a", "label": "b", "email": "c"}

    middleware, logs = logged(app, group)
    scope = post_scope(b"0123456789", headers=[(b"x-a", b"1")], query=b"q=2")
    seen_call = call(middleware, scope, body_messages(b"01234", b"56789"))
    assert seen == [("1", {"id": 7}, "alice", "2", b"01234")]
    assert seen_call.receives == 1
    logs(1)


def test_without_starlette_it_gets_an_object_of_the_same_names(logged: Logged, monkeypatch: pytest.MonkeyPatch) -> None:
    from readme_metrics.capture.asgi import request as asgi_request

    monkeypatch.setattr(asgi_request, "_Request", None)
    seen: list[Any] = []

    async def group(request: Any) -> Any:
        seen.append(
            (
                request.headers["X-A"],
                request.headers.get("x-b"),
                "x-a" in request.headers,
                request.method,
                str(request.url),
                dict(request.query_params),
                request.path_params,
                request.state.user,
                request.client[0],
                request.scope["type"],
                await request.body(),
            )
        )
        return {"api_key": "a", "label": "b", "email": "c"}

    middleware, logs = logged(app_of(start(), LAST), group)
    scope = post_scope(b"body", headers=[(b"x-a", b"1")], query=b"q=2", state={"user": "alice"})
    call(middleware, scope, body_messages(b"body"))
    url = "http://api.example.com/?q=2"
    assert seen == [("1", None, True, "POST", url, {"q": "2"}, {}, "alice", "203.0.113.9", "http", b"body")]
    logs(1)


class Asynchronous:
    async def __call__(self, request: object) -> dict[str, str]:
        return {"api_key": "a", "label": "b", "email": "c"}


async def _async(request: object) -> dict[str, str]:
    await asyncio.sleep(0)
    return {"api_key": "a", "label": "b", "email": "c"}


@pytest.mark.parametrize("function", [_async, Asynchronous(), lambda request: _async(request), "test_asgi._async"])
def test_it_may_be_async(logged: Logged, function: Any) -> None:
    middleware, logs = logged(app_of(start(), LAST), function)
    call(middleware)
    assert logs(1)[0]["group"]["label"] == "b"


async def _raises(request: object) -> None:
    await asyncio.sleep(0)
    raise AppError


def _raise(request: object) -> None:
    raise AppError


async def _nonsense(request: object) -> int:
    return 5


@pytest.mark.parametrize("function", [_raise, _raises, _nonsense, lambda _: "x", lambda _: {"label": "nobody"}])
@pytest.mark.parametrize("raises", [None, AppError()])
def test_what_it_breaks_is_counted_and_the_app_answers_as_ever(
    logged: Logged, function: Any, raises: Exception | None, caplog: pytest.LogCaptureFixture
) -> None:
    app = app_of(raises=raises) if raises else app_of(start(), LAST)
    middleware, logs = logged(app, function)
    seen, bare = call(middleware), call(app)
    assert (seen.sent, seen.error) == (bare.sent, bare.error)
    logs(0)
    assert middleware.stats()["dropped"]["grouping"] == 1
    lines = [record for record in caplog.records if record.levelname == "ERROR"]
    assert [record.getMessage().partition("):")[0] for record in lines] == ["A request was not logged (grouping"]


def test_none_leaves_the_request_unlogged(logged: Logged) -> None:
    middleware, logs = logged(app_of(start(), LAST), lambda request: None)
    assert b"x-documentation-url" not in dict(call(middleware).headers)
    logs(0)
    assert middleware.stats()["made"] == 0


def test_it_is_called_once(logged: Logged) -> None:
    calls: list[object] = []

    def group(request: object) -> Any:
        calls.append(request)
        return {"api_key": "a", "label": "b", "email": "c"}

    middleware, logs = logged(app_of(start(), *[body(b"x", True)] * 5, LAST), group)
    call(middleware)
    logs(1)
    assert len(calls) == 1


def test_an_async_one_does_not_hold_up_a_cancellation(logged: Logged) -> None:
    async def group(request: object) -> Any:
        await asyncio.Event().wait()

    middleware, logs = logged(app_of(start(), LAST), group)

    async def main() -> None:
        async def receive() -> Message:
            return body_messages()[0]

        task = asyncio.ensure_future(middleware(http_scope(), receive, None))
        for _ in range(3):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    logs(0)
    assert middleware.stats()["dropped"]["grouping"] == 1


# Two doors, many requests


def test_the_middleware_twice_makes_one_log(logged: Logged) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(start())
        await send(LAST)

    inner, _ = logged(app)
    outer, logs = logged(inner)
    seen = call(outer, post_scope(b"body", b"text/plain"), body_messages(b"body"))
    assert [name for name, _ in seen.headers].count(b"x-documentation-url") == 1
    [log] = logs(1)
    assert entry(log)["request"]["postData"]["text"] == "body"


def test_two_projects_make_two_logs(logged: Logged, collector: Collector) -> None:
    inner, _ = logged(app_of(start(), LAST))
    outer, _ = logged(inner, key="another")
    seen = call(outer)
    assert [name for name, _ in seen.headers].count(b"x-documentation-url") == 2
    inner.flush(10)
    outer.flush(10)
    assert len(collector.logs) == 2


def test_a_scope_that_is_used_again_is_logged_again(logged: Logged) -> None:
    middleware, logs = logged(app_of(start(), LAST))
    scope = http_scope()
    call(middleware, scope)
    call(middleware, scope)
    logs(2)


def test_requests_at_the_same_time_do_not_mix(logged: Logged) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        data = (await receive())["body"]
        await asyncio.sleep(0)
        await send(start(headers=[(b"x-n", data)]))
        await asyncio.sleep(0)
        await send(body(data))

    def group(request: Any) -> Any:
        return {"api_key": "k", "label": request.query_params["n"], "email": "e"}

    middleware, logs = logged(app, group)

    async def one(n: int) -> None:
        async def receive() -> Message:
            await asyncio.sleep(0)
            return body_messages(b"%d" % n)[0]

        async def send(message: Message) -> None:
            await asyncio.sleep(0)

        await middleware(post_scope(b"%d" % n, b"text/plain", query=b"n=%d" % n), receive, send)

    async def main() -> None:
        await asyncio.gather(*(one(n) for n in range(200)))

    asyncio.run(main())
    for log in logs(200):
        n = log["group"]["label"]
        assert entry(log)["request"]["url"].endswith(f"?n={n}")
        assert entry(log)["request"]["postData"]["text"] == entry(log)["response"]["content"]["text"] == n
        assert {"name": "x-n", "value": n} in entry(log)["response"]["headers"]


def test_no_task_and_one_thread(logged: Logged) -> None:
    middleware, logs = logged(app_of(start(), LAST))
    before = set(threading.enumerate())

    async def main() -> set[Any]:
        async def receive() -> Message:
            return body_messages()[0]

        async def send(message: Message) -> None:
            pass

        for _ in range(50):
            await middleware(http_scope(), receive, send)
        return asyncio.all_tasks() - {asyncio.current_task()}

    assert asyncio.run(main()) == set()
    # The stand-in server, in this process too, has a thread for each connection.
    new = [thread.name for thread in threading.enumerate() if thread not in before]
    new = [name for name in new if not name.endswith("(process_request_thread)")]
    assert new in ([], ["readme-metrics.Flusher"])
    logs(50)


def test_an_app_of_another_type_is_refused() -> None:
    config = MetricsApiConfig("key", group)
    with pytest.raises(TypeError, match="app takes an ASGI app, got str"):
        MetricsMiddleware("app", config)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="config takes a MetricsApiConfig, got dict"):
        MetricsMiddleware(app_of(), {})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="leads nowhere"):
        MetricsMiddleware(app_of(), MetricsApiConfig("key", "no.such.function"))
