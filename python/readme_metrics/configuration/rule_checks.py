"""The checks of a `Rule`'s arguments; `checks` has those that other arguments share."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from readme_metrics.configuration.checks import names, refuse


def part(name: str, value: object) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise refuse(name, value, "a number from 0 to 1")
    if not 0 <= value <= 1:
        raise ValueError(f"{name} takes a number from 0 to 1, got {value}")
    return float(value)


def milliseconds(name: str, value: object) -> float | None:
    if value is None:
        return None
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise refuse(name, value, "a number of milliseconds")
    if not 0 <= value < math.inf:
        raise ValueError(f"{name} takes milliseconds from 0 on, got {value}")
    return float(value)


def bodies(name: str, value: object) -> bool | str:
    if isinstance(value, bool) or value in ("request", "response"):
        return value
    raise refuse(name, value, "True, False, 'request' or 'response'")


def texts(
    name: str, value: object, *, starts_with: tuple[str, ...] = (), without: str = "", blank: bool = False
) -> list[str] | None:
    """One pattern or several, each of which can match something.

    Args:
        name: The argument's name.
        value: The argument's value.
        starts_with: Each pattern has to begin with one of these.
        without: Characters that no pattern may have.
        blank: Whether a pattern may be empty.
    """
    if value is None:
        return None
    texts = [value] if isinstance(value, str) else names(name, value)
    if not texts:
        raise ValueError(f"{name} takes a text or some, got an empty list, which holds for no request")
    for text in texts:
        if not blank and not text.strip():
            raise ValueError(f"{name} is blank, which holds for no request")
        if starts_with and not text.startswith(starts_with):
            raise ValueError(f"{name} takes a text that starts with {' or '.join(starts_with)}, got {text!r:.80}")
        if any(character in text for character in without):
            raise ValueError(f"{name} takes a text without {without}, got {text!r:.80}")
    return texts


def statuses(name: str, value: object) -> list[tuple[int, int]] | None:
    """Ranges of statuses, each as its first and its last status."""
    if value is None:
        return None
    items = [value] if isinstance(value, (int, str)) else value
    if not isinstance(items, Iterable) or isinstance(items, bytes):
        raise refuse(name, value, "a status such as 404, '5xx' or '2xx-3xx', or a list of them")
    ranges = [_status_range(name, item) for item in items]
    if not ranges:
        raise ValueError(f"{name} takes a status or some, got an empty list, which holds for no request")
    return ranges


def _status_range(name: str, item: object) -> tuple[int, int]:
    if not isinstance(item, (int, str)) or isinstance(item, bool):
        raise refuse(name, item, "a status such as 404, '5xx' or '2xx-3xx'")
    first, separator, last = str(item).strip().lower().partition("-")
    ends = [first.strip(), (last if separator else first).strip()]
    if all(re.fullmatch(r"[1-5](xx|[0-9]{2})", end) for end in ends):
        lowest, highest = int(ends[0].replace("x", "0")), int(ends[1].replace("x", "9"))
        if lowest <= highest:
            return lowest, highest
    raise ValueError(f"{name} takes a status such as 404, '5xx' or '2xx-3xx', got {item!r:.80}")
