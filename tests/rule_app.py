"""The WSGI app of the tests of rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def answering(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """Reads all of the request and answers as its headers ask."""
    environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    status = environ.get("HTTP_X_STATUS", "200 OK")
    start_response(status, [("Content-Type", environ.get("HTTP_X_TYPE", "application/json"))])
    return [b'{"token": "t0ken", "kept": 1}']
