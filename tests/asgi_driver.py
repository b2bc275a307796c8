"""Calls an ASGI app as a server does, and notes every message."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

Message = dict[str, Any]


def http_scope(path: str = "/", *, method: str = "GET", query: bytes = b"", **parts: Any) -> dict[str, Any]:
    """A scope as uvicorn makes it; `headers` come after `host`."""
    headers = [(b"host", b"api.example.com"), *parts.pop("headers", [])]
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "server": ("127.0.0.1", 8000),
        "client": ("203.0.113.9", 50000),
        "scheme": "http",
        "method": method,
        "root_path": "",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "headers": headers,
        **parts,
    }


def post_scope(body: bytes, content_type: bytes = b"application/json", path: str = "/", **parts: Any) -> dict[str, Any]:
    headers = [(b"content-type", content_type), (b"content-length", b"%d" % len(body)), *parts.pop("headers", [])]
    return http_scope(path, method="POST", headers=headers, **parts)


def body_messages(*pieces: bytes) -> list[Message]:
    pieces = pieces or (b"",)
    return [{"type": "http.request", "body": piece, "more_body": n < len(pieces)} for n, piece in enumerate(pieces, 1)]


class Call(NamedTuple):
    #: The very objects that the app sent.
    sent: list[Message]
    #: How many of the app's calls of `receive` reached the server's.
    receives: int
    error: BaseException | None

    @property
    def status(self) -> int:
        return next(int(message["status"]) for message in self.sent if message["type"] == "http.response.start")

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        return next(list(message["headers"]) for message in self.sent if message["type"] == "http.response.start")

    def header(self, name: bytes) -> bytes | None:
        return dict(self.headers).get(name)

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent if message["type"] == "http.response.body")


def call(
    app: Any,
    scope: dict[str, Any] | None = None,
    messages: Iterable[Message] | None = None,
    run: Callable[..., Any] = asyncio.run,
) -> Call:
    """One call of `app`; after `messages`, the client leaves. What the app raises is in the result."""
    scope = http_scope() if scope is None else scope
    waiting = list(body_messages() if messages is None else messages)
    sent: list[Message] = []
    receives = 0
    error: BaseException | None = None

    async def receive() -> Message:
        nonlocal receives
        receives += 1
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    async def main() -> None:
        nonlocal error
        try:
            await app(scope, receive, send)
        except BaseException as raised:
            error = raised

    run(main) if run is not asyncio.run else run(main())
    return Call(sent, receives, error)
