"""The filter box: `status:5xx method:POST path:/v1/* caller:jane ms:>500 body:text "free words" -noise`."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from fnmatch import translate
from typing import NamedTuple

from readme_metrics.inspector.logs.store import Kept

#: Seconds that one search may take; the logs that were found by then are shown.
_TIME_BOX_S = 1.0
_TERM = re.compile(r'(-?)(?:([a-z]+):)?("(?:[^"]*)"?|\S+)', re.IGNORECASE)
_UNITS = {"": 1, "k": 1000, "m": 1_000_000}

Test = Callable[[Kept], bool]


class BadFilter(ValueError):
    """A filter cannot be understood; the message says which part of it, and what is allowed there."""


class Filter:
    """A filter: a log matches if all of the terms hold for it. Raises BadFilter."""

    def __init__(self, text: str) -> None:
        #: Hints for the user, for instance that a word before a colon is no key.
        self.notes: list[str] = []
        self._tests = [self._term(*match.groups()) for match in _TERM.finditer(text)]

    @property
    def is_empty(self) -> bool:
        return not self._tests

    def matches(self, kept: Kept) -> bool:
        return all(test(kept) for test in self._tests)

    def _term(self, sign: str, key: str | None, value: str) -> Test:
        word = value.strip('"').lower()
        if key is None and value.endswith(":") and value[:-1].lower() in KEYS:
            key, word = value[:-1], ""
        test = self._keyed(key.lower(), word) if key else _contains(word)
        return (lambda kept: not test(kept)) if sign else test

    def _keyed(self, key: str, word: str) -> Test:
        if key not in KEYS:
            # "http://example.com" has a colon and is no misspelt key.
            if not word.startswith("//"):
                self.notes.append(f"{key}: is no key, so it was searched as text (keys: {', '.join(KEYS)})")
            return _contains(f"{key}:{word}")
        if not word:
            raise BadFilter(f"{key}: wants a value, for instance {key}:{KEYS[key].example}")
        return KEYS[key].test(word)


class Found(NamedTuple):
    logs: list[Kept]
    #: How many of the logs that were looked at match.
    matched: int
    #: False if the time was over before all logs were looked at.
    is_complete: bool


def find(logs: Iterable[Kept], wanted: Filter, limit: int) -> Found:
    """The first `limit` of the `logs` that match, and the number of all that match."""
    if wanted.is_empty:
        everything = list(logs)
        return Found(everything[:limit], len(everything), True)
    found: list[Kept] = []
    matched = 0
    deadline_s = time.monotonic() + _TIME_BOX_S
    for number, kept in enumerate(logs):
        if number % 64 == 63 and time.monotonic() > deadline_s:
            return Found(found, matched, False)
        if wanted.matches(kept):
            matched += 1
            if len(found) < limit:
                found.append(kept)
    return Found(found, matched, True)


def _contains(word: str) -> Test:
    return lambda kept: word in kept.head or word in kept.bodies


def _in_field(name: str) -> Callable[[str], Test]:
    return lambda word: lambda kept: word in str(kept.summary[name]).lower()


def _path(word: str) -> Test:
    # The URL's query is compared too if the filter has a question mark.
    names = ("path", "query") if "?" in word else ("path",)
    match = re.compile(translate(_literal(word))).match
    return lambda kept: match("?".join(kept.summary[name] for name in names).lower()) is not None


def _like(name: str) -> Callable[[str], Test]:
    def test(word: str) -> Test:
        match = re.compile(translate(_literal(word))).match
        return lambda kept: match(kept.summary[name].lower()) is not None

    return test


def _literal(pattern: str) -> str:
    """`pattern` for `fnmatch`, with every special character but `*` escaped."""
    return re.sub(r"[\[?]", lambda found: f"[{found[0]}]", pattern)


def _method(word: str) -> Test:
    methods = {method.strip() for method in word.split(",")}
    return lambda kept: kept.summary["method"].lower() in methods


def _status(word: str) -> Test:
    ranges = [_statuses(part) for part in word.split(",")]
    return lambda kept: any(holds(kept.summary["status"]) for holds in ranges)


def _statuses(part: str) -> Callable[[float | None], bool]:
    bounds = re.fullmatch(r"(\d)(\d\d|xx)(?:-(\d)(\d\d|xx))?", part)
    if not bounds:
        return _comparison("status", part, "404, 5xx, 2xx-3xx, >=400")
    low, low_rest, high, high_rest = bounds.groups()
    first = int(low + low_rest.replace("xx", "00"))
    last = int((high or low) + (high_rest or low_rest).replace("xx", "99"))
    return lambda status: status is not None and first <= status <= last


def _milliseconds(word: str) -> Test:
    holds = _comparison("ms", word, ">500, <=20, 10-50")
    return lambda kept: holds(kept.summary["ms"])


def _bytes(word: str) -> Test:
    holds = _comparison("size", word, ">10k, <1m")
    return lambda kept: holds((kept.summary["request_bytes"] or 0) + (kept.summary["response_bytes"] or 0))


def _comparison(key: str, word: str, takes: str) -> Callable[[float | None], bool]:
    match = re.fullmatch(r"(>=|<=|>|<|=)?(\d{1,15}(?:\.\d{1,6})?)([km]?)(?:-(\d{1,15}(?:\.\d{1,6})?)([km]?))?", word)
    if not match or (match[1] and match[4]):
        raise BadFilter(f"{key}:{word} is not understood; {key}: takes {takes}")
    low = float(match[2]) * _UNITS[match[3]]
    high = float(match[4]) * _UNITS[match[5]] if match[4] else low
    tests: dict[str | None, Callable[[float], bool]] = {
        ">": lambda number: number > low,
        ">=": lambda number: number >= low,
        "<": lambda number: number < low,
        "<=": lambda number: number <= low,
    }
    between: Callable[[float], bool] = lambda number: low <= number <= high  # noqa: E731
    test = tests.get(match[1], between)
    return lambda number: number is not None and test(number)


def _flag(word: str) -> Test:
    tests: dict[str, Test] = {
        "replay": lambda kept: bool(kept.summary["replay"]),
        "redacted": lambda kept: kept.summary["redacted"] > 0,
        "error": lambda kept: (kept.summary["status"] or 0) >= 400,
        "development": lambda kept: bool(kept.summary["development"]),
        "refused": lambda kept: (kept.summary["answer"] or 0) >= 400,
    }
    if word not in tests:
        raise BadFilter(f"is:{word} is not understood; is: takes {', '.join(tests)}")
    return tests[word]


class Key(NamedTuple):
    test: Callable[[str], Test]
    example: str


KEYS = {
    "status": Key(_status, "5xx"),
    "method": Key(_method, "POST"),
    "path": Key(_path, "/v1/*"),
    "route": Key(_like("route"), "/users/*"),
    "trace": Key(_in_field("trace"), "4bf92f35"),
    "host": Key(_in_field("host"), "localhost"),
    "caller": Key(_in_field("caller"), "jane"),
    "ms": Key(_milliseconds, ">500"),
    "size": Key(_bytes, ">10k"),
    "type": Key(_in_field("type"), "json"),
    "body": Key(lambda word: lambda kept: word in kept.bodies, "text"),
    "header": Key(lambda word: lambda kept: word in kept.head, "x-request-id"),
    "id": Key(_in_field("_id"), "2c3c1b5a"),
    "is": Key(_flag, "redacted"),
}
