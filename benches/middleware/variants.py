"""The app that is measured, and what may wrap it. Runs in either environment: ours, or the published SDK's."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from typing import Any

DENYLIST = ["password", "token", "secret", "ssn", "card", "x-api-key", "cookie", "pin", "iban", "session"]
HEADERS = {
    "HOST": "api.example.com",
    "USER_AGENT": "python-requests/2.34.2",
    "ACCEPT": "application/json",
    "ACCEPT_ENCODING": "gzip, deflate, br",
    "ACCEPT_LANGUAGE": "en-GB,en;q=0.9",
    "CACHE_CONTROL": "no-cache",
    "CONNECTION": "keep-alive",
    "COOKIE": "session=0123456789abcdef; theme=dark",
    "ORIGIN": "https://shop.example.com",
    "REFERER": "https://shop.example.com/cart?step=2",
    "AUTHORIZATION": "Bearer 0123456789abcdef0123456789abcdef",
    "X_REQUEST_ID": "6f1c2a9e-5b7d-4c3e-8f90-a1b2c3d4e5f6",
}

WSGIApp = Callable[[dict[str, Any], Callable[..., Any]], Any]


def document(size_bytes: int) -> bytes:
    """A JSON object of `size_bytes`, such as an API returns: the records that `redact.rs` filters too."""
    items: list[dict[str, Any]] = []
    value = {"status": "ok", "password": "hunter2", "items": items, "token": "d41d8cd98f00b204", "note": ""}
    left = size_bytes - len(json.dumps(value))
    while left > 0:
        number = len(items)
        items.append(
            {
                "id": number,
                "name": f"Product number {number}",
                "price": number + 0.99,
                "in_stock": True,
                "tags": ["red", "large", "cotton"],
                "description": 'A rather good product, with a "quoted" word in it.',
                "maker": {"name": "ACME", "country": "NL"},
                "password": None,
            }
        )
        left -= len(json.dumps(items[-1])) + 2
    if left < 0:
        items.pop()
    value["note"] = " " * (size_bytes - len(json.dumps(value)))
    return json.dumps(value).encode()


def app(method: str, body: bytes) -> WSGIApp:
    """The bare app: reads what it is sent and answers with a document of the same size."""
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]

    def bare(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        if method == "POST":
            environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        start_response("200 OK", headers)
        return [body]

    return bare


def floor(wrapped: WSGIApp) -> WSGIApp:
    """The least that any middleware written in Python does: join the body and count it."""

    def middleware(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        body = b"".join(wrapped(environ, start_response))
        len(body)
        return [body]

    return middleware


def group(_: Any) -> dict[str, str]:
    return {"api_key": "customer-0123456789", "label": "Customer", "email": "customer@example.com"}


def rules(count: int, *, leave_out: bool) -> list[Any]:
    """`count` rules that the request does not meet; with `leave_out`, the last one leaves the request out."""
    from readme_metrics import Rule

    made = [Rule(path=f"/internal/{number}/*", user_agent=f"probe-{number}/*", log=False) for number in range(count)]
    return [*made[1:], Rule(path="/v1/*", log=False)] if leave_out else made


def sdk(wrapped: WSGIApp, denylist: bool, buffer_length: int, **options: Any) -> Any:
    """The middleware of whichever `readme-metrics` this environment has."""
    from readme_metrics import MetricsApiConfig, MetricsMiddleware

    return MetricsMiddleware(
        wrapped,
        MetricsApiConfig(
            "bench",
            group,
            base_log_url="https://docs.example.com",
            buffer_length=buffer_length,
            denylist=DENYLIST if denylist else None,
            **options,
        ),
    )


def environ(method: str, body: bytes) -> dict[str, Any]:
    """A request with 14 headers, `Content-Type` and `Content-Length` among them."""
    return {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": "/v1/things",
        "QUERY_STRING": "page=2&sort=name",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "203.0.113.9",
        "CONTENT_TYPE": "application/json" if method == "POST" else "",
        "CONTENT_LENGTH": str(len(body)) if method == "POST" else "",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        **{f"HTTP_{name}": value for name, value in HEADERS.items()},
    }


def build(variant: str, method: str, body: bytes, denylist: bool, buffer_length: int) -> Any:
    """The app in one of its variants: bare, floor or sdk; `met-by-none:N` and `left-out:N` are sdk with N rules."""
    bare = app(method, body)
    if variant == "bare":
        return bare
    if variant == "floor":
        return floor(bare)
    kind, _, count = variant.partition(":")
    options = {"rules": rules(int(count), leave_out=kind == "left-out")} if count else {}
    return sdk(bare, denylist, buffer_length, **options)


def call(wsgi_app: WSGIApp, template: dict[str, Any], body: bytes) -> None:
    """One request, as a server makes it."""
    request = template.copy()
    request["wsgi.input"] = io.BytesIO(body)
    response = wsgi_app(request, _start_response)
    for _ in response:
        pass
    close = getattr(response, "close", None)
    if close is not None:
        close()


def _start_response(status: str, headers: list[tuple[str, str]], *exc_info: object) -> None:
    return None
