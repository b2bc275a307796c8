"""Reads JSON, as `rust/json`."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from reference.marker import Malformed

BLANK = re.compile(r"[ \t\n\r]*")
STRING = re.compile(r'"[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*)*"')
SCALAR = re.compile(
    STRING.pattern + r"|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null|NaN|-?Infinity"
)


@dataclass
class Value:
    """A JSON value, its place in the text, and the value around it."""

    parent: Value | None
    key: str | None
    start: int
    end: int = 0
    closing: str = ""
    verdict: str = "keep"
    is_inside_member: bool = False

    def path(self) -> list[str]:
        """The keys that lead to the value; arrays add nothing."""
        keys = []
        value: Value | None = self
        while value is not None:
            if value.key is not None:
                keys.append(value.key)
            value = value.parent
        return keys[::-1]


class Reader:
    """A position in a JSON text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def skip_blanks(self) -> int:
        """Go to the next token."""
        match = BLANK.match(self.text, self.at)
        self.at = match.end() if match else self.at
        return self.at

    def peek(self) -> str:
        """The first character of the next token."""
        start = self.skip_blanks()
        return self.text[start : start + 1]

    def take(self, pattern: re.Pattern[str]) -> str:
        """The next token, which must match `pattern`."""
        match = pattern.match(self.text, self.skip_blanks())
        if match is None:
            raise Malformed("not valid JSON")
        self.at = match.end()
        return match[0]

    def take_key(self) -> str:
        """The next key; the colon behind it is skipped."""
        key: str = json.loads(self.take(STRING))
        self.take(re.compile(":"))
        return key


def json_values(text: str) -> list[Value]:
    """All values of a JSON text, outer ones before inner ones."""
    reader = Reader(text)
    values: list[Value] = []
    parent: Value | None = None
    key: str | None = None
    while True:
        opening = reader.peek()
        value = Value(parent, key, reader.at)
        values.append(value)
        if opening in ("{", "["):
            reader.at += 1
            value.closing = "}" if opening == "{" else "]"
            if reader.peek() != value.closing:
                parent, key = value, reader.take_key() if opening == "{" else None
                continue
            reader.at += 1
        else:
            reader.take(SCALAR)
        value.end = reader.at
        while parent is not None and reader.peek() == parent.closing:
            reader.at += 1
            parent.end = reader.at
            parent = parent.parent
        if parent is None:
            break
        reader.take(re.compile(","))
        key = reader.take_key() if parent.closing == "}" else None
    reader.take(re.compile(r"\Z"))
    return values
