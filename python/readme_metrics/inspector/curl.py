"""A request of a log as a curl command that is safe to paste into a POSIX shell.

Everything in a log may come from an attacker. Each argument is quoted, and none can name a file (`--data-raw`,
`--form-string`, no header that begins with `@`) or another URL (`--globoff`). Each redacted value becomes a shell
variable for the user to set.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from shlex import quote
from typing import Any
from urllib.parse import quote_plus

from readme_metrics.collector.fields import at, entry_of, pairs_at, text_at
from readme_metrics.collector.post import Log
from readme_metrics.inspector.logs.summary import MARKER, REPLAY_HEADER

TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
#: Headers that are about one connection, or that curl makes by itself.
_NOT_SENT = {
    "connection", "content-length", "host", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding",
    "upgrade", "expect", REPLAY_HEADER,
}  # fmt: skip
_KEY_BEFORE = re.compile(r"""([\w.\-\[\]]+)["']?\s*[:=]\s*["']?$""")


def curl(log: Log) -> str:
    """The command, one argument per line."""
    entry = entry_of(log)
    method = text_at(entry, "request", "method")
    words = [f"--request {quote(method)}"] if TOKEN.fullmatch(method) else []
    words.append(f"--url {_quoted(_one_line(text_at(entry, 'request', 'url')), 'url')}")
    is_multipart = text_at(entry, "request", "postData", "mimeType").lower().startswith("multipart/")
    for name, value in pairs_at(entry, "request", "headers"):
        if not TOKEN.fullmatch(name) or name.lower() in _NOT_SENT or (is_multipart and name.lower() == "content-type"):
            continue
        if name.lower() == "accept-encoding":
            words.append("--compressed")
        else:
            # To curl, "Name;" is a header with an empty value, and "Name:" leaves the header out.
            line = _quoted(_one_line(f"{name}: {value}"), name) if value else quote(f"{name};")
            words.append(f"--header {line}")
    words += _body(entry, is_multipart)
    return " \\\n  ".join(["curl --globoff", *words]) + "\n"


def _body(entry: Any, is_multipart: bool) -> list[str]:
    text = text_at(entry, "request", "postData", "text")
    if text:
        return [f"--data-raw {_quoted(text, 'body')}"]
    params = at(entry, "request", "postData", "params")
    fields = params if isinstance(params, list) else []
    if is_multipart:
        return [f"--form-string {_field(field, str)}" for field in fields if text_at(field, "name")]
    parts = [_field(field, quote_plus) for field in fields]
    return [f"--data-raw {quote('&').join(parts)}"] if parts else []


def _field(field: Any, encoded: Callable[[str], str]) -> str:
    name, value = text_at(field, "name"), text_at(field, "value")
    # curl splits a form field at the first "=", even at one that belongs to the name.
    shown_name = encoded(name.replace("=", "%3D") if encoded is str else name)
    if at(field, "fileName") is not None:
        # A log holds no uploaded files, and the command must not name a file of the user's.
        return quote(f"{shown_name}=") + _variable(f"file_{name}")
    if MARKER.fullmatch(value):
        return quote(f"{shown_name}=") + _variable(name)
    return quote(f"{shown_name}={encoded(value)}".replace("\0", ""))


def _one_line(text: str) -> str:
    return re.sub(r"[\r\n\0]", "", text)


def _variable(name: str) -> str:
    """A reference to the shell variable that stands for the redacted value of `name`."""
    return '"$REDACTED_' + (re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_") or "value")[:60] + '"'


def _quoted(text: str, name: str) -> str:
    """`text` quoted for the shell, with a variable in place of each marker: named after the key in front, or `name`."""
    text = text.replace("\0", "")
    parts, end = [], 0
    for marker in MARKER.finditer(text):
        before = text[end : marker.start()]
        key = _KEY_BEFORE.search(before[-200:])
        parts += [quote(before)] if before else []
        parts.append(_variable(key[1] if key else name))
        end = marker.end()
    if text[end:] or not parts:
        parts.append(quote(text[end:]))
    return "".join(parts)
