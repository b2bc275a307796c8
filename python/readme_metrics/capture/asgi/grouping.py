"""Calls the grouping function from a coroutine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from readme_metrics.capture.exchange import Exchange


async def identify(exchange: Exchange) -> None:
    """As `Grouping.identify`, with a function that may be async, or may use Django's database.

    Raises:
        BaseException: A cancellation that comes while an async function waits. What it cuts short is counted.
    """
    grouping = exchange.grouping
    exchange.is_logged = False  # whatever happens in the call, the function is not called again
    try:
        request = exchange.make_request(exchange.head, exchange)
        function = grouping.function
        if grouping.needs_thread:
            answer = await _in_thread(function, request)
        else:
            try:
                answer = function(request)
            except Exception as error:
                if type(error).__name__ != "SynchronousOnlyOperation":
                    raise
                # Django refuses its database to code on the event loop, and `request.user` needs it.
                answer = await _in_thread(function, request)
                grouping.needs_thread = True
        if type(answer) is not dict and hasattr(answer, "__await__"):
            answer = await answer
    except BaseException as error:
        grouping.refuse(exchange, error)
        if not isinstance(error, Exception):
            raise
    else:
        grouping.accept(exchange, answer)


async def identify_at_the_end(exchange: Exchange, error: BaseException | None) -> None:
    """As `identify`, if no response has started: the app has returned, or raised `error`."""
    if exchange.is_logged is None:
        exchange.end()
        exchange.decide_at_the_end()
    if exchange.is_logged is None:
        if error is None or isinstance(error, Exception):
            await identify(exchange)
        else:
            _identify_at_once(exchange)


def _identify_at_once(exchange: Exchange) -> None:
    """As `identify`, but awaits nothing, since the app is being cancelled or closed.

    An async function that has to wait counts as one that raised.
    """
    grouping = exchange.grouping
    exchange.is_logged = False
    try:
        answer = grouping.function(exchange.make_request(exchange.head, exchange))
        if type(answer) is not dict and hasattr(answer, "__await__"):
            answer = _without_waiting(answer.__await__())
    except BaseException as error:
        grouping.refuse(exchange, error)
        if not isinstance(error, Exception):
            raise
    else:
        grouping.accept(exchange, answer)


async def _in_thread(function: Callable[[Any], object], request: object) -> object:
    """Calls `function` in the thread in which Django runs synchronous code."""
    from asgiref.sync import sync_to_async

    return await sync_to_async(function, thread_sensitive=True)(request)


def _without_waiting(steps: Generator[object, None, object]) -> object:
    try:
        next(steps)
    except StopIteration as end:
        return end.value
    steps.close()
    raise TimeoutError("the grouping function waits, and the request is over")
