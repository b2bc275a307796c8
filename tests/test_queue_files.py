"""What is at rest: msgpack that any decoder reads, in files that only the user can, without key or secret."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack

import wsgi
from wsgi import call

Logged = Callable[..., Any]


def waiting(middleware: Any) -> Path:
    """The one segment of a middleware that has logged and sent nothing."""
    [segment] = [path for path in Path(middleware.stats()["directory"]).iterdir() if path.suffix == ".seg"]
    return Path(segment)


def test_an_independent_decoder_reads_the_entries(logged: Logged) -> None:
    middleware, logs = logged(buffer_length=1000, flush_interval=3600)
    call(
        middleware, "/echo", method="POST", body='{"a": "é\\u0000\U0001f600"}'.encode(), content_type="application/json"
    )
    call(middleware, "/repeated", query="x=1&x=2")
    raw = waiting(middleware).read_bytes()
    decoded = []
    # An entry is a map of six whose first key is `_id`.
    for position in find(raw, b"\x86\xa3_id"):
        unpacker = msgpack.Unpacker(raw=False)
        unpacker.feed(raw[position:])
        decoded.append(unpacker.unpack())
    assert decoded == json.loads(json.dumps(logs(2)))


def find(raw: bytes, needle: bytes) -> list[int]:
    positions = []
    position = raw.find(needle)
    while position >= 0:
        positions.append(position)
        position = raw.find(needle, position + 1)
    return positions


def test_files_are_private_and_hold_no_key_and_no_secret(logged: Logged) -> None:
    middleware, logs = logged(buffer_length=1000, flush_interval=3600, denylist=["password"])
    call(middleware, "/echo", method="POST", body=b'{"password": "hunter2"}', content_type="application/json")
    segment = waiting(middleware)
    assert stat.S_IMODE(segment.stat().st_mode) == 0o600
    assert stat.S_IMODE(segment.parent.stat().st_mode) == 0o700
    raw = segment.read_bytes()
    assert b"[REDACTED 7]" in raw
    for secret in (b"hunter2", wsgi.API_KEY.encode(), b"customer-0001"):
        assert secret not in raw
        assert secret.decode() not in str(segment)
    logs(1)
