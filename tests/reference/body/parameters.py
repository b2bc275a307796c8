"""Reads `; name=value` in `Content-Type` and `Content-Disposition`, as `rust/redact/body/parameters.rs`."""

from __future__ import annotations

import re
from typing import NamedTuple

from reference.marker import Malformed

TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
SPACE = "[ \t\n\f\r]*"
PARAMETER = re.compile(
    f"{SPACE};{SPACE}(?:(?P<name>{TOKEN}){SPACE}={SPACE}"
    f'(?:"(?P<quoted>[^"\r\n]*)"(?={SPACE}(?:;|\\Z))|(?P<bare>[^";,\r\n]*?){SPACE}(?=;|\\Z))|(?=;|\\Z))'
)


class Parameter(NamedTuple):
    """One `; name=value`."""

    name: str
    raw: str
    is_quoted: bool

    def unescaped(self) -> str:
        """The value as read by a parser that knows quoted pairs."""
        return unescape(self.raw)

    def token(self) -> str | None:
        """The value as read by a parser that stops at the first character that should have been quoted."""
        cut = re.match(f"(?:{TOKEN})?", self.raw)
        return None if self.is_quoted or cut is None or cut[0] == self.raw else cut[0]


def unescape(text: str) -> str:
    """Remove the backslashes of quoted pairs."""
    return re.sub(r"\\(.?)", r"\1", text, flags=re.DOTALL)


def header_parameters(text: str) -> list[Parameter]:
    """The parameters behind a media or disposition type."""
    found, at = [], 0
    while text[at:].strip(" \t\n\f\r"):
        match = PARAMETER.match(text, at)
        if match is None or (match["quoted"] or "").endswith("\\"):
            raise Malformed("ambiguous content type")
        if match["name"]:
            raw = match["bare"] if match["quoted"] is None else match["quoted"]
            found.append(Parameter(match["name"].lower(), raw, match["quoted"] is not None))
        at = match.end()
    return found


def only(parameters: list[Parameter], name: str) -> Parameter | None:
    """The only parameter of this name. Two of them are an error."""
    found = [parameter for parameter in parameters if parameter.name == name]
    if len(found) > 1:
        raise Malformed("ambiguous content type")
    return found[0] if found else None
