"""`Exchange`: the life of one request, from its arrival to its log, whichever door it came through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from readme_metrics._core import Capture, Forked, Unread
from readme_metrics.capture.selection import LOGGED, SAMPLED

if TYPE_CHECKING:
    from collections.abc import Callable

    from readme_metrics._core import Verdict
    from readme_metrics.capture.caller import Grouping
    from readme_metrics.capture.intake import Intake

#: The head of an exchange that is over.
GONE: dict[str, Any] = {}

#: The status that the client sees if the app raised.
SERVER_ERROR = "500 Internal Server Error"


def _nothing(_: dict[str, Any], __: Capture) -> None:
    """The request of an exchange that is over."""


class Exchange(Capture):
    """One request and its response, from the arrival of the request to the end of the response.

    Each door has a subclass and goes through these steps. When the request arrives, it makes an exchange. When the
    response starts, it calls `decide` if `is_judged`, then `grouping.identify(exchange)` if `is_logged` is still None,
    and announces `documentation_url` if `is_logged` is True. When the response has ended, or can no longer end, it
    calls `finish`, even if the response never started.
    """

    #: Attributes without a value here are set by the function in each subclass's module that makes the exchange: an
    #: `__init__` in addition to the `__new__` of `Capture` costs 2,400 instructions per request (3 %).
    intake: Intake
    #: Says who made the call: the intake's grouping, or that of a door further in (see `give_request`).
    grouping: Grouping
    #: Makes the request that the grouping function gets, from `head` and this exchange.
    make_request: Callable[[dict[str, Any], Capture], object]
    #: The live WSGI environ or ASGI scope, which the app may change. A log shows the copy in `Capture`.
    head: dict[str, Any]
    #: None until the rules or the grouping function have decided.
    is_logged: bool | None
    is_finished: bool
    #: Whether some rule concerns this request, so that `decide` must be called.
    is_judged = False
    #: The response's status, for instance `200 OK`; None if the app raised before the response started.
    status: str | None = None
    #: The response's headers: pairs of strings or of bytes.
    headers: Any = []  # noqa: RUF012 - never changed, only replaced

    def give_request(
        self, grouping: Grouping, make_request: Callable[[dict[str, Any], Capture], object], head: dict[str, Any]
    ) -> None:
        """Takes over the framework's request, and the grouping function that expects it, from a door further in."""
        self.grouping = grouping
        self.make_request = make_request
        self.head = head

    def is_left_by(self, intake: Intake) -> bool:  # noqa: ARG002 - `SampledOut` has the same method
        """Whether the door of `intake` left this exchange at an earlier use of the environ, and has to remove it."""
        return False

    def follow_rules(self, verdict: Verdict) -> None:
        """Goes on from what the rules said of the request before the app was called."""
        if not verdict.is_plain:
            self.follow(verdict)
            self.is_judged = True

    def route(self) -> str | None:
        """The framework's template of the path, if the framework has matched the path by now."""
        return None

    def decide(self, status: str | bytes, headers: Any) -> None:
        """Lets the rules decide when the response starts, before anybody is asked who made the call.

        Args:
            status: The response's status.
            headers: The response's headers. An iterator is not consumed here: the rules then decide at the end.
        """
        if not isinstance(headers, (list, tuple)):
            return
        fate = self.judge_start(status, headers, self.route())
        if fate != LOGGED:
            self.is_logged = False
            self.forget_request()
            self.forget_response()
            if fate == SAMPLED:
                self.intake.join().queue.sample_one()

    def decide_at_the_end(self) -> None:
        """Calls `decide` for a response that has not started."""
        if self.is_judged:
            self.decide(self.status or SERVER_ERROR, self.headers)

    def read_rest(self) -> None:
        """Reads what the app left of the request's body, where that needs no waiting. Nothing by default."""

    def failed(self, error: BaseException) -> None:  # noqa: ARG002 - for subclasses
        """Notes that the app raised: the client sees 500, unless the response had begun."""
        if not self.response_bytes:
            self.status = None

    def discard(self) -> None:
        """Logs nothing: this was no request for an HTTP response."""
        self.is_logged = False

    def is_upgraded(self) -> bool:
        """Whether the app has answered on the connection itself; asked at the end if no response has started."""
        return False

    def finish(self, chunks: list[bytes] | None = None) -> None:
        """Logs the exchange, with `chunks` as the last pieces of the response. Only the first call counts.

        Whatever goes wrong is counted, never raised.
        """
        if self.is_finished:
            return
        self.is_finished = True
        intake = self.intake
        try:
            if self.is_logged is None and not self.is_upgraded():  # the response never started
                self.end()
                self.decide_at_the_end()
                if self.is_logged is None:
                    self.grouping.identify(self)
            if self.is_logged:
                flusher = intake.flusher or intake.join()
                try:
                    waiting = flusher.queue.record(self, chunks, self.status, self.headers)
                except Unread:
                    self.read_rest()
                    waiting = self._record_again()
                except Forked:
                    waiting = self._record_again()
                if waiting is not None:
                    intake.wake(waiting)
        except Exception as error:
            intake.lost("internal", error)
        try:
            self.let_go()
        except Exception:  # noqa: S110 - at the interpreter's end, our modules are gone before some holders are
            pass

    def _record_again(self) -> int | None:
        """Records after `Unread` or `Forked`: the chunks are noted already, and `join` chooses the queue by the pid."""
        return self.intake.join().queue.record(self, None, self.status, self.headers, is_read=True)

    def let_go(self) -> None:
        """Restores what was replaced, and drops references that lead back to the exchange.

        A cycle would keep environ and bodies until the garbage collector runs.
        """
        self.head = GONE
        self.make_request = _nothing

    def lose(self, error: Exception) -> None:
        """Stops watching the exchange after an error, and counts the log as lost."""
        if not self.is_finished:
            self.is_finished = True
            if self.is_logged is not False:
                self.intake.lost("internal", error)
            self.let_go()
