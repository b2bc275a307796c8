"""Redacts header values, as `rust/redact/header/mod.rs`."""

from __future__ import annotations

from reference.header.cookies import cookies
from reference.marker import redacted
from reference.mask import mask
from reference.rules import Rules
from reference.url.denied import search
from reference.url.query import quote_marker, rewrite

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
    """A value as its sender wrote it. One character stands for one byte, and most bytes beyond ASCII are UTF-8."""
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
    """A header of either side. The parameters of anything that looks like a URL are judged."""
    if rules.denies_header(name):
        return redacted(value)
    denied = search(rules, value, lambda found: found.urls(is_url=name.lower() in URLS))
    return rewrite(value, denied, str, quote_marker)
