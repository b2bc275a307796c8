"""The tests' own ASGI app, with one route for each shape of response. Servers load it as `asgi_app:app`."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import wsgi
from readme_metrics import MetricsApiConfig
from readme_metrics.asgi import MetricsMiddleware

PNG = b"\x89PNG\r\n\x1a\n\xff\x00"


async def bare(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        return await _lifespan(receive, send)
    assert scope["type"] == "http", scope["type"]

    async def start(status: int = 200, content_type: str = "text/plain", *headers: tuple[bytes, bytes]) -> None:
        pairs = [(b"content-type", content_type.encode()), *headers]
        await send({"type": "http.response.start", "status": status, "headers": pairs})

    async def piece(data: bytes = b"", *, more: bool = False) -> None:
        await send({"type": "http.response.body", "body": data, "more_body": more})

    path = scope["path"].removeprefix(scope["root_path"])
    if path == "/echo":
        body = await _body(receive)
        await start(200, dict(scope["headers"]).get(b"content-type", b"text/plain").decode())
        await piece(body)
    elif path == "/unread":
        await start(403)
        await piece(b"no")
    elif path == "/stream":
        await start()
        for data in (b"one ", b"two ", b"three"):
            await piece(data, more=True)
        await piece()
    elif path == "/wait":
        # Ends once the file that the query names exists: by then, the test has received the first piece.
        await start(200, "text/event-stream")
        await piece(b"data: first\n\n", more=True)
        while not Path(unquote(scope["query_string"].decode())).exists():
            await asyncio.sleep(0.005)
        await piece(b"data: last\n\n")
    elif path == "/image":
        await start(200, "image/png", (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2"))
        await piece(PNG)
    elif path == "/file":
        await start(200, "application/json", (b"content-length", b"%d" % wsgi.FILE.stat().st_size))
        if "http.response.pathsend" in (scope.get("extensions") or {}):
            await send({"type": "http.response.pathsend", "path": str(wsgi.FILE)})
        else:
            await piece(wsgi.FILE.read_bytes())
    elif path == "/raise":
        raise wsgi.AppError("before the start")
    elif path == "/background":
        await start()
        await piece(b"done")
        await asyncio.sleep(0)
        raise wsgi.AppError("in a background task")
    elif path == "/pid":
        await start()
        await piece(str(os.getpid()).encode())
    else:
        await start(200, "application/json")
        await piece(json.dumps({"path": path, "token": "t0ken"}).encode())
    return None


async def _body(receive: Any) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


async def _lifespan(receive: Any, send: Any) -> None:
    if os.environ.get("TEST_LIFESPAN") == "unsupported":
        raise ValueError("this app has no lifespan")
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def group(request: Any) -> dict[str, str] | None:
    if request.url.path.endswith("/pid"):
        return None
    return {"api_key": "customer-0001", "label": "Customer", "email": "customer@example.com"}


def make() -> Any:
    """The app that the environment asks for: `TEST_CONFIG` has the options, or null for the bare app."""
    logging.basicConfig()
    options = json.loads(os.environ.get("TEST_CONFIG", "null"))
    if options is None:
        return bare
    options = {"base_log_url": "https://docs.example.com", **options}
    return MetricsMiddleware(bare, MetricsApiConfig(wsgi.API_KEY, group, **options))


app = make()
