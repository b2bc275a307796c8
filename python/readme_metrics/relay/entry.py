"""`Entry`: one entry of a stream, which anybody may have written, and how far its logs have been delivered."""

from __future__ import annotations

import json
import re
import zlib
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from readme_metrics.relay.layout import REFUSED_LOG_BYTES, VERSION

#: An entry that is larger than this once unpacked is no batch of ours.
MAX_BODY_BYTES = 256 * 1024 * 1024
_GZIP_WBITS = 16 + zlib.MAX_WBITS
#: How many logs an entry says it has; `scripts.RECOUNT` reads it in the same way.
_COUNT = re.compile(rb"[1-9][0-9]{0,4}")
_decoder = json.JSONDecoder()
_SEPARATORS = re.compile(r"[ \t\r\n]*")


class BadEntry(Exception):
    """The entry is no batch; the message says why, without quoting it."""


class OtherVersion(Exception):
    """The entry was written by another release."""


class RefusedLog(NamedTuple):
    """The part that is kept of a log that was refused for good."""

    reason: str
    #: The HTTP status; empty if the relay refused the log.
    status: str
    url: str
    id: str
    log: bytes


@dataclass
class Entry:
    """An entry that this relay holds until it is released."""

    id: bytes
    #: The bytes that the entry counts for in the bound of the stream.
    size: int
    #: The logs that the entry counts for in the sums of the stream.
    weight: int
    #: The logs, each as its JSON text.
    logs: list[bytes]
    #: How many of the logs, from the first, are delivered or refused.
    settled: int = 0
    delivered: int = 0
    refused: list[RefusedLog] = field(default_factory=list)
    #: Whether this entry may be what kills relays: then it is held alone.
    is_suspect: bool = False

    @property
    def is_settled(self) -> bool:
        return self.settled == len(self.logs)


def measure(fields: dict[bytes, bytes]) -> tuple[int, int]:
    """How many bytes and logs an entry with these fields counts for."""
    count = fields.get(b"n", b"")
    return len(fields.get(b"b", b"")), int(count) if _COUNT.fullmatch(count) else 1


def logs_of(fields: dict[bytes, bytes]) -> list[bytes]:
    """The logs of an entry.

    Raises:
        OtherVersion: Another release may be able to read the entry.
        BadEntry: No release can read the entry.
    """
    version = fields.get(b"v")
    if version != VERSION:
        if version is not None and version.isdigit():
            raise OtherVersion(f"version {int(version[:9])}")
        raise BadEntry("no version")
    body = fields.get(b"b")
    if body is None:
        raise BadEntry("no body")
    encoding = fields.get(b"z", b"")
    if encoding == b"gzip":
        body = _unpacked(body)
    elif encoding:
        raise BadEntry("unknown encoding")
    return _split(body)


def _unpacked(body: bytes) -> bytes:
    inflater = zlib.decompressobj(_GZIP_WBITS)
    try:
        unpacked = inflater.decompress(body, MAX_BODY_BYTES)
    except zlib.error:
        raise BadEntry("not gzip") from None
    if not inflater.eof or inflater.unused_data:
        raise BadEntry("gzip that is cut short or too large")
    return unpacked


def _split(body: bytes) -> list[bytes]:
    """The objects of a JSON array, each as its text."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise BadEntry("not UTF-8") from None
    logs: list[bytes] = []
    at = _after_space(text, 0)
    if text[at : at + 1] != "[":
        raise BadEntry("not a JSON array")
    at = _after_space(text, at + 1)
    while True:
        if text[at : at + 1] != "{":
            raise BadEntry("not a JSON array of objects")
        try:
            _, end = _decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            raise BadEntry("not JSON") from None
        logs.append(text[at:end].encode())
        at = _after_space(text, end)
        separator = text[at : at + 1]
        at = _after_space(text, at + 1)
        if separator == "]" and at == len(text):
            return logs
        if separator != ",":
            raise BadEntry("not a JSON array")


def _after_space(text: str, at: int) -> int:
    found = _SEPARATORS.match(text, at)
    return found.end() if found else at


def refused_log(log: bytes, reason: str, status: str) -> RefusedLog:
    """The part that is kept of a refused log: enough to find the request that it is about."""
    url = log_id = ""
    try:
        parsed: Any = json.loads(log)
        log_id = str(parsed.get("_id", ""))[:100]
        url = str(parsed["request"]["log"]["entries"][0]["request"]["url"])[:2000]
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        pass
    return RefusedLog(reason[:200], status, url, log_id, log[:REFUSED_LOG_BYTES])
