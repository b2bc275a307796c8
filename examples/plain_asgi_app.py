"""A plain ASGI callable. Serve it with `uvicorn --workers 4 plain_asgi_app:app`."""

from __future__ import annotations

import json
from typing import Any

from fastapi_app import config

from readme_metrics.asgi import MetricsMiddleware


async def bare_app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    body, more_body = b"", True
    while more_body:
        message = await receive()
        body += message.get("body", b"")
        more_body = message.get("more_body", False)
    answer = json.dumps({"id": 1, "item": json.loads(body)["item"], "token": "t0ken"}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
    await send({"type": "http.response.start", "status": 201, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


app = MetricsMiddleware(bare_app, config)
