"""Makes one log for each project key if two doors wrap one app: an extension and a wrapped app, or a middleware twice.

The outer door has the bytes that the client sees, the inner door the framework's request object. So the outer door
leaves its exchange in the WSGI environ or ASGI scope, and the inner door gives it the request and the grouping
function.
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
    """Leaves an exchange for the doors further inside."""
    head[KEY] = (*head.get(KEY, ()), exchange)


def leave(head: dict[str, Any], exchange: Exchange | SampledOut) -> None:
    """Removes the exchange again, so that the environ is as the server made it."""
    entered = head.pop(KEY, ())
    if len(entered) > 1:
        head[KEY] = tuple(other for other in entered if other is not exchange)


def is_logged_further_out(
    head: dict[str, Any], intake: Intake, make_request: Callable[[dict[str, Any], Capture], object]
) -> bool:
    """Whether a door further out logs this request for the same project.

    Args:
        head: The environ or the scope.
        intake: The intake of the inner door, whose grouping function is called then.
        make_request: Makes the request for that function when the response starts.
    """
    for exchange in head.get(KEY, ()):
        # An exchange that is over, or that this very door left, belongs to an earlier use of the same environ or scope.
        if exchange.is_left_by(intake):
            leave(head, exchange)
        elif not exchange.is_finished and exchange.intake.project == intake.project:
            exchange.give_request(intake.grouping, make_request, head)
            return True
    return False
