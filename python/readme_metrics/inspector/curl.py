"""A request of a log as a curl command that is safe to paste into a POSIX shell.

Everything in a log may come from an attacker. Each argument is quoted; nothing in it can name a file (`--data-raw`,
`--form-string`, no header that begins with `@`) or another URL (`--globoff`). What was redacted becomes a variable that
the reader sets.
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
#: About one connection, or made by curl itself.
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
            # curl takes "Name;" for a header without value, and "Name:" for none at all.
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
    # curl would split a form field whose name holds "=" at its first one.
    shown_name = encoded(name.replace("=", "%3D") if encoded is str else name)
    if at(field, "fileName") is not None:
        # A log holds no files, and must not name one of the reader's.
        return quote(f"{shown_name}=") + _variable(f"file_{name}")
    if MARKER.fullmatch(value):
        return quote(f"{shown_name}=") + _variable(name)
    return quote(f"{shown_name}={encoded(value)}".replace("\0", ""))


def _one_line(text: str) -> str:
    return re.sub(r"[\r\n\0]", "", text)


def _variable(name: str) -> str:
    """A reference to the variable for what was redacted in `name`."""
    return '"$REDACTED_' + (re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_") or "value")[:60] + '"'


def _quoted(text: str, name: str) -> str:
    """`text` for the shell, the markers in it as variables, called `name` where nothing says it better."""
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
