"""Reads fields of a log that anybody may have sent: a field that is missing or of another type is None."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any


def at(value: Any, *path: str | int) -> Any:
    """`value[path[0]][path[1]]...`, or None if there is no such field."""
    for key in path:
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def text_at(value: Any, *path: str | int) -> str:
    """The string at `path`; empty if there is none."""
    found = at(value, *path)
    return found if isinstance(found, str) else ""


def number_at(value: Any, *path: str | int) -> int | float | None:
    """The finite number at `path`; None if there is none."""
    found = at(value, *path)
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        return None
    # A log may hold an integer that no float can hold, and JSON as Python reads it may hold NaN.
    return found if abs(found) < 2**53 and not math.isnan(found) else None


def pairs_at(value: Any, *path: str | int) -> Iterator[tuple[str, str]]:
    """The names and values of the HAR pairs at `path`: headers, parameters or cookies."""
    found = at(value, *path)
    for pair in found if isinstance(found, list) else ():
        yield text_at(pair, "name"), text_at(pair, "value")


def entry_of(log: Any) -> Any:
    """The HAR entry of a log."""
    return at(log, "request", "log", "entries", 0)
