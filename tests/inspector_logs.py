"""Logs for the tests of the inspector."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from itertools import count
from typing import Any

_numbers = count(1)


def log(
    path: str = "/books/2",
    method: str = "GET",
    status: int = 200,
    *,
    ms: float = 12,
    caller: str = "Ada",
    host: str = "http://127.0.0.1:5000",
    headers: dict[str, str] | None = None,
    query: list[tuple[str, str]] | None = None,
    body: str | None = None,
    params: list[dict[str, Any]] | None = None,
    request_type: str = "application/json",
    answer: str = "",
    response_type: str = "application/json",
    log_id: str | None = None,
    started: str | None = None,
    route: str | None = None,
) -> dict[str, Any]:
    """A log as the middleware sends it."""
    number = next(_numbers)
    request: dict[str, Any] = {
        "method": method,
        "url": host + path,
        "httpVersion": "HTTP/1.1",
        "headers": [{"name": name, "value": value} for name, value in (headers or {}).items()],
        "queryString": [{"name": name, "value": value} for name, value in (query or [])],
        "cookies": [],
        "headersSize": -1,
        "bodySize": len(body or ""),
    }
    if body is not None:
        request["postData"] = {"mimeType": request_type, "text": body}
    if params is not None:
        request["postData"] = {"mimeType": request_type, "params": params}
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    entry: dict[str, Any] = {
        "startedDateTime": started or now,
        "time": ms,
        "cache": {},
        "timings": {"send": 0, "wait": ms, "receive": 0},
        "pageref": host + path,
        "request": request,
        "response": {
            "status": status,
            "statusText": "",
            "httpVersion": "HTTP/1.1",
            "headers": [{"name": "Content-Type", "value": response_type}],
            "cookies": [],
            "redirectURL": "",
            "headersSize": -1,
            "bodySize": len(answer),
            "content": {"text": answer, "size": len(answer), "mimeType": response_type},
        },
    }
    if route is not None:
        entry["_route"] = route
    return {
        "_id": log_id or f"00000000-0000-4000-8000-{number:012d}",
        "_version": 3,
        "group": {"id": "sha512-abc", "label": caller, "email": f"{caller.lower()}@example.com"},
        "clientIPAddress": "127.0.0.1",
        "development": False,
        "request": {"log": {"version": "1.2", "creator": {"name": "test", "version": "1"}, "entries": [entry]}},
    }


def lines(logs: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(log) + "\n" for log in logs)
