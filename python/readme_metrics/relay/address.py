"""The URL of the Redis server and the name of the project: how both are checked, and shown without secrets."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

#: A project's name becomes part of a Redis key between braces, of a metric's label and of a log line.
_PROJECT = re.compile(r"[A-Za-z0-9._-]{1,100}")
_EXAMPLE = "redis://user:password@host:6379/0"
DEFAULT_PORT = 6379


def checked_url(name: str, value: object) -> str:
    """`value` unchanged, if it is the URL of a Redis server.

    Raises:
        TypeError: `value` is not a string.
        ValueError: `value` is not a `redis://` or `rediss://` URL. The message names the argument `name` and does not
            show the value, any part of which may be a password in the wrong place.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} takes a string, got {type(value).__name__}")
    if problem := _problem(value):
        raise ValueError(f"{name} takes a URL such as {_EXAMPLE} or one that begins with rediss:// (TLS); {problem}")
    return value


def _problem(value: str) -> str:
    try:
        url = urlsplit(value)
        port = url.port
    except ValueError:
        return "its host or port is malformed (a password has its special characters as %XX)"
    if url.scheme not in ("redis", "rediss"):
        return "its scheme is another, or missing"
    if not url.hostname:
        return "it names no host"
    if port == 0:
        return "its port is 0"
    if url.path not in ("", "/") and not re.fullmatch(r"/[0-9]{1,9}", url.path):
        return "what follows the host is no database number (a password has its special characters as %XX)"
    if url.fragment or not value.isprintable() or " " in value:
        return "it has a # or a space (a password has its special characters as %XX)"
    return ""


def checked_project(name: str, value: object) -> str:
    """`value` unchanged, if it may be a project's name: up to 100 ASCII letters, digits, `.`, `_` and `-`.

    Raises:
        TypeError: `value` is not a string.
        ValueError: `value` may not be a project's name.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} takes a string, got {type(value).__name__}")
    if not _PROJECT.fullmatch(value):
        raise ValueError(f"{name} takes up to 100 letters, digits, dots, underscores and hyphens, got {value!r:.80}")
    return value


def masked(url: str) -> str:
    """`url` without user, password and parameters."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{_host(parts)}:{parts.port or DEFAULT_PORT}/{parts.path.strip('/') or 0}"


def user(url: str) -> str:
    """The Redis user (ACL) that `url` names."""
    return urlsplit(url).username or "default"


def _host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    return f"[{host}]" if ":" in host else host
