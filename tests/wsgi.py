"""The tests' own WSGI app, with one route for each shape of response, and a way to call an app without a server."""

from __future__ import annotations

import io
import itertools
import json
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from wsgiref.util import setup_testing_defaults

from readme_metrics import MetricsApiConfig, MetricsMiddleware

API_KEY = "rdme_test_key"
#: What the app serves as a file. It is several of a server's blocks long.
FILE = Path(__file__).with_name("har-1.2.schema.json")
TEXT = [("Content-Type", "text/plain; charset=utf-8")]


class AppError(Exception):
    """What the app raises; it must reach the server as this very object."""


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    if path == "/echo":
        terminated = environ.get("wsgi.input_terminated")
        body = environ["wsgi.input"].read(*([] if terminated else [int(environ.get("CONTENT_LENGTH") or 0)]))
        start_response(
            "200 OK", [("Content-Type", environ.get("CONTENT_TYPE") or "text/plain"), ("X-Api-Key", "shown")]
        )
        return [body]
    if path == "/unread":
        start_response("403 Forbidden", [*TEXT])
        return [b"no"]
    if path == "/empty":
        start_response("204 No Content", [])
        return []
    if path == "/stream":
        return _stream(start_response)
    if path == "/tuple":
        start_response("200 OK", [*TEXT])
        return (b"one ", b"two")
    if path == "/write":
        start_response("200 OK", [*TEXT])(b"written ")
        return [b"and returned"]
    if path == "/repeated":
        start_response("200 OK", [*TEXT, ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
        return [b"ok"]
    if path == "/raise":
        raise AppError("before start_response")
    if path == "/raise-late":
        return _raise_late(start_response)
    if path == "/file":
        file = FILE.open("rb")
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(FILE.stat().st_size))])
        wrapper = environ.get("wsgi.file_wrapper")
        return wrapper(file, 4096) if wrapper else _pieces(file)
    if path == "/sink":
        return _sink(environ, start_response)
    if path == "/wait":
        return _wait(environ, start_response)
    if path == "/endless":
        start_response("200 OK", [("Content-Type", "application/octet-stream")])
        return itertools.repeat(bytes(64 * 1024))
    if path == "/not-modified":
        start_response("304 Not Modified", [("ETag", '"1"')])
        return iter(())
    if path == "/lines":
        lines = tuple(_lines(environ))
        start_response("200 OK", [*TEXT])
        return lines
    if path == "/pid":
        start_response("200 OK", [*TEXT])
        return [str(os.getpid()).encode()]
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({"path": path, "token": "t0ken"}).encode()]


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    with file:
        yield from iter(lambda: file.read(4096), b"")


def _lines(environ: dict[str, Any]) -> Iterator[bytes]:
    """The lines of a body, up to its Content-Length or, where the server ends the input itself, up to that end."""
    body = environ["wsgi.input"]
    if environ.get("wsgi.input_terminated"):
        yield body.readline()
        yield from body
        return
    left = int(environ.get("CONTENT_LENGTH") or 0)
    while left and (line := body.readline(left)):
        left -= len(line)
        yield line


def _sink(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    size = 0
    while piece := environ["wsgi.input"].read(64 * 1024):
        size += len(piece)
    start_response("200 OK", [*TEXT])
    return [str(size).encode()]


def _wait(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
    """Ends once the file that the query names exists: by then, the test has received the first chunk."""
    start_response("200 OK", [("Content-Type", "text/event-stream")])
    yield b"data: first\n\n"
    while not Path(environ["QUERY_STRING"]).exists():
        time.sleep(0.005)
    yield b"data: last\n\n"


def _stream(start_response: Callable[..., Any]) -> Iterator[bytes]:
    start_response("200 OK", [*TEXT])
    yield "één ".encode()[:2]
    yield "één ".encode()[2:]
    yield b"three"


def _raise_late(start_response: Callable[..., Any]) -> Iterator[bytes]:
    start_response("200 OK", [*TEXT])
    yield b"begun"
    raise AppError("after the first chunk")


def group(request: Any) -> dict[str, str] | None:
    if request.path == "/pid":
        return None
    return {"api_key": "customer-0001", "label": "Customer", "email": "customer@example.com"}


def make(app: Any = app) -> Any:
    """The app as a server loads it, configured through the environment."""
    logging.basicConfig()  # so that the SDK's messages are in the server's output
    options = json.loads(os.environ.get("TEST_CONFIG", "{}"))
    if options is None:
        return app
    return MetricsMiddleware(app, MetricsApiConfig(API_KEY, group, base_log_url="https://docs.example.com", **options))


def heir() -> MetricsMiddleware:
    """A middleware that starts later with the same key. It sends what others have left behind, and logs nothing."""
    # A request without a caller is counted as dropped, and starts the flusher like any other request.
    middleware = MetricsMiddleware(app, MetricsApiConfig(API_KEY, lambda _: {}))
    call(middleware)
    return middleware


class Response(NamedTuple):
    status: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return dict(self.headers).get(name)


def call(
    wsgi_app: Any,
    path: str = "/",
    *,
    method: str = "GET",
    query: str = "",
    body: bytes = b"",
    content_type: str = "",
    **environ: Any,
) -> Response:
    """Calls `wsgi_app` as a server does, and closes what it returned."""
    environ = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "CONTENT_TYPE": content_type,
        "CONTENT_LENGTH": str(len(body)) if body else "",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "203.0.113.9",
        "wsgi.input": io.BytesIO(body),
        **environ,
    }
    setup_testing_defaults(environ)
    # wsgiref.validate refuses empty strings here. Some servers send them and others leave them out; both must work.
    environ = {
        key: value for key, value in environ.items() if value != "" or key not in ("CONTENT_TYPE", "CONTENT_LENGTH")
    }
    started: list[Any] = []
    chunks: list[bytes] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], None]:
        started[:] = [status, headers]
        return chunks.append

    result = wsgi_app(environ, start_response)
    try:
        chunks.extend(result)
    finally:
        if hasattr(result, "close"):
            result.close()
    return Response(started[0], started[1], b"".join(chunks))
