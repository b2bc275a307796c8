"""The ASGI door: one log for each request, and an app and a server that notice nothing."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from asgi_answers import LAST, RUNS, AppError, app_of, body, start
from asgi_driver import Message, body_messages, call, http_scope, post_scope
from asgi_logging import Logged, group
from logs import entry
from readme_metrics import MetricsApiConfig
from readme_metrics.asgi import MetricsMiddleware

#: What an app may send, and what its log must say: status, text (None: no text), size.
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
def test_every_message_passes_unchanged_and_makes_one_log(logged_asgi: Logged, name: str, run: Any) -> None:
    messages, status, text, size = RESPONSES[name]
    bare = call(app_of(*messages), run=run)
    middleware, logs = logged_asgi(app_of(*messages))

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
def test_headers_keep_their_type(logged_asgi: Logged, kind: Any) -> None:
    pairs = [[b"Set-Cookie", b"a=1"], (b"set-cookie", b"b=2"), (b"X-UPPER", b"\xe9")]
    middleware, logs = logged_asgi(app_of({"type": "http.response.start", "status": 200, "headers": kind(pairs)}, LAST))
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


def test_a_start_without_headers_gets_none(logged_asgi: Logged) -> None:
    message = {"type": "http.response.start", "status": 200}
    middleware, logs = logged_asgi(app_of(message, LAST))
    assert call(middleware).sent[0] is message
    assert entry(logs(1)[0])["response"]["headers"] == []


def test_receive_is_called_only_when_the_app_calls_it(logged_asgi: Logged) -> None:
    for reads in (True, False):
        app = app_of(start(), LAST, reads=reads)
        middleware, _ = logged_asgi(app)
        pieces = body_messages(b"one", b"two", b"three")
        assert call(middleware, post_scope(b"onetwothree"), pieces).receives == call(app, None, pieces).receives


def test_the_request_body_is_what_the_app_received(logged_asgi: Logged) -> None:
    received: list[Message] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while not received or received[-1].get("more_body"):
            received.append(await receive())
        await send(start())
        await send(LAST)

    middleware, logs = logged_asgi(app, denylist=["password"])
    data = b'{"a": 1, "password": "5ecret"}'
    messages = body_messages(data[:10], data[10:])
    call(middleware, post_scope(data), messages)
    assert [id(message) for message in received] == [id(message) for message in messages]
    request = entry(logs(1)[0])["request"]
    assert request["postData"] == {"mimeType": "application/json", "text": '{"a": 1, "password": "[REDACTED 6]"}'}
    assert request["bodySize"] == len(data)


@pytest.mark.parametrize("kind", ["lifespan", "websocket", "x.unknown"])
def test_what_is_not_http_passes_and_is_not_logged(logged_asgi: Logged, kind: str) -> None:
    got: list[Any] = []
    error = AppError()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        got.extend((scope, await receive()))
        await send({"type": f"{kind}.accept"})
        raise error

    middleware, logs = logged_asgi(app)
    scope = {"type": kind, "asgi": {}}
    message = {"type": f"{kind}.connect"}
    seen = call(middleware, scope, [message])
    assert got[0] is scope and got[1] is message
    assert seen.sent == [{"type": f"{kind}.accept"}]
    assert seen.error is error
    logs(0)


def test_options_and_ignored_paths_are_not_logged(logged_asgi: Logged) -> None:
    app = app_of(start(), LAST)
    middleware, logs = logged_asgi(
        app, ignore_paths=["/v1/health", "/static/*"], allowed_http_hosts=["API.example.com"]
    )
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


def test_large_bodies_are_cut_and_their_sizes_are_true(logged_asgi: Logged) -> None:
    app = app_of(start(), *[body(b"x" * 1000, True)] * 100, body())
    middleware, logs = logged_asgi(app, max_body_bytes=1500)
    messages = body_messages(*[b"y" * 1000] * 10)
    call(middleware, post_scope(b"y" * 10_000, b"text/plain"), messages)
    log = entry(logs(1)[0])
    assert (log["request"]["bodySize"], log["response"]["bodySize"]) == (10_000, 100_000)
    assert log["response"]["content"]["text"].count("x") == 1500


def test_requests_at_the_same_time_do_not_mix(logged_asgi: Logged) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        data = (await receive())["body"]
        await asyncio.sleep(0)
        await send(start(headers=[(b"x-n", data)]))
        await asyncio.sleep(0)
        await send(body(data))

    def group(request: Any) -> Any:
        return {"api_key": "k", "label": request.query_params["n"], "email": "e"}

    middleware, logs = logged_asgi(app, group)

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


def test_no_task_and_one_thread(logged_asgi: Logged) -> None:
    middleware, logs = logged_asgi(app_of(start(), LAST))
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
    # The stand-in runs in this process too, with a thread for each connection.
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
