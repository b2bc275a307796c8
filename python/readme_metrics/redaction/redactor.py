"""`Redactor`: redacts an exchange with the core, so that no rule of redaction is written twice."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from readme_metrics import _core
from readme_metrics.collector.fields import entry_of

if TYPE_CHECKING:
    from readme_metrics.config import MetricsApiConfig

_QUEUE_BYTES = 64 * 1024 * 1024

Pairs = list[tuple[str, str]]


@dataclass(frozen=True)
class Lists:
    """The options that decide which values are redacted."""

    denylist: tuple[str, ...] = ()
    #: None: there is no allowlist; empty: the allowlist lets nothing through.
    allowlist: tuple[str, ...] | None = None
    redact_nested: bool = False
    max_body_bytes: int = 1024 * 1024

    @classmethod
    def of(cls, config: MetricsApiConfig | None) -> Lists:
        """The lists of a configuration; without a configuration, no lists."""
        if config is None:
            return cls()
        allowed = config.effective_allowlist()
        allowlist = None if allowed is None else tuple(allowed)
        return cls(tuple(config.DENYLIST), allowlist, config.redact_nested, config.max_body_bytes)

    def only(self, entry: str) -> Lists:
        """A denylist with this entry alone, and the other options of these lists."""
        return replace(self, denylist=(entry,), allowlist=None)


@dataclass
class TextExchange:
    """A request and its response, in text."""

    method: str = "POST"
    path: str = "/"
    query: str = ""
    host: str = "localhost"
    request_headers: Pairs = field(default_factory=list)
    request_body: str = ""
    response_headers: Pairs = field(default_factory=list)
    response_body: str = ""


class Redactor:
    """Redacts with the core and these lists. Not for several threads at once."""

    def __init__(self, lists: Lists) -> None:
        self._encoder = _core.Encoder(
            denylist=list(lists.denylist),
            allowlist=None if lists.allowlist is None else list(lists.allowlist),
            redact_nested=lists.redact_nested,
            development=False,
            max_body_bytes=lists.max_body_bytes,
            trust_forwarded=False,
            platform="inspect",
        )

    def entry(self, exchange: TextExchange) -> Any:
        """The HAR entry that would be sent."""
        request = exchange.request_body.encode("utf-8", "replace")
        response = exchange.response_body.encode("utf-8", "replace")
        capture = _core.Capture(self._encoder, _environ(exchange, len(request)))
        capture.add_request(request)
        capture.add_response(response)
        capture.end()
        capture.set_caller(("inspect", None, None))
        # A queue in private memory, which no app and no command sees.
        queue = _core.Queue([], "inspect", _QUEUE_BYTES)
        headers = [(name, _latin_1(value)) for name, value in exchange.response_headers]
        queue.record(capture, None, "200 OK", headers, is_read=True)
        batch = queue.peek(1, _QUEUE_BYTES)
        if batch is None:
            raise ValueError("this is too large to try")
        [log] = json.loads(batch.json)
        queue.release(batch, False)
        return entry_of(log)


def _environ(exchange: TextExchange, length: int) -> dict[str, Any]:
    environ: dict[str, Any] = {
        "REQUEST_METHOD": exchange.method,
        "PATH_INFO": exchange.path,
        "QUERY_STRING": exchange.query,
        "HTTP_HOST": exchange.host,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
    }
    for name, value in _joined(exchange.request_headers):
        key = name.upper().replace("-", "_")
        environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = _latin_1(value)
    environ["CONTENT_LENGTH"] = str(length)
    return environ


def _joined(pairs: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    """The headers with repeated names joined, as WSGI servers join them."""
    joined: dict[str, str] = {}
    for name, value in pairs:
        key = name.lower()
        joined[key] = f"{joined[key]}, {value}" if key in joined else value
    return joined.items()


def _latin_1(text: str) -> str:
    """A header's text as a WSGI string, whose characters each stand for one byte (PEP 3333)."""
    return text.encode("utf-8", "replace").decode("latin-1")
