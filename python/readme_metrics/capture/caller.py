"""Checks and narrows what the customer's grouping function says of who made a call."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from readme_metrics._process.reporter import Reporter

#: The caller's id, label and email. The id is in clear; the core masks it.
Group = tuple[str, str | None, str | None]


class UnusableGroup(Exception):
    """The grouping function's answer cannot identify anybody; the message says why."""


def narrow(answer: object, reporter: Reporter) -> Group | None:
    """Who made a call.

    Args:
        answer: What the grouping function returned.
        reporter: Hears of what is missing or too much in it.

    Returns:
        None where the request is not to be logged.

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
