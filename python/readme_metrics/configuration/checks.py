"""One check for each kind of argument: returns the value, or says what is wrong with which argument."""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from readme_metrics.rule import Rule

#: Async ones are for ASGI and for Django's async chain.
GroupingFunction = Callable[[Any], "dict[str, Any] | Awaitable[dict[str, Any] | None] | None"]
BeforeSendFunction = Callable[["dict[str, Any]"], "dict[str, Any] | None"]


def refuse(name: str, value: object, takes: str) -> TypeError:
    return TypeError(f"{name} takes {takes}, got {type(value).__name__}: {value!r:.80}")


def key(name: str, value: object) -> str:
    """Empty if there is none."""
    if value is None:
        return ""
    if not isinstance(value, (str, int)) or isinstance(value, bool):
        # Not the value itself: a mistyped API key is a secret too.
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
    # It becomes part of a response header: nothing that could end one header and begin another.
    if not (url.isascii() and url.isprintable()):
        raise ValueError(f"{name} takes a URL in printable ASCII, got {url!r:.80}")
    return url


def flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise refuse(name, value, "True or False")
    return value


def published_flag(name: str, value: object) -> bool:
    """Also takes 0, 1 and None, which work with the published SDK; a string such as "false" was true there."""
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
    from pathlib import Path  # here alone: it takes a fifth of the whole import

    if not isinstance(value, (str, Path)):
        raise refuse(name, value, "a path")
    return Path(value)


def dry_run(name: str, value: object) -> bool | Path:
    return value if isinstance(value, bool) else directory(name, value) or False


def function_or_path(name: str, value: object) -> GroupingFunction | str | None:
    if isinstance(value, str):
        module_name, _, function_name = value.rpartition(".")
        if not all(part.isidentifier() for part in [*module_name.split("."), function_name]):
            # Not the value itself: where two arguments are swapped, it is the API key.
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
        # Not what it leads to: a path to a setting may lead to the API key.
        found = type(function).__name__
        raise TypeError(f"{name} takes a function or the dotted path of one; {path!r} leads to something else: {found}")
    grouping_function: GroupingFunction = function
    return grouping_function


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
    """One pattern or several, of which each can match something.

    Args:
        name: The argument's.
        value: What was given.
        starts_with: What each has to begin with, one of these.
        without: Characters that none may have.
        blank: Whether one may be empty.
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
    """Statuses as ranges: each with its first and its last."""
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


def rules(name: str, value: object) -> list[Rule]:
    """In order. Each can decide about some request: none follows one that decides about all it would."""
    from readme_metrics.rule import Rule

    if value is None:
        return []
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise refuse(name, value, "a list of Rule")
    rules = list(value)
    earlier: dict[str, int] = {}
    for number, rule in enumerate(rules):
        if not isinstance(rule, Rule):
            raise refuse(f"{name}[{number}]", rule, "a Rule (those of PROBES with a star: [*PROBES, ...])")
        conditions = rule.conditions()
        for shown in (repr((None,) * len(conditions)), repr(conditions)):
            if (before := earlier.get(shown)) is not None:
                raise ValueError(
                    f"{name}[{number}], {rule!r}, is never reached: {name}[{before}] decides about all its requests"
                )
        earlier[repr(conditions)] = number
    return rules


@contextmanager
def within(what: str) -> Iterator[None]:
    """Errors of the checks in it say what they are about."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise type(error)(f"{what}: {error}") from None
