"""One check for each kind of argument: returns the value, or raises an error that names the argument and its fault."""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

#: An async grouping function is called by the ASGI doors and by Django's async middleware chain.
GroupingFunction = Callable[[Any], "dict[str, Any] | Awaitable[dict[str, Any] | None] | None"]
BeforeSendFunction = Callable[["dict[str, Any]"], "dict[str, Any] | None"]


def refuse(name: str, value: object, takes: str) -> TypeError:
    return TypeError(f"{name} takes {takes}, got {type(value).__name__}: {value!r:.80}")


def key(name: str, value: object) -> str:
    """The API key as text; empty if there is none."""
    if value is None:
        return ""
    if not isinstance(value, (str, int)) or isinstance(value, bool):
        # The message does not show the value: a mistyped API key is a secret too.
        raise TypeError(f"{name} takes a string, got {type(value).__name__}")
    # The published SDK's HTTP client turned a number into a string.
    return str(value) if str(value).strip() else ""


def label(name: str, value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise refuse(name, value, "a string")
    if not value.strip() or not value.isprintable():
        raise ValueError(f"{name} takes printable text, got {value!r:.80}")
    return value


def url(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise refuse(name, value, "a URL")
    url = value
    if not url.strip():
        raise ValueError(f"{name} is blank")
    # The URL becomes part of a response header, so it must not hold a line break that would begin another header.
    if not (url.isascii() and url.isprintable()):
        raise ValueError(f"{name} takes a URL in printable ASCII, got {url!r:.80}")
    return url


def flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise refuse(name, value, "True or False")
    return value


def published_flag(name: str, value: object) -> bool:
    """A flag that also takes 0, 1 and None, as the published SDK does. There, a string such as "false" was true."""
    return value == 1 if value is None or (isinstance(value, int) and value in (0, 1)) else flag(name, value)


def whole(name: str, value: object, at_least: int, at_most: int | None = None) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise refuse(name, value, "a whole number")
    if value < at_least or (at_most is not None and value > at_most):
        raise ValueError(f"{name} takes {at_least} or more{f', up to {at_most}' if at_most else ''}, got {value}")
    return value


def seconds(name: str, value: object, zero: bool = False) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise refuse(name, value, "a number of seconds")
    # The bound keeps every sum of times within what the operating system's waits accept.
    if not (0 < value <= 86_400 or (zero and value == 0)):
        raise ValueError(f"{name} takes seconds {'from' if zero else 'above'} 0 up to 86400, got {value}")
    return value


def days(name: str, value: object) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise refuse(name, value, "a number of days")
    if not 0 < value <= 3650:
        raise ValueError(f"{name} takes days above 0 up to 3650, got {value}")
    return value


def names(name: str, value: object) -> list[str]:
    if value is None:
        return []
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise refuse(name, value, "a list of strings")
    names = list(value)
    for item in names:
        if not isinstance(item, str):
            raise refuse(name, item, "a list of strings; one item")
    return names


def directory(name: str, value: object) -> Path | None:
    if value is None:
        return None
    from pathlib import Path  # imported here, since it takes a fifth of the whole import time

    if not isinstance(value, (str, Path)):
        raise refuse(name, value, "a path")
    return Path(value)


def dry_run(name: str, value: object) -> bool | Path:
    return value if isinstance(value, bool) else directory(name, value) or False


def function_or_path(name: str, value: object) -> GroupingFunction | str | None:
    if isinstance(value, str):
        module_name, _, function_name = value.rpartition(".")
        if not all(part.isidentifier() for part in [*module_name.split("."), function_name]):
            # The message does not show the value: if two arguments were swapped, the value is the API key.
            raise ValueError(f"{name} takes a function or the dotted path of one, got a string that is no dotted path")
        return value
    if value is None or callable(value):
        return value
    raise TypeError(f"{name} takes a function or the dotted path of one, got {type(value).__name__}")


def imported_function(name: str, path: str) -> GroupingFunction:
    module_name, _, function_name = path.rpartition(".")
    try:
        function = getattr(importlib.import_module(module_name), function_name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(
            f"{name} takes a function or the dotted path of one; {path!r} leads nowhere: {error}"
        ) from error
    if not callable(function):
        # The message does not show the imported object: the path may be that of a setting that holds the API key.
        found = type(function).__name__
        raise TypeError(f"{name} takes a function or the dotted path of one; {path!r} leads to something else: {found}")
    grouping_function: GroupingFunction = function
    return grouping_function


@contextmanager
def within(what: str) -> Iterator[None]:
    """Adds `what` in front of the message of each error that the checks inside the `with` block raise."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise type(error)(f"{what}: {error}") from None
