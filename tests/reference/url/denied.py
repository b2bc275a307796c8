"""The redaction rules, slow and obvious: what the Rust core is tested against.

Standard library only. Each function does what its namesake in ``rust/redact`` does, by other means where there are any:
regular expressions instead of a scanner, ``bytes.split`` instead of a search, lists of values, not of edits.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import urllib.parse
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

NOT_UTF8 = "[NOT VALID UTF-8]"


class Malformed(Exception):
    """Not understood in full; the argument is the reason that a marker gives."""


# --- Rules ----------------------------------------------------------------------------------------


class Rules:
    """The deny or allow list. With both, the denylist alone applies. An allowlist may be empty: nothing is on it."""

    def __init__(
        self, denylist: Sequence[str] = (), allowlist: Sequence[str] | None = None, nested: bool = False
    ) -> None:
        self.is_allowlist = not denylist and allowlist is not None
        self.entries = list(denylist or allowlist or ())
        self.is_active = bool(denylist) or self.is_allowlist
        self.nested = nested

    def denies(self, key: str) -> bool:
        """Whether a member, field or parameter of this name is redacted."""
        return self.is_active and (key in self.entries) != self.is_allowlist

    def denies_header(self, name: str) -> bool:
        """Whether a header is redacted, in whatever case its name is written."""
        listed = name.encode().lower() in [entry.encode().lower() for entry in self.entries]
        return self.is_active and listed != self.is_allowlist

    def judge(self, path: Sequence[str]) -> str:
        """What becomes of the JSON member at ``path``: ``keep``, ``redact``, or ``enter`` to judge what is inside."""
        if any(is_surrogate(character) for character in path[-1]):
            return "redact"
        listed, started = path[-1] in self.entries, False
        for entry in self.entries if self.nested else ():
            segments = entry.split(".")
            if "." in entry or "*" in entry:
                listed = listed or ends_with(path, segments)
                started = started or any(ends_with(path, segments[:n]) for n in range(1, len(segments)))
        if listed != self.is_allowlist:
            return "enter" if self.is_allowlist and started else "redact"
        return "keep"


def ends_with(path: Sequence[str], segments: Sequence[str]) -> bool:
    """Whether the last keys of ``path`` match ``segments``, in which ``*`` is any run of characters."""
    if len(path) < len(segments):
        return False
    patterns = [".*".join(map(re.escape, segment.split("*"))) for segment in segments]
    keys = path[len(path) - len(segments) :]
    return all(re.fullmatch(pattern, key, re.DOTALL) for pattern, key in zip(patterns, keys, strict=True))


def is_surrogate(character: str) -> bool:
    """Whether half of a pair has been left alone."""
    return "\ud800" <= character <= "\udfff"


# --- Markers --------------------------------------------------------------------------------------


def redacted(value: str) -> str:
    """Stand in for a denied string."""
    return f"[REDACTED {len(value)}]"


def withheld(size: int, reason: str) -> str:
    """Stand in for a body that could not be understood."""
    return f"[WITHHELD {size} bytes: {reason}]"


def mask(value: str) -> str:
    """Hash a credential, and keep its last four characters if there are more than four."""
    digest = base64.b64encode(hashlib.sha512(value.encode()).digest()).decode()
    return f"sha512-{digest}?{value[-4:] if len(value) > 4 else ''}"


# --- URL parameters -------------------------------------------------------------------------------


def decode(component: str) -> str:
    """What a component of a query or a form says."""
    return urllib.parse.unquote_to_bytes(component.replace("+", " ")).decode("utf-8", "replace")


def denies_encoded(rules: Rules, name: str) -> bool:
    """Judge a name as it reads after each of up to four decodings. What then is still encoded is denied."""
    if not rules.is_active:
        return False
    name = name.replace("+", " ")
    is_escape = re.compile("%[0-9a-fA-F]{2}").search
    if not is_escape(name):
        return rules.denies(name)
    for _ in range(4):
        try:
            name = urllib.parse.unquote_to_bytes(name).decode()
        except UnicodeDecodeError:
            return True
        if rules.denies(name):
            return True
        if not is_escape(name):
            return False
    return True


@dataclass
class Denied:
    """A value that may not be sent, from ``start`` to ``end`` of the text it was found in."""

    start: int
    end: int
    #: None for a JSON value that is not a string.
    characters: int | None

    def marker(self) -> str:
        """What stands in its place."""
        return '"[REDACTED]"' if self.characters is None else f"[REDACTED {self.characters}]"


def looks_like_json(text: str) -> bool:
    """Whether a text that is not declared as JSON is certainly meant to be."""
    blanks = "[\\s\x00-\x1f\x7f-\x9f\ufeff]*"
    return re.match(f'{blanks}(?:{{{blanks}["}}]|\\[{blanks}["{{\\[]|"{blanks}[{{\\[])', text) is not None


def denied_in_json(rules: Rules, text: str) -> list[Denied] | None:
    """The denied values of a field that is JSON, the quotes of strings left alone. ``None`` if it is not JSON."""
    try:
        values = judged_values(rules, text, is_field=True)
    except Malformed:
        return None
    found = []
    for value in values:
        source = text[value.start : value.end]
        if source.startswith('"'):
            found.append(Denied(value.start + 1, value.end - 1, len(json.loads(source))))
        else:
            found.append(Denied(value.start, value.end, None))
    return found


def decode_with_places(text: str) -> tuple[str, list[int]]:
    """Decode once. For each character where it was written, and the end; bytes that are not UTF-8 become ``?``."""
    raw, starts = b"", []
    for match in re.finditer("%([0-9a-fA-F]{2})|(.)", text, re.DOTALL):
        written = bytes.fromhex(match[1]) if match[1] else match[2].replace("+", " ").encode()
        raw += written
        starts += [match.start()] * len(written)
    characters, places, at = [], [], 0
    for character in raw.decode(errors="surrogateescape"):
        places.append(starts[at])
        at += len(character.encode(errors="surrogateescape"))
        characters.append("?" if is_surrogate(character) else character)
    return "".join(characters), [*places, len(text)]


def decode_all(text: str) -> str:
    """Decode until nothing is encoded any more, four times at most."""
    text = decode(text)
    for _ in range(3):
        if "%" not in text:
            break
        text = decode(text)
    return text


class Search:
    """Looks for denied values in one text: the same rules as ``rust/redact/url/denied.rs``."""

    def __init__(self, rules: Rules, text: str, layer: int = 0) -> None:
        self.rules = rules
        self.text = text
        self.layer = layer
        self.found: list[Denied] = []

    def results(self) -> list[Denied]:
        """In order; what overlaps is one."""
        merged: list[Denied] = []
        for denied in sorted(self.found, key=lambda denied: denied.start):
            if merged and denied.start < merged[-1].end:
                merged[-1].end = max(merged[-1].end, denied.end)
            else:
                merged.append(denied)
        return merged

    def userinfo(self) -> None:
        """``user:password@`` behind ``://``."""
        for match in re.finditer(r"""(?<=://)[^/?#\\"'<>\t\n\f\r ]*@""", self.text):
            if len(match[0]) > 1:
                info = match[0][:-1]
                self.found.append(Denied(match.start(), match.end() - 1, len(decode(info))))

    def parameters(self, start: int, end: int, separators: str = "&;#?") -> None:
        """Judge what stands between separators; in what is not denied, go on with the next kind."""
        for piece in re.finditer(
            f"(?:^|(?<={re.escape(separators[0])}))[^{re.escape(separators[0])}]*", self.text[start:end]
        ):
            begin, stop = start + piece.start(), start + piece.end()
            name, equals, _ = piece[0].partition("=")
            value_start = begin + len(name) + len(equals)
            if denies_encoded(self.rules, name):
                if equals:
                    self.deny_value(value_start, stop)
            elif not any(separator in piece[0] for separator in separators[1:]):
                self.pair(begin, value_start, stop, name)
            elif not equals or not self.json(value_start, stop):
                self.parameters(begin, stop, separators[1:])

    def deny_value(self, start: int, end: int) -> None:
        """Hide a value whose name is denied."""
        self.found.append(Denied(start, end, len(decode(self.text[start:end]))))

    def deny_rest(self, start: int) -> None:
        """Hide all that follows, since a separator may have cut a document."""
        self.deny_value(start, len(self.text))

    def pair(self, start: int, value_start: int, end: int, name: str) -> None:
        """A parameter without a separator inside."""
        if looks_like_json(decode_all(name)):
            if denied_in_json(self.rules, decode_all(self.text[start:end])) != []:
                self.deny_rest(start)
        else:
            self.value(value_start if "=" in self.text[start:end] else start, end)

    def json(self, start: int, end: int) -> bool:
        """Judge a value as JSON, if it is."""
        value = self.text[start:end]
        denied = denied_in_json(self.rules, value) if looks_like_json(value) else None
        for each in denied or ():
            self.found.append(Denied(start + each.start, start + each.end, each.characters))
        return denied is not None

    def value(self, start: int, end: int) -> None:
        """A value that is not denied by its own name: JSON, a parameter once more, or encoded."""
        if self.json(start, end):
            return
        value = self.text[start:end]
        if not self.rules.is_allowlist:
            at = start
            for name in value.split("=")[:-1]:
                if denies_encoded(self.rules, name):
                    self.deny_value(at + len(name) + 1, end)
                    return
                at += len(name) + 1
        if self.layer < 3 and re.search("[%+]", value):
            decoded, places = decode_with_places(value)
            search = Search(self.rules, decoded, self.layer + 1)
            search.anything()
            for each in search.results():
                self.found.append(Denied(start + places[each.start], start + places[each.end], each.characters))
        elif looks_like_json(value):
            self.deny_rest(start)

    def anything(self) -> None:
        """A whole text that may be JSON, a URL, parameters or a plain value."""
        self.userinfo()
        if self.json(0, len(self.text)):
            return
        if re.search("[?#&/]", self.text):
            self.parameters(0, len(self.text))
        else:
            self.value(0, len(self.text))

    def urls(self, is_url: bool) -> None:
        """The parameters of the URLs in a header's value."""
        at = 0
        self.userinfo()
        while at < len(self.text):
            piece = self.text[at : at + self.end_of_url(at)]
            question = re.search("[?#]", piece)
            if question:
                word = re.split("[\"'\t\n\f\r ]", piece[: question.start()])[-1]
                if is_url or question.start() == 0 or "/" in word:
                    self.parameters(at + question.end(), at + len(piece))
            elif self.layer < 3 and "%" in piece:
                decoded, places = decode_with_places(piece)
                search = Search(self.rules, decoded, self.layer + 1)
                search.urls(is_url=False)
                for each in search.results():
                    self.found.append(Denied(at + places[each.start], at + places[each.end], each.characters))
            at += len(piece) + 1

    def end_of_url(self, start: int) -> int:
        """The length of the first URL from ``start`` on: it ends at ``>`` if it began with ``<``."""
        rest = self.text[start:]
        bracket = re.search("(?:^|(?<=[, \t\n\f\r]))<", re.split("[?#]", rest)[0])
        end = rest.find(">", bracket.start()) if bracket else -1
        return len(rest) if end < 0 else end


def search(rules: Rules, text: str, how: Callable[[Search], None]) -> list[Denied]:
    """The denied values that one way of searching finds."""
    if not rules.is_active:
        return []
    found = Search(rules, text)
    how(found)
    return found.results()


def denied_parameters(rules: Rules, text: str) -> list[Denied]:
    """The denied values of a query or a form."""

    def look(found: Search) -> None:
        found.userinfo()
        found.parameters(0, len(text))

    return search(rules, text, look)


def rewrite(
    text: str,
    denied: list[Denied],
    keep: Callable[[str], str],
    hide: Callable[[str], str],
    start: int = 0,
    end: int = -1,
) -> str:
    """A part of a text: what is kept put through ``keep``, the markers of what is denied through ``hide``."""
    end = len(text) if end < 0 else end
    pieces, at = [], start
    for each in denied:
        if each.start <= end and each.end >= start:
            pieces += [keep(text[at : max(each.start, at)]), hide(each.marker())]
            at = min(each.end, end)
    return "".join([*pieces, keep(text[at:end])])


def quote_marker(marker: str) -> str:
    """A marker inside a URL or a form."""
    return urllib.parse.quote(marker, safe="")


def redact_parameters(rules: Rules, text: str, keep: Callable[[str], str] = str) -> str:
    """Replace the denied values in a query or a form."""
    return rewrite(text, denied_parameters(rules, text), keep, quote_marker)


def query_as_text(query: bytes) -> str:
    """Percent-encode what is not UTF-8."""
    try:
        return query.decode()
    except UnicodeDecodeError:
        return re.sub(b"[^\x00-\x7f]", lambda match: b"%%%02X" % match[0][0], query).decode()


def to_ascii(text: str) -> str:
    """Percent-encode what RFC 3986 does not allow in a query."""
    text = re.sub("%(?![0-9a-fA-F]{2})", "%25", text)
    return urllib.parse.quote(text, safe="%!$&'()*+,;=:@/?-._~")


def query_text(rules: Rules, query: bytes) -> str:
    """The query as sent, for use inside a URL."""
    return redact_parameters(rules, query_as_text(query), to_ascii)


@dataclass
class Param:
    """A URL parameter or a form field."""

    name: str
    value: str
    file_name: str | None = None
    content_type: str | None = None


def params(rules: Rules, text: str) -> list[Param]:
    """The decoded parameters of a query or a form."""
    denied = denied_parameters(rules, text)
    found, at = [], 0

    def is_inside(start: int, end: int) -> bool:
        """Whether something denied begins before and goes on to the end."""
        return any(each.start < start and each.end >= end for each in denied)

    for parameter in text.split("&"):
        name, equals, _ = parameter.partition("=")
        value_start, end = at + len(name) + len(equals), at + len(parameter)
        if parameter and not is_inside(at, end):
            shown_name = rewrite(text, denied, decode, str, at, at + len(name))
            value = ""
            if equals and not is_inside(value_start - 1, value_start):
                value = rewrite(text, denied, decode, str, value_start, end)
            if not equals and denies_encoded(rules, name):
                value = redacted("")
            found.append(Param(shown_name, value))
        at = end + 1
    return found


def query_params(rules: Rules, query: bytes) -> list[Param]:
    """The decoded parameters of a query."""
    return params(rules, query_as_text(query))


# --- Headers --------------------------------------------------------------------------------------

CREDENTIALS = {"authorization", "proxy-authorization"}
URLS = {
    "content-location",
    "destination",
    "link",
    "location",
    "referer",
    "refresh",
    "x-forwarded-uri",
    "x-original-uri",
    "x-original-url",
    "x-rewrite-url",
}


def native(value: str) -> str:
    """A value as it reads: one character stands for one byte, and most of what is not ASCII is UTF-8."""
    try:
        return b"".join(c.encode("latin-1") if c <= "\xff" else c.encode() for c in value).decode()
    except UnicodeError:
        return value


def request_header(rules: Rules, name: str, value: str) -> str:
    """A request header: credentials are masked even if they are allowed."""
    value = native(value)
    if name.lower() in CREDENTIALS and not rules.denies_header(name):
        return mask(value)
    if name.lower() == "cookie" and rules.is_active and rules.denies_header(name) == rules.is_allowlist:
        return cookies(rules, value, 1 << 30)
    return header(rules, name, value)


def response_header(rules: Rules, name: str, value: str) -> str:
    """A response header."""
    value = native(value)
    if name.lower() == "set-cookie" and rules.is_active and rules.denies_header(name) == rules.is_allowlist:
        return cookies(rules, value, 1)
    return header(rules, name, value)


def header(rules: Rules, name: str, value: str) -> str:
    """A header of either side: what looks like a URL has its parameters judged."""
    if rules.denies_header(name):
        return redacted(value)
    denied = search(rules, value, lambda found: found.urls(is_url=name.lower() in URLS))
    return rewrite(value, denied, str, quote_marker)


def cookies(rules: Rules, value: str, count: int) -> str:
    """Judge the first ``count`` cookies by their names, however a parser may cut the header."""
    usual = cookie_pieces(value, 0, len(value), ";", "quotes")[:count]
    end = usual[-1][1] if usual else 0
    # Each with what stands in its place, but for what is found by more than one way.
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
    if count == 1:  # of Set-Cookie: what follows are attributes, or another cookie that was joined to it
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

#: What a parser that searches a header for cookies takes for a part of a name.
NAME_CHARACTER = "[~!@#$%^&*()_+\\-`.?|:/{}<>'0-9A-Za-z]"


def searched_cookies(rules: Rules, value: str, start: int, end: int) -> list[tuple[int, int]]:
    """The values of what looks like a denied cookie, wherever it stands."""
    found = []
    for equals in (at for at in range(start, end) if value[at] == "="):
        name = re.search(f"{NAME_CHARACTER}*[ \t\n\f\r]*\\Z", value[start:equals])
        word = name[0].rstrip(" \t\n\f\r") if name else ""
        if word and denies_encoded(rules, word):
            for quotes in ("quotes", "unescaped"):
                found.append(cookie_pieces(value, equals + 1, end, ";", quotes)[0])
    return found


def denies_cookie(rules: Rules, name: str | None) -> bool:
    """Judge a name, or None for ``=value``."""
    return name is None or denies_encoded(rules, name)


def cookie_pieces(value: str, start: int, end: int, separators: str, quotes: str) -> list[tuple[int, int]]:
    """The ranges between separators outside of ``quotes``, without the blanks round them."""
    found = []
    at = start
    while True:
        rest = value[at:end]
        # Of the same length, with quotes that are none left out.
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


# --- JSON -----------------------------------------------------------------------------------------

BLANK = re.compile(r"[ \t\n\r]*")
STRING = re.compile(r'"[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*)*"')
SCALAR = re.compile(
    STRING.pattern + r"|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null|NaN|-?Infinity"
)


@dataclass
class Value:
    """A JSON value, where it stands in the text, and what it stands in."""

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
        """The next token, which has to match."""
        match = pattern.match(self.text, self.skip_blanks())
        if match is None:
            raise Malformed("not valid JSON")
        self.at = match.end()
        return match[0]

    def take_key(self) -> str:
        """A key and its colon."""
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


def judge_value(rules: Rules, value: Value, is_field: bool) -> str:
    """What becomes of a value: as ``Rules.judge``, or ``whole`` if something around it has been judged as a whole."""
    parent = value.parent
    if parent is None:
        return "enter" if rules.is_allowlist and not is_field else "keep"
    value.is_inside_member = parent.is_inside_member or parent.key is not None
    if parent.verdict in ("redact", "whole") or (value.is_inside_member and not rules.nested):
        return "whole"
    return parent.verdict if value.key is None else rules.judge(value.path())


def judged_values(rules: Rules, text: str, is_field: bool = False) -> list[Value]:
    """The values of a JSON text that are redacted."""
    found = []
    for value in json_values(text):
        value.verdict = judge_value(rules, value, is_field)
        is_top_level_string = value.key is None and not value.is_inside_member and text[value.start] == '"'
        if (
            value.verdict == "redact"
            or (value.verdict == "enter" and not value.closing)
            or (
                value.verdict == "keep"
                and is_top_level_string
                and hides_json(rules, json.loads(text[slice(value.start, value.end)]))
            )
        ):
            found.append(value)
    return found


def hides_json(rules: Rules, text: str) -> bool:
    """Whether a string at the top level holds JSON of which something is denied."""
    if any(is_surrogate(character) for character in text) or not looks_like_json(text):
        return False
    try:
        return judged_values(rules, text) != []
    except Malformed:
        return True


def redact_json(rules: Rules, text: str) -> str:
    """Replace the denied values of a JSON text, and nothing else."""
    pieces, copied = [], 0
    for value in judged_values(rules, text):
        source = text[value.start : value.end]
        marker = redacted(json.loads(source)) if source.startswith('"') else "[REDACTED]"
        pieces += [text[copied : value.start], f'"{marker}"']
        copied = value.end
    return "".join([*pieces, text[copied:]])


# --- Header parameters ----------------------------------------------------------------------------

TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
SPACE = "[ \t\n\f\r]*"
PARAMETER = re.compile(
    f"{SPACE};{SPACE}(?:(?P<name>{TOKEN}){SPACE}={SPACE}"
    f'(?:"(?P<quoted>[^"\r\n]*)"(?={SPACE}(?:;|\\Z))|(?P<bare>[^";,\r\n]*?){SPACE}(?=;|\\Z))|(?=;|\\Z))'
)


class Parameter(NamedTuple):
    """One ``; name=value``."""

    name: str
    raw: str
    is_quoted: bool

    def unescaped(self) -> str:
        """The value as a parser reads it that knows quoted pairs."""
        return unescape(self.raw)

    def token(self) -> str | None:
        """The value as a parser reads it that ends it at the first character that should have been quoted."""
        cut = re.match(f"(?:{TOKEN})?", self.raw)
        return None if self.is_quoted or cut is None or cut[0] == self.raw else cut[0]


def unescape(text: str) -> str:
    """Take out the backslashes of quoted pairs."""
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
    """The parameter of this name, which must not be repeated."""
    found = [parameter for parameter in parameters if parameter.name == name]
    if len(found) > 1:
        raise Malformed("ambiguous content type")
    return found[0] if found else None


# --- Content type ---------------------------------------------------------------------------------


@dataclass
class ContentType:
    """What a body says it is."""

    kind: str
    boundary: str | None
    charset: str | None
    is_certain: bool

    def is_utf8(self, body: bytes) -> bool:
        """Whether the body reads the same in UTF-8."""
        charset = (self.charset or "utf-8").lower()
        if charset in ("utf-8", "utf8"):
            return True
        extends_ascii = charset in ("us-ascii", "ascii", "latin1") or charset.startswith(("iso-8859-", "windows-125"))
        return extends_ascii and body.isascii()


def parse_content_type(value: str) -> ContentType:
    """Judge the real header, leniently."""
    media_type = re.split("[;,]", value)[0]
    boundary, charset, is_certain = None, None, True
    try:
        parameters = header_parameters(value[len(media_type) :])
        boundary, charset = only(parameters, "boundary"), only(parameters, "charset")
        is_certain = not any(re.match(r"(charset|boundary)\*", parameter.name) for parameter in parameters)
    except Malformed:
        is_certain = False
    said = (media_type if is_certain else value).lower()
    kinds = {"multipart/": "multipart", "form-urlencoded": "form", "json": "json"}
    return ContentType(
        kind=next((kind for text, kind in kinds.items() if text in said), "other"),
        boundary=boundary.unescaped() if boundary and media_type.strip().lower() == "multipart/form-data" else None,
        charset=charset.raw if charset else None,
        is_certain=is_certain,
    )


TEXT_TYPES = set(
    [
        "csv",
        "dart",
        "graphql",
        "http",
        "ld",
        "n-quads",
        "n-triples",
        "sparql-query",
        "sql",
        "toml",
        "trig",
        "x-www-form-urlencoded",
    ]
)


def is_binary_type(content_type: str) -> bool:
    """Whether nothing says that a body of this type is text."""
    family, _, kind = re.split("[;,]", content_type)[0].strip(" \t\n\f\r").lower().partition("/")
    if family in ("audio", "font", "image", "model", "video"):
        return "xml" not in kind
    if family != "application" or kind in TEXT_TYPES:
        return False
    return "grpc" in kind or not any(part in kind for part in ("xml", "json", "yaml", "script", "text"))


# --- Multipart ------------------------------------------------------------------------------------


def multipart_params(rules: Rules, boundary: str, body: bytes, is_usual_type: bool) -> list[Param]:
    """The fields and files of a body that every parser cuts up in the same way."""
    preamble, *pieces = body.split(b"--" + boundary.encode())
    if preamble and not preamble.endswith(b"\n"):
        raise Malformed("not valid multipart")
    found: list[Param] = []
    line_end = None
    for i, piece in enumerate(pieces):
        if re.match(rb"--\r?\n", piece) or (piece == b"--" and i + 1 == len(pieces)):
            return found
        this_end = re.match(rb"\r?\n", piece)
        if this_end is None or i + 1 == len(pieces):
            raise Malformed("not valid multipart")
        line_end = line_end or this_end[0]
        part = piece[len(line_end) :]
        is_mixed = line_end == b"\n" and part.endswith(b"\r\n")
        if this_end[0] != line_end or is_mixed or not part.endswith(line_end):
            raise Malformed("not valid multipart")
        found.append(multipart_param(rules, part[: -len(line_end)], line_end, is_usual_type))
    raise Malformed("not valid multipart")


def multipart_param(rules: Rules, part: bytes, line_end: bytes, is_usual_type: bool) -> Param:
    """One part: a field, or a file, of which the content is never sent."""
    header, blank_line, content = (line_end + part).partition(line_end + line_end)
    if not blank_line:
        raise Malformed("not valid multipart")
    fields = header_fields(header, line_end)
    content_type = fields.get("content-type")
    name, readings, file_name = disposition(fields.get("content-disposition", ""))
    has_one_reading = is_usual_type and is_usual_header(header, line_end, fields.get("content-disposition", ""))
    # A parser that cannot read the header gives the app a field without a name.
    is_denied = (rules.denies("") and not has_one_reading) or (
        rules.is_active and (not readings or any(rules.denies(reading) or "=?" in reading for reading in readings))
    )
    if file_name is not None and is_denied:
        return Param(name, "[REDACTED]", redacted(file_name), None)
    if file_name is not None:
        return Param(name, "", file_name, content_type)
    try:
        text = content.decode()
    except UnicodeDecodeError:
        shown_type = content_type if not is_denied or (content_type or "").lower() == "text/plain" else None
        return Param(name, "[REDACTED]" if is_denied else NOT_UTF8, None, shown_type)
    shown_type = content_type if not is_denied or (content_type or "").lower() == "text/plain" else None
    return Param(name, redacted(text) if is_denied else part_text(rules, content_type, text), None, shown_type)


def part_text(rules: Rules, content_type: str | None, text: str) -> str:
    """A field may be a document of its own."""
    parsed = parse_content_type(content_type or "")
    kind = parsed.kind
    if not rules.is_active:
        return text
    if kind in ("json", "form") and not parsed.is_certain:
        return withheld(len(text.encode()), "ambiguous content type")
    if kind in ("json", "form") and not parsed.is_utf8(text.encode()):
        return withheld(len(text.encode()), "unknown charset")
    try:
        if kind == "json":
            return redact_json(rules, text)
    except Malformed:
        return withheld(len(text.encode()), "not valid JSON")
    if kind == "form":
        return redact_parameters(rules, text)
    if kind == "multipart":
        return withheld(len(text.encode()), "not valid multipart")
    return rewrite(text, search(rules, text, Search.anything), str, str)


def is_usual_header(block: bytes, line_end: bytes, disposition: str) -> bool:
    """Whether a part's header is written as clients write it, so that every parser reads the same."""
    quoted = r'"[^"\\;=]*"'
    parameter = rf"; (?:(?:name|filename)=(?:{quoted}|{TOKEN})|filename\*=[^; \"]*)"
    if not re.fullmatch(f"form-data(?:{parameter})*", disposition):
        return False
    for line in filter(None, block.decode().split(line_end.decode())):
        name, colon, value = line.partition(": ")
        if not colon or not re.fullmatch("[0-9A-Za-z-]+", name) or value != value.strip(" \t\n\f\r"):
            return False
    return True


def header_fields(block: bytes, line_end: bytes) -> dict[str, str]:
    """The two header fields of a part that matter, folds kept as line feeds."""
    try:
        text = block.decode()
    except UnicodeDecodeError:
        raise Malformed("not valid multipart") from None
    lines = [line for line in text.split(line_end.decode()) if line]
    fields: list[list[str]] = []
    for line in lines:
        if re.search("[\x00-\x08\x0a-\x1f\x7f-\x9f]", line):
            raise Malformed("not valid multipart")
        match = re.fullmatch(f"{SPACE}({TOKEN}){SPACE}:(.*)", line)
        if line[0] in " \t" and fields:
            fields[-1][1] += "\n" + line
        elif line[0] not in " \t" and match:
            fields.append([match[1].lower(), match[2].strip(" \t")])
        else:
            raise Malformed("not valid multipart")
    known = [name for name, _ in fields if name in ("content-disposition", "content-type")]
    if len(known) != len(set(known)):
        raise Malformed("not valid multipart")
    return {name: value for name, value in fields}


def disposition(value: str) -> tuple[str, list[str], str | None]:
    """The name of a part, all that it may be taken for, and the name of its file."""
    try:
        parameters = header_parameters(value[len(value.split(";")[0]) :])
        name, file_name = only(parameters, "name"), only(parameters, "filename")
        extended_name, extended_file_name = only(parameters, "name*"), only(parameters, "filename*")
    except Malformed:
        raise Malformed("not valid multipart") from None
    if any(re.fullmatch(r"(file)?name\*.+", parameter.name) for parameter in parameters):
        raise Malformed("not valid multipart")
    names = [extended(extended_name.raw)] if extended_name else []
    file_names = [file_name.unescaped()] if file_name else []
    file_names += [extended(extended_file_name.raw)] if extended_file_name else []
    display = name.unescaped() if name else (names or [""])[0]
    return display, readings(name, extended_name), file_names[0] if file_names else None


def readings(name: Parameter | None, extended_name: Parameter | None) -> list[str]:
    """All that the name of a part may be taken for."""
    found = []
    if extended_name:
        found.append(extended(extended_name.raw))
        try:
            found += [extended(extended_name.token() or "")]
        except Malformed:
            pass
    if name:
        found += [name.raw, *([] if name.token() is None else [str(name.token())])]
    for way in (unescape, urllib.parse.unquote, lambda text: re.sub(r"\A[\s']+|[\s']+\Z", "", text)):
        found += [way(each) for each in found]
    return found


def extended(raw: str) -> str:
    """An extended value of RFC 5987."""
    match = re.fullmatch("utf-8'[^']*'(.*)", raw, re.IGNORECASE | re.DOTALL)
    if match is None:
        raise Malformed("not valid multipart")
    try:
        return urllib.parse.unquote_to_bytes(match[1]).decode()
    except UnicodeDecodeError:
        raise Malformed("not valid multipart") from None


# --- Bodies ---------------------------------------------------------------------------------------


@dataclass
class Body:
    """A body as it was captured."""

    bytes: bytes
    content_type: str | None = None
    content_encoding: str | None = None
    size: int | None = None
    truncated: bool = False
    max_bytes: int = 1 << 20

    @property
    def true_size(self) -> int:
        """The size, with what the capture cut off."""
        return len(self.bytes) if self.size is None else self.size


def request_body(rules: Rules, body: Body) -> str | list[Param]:
    """What may be sent of a request body: forms as their fields, anything else as text."""
    return redact_body(rules, body, is_request=True)


def response_body(rules: Rules, body: Body) -> str:
    """What may be sent of a response body."""
    text = redact_body(rules, body, is_request=False)
    assert isinstance(text, str)
    return text


def redact_body(rules: Rules, body: Body, is_request: bool) -> str | list[Param]:
    """Find out what a body is and redact it, or withhold it."""
    plain = decompress(body)
    if plain is None:
        return NOT_UTF8
    content, is_cut = plain
    content_type = parse_content_type(body.content_type or "")

    def check(data: bytes) -> None:
        if is_cut:
            raise Malformed("cut off")
        if not content_type.is_utf8(data):
            raise Malformed("unknown charset")
        if not content_type.is_certain:
            raise Malformed("ambiguous content type")

    try:
        if content_type.kind == "multipart" and is_request:
            try:
                check(content)
                if not content_type.boundary:
                    raise Malformed("not valid multipart")
                # Some parsers compare the type with regard to case.
                is_usual = re.match('multipart/form-data;(?:[^"]*;)? *boundary=', body.content_type or "") is not None
                return multipart_params(rules, content_type.boundary, content, is_usual)
            except Malformed:
                if rules.is_active:
                    raise
        text = decode_utf8(content, is_cut)
        if text is None:
            return NOT_UTF8
        text = text.removeprefix("\ufeff")
        kind = kind_of(content_type.kind, text)
        is_form = kind == content_type.kind == "form" and is_request
        if not is_form and (not rules.is_active or not text.strip(" \t\n\f\r")):
            return text
        if kind == "other" and is_binary_type(body.content_type or ""):
            raise Malformed("not a text type")
        if kind == "other" and re.search("[\x00-\x08\x0b\x0e-\x1f\x7f]", text):
            raise Malformed("not text")
        if kind == "other":
            return text
        if rules.is_active and kind != "multipart":
            check(text.encode())
        if kind == "json":
            return redact_json(rules, text)
        if kind == "multipart":
            raise Malformed("not valid multipart")
        if rules.is_active and "\0" in text:
            raise Malformed("not a valid form")
        return params(rules, text) if is_form else redact_parameters(rules, text)
    except Malformed as error:
        return withheld(body.true_size, str(error))


def decode_utf8(content: bytes, is_cut: bool) -> str | None:
    """The text of a body, the last character of which may be cut off."""
    for missing in range(4 if is_cut else 1):
        try:
            text = content[: len(content) - missing].decode()
        except UnicodeDecodeError as error:
            if error.reason != "unexpected end of data":
                return None
        else:
            return text
    return None


def kind_of(declared: str, text: str) -> str:
    """What a text starts like, if that is beyond doubt, or else what it says."""
    text = re.sub("\\A[\\s\x00-\x1f\x7f-\x9f\ufeff]+", "", text)
    if text.startswith(("{", "[")):
        return "json"
    if re.match("--[^\n]*\ncontent-", text, re.IGNORECASE):
        return "multipart"
    if declared == "other" and re.match("[^\\s\x00-\x1f\x7f-\x9f=<>(){}\"'`,:]*=", text):
        return "form"
    return declared


def decompress(body: Body) -> tuple[bytes, bool] | None:
    """The body without its content coding, and whether its end is missing. ``None`` if it cannot be undone."""
    is_cut = body.truncated or body.true_size > len(body.bytes)
    coding = (body.content_encoding or "").strip(" \t\n\f\r").lower()
    if coding in ("", "identity") or not body.bytes:
        return body.bytes, is_cut
    window_bits = {"gzip": [31], "x-gzip": [31], "deflate": [15, -15]}.get(coding, [])
    for bits in window_bits:
        try:
            content, is_whole = inflate(body.bytes, bits, body.max_bytes)
        except zlib.error:
            continue
        if len(content) > body.max_bytes:
            return content[: body.max_bytes], True
        return (content, is_cut) if is_whole or (is_cut and content) else None
    return None


def inflate(data: bytes, window_bits: int, max_bytes: int) -> tuple[bytes, bool]:
    """Decompress, a little more than ``max_bytes`` at most; several members in a row only if it is gzip."""
    content = b""
    while True:
        decompressor = zlib.decompressobj(window_bits)
        content += decompressor.decompress(data, max_bytes + 1 - len(content))
        data = decompressor.unused_data
        if len(content) > max_bytes or not decompressor.eof:
            return content, False
        if window_bits != 31 or not data:
            return content, True
