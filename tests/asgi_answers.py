"""ASGI apps that send the messages they are given."""

from __future__ import annotations

import asyncio
from typing import Any

import trio

from asgi_driver import Message

RUNS = [asyncio.run, trio.run]


class AppError(Exception):
    """An error of the app. The server must get this very object."""


def app_of(*messages: Message, reads: bool = True, raises: Exception | None = None) -> Any:
    """An app that reads its request's body, sends these messages and then raises."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while reads and (await receive()).get("more_body"):
            pass
        for message in messages:
            await send(message)
        if raises:
            raise raises

    return app


def start(status: int = 200, headers: Any = ((b"content-type", b"text/plain"),), **more: Any) -> Message:
    return {"type": "http.response.start", "status": status, "headers": list(headers), **more}


def body(data: bytes = b"", more_body: bool = False, **more: Any) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": more_body, **more}


LAST = body(b"done")
