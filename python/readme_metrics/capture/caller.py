"""`Grouping`: calls the customer's grouping function, which says who made a call, and checks its answer."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from readme_metrics._process.reporter import Reporter
    from readme_metrics.capture.exchange import Exchange

    #: The caller's id, label and email. The id is in clear; the core masks it.
    Caller = tuple[str, str | None, str | None]


#: A grouping function that takes longer is slow: each response waits for it.
SLOW_S = 0.1
#: How many slow calls are reported. The first calls may have to import modules or to connect.
SLOW_CALLS = 3
#: How many calls are timed. To time all of them would cost each request 0.2 us.
TIMED_CALLS = 100


class UnusableGroup(Exception):
    """The grouping function's answer identifies nobody; the message says why."""


class Grouping:
    """The customer's grouping function.

    Args:
        function: Gets what `Exchange.make_request` makes.
        reporter: Is told which fields of an answer are missing or unknown.
        lost: Counts a request that is not logged, for a reason and an error.
    """

    def __init__(
        self, function: Callable[[Any], object], reporter: Reporter, lost: Callable[[str, BaseException], None]
    ) -> None:
        self.function = _timed(self, function, reporter)
        self._reporter = reporter
        self._lost = lost
        #: Whether Django has refused the function its database on the event loop: see `asgi.grouping`.
        self.needs_thread = False

    def identify(self, exchange: Exchange) -> None:
        """Asks who made the call, and sets the exchange's caller and `is_logged`.

        Whatever goes wrong is counted and reported, never raised. If the request is not logged, no bodies are kept.
        """
        exchange.is_logged = False  # whatever happens in the call, the function is not called again
        try:
            # Not `self.function(..)`, which CPython looks up as a method first.
            function, make_request = self.function, exchange.make_request
            answer = function(make_request(exchange.head, exchange))
            exchange.is_logged = exchange.set_plain_caller(answer) or self._narrow(exchange, answer)
        except Exception as error:
            self._lost("grouping", error)
        if not exchange.is_logged:
            exchange.forget_request()
            exchange.forget_response()

    def accept(self, exchange: Exchange, answer: object) -> None:
        """As `identify`, with the answer of a function that the door has called (and awaited) by itself."""
        try:
            exchange.is_logged = exchange.set_plain_caller(answer) or self._narrow(exchange, answer)
        except Exception as error:
            self.refuse(exchange, error)
        if not exchange.is_logged:
            exchange.forget_request()
            exchange.forget_response()

    def refuse(self, exchange: Exchange, error: BaseException) -> None:
        """As `identify`, with the exception of a function that the door has called (and awaited) by itself."""
        exchange.is_logged = False
        self._lost("grouping", error)
        exchange.forget_request()
        exchange.forget_response()

    def _narrow(self, exchange: Exchange, answer: object) -> bool:
        caller = narrow(answer, self._reporter)
        if caller is not None:
            exchange.set_caller(caller)
        return caller is not None


def _timed(grouping: Grouping, function: Callable[[Any], object], reporter: Reporter) -> Callable[[Any], object]:
    """`function`, timed in its first calls; then `grouping` has it back as it is. Reports it if it is slow."""
    calls = slow_calls = 0

    def timed(request: Any) -> object:
        nonlocal calls, slow_calls
        started_s = perf_counter()
        try:
            return function(request)
        finally:
            calls += 1
            slow_calls += perf_counter() - started_s > SLOW_S
            if slow_calls >= SLOW_CALLS:
                reporter.warning(
                    "slow grouping",
                    "The grouping function took more than %d ms in %d of %d calls; each response waits for it",
                    SLOW_S * 1000,
                    slow_calls,
                    calls,
                )
            if slow_calls >= SLOW_CALLS or calls >= TIMED_CALLS:
                grouping.function = function

    return timed


def narrow(answer: object, reporter: Reporter) -> Caller | None:
    """Who made a call.

    Args:
        answer: What the grouping function returned.
        reporter: Is told which fields are missing or unknown.

    Returns:
        None if the request is not to be logged.

    Raises:
        UnusableGroup: The answer is not a dict, or has no `api_key` and no `id`.
        Exception: Whatever `str()` of its values raises.
    """
    if answer is None:
        return None
    if not isinstance(answer, dict):
        raise UnusableGroup(f"it returned {type(answer).__name__} and should return a dict or None")
    identity = answer.get("api_key", answer.get("id"))
    if identity is None:
        raise UnusableGroup("its dict has neither 'api_key' nor 'id'")
    _remark(answer, reporter)
    return str(identity), _optional(answer.get("label")), _optional(answer.get("email"))


def _remark(answer: dict[str, object], reporter: Reporter) -> None:
    """Reports fields that are missing and fields that are dropped."""
    for name in ("label", "email"):
        if name not in answer:
            reporter.warning(f"grouping without {name}", "The grouping function gave no %s; logging all the same", name)
    if extra := answer.keys() - {"api_key", "id", "label", "email"}:
        reporter.warning(
            "grouping extras", "The grouping function gave unknown fields; dropping %s", sorted(map(str, extra))
        )


def _optional(value: object) -> str | None:
    return None if value is None else str(value)
