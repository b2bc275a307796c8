"""Asks the customer's grouping function who made a call, and checks and narrows its answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from readme_metrics.unparsed_request import request_type

if TYPE_CHECKING:
    from readme_metrics._core import Capture
    from readme_metrics._guard import Reporter
    from readme_metrics.config import GroupingFunction
    from readme_metrics.wsgi_types import Environ

#: The caller's id, label and email. The id is in clear; the core masks it.
Group = tuple[str, str | None, str | None]


class UnusableGroup(Exception):
    """The grouping function's answer cannot identify anybody; the message says why."""


def identify(function: GroupingFunction, environ: Environ, capture: Capture, reporter: Reporter) -> Group | None:
    """Calls `function` with a `werkzeug.Request`.

    The request is the app's as it stands, over a copy of its environ: what the function reads of the body is what the
    app has read so far, and whatever it does to the request cannot disturb the app.

    Returns:
        None where the request is not to be logged.

    Raises:
        UnusableGroup: The answer is not a dict, or has no `api_key` and no `id`.
        Exception: Whatever the function itself raises.
    """
    answer = function(request_type()(environ, capture))
    if answer is None:
        return None
    if not isinstance(answer, dict):
        raise UnusableGroup(f"it returned {type(answer).__name__} and should return a dict or None")
    identity = answer.get("api_key", answer.get("id"))
    if identity is None:
        raise UnusableGroup("its dict has neither 'api_key' nor 'id'")
    label, email = answer.get("label"), answer.get("email")
    if label is None or email is None or len(answer) != 3:
        _remark(answer, reporter)
    if not type(identity) is type(label) is type(email) is str:
        return str(identity), _optional(label), _optional(email)
    return identity, label, email


def _remark(answer: dict[str, object], reporter: Reporter) -> None:
    """Says what is missing, and what is dropped."""
    for name in ("label", "email"):
        if name not in answer:
            reporter.warning(f"grouping without {name}", "The grouping function gave no %s; logging all the same", name)
    if extra := answer.keys() - {"api_key", "id", "label", "email"}:
        reporter.warning(
            "grouping extras", "The grouping function gave unknown fields; dropping %s", sorted(map(str, extra))
        )


def _optional(value: object) -> str | None:
    return None if value is None else str(value)
