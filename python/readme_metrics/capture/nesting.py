"""Two doors round one app (an extension and a wrapped app, one middleware twice): one log for each project key.

The outer door has the bytes that the client sees, the inner one the request object of the framework. So the outer one
leaves its exchange in the WSGI environ or ASGI scope, and the inner one gives it what to ask and whom.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from readme_metrics._core import Capture
    from readme_metrics.capture.exchange import Exchange
    from readme_metrics.capture.intake import Intake
    from readme_metrics.capture.selection import SampledOut

#: In an environ or a scope: the exchanges of the doors further out, each of another project.
KEY = "readme_metrics.exchanges"


def enter(head: dict[str, Any], exchange: Exchange | SampledOut) -> None:
    """Leaves an exchange for the doors further in."""
    head[KEY] = (*head.get(KEY, ()), exchange)


def leave(head: dict[str, Any], exchange: Exchange | SampledOut) -> None:
    """Takes it away again, so that an environ is as it came."""
    entered = head.pop(KEY, ())
    if len(entered) > 1:
        head[KEY] = tuple(other for other in entered if other is not exchange)


def is_logged_further_out(
    head: dict[str, Any], intake: Intake, make_request: Callable[[dict[str, Any], Capture], object]
) -> bool:
    """Whether a door further out logs this request for the same project.

    Args:
        head: The environ or the scope.
        intake: Of the inner door, whose grouping function is asked then.
        make_request: Makes the request for that function, when the outer door's response starts.
    """
    for exchange in head.get(KEY, ()):
        # One that is over was for another use of the same environ or scope, and so was what this very door has left.
        if exchange.is_left_by(intake):
            leave(head, exchange)
        elif not exchange.is_finished and exchange.intake.project == intake.project:
            exchange.give_request(intake.grouping, make_request, head)
            return True
    return False
