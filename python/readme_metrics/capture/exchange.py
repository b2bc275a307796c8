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
    """One request and its response, from the arrival of the one to the end of the other.

    A door subclasses it and goes through these steps: make it when the request arrives; when the response starts, call
    `decide` if a rule concerns it, then `grouping.identify(exchange)` if `is_logged` is None still, and announce
    `documentation_url` if it is True; call `finish` when the response has ended or cannot any more, even if it never
    started.
    """

    #: What serves it. What has no value here is set in the module of each subclass, by the function that makes one: an
    #: `__init__` beside the `__new__` of `Capture` costs 2,400 instructions per request (3 %).
    intake: Intake
    #: Says who made the call: the intake's, or that of a door further in (see `give_request`).
    grouping: Grouping
    #: Makes the request that the grouping function gets, of `head` and this.
    make_request: Callable[[dict[str, Any], Capture], object]
    #: The live WSGI environ or ASGI scope. A log shows the request as it came: the app may change these.
    head: dict[str, Any]
    #: None before the grouping function was asked.
    is_logged: bool | None
    is_finished: bool
    #: Whether some rule concerns this request: `decide` has to be asked.
    is_judged = False
    #: The response's, for instance `200 OK`; None if the app raised before there was one.
    status: str | None = None
    #: The response's: pairs of strings or of bytes.
    headers: Any = []  # noqa: RUF012 - never changed, only replaced

    def give_request(
        self, grouping: Grouping, make_request: Callable[[dict[str, Any], Capture], object], head: dict[str, Any]
    ) -> None:
        """A door further in has the framework's request object, and the grouping function that expects it."""
        self.grouping = grouping
        self.make_request = make_request
        self.head = head

    def is_left_by(self, intake: Intake) -> bool:  # noqa: ARG002 - as of what stands for an exchange
        """Whether the door of this intake finds it from an earlier use of the same environ: each is taken away."""
        return False

    def follow_rules(self, verdict: Verdict) -> None:
        """Goes on from what the rules said of the request before the app was called."""
        if not verdict.is_plain:
            self.follow(verdict)
            self.is_judged = True

    def route(self) -> str | None:
        """The framework's template of the path, if it has told it by now."""
        return None

    def decide(self, status: str | bytes, headers: Any) -> None:
        """Lets the rules decide when the response starts, before anybody is asked who made the call.

        Args:
            status: The response's.
            headers: The response's. What can be read only once is not: the rules then decide at the end.
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
        """As `decide`, if no response has started."""
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
        """As `Queue.record` after `Unread` or `Forked`: the chunks are noted, and the pid decides about the queue."""
        return self.intake.join().queue.record(self, None, self.status, self.headers, is_read=True)

    def let_go(self) -> None:
        """Gives back what was replaced, and drops what leads back to the exchange.

        A cycle would keep environ and bodies until the garbage collector comes.
        """
        self.head = GONE
        self.make_request = _nothing

    def lose(self, error: Exception) -> None:
        """Counts an exchange that cannot be watched any further."""
        if not self.is_finished:
            self.is_finished = True
            if self.is_logged is not False:
                self.intake.lost("internal", error)
            self.let_go()
