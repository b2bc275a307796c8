"""How an ASGI request may end: what the app raises, a client that leaves, a task that is cancelled."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import trio

from asgi_answers import LAST, RUNS, AppError, app_of, body, start
from asgi_driver import Message, call, http_scope
from asgi_logging import Logged
from logs import entry


@pytest.mark.parametrize("run", RUNS, ids=["asyncio", "trio"])
def test_an_exception_passes_as_the_same_object_and_is_logged_as_500(logged_asgi: Logged, run: Any) -> None:
    error = AppError()
    middleware, logs = logged_asgi(app_of(raises=error))
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


def test_an_exception_after_the_start_leaves_the_status_as_sent(logged_asgi: Logged) -> None:
    middleware, logs = logged_asgi(app_of(start(202), body(b"half", True), raises=AppError()))
    assert isinstance(call(middleware).error, AppError)
    response = entry(logs(1)[0])["response"]
    assert (response["status"], response["content"]["text"]) == (202, "half")


def test_an_exception_in_a_background_task_changes_nothing(logged_asgi: Logged) -> None:
    middleware, logs = logged_asgi(app_of(start(), LAST, raises=AppError()))
    assert isinstance(call(middleware).error, AppError)
    assert entry(logs(1)[0])["response"]["status"] == 200


def test_time_ends_with_the_last_body_message(logged_asgi: Logged) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start())
        await send(LAST)
        await asyncio.sleep(0.5)

    middleware, logs = logged_asgi(app)
    call(middleware)
    # The log was made before the background task began to wait. The margin is for slow machines.
    assert entry(logs(1)[0])["time"] < 500


def test_an_app_that_answers_nothing_is_a_500(logged_asgi: Logged) -> None:
    middleware, logs = logged_asgi(app_of())
    call(middleware)
    assert entry(logs(1)[0])["response"]["status"] == 500


@pytest.mark.parametrize("raises", [None, AppError()])
def test_a_client_that_left_before_the_start_is_a_499(logged_asgi: Logged, raises: Exception | None) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        if raises:
            raise raises

    middleware, logs = logged_asgi(app)
    call(middleware, messages=[])
    response = entry(logs(1)[0])["response"]
    assert (response["status"], response["statusText"]) == (499, "Client Closed Request")


def test_the_log_of_a_client_that_left_later_has_the_status_and_the_bytes_so_far(logged_asgi: Logged) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start(206))
        await send(body(b"some", True))
        assert (await receive())["type"] == "http.disconnect"

    middleware, logs = logged_asgi(app)
    call(middleware, messages=[])
    response = entry(logs(1)[0])["response"]
    assert (response["status"], response["content"]["text"], response["bodySize"]) == (206, "some", 4)


def test_a_cancelled_request_is_logged_and_the_cancellation_passes(logged_asgi: Logged) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.Event().wait()

    middleware, logs = logged_asgi(app)

    async def main() -> None:
        task = asyncio.ensure_future(middleware(http_scope(), None, None))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert entry(logs(1)[0])["response"]["status"] == 499


def test_a_cancelled_request_under_trio(logged_asgi: Logged) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start(200))
        await send(body(b"a", True))
        await trio.sleep_forever()

    async def send(message: Message) -> None:
        pass

    middleware, logs = logged_asgi(app)

    async def main() -> None:
        with trio.move_on_after(0) as scope:
            await middleware(http_scope(), None, send)
        assert scope.cancelled_caught

    trio.run(main)
    response = entry(logs(1)[0])["response"]
    assert (response["status"], response["content"]["text"]) == (200, "a")


def test_a_coroutine_that_is_closed_is_logged(logged_asgi: Logged) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.Event().wait()

    middleware, logs = logged_asgi(app)

    async def main() -> None:
        coroutine = middleware(http_scope(), None, None)
        coroutine.send(None)
        coroutine.close()

    asyncio.run(main())
    logs(1)


MALFORMED: list[Message] = [
    {"status": 200, "headers": 5},
    {"status": 200, "headers": None},
    {"status": 200, "headers": [(b"a",)]},
    {"status": 200, "headers": [1]},
    {"status": "abc", "headers": []},
    {"status": [200], "headers": []},
    {"headers": []},
]


@pytest.mark.parametrize("malformed", MALFORMED, ids=str)
def test_a_malformed_start_passes_to_the_server_and_is_logged(logged_asgi: Logged, malformed: Message) -> None:
    message = {"type": "http.response.start", **malformed}
    middleware, logs = logged_asgi(app_of(message, LAST))
    outcome = call(middleware)
    assert outcome.error is None
    passed, last = outcome.sent
    if isinstance(passed["headers"], list):
        passed = {**passed, "headers": [pair for pair in passed["headers"] if not _is_ours(pair)]}
    assert (passed, last) == (message, LAST)
    assert entry(logs(1)[0])["response"]["status"] == (200 if malformed.get("status") == 200 else 500)


class Indexed:
    """Headers that can be iterated by their indices alone."""

    def __getitem__(self, index: int) -> tuple[bytes, bytes]:
        return [(b"a", b"1")][index]


def test_headers_that_have_indices_and_no_iterator_are_logged(logged_asgi: Logged) -> None:
    message = {"type": "http.response.start", "status": 200, "headers": Indexed()}
    middleware, logs = logged_asgi(app_of(message, LAST))
    assert call(middleware).headers[0] == (b"a", b"1")
    assert entry(logs(1)[0])["response"]["headers"][0] == {"name": "a", "value": "1"}


def _is_ours(pair: object) -> bool:
    return isinstance(pair, tuple) and pair[0] == b"x-documentation-url"
