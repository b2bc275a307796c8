"""`Post`, one POST of logs to the stand-in Metrics server, and `Answer`, what the server does with it."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from http import HTTPStatus
from typing import Any

Log = dict[str, Any]
"""One log object: `_id`, `group`, `request.log.entries[0]` and so on."""

MAX_BODY_BYTES = 256 * 1024 * 1024
_GZIP_WBITS = 16 + zlib.MAX_WBITS


class Refused(Exception):
    """The request is malformed and is answered with the HTTP status `status`."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Post:
    """One `POST /v1/request` as it arrived."""

    received_at: float
    """Seconds since the epoch."""
    headers: Message
    raw: bytes
    """The body as it was on the wire."""
    body: bytes = b""
    """The body after undoing gzip."""
    logs: list[Log] = field(default_factory=list)
    status: int = 0
    """The status of the answer; 0 while there is none."""

    @property
    def count(self) -> int:
        """Number of logs, 0 if the body was malformed."""
        return len(self.logs)

    def decode(self) -> None:
        """Sets `body` and `logs`; raises Refused if they cannot be read."""
        self.body = self._decompressed()
        self.logs = _parsed(self.body)

    def _decompressed(self) -> bytes:
        encoding = self.headers.get("Content-Encoding", "identity").lower()
        if encoding == "identity":
            return self.raw
        if encoding != "gzip":
            raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Content-Encoding is {encoding!r}")
        inflater = zlib.decompressobj(_GZIP_WBITS)
        try:
            body = inflater.decompress(self.raw, MAX_BODY_BYTES)
        except zlib.error as error:
            raise Refused(HTTPStatus.BAD_REQUEST, f"body is not gzip: {error}") from None
        if inflater.unconsumed_tail:
            status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            raise Refused(status, f"body is larger than {MAX_BODY_BYTES} bytes")
        if not inflater.eof:
            raise Refused(HTTPStatus.BAD_REQUEST, "gzip body is cut short")
        return body


def _parsed(body: bytes) -> list[Log]:
    try:
        logs = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refused(HTTPStatus.BAD_REQUEST, f"body is not JSON: {error}") from None
    if not isinstance(logs, list):
        raise Refused(HTTPStatus.BAD_REQUEST, "body is not a JSON array of logs")
    for index, log in enumerate(logs):
        if not isinstance(log, dict):
            raise Refused(HTTPStatus.BAD_REQUEST, f"log {index} is not an object")
        if not isinstance(log.get("_id"), str):
            raise Refused(HTTPStatus.BAD_REQUEST, f"log {index} has no _id")
    return logs


@dataclass(frozen=True)
class Answer:
    """What the server does with one request."""

    status: int = HTTPStatus.ACCEPTED
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay: float = 0.0
    """Seconds to wait first; `math.inf` waits until the server closes."""
    raw: bytes | None = None
    """If set, these bytes are sent instead of an HTTP response, and the connection is reset."""

    @classmethod
    def json(cls, status: int, value: object) -> Answer:
        """A response with `value` as JSON."""
        return cls(status, {"Content-Type": "application/json"}, json.dumps(value).encode())

    @classmethod
    def refusal(cls, status: int, message: str) -> Answer:
        """A JSON response that says why."""
        return cls.json(status, {"message": message})

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


HANG = Answer(status=0, delay=math.inf)
RESET = Answer(status=0, raw=b"")
