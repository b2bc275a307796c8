"""The grouping function behind the ASGI door: what it is given, sync or async, and what its failures cost."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from asgi_answers import LAST, AppError, app_of, body, start
from asgi_driver import Message, body_messages, call, http_scope, post_scope
from asgi_logging import Logged


def test_the_function_gets_starlettes_request_as_the_app_left_it(logged_asgi: Logged) -> None:
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

    middleware, logs = logged_asgi(app, group)
    scope = post_scope(b"0123456789", headers=[(b"x-a", b"1")], query=b"q=2")
    seen_call = call(middleware, scope, body_messages(b"01234", b"56789"))
    assert seen == [("1", {"id": 7}, "alice", "2", b"01234")]
    assert seen_call.receives == 1
    logs(1)


def test_without_starlette_the_function_gets_an_object_with_the_same_names(
    logged_asgi: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
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

    middleware, logs = logged_asgi(app_of(start(), LAST), group)
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


@pytest.mark.parametrize(
    "function", [_async, Asynchronous(), lambda request: _async(request), "test_asgi_grouping._async"]
)
def test_the_function_may_be_async(logged_asgi: Logged, function: Any) -> None:
    middleware, logs = logged_asgi(app_of(start(), LAST), function)
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
def test_a_broken_function_is_counted_and_the_app_answers_as_before(
    logged_asgi: Logged, function: Any, raises: Exception | None, caplog: pytest.LogCaptureFixture
) -> None:
    app = app_of(raises=raises) if raises else app_of(start(), LAST)
    middleware, logs = logged_asgi(app, function)
    seen, bare = call(middleware), call(app)
    assert (seen.sent, seen.error) == (bare.sent, bare.error)
    logs(0)
    assert middleware.stats()["dropped"]["grouping"] == 1
    lines = [record for record in caplog.records if record.levelname == "ERROR"]
    assert [record.getMessage().partition("):")[0] for record in lines] == ["A request was not logged (grouping"]


def test_none_leaves_the_request_unlogged(logged_asgi: Logged) -> None:
    middleware, logs = logged_asgi(app_of(start(), LAST), lambda request: None)
    assert b"x-documentation-url" not in dict(call(middleware).headers)
    logs(0)
    assert middleware.stats()["made"] == 0


def test_the_function_is_called_once(logged_asgi: Logged) -> None:
    calls: list[object] = []

    def group(request: object) -> Any:
        calls.append(request)
        return {"api_key": "a", "label": "b", "email": "c"}

    middleware, logs = logged_asgi(app_of(start(), *[body(b"x", True)] * 5, LAST), group)
    call(middleware)
    logs(1)
    assert len(calls) == 1


def test_an_async_function_does_not_hold_up_a_cancellation(logged_asgi: Logged) -> None:
    async def group(request: object) -> Any:
        await asyncio.Event().wait()

    middleware, logs = logged_asgi(app_of(start(), LAST), group)

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
