"""Redacts `Cookie` and `Set-Cookie`, as `rust/redact/header/cookies.rs`."""

from __future__ import annotations

import re

from reference.marker import redacted
from reference.rules import Rules
from reference.url.denied import Search, denies_encoded, search


def cookies(rules: Rules, value: str, count: int) -> str:
    """Judge the first `count` cookies by their names, however a parser may split the header."""
    usual = cookie_pieces(value, 0, len(value), ";", "quotes")[:count]
    end = usual[-1][1] if usual else 0
    # Each range with its marker. Where ranges overlap, a new marker replaces all of them.
    hidden: dict[tuple[int, int], str] = {}
    is_any_kept = False
    for start, stop in usual:
        name, value_start = cookie_name(value, start, stop)
        if denies_cookie(rules, value[start:stop] if name is None else name or None):
            hidden[value_start, stop] = redacted(value[value_start:stop].strip())
        else:
            is_any_kept |= name is not None
            for each in search(rules, value[value_start:stop], Search.anything):
                hidden[value_start + each.start, value_start + each.end] = each.marker()
    if rules.is_allowlist and not is_any_kept:
        return redacted(value)
    start = usual[0][0] if usual else 0
    for separators in (";", ";,"):
        for quotes in ("none", "quotes", "unescaped"):
            for piece_start, stop in cookie_pieces(value, start, end, separators, quotes):
                name, value_start = cookie_name(value, piece_start, stop)
                is_cookie = name is not None or separators == ";"
                if is_cookie and denies_cookie(rules, value[piece_start:stop] if name is None else name or None):
                    hidden.setdefault((value_start, stop), redacted(value[value_start:stop].strip()))
    if not rules.is_allowlist:
        for found_range in searched_cookies(rules, value, start, end):
            hidden.setdefault(found_range, redacted(value[slice(*found_range)].strip()))
    if count == 1:  # Set-Cookie: attributes follow, or another cookie that was joined to the first
        for separators in (";", ";,"):
            for piece_start, stop in cookie_pieces(value, end, len(value), separators, "none"):
                name, value_start = cookie_name(value, piece_start, stop)
                if name is not None and name.lower() not in ATTRIBUTES and denies_cookie(rules, name or None):
                    hidden.setdefault((value_start, stop), redacted(value[value_start:stop].strip()))
    shown, at = "", 0
    ranges = sorted(hidden)
    while ranges:
        begin, stop = ranges.pop(0)
        marker = hidden[begin, stop]
        while ranges and (ranges[0][0] < stop or ranges[0][0] == begin):
            stop = max(stop, ranges.pop(0)[1])
            marker = redacted(value[begin:stop].strip())
        shown += value[at:begin] + marker
        at = stop
    return shown + value[at:]


ATTRIBUTES = set(["domain", "expires", "httponly", "max-age", "partitioned", "path", "priority", "samesite", "secure"])

#: What a parser that searches a header for cookies accepts in a name.
NAME_CHARACTER = "[~!@#$%^&*()_+\\-`.?|:/{}<>'0-9A-Za-z]"


def searched_cookies(rules: Rules, value: str, start: int, end: int) -> list[tuple[int, int]]:
    """The ranges of the values of everything that looks like a denied cookie, wherever it stands."""
    found = []
    for equals in (at for at in range(start, end) if value[at] == "="):
        name = re.search(f"{NAME_CHARACTER}*[ \t\n\f\r]*\\Z", value[start:equals])
        word = name[0].rstrip(" \t\n\f\r") if name else ""
        if word and denies_encoded(rules, word):
            for quotes in ("quotes", "unescaped"):
                found.append(cookie_pieces(value, equals + 1, end, ";", quotes)[0])
    return found


def denies_cookie(rules: Rules, name: str | None) -> bool:
    """Judge a cookie by its name: `None` if the name is empty."""
    return name is None or denies_encoded(rules, name)


def cookie_pieces(value: str, start: int, end: int, separators: str, quotes: str) -> list[tuple[int, int]]:
    """The ranges between separators outside of `quotes`, without the blanks around the pieces."""
    found = []
    at = start
    while True:
        rest = value[at:end]
        # As long as `rest`, without the quotes that do not count.
        shown = {"none": rest.replace('"', "x"), "quotes": rest, "unescaped": rest.replace('\\"', "xx")}[quotes]
        quoted = re.match(f'(?:[^"{separators}]|"[^"]*")*', shown)
        # A quote that is never closed quotes nothing.
        if quoted is None or shown[quoted.end() : quoted.end() + 1] == '"':
            quoted = re.match(f"[^{separators}]*", rest)
        assert quoted is not None
        piece = rest[: quoted.end()]
        begin = at + len(piece) - len(piece.lstrip())
        found.append((begin, max(begin, at + len(piece.rstrip()))))
        at += len(piece) + 1
        if at > end:
            return found


def cookie_name(value: str, start: int, end: int) -> tuple[str | None, int]:
    """The name of a cookie, if it has one, and where its value starts."""
    name, equals, _ = value[start:end].partition("=")
    return (name.strip(), start + len(name) + 1) if equals else (None, start)
