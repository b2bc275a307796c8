"""Redacts queries and urlencoded forms, as `rust/redact/url/mod.rs`."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Callable

from reference.marker import redacted
from reference.param import Param
from reference.rules import Rules
from reference.url.component import decode
from reference.url.denied import denied_parameters, denies_encoded
from reference.url.hidden import Denied


def rewrite(
    text: str,
    denied: list[Denied],
    keep: Callable[[str], str],
    hide: Callable[[str], str],
    start: int = 0,
    end: int = -1,
) -> str:
    """A part of a text: kept pieces go through `keep`, the markers of denied values through `hide`."""
    end = len(text) if end < 0 else end
    pieces, at = [], start
    for each in denied:
        if each.start <= end and each.end >= start:
            pieces += [keep(text[at : max(each.start, at)]), hide(each.marker())]
            at = min(each.end, end)
    return "".join([*pieces, keep(text[at:end])])


def quote_marker(marker: str) -> str:
    """A marker as it is written in a URL or a form."""
    return urllib.parse.quote(marker, safe="")


def redact_parameters(rules: Rules, text: str, keep: Callable[[str], str] = str) -> str:
    """Replace the denied values in a query or a form."""
    return rewrite(text, denied_parameters(rules, text), keep, quote_marker)


def query_as_text(query: bytes) -> str:
    """Percent-encode a query that is not UTF-8."""
    try:
        return query.decode()
    except UnicodeDecodeError:
        return re.sub(b"[^\x00-\x7f]", lambda match: b"%%%02X" % match[0][0], query).decode()


def to_ascii(text: str) -> str:
    """Percent-encode the characters that RFC 3986 does not allow in a query."""
    text = re.sub("%(?![0-9a-fA-F]{2})", "%25", text)
    return urllib.parse.quote(text, safe="%!$&'()*+,;=:@/?-._~")


def query_text(rules: Rules, query: bytes) -> str:
    """The query as the log's URL shows it."""
    return redact_parameters(rules, query_as_text(query), to_ascii)


def params(rules: Rules, text: str) -> list[Param]:
    """The decoded parameters of a query or a form."""
    denied = denied_parameters(rules, text)
    found, at = [], 0

    def is_inside(start: int, end: int) -> bool:
        """Whether a denied value begins before `start` and goes on to `end`."""
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
