"""Asks the customer's grouping function who made a call, and checks and narrows its answer."""

from __future__ import annotations

import functools
import io
from typing import TYPE_CHECKING, Any, NamedTuple

from readme_metrics.late import loading

if TYPE_CHECKING:
    from werkzeug import Request

    from readme_metrics._guard import Reporter
    from readme_metrics.config import GroupingFunction

_KNOWN = frozenset({"api_key", "id", "label", "email"})


class Group(NamedTuple):
    """The caller's identity. The id is in clear; the core masks it."""

    id: str
    label: str | None
    email: str | None


class UnusableGroup(Exception):
    """The grouping function's answer cannot identify anybody; the message says why."""


def identify(
    function: GroupingFunction, environ: dict[str, Any], request_body: bytes, reporter: Reporter
) -> Group | None:
    """Calls `function` with a `werkzeug.Request`.

    The request is the app's as it stands, over a copy of its environ: what the function reads of the body is what the
    app has read so far, and whatever it does to the request cannot disturb the app.

    Returns:
        None where the request is not to be logged.

    Raises:
        UnusableGroup: The answer is not a dict, or has no `api_key` and no `id`.
        Exception: Whatever the function itself raises.
    """
    answer = function(
        _request_type()({**environ, "wsgi.input": io.BytesIO(request_body), "CONTENT_LENGTH": str(len(request_body))})
    )
    if answer is None:
        return None
    if not isinstance(answer, dict):
        raise UnusableGroup(f"it returned {type(answer).__name__} and should return a dict or None")
    identity = answer.get("api_key", answer.get("id"))
    if identity is None:
        raise UnusableGroup("its dict has neither 'api_key' nor 'id'")
    for name in ("label", "email"):
        if name not in answer:
            reporter.warning(f"grouping without {name}", "The grouping function gave no %s; logging all the same", name)
    if extra := answer.keys() - _KNOWN:
        reporter.warning(
            "grouping extras", "The grouping function gave unknown fields; dropping %s", sorted(map(str, extra))
        )
    return Group(str(identity), _optional(answer.get("label")), _optional(answer.get("email")))


@functools.cache
def _request_type() -> type[Request]:
    with loading():  # not at import: Werkzeug is the heavier half of this package's import time
        from werkzeug import Request
    return Request


def _optional(value: object) -> str | None:
    return None if value is None else str(value)
