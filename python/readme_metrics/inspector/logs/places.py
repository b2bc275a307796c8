"""`Place`: a named value of a HAR entry, which a denylist or allowlist can decide about."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from readme_metrics.collector.fields import pairs_at, text_at
from readme_metrics.inspector.logs.summary import MARKER

_PAIRS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("URL parameter", ("request", "queryString")),
    ("request header", ("request", "headers")),
    ("form field", ("request", "postData", "params")),
    ("response header", ("response", "headers")),
)
_REQUEST_BODY = ("request", "postData", "text")
_RESPONSE_BODY = ("response", "content", "text")
_WITHHELD = re.compile(r"\[(?!REDACTED)[A-Z][A-Za-z0-9 :]+\]")


class _Members(list[tuple[str, Any]]):
    """A JSON object with its keys in order, repeated ones too."""


@dataclass(frozen=True)
class Place:
    """A value of a log, and where the log has it."""

    where: str
    #: The name of a header, parameter or field; the dotted path of a JSON member, to which arrays add nothing.
    path: str
    value: str
    #: Whether a list can redact the value by its name; False for a text that has no names in it.
    is_member: bool = True

    @property
    def name(self) -> str:
        return self.path if not self.is_json else self.path.rpartition(".")[2]

    @property
    def is_json(self) -> bool:
        return self.where.endswith("body")

    @property
    def is_redacted(self) -> bool:
        return MARKER.search(self.value) is not None

    @property
    def is_withheld(self) -> bool:
        return self.path == "" and _WITHHELD.fullmatch(self.value) is not None

    @property
    def key(self) -> tuple[str, str]:
        return self.where, self.path.lower() if self.where.endswith("header") else self.path


def places(entry: Any) -> Iterator[Place]:
    """All values of `entry` in the order of an HTTP exchange. A JSON body yields its leaves."""
    for where, path in _PAIRS[:2]:
        yield from (Place(where, name, value) for name, value in pairs_at(entry, *path))
    yield from _body(entry, "request body", _REQUEST_BODY)
    for where, path in _PAIRS[2:]:
        yield from (Place(where, name, value) for name, value in pairs_at(entry, *path))
    yield from _body(entry, "response body", _RESPONSE_BODY)


def _body(entry: Any, where: str, path: tuple[str, ...]) -> Iterator[Place]:
    text = text_at(entry, *path)
    if not text:
        return
    try:
        document = json.loads(text, object_pairs_hook=_Members, parse_int=str, parse_float=str, parse_constant=str)
        if isinstance(document, (_Members, list)):
            yield from _leaves(where, document)
            return
    except (ValueError, RecursionError):
        pass
    yield Place(where, "", text, is_member=False)


def _leaves(where: str, document: Any) -> Iterator[Place]:
    # Not recursive, since JSON may be nested deeper than Python's call stack.
    stack: list[tuple[str, Any]] = [("", document)]
    while stack:
        path, value = stack.pop()
        if isinstance(value, _Members):
            stack += [(f"{path}.{name}" if path else name, member) for name, member in reversed(value)]
        elif isinstance(value, list):
            stack += [(path, item) for item in reversed(value)]
        else:
            shown = value if isinstance(value, str) else json.dumps(value)
            yield Place(where, path, shown, is_member=bool(path))
