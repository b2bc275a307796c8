"""`app`: one small app behind the door that `TEST_DOOR` names, with the options in `TEST_CONFIG`; null means bare."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import wsgi
from readme_metrics import MetricsApiConfig

FILE = Path(__file__).parent.parent / "har-1.2.schema.json"
EVENTS = "text/event-stream"
#: With a long comment in front, since eventlet holds back a first chunk of less than 4 KiB.
FIRST_EVENT = b": " + b" " * 8192 + b"\n\ndata: first\n\n"


def group(_: object) -> dict[str, str]:
    return {"api_key": "customer-0001", "label": "Customer", "email": "customer@example.com"}


def config() -> MetricsApiConfig | None:
    logging.basicConfig()  # so that the middleware's messages are in the server's output
    options = json.loads(os.environ.get("TEST_CONFIG", "null"))
    return (
        None
        if options is None
        else MetricsApiConfig(wsgi.API_KEY, group, base_log_url="https://docs.example.com", **options)
    )


def pieces() -> Iterator[bytes]:
    yield from (b"one ", b"two ", b"three")


def events(gate: str) -> Iterator[bytes]:
    """Ends once the file `gate` exists: by then, the test has received the first event."""
    yield FIRST_EVENT
    while not Path(gate).exists():
        time.sleep(0.005)
    yield b"data: last\n\n"


async def async_events(gate: str) -> AsyncIterator[bytes]:
    yield FIRST_EVENT
    while not Path(gate).exists():
        await asyncio.sleep(0.005)
    yield b"data: last\n\n"


def flask() -> Any:
    from flask import Flask, Response, request, send_file

    from readme_metrics.flask_readme import ReadMeMetrics

    app = Flask("app")

    def echo() -> Response:
        return Response(request.get_data(), mimetype=request.mimetype)

    def fail() -> Response:
        raise ZeroDivisionError

    app.add_url_rule("/json", view_func=lambda: {"token": "t0ken"}, endpoint="json")
    app.add_url_rule("/echo", view_func=echo, methods=["POST"])
    app.add_url_rule("/unread", view_func=lambda: ("no", 403), endpoint="unread", methods=["POST"])
    app.add_url_rule("/stream", view_func=lambda: Response(pieces(), mimetype="text/plain"), endpoint="stream")
    app.add_url_rule(
        "/wait", view_func=lambda: Response(events(request.query_string.decode()), mimetype=EVENTS), endpoint="wait"
    )
    app.add_url_rule("/file", view_func=lambda: send_file(FILE, etag=False, conditional=False), endpoint="file")
    app.add_url_rule("/raise", view_func=fail)
    if options := config():
        ReadMeMetrics(options, app)
    return app


def _django_urls(events: Callable[[str], Any]) -> tuple[Any, ...]:
    from django.http import FileResponse, HttpResponse, JsonResponse, StreamingHttpResponse
    from django.urls import path

    def fail(_: Any) -> HttpResponse:
        raise ZeroDivisionError

    def wait(request: Any) -> Any:
        return StreamingHttpResponse(events(request.META["QUERY_STRING"]), content_type=EVENTS)

    return (
        path("json", lambda _: JsonResponse({"token": "t0ken"})),
        path("echo", lambda request: HttpResponse(request.body, content_type=request.content_type)),
        path("unread", lambda _: HttpResponse("no", status=403)),
        path("stream", lambda _: StreamingHttpResponse(pieces(), content_type="text/plain")),
        path("wait", wait),
        path("file", lambda _: FileResponse(FILE.open("rb"))),
        path("raise", fail),
    )


def _django(events: Callable[[str], Any]) -> None:
    from django.conf import settings

    from apps import django_project  # noqa: F401 - has the settings

    settings.ROOT_URLCONF = _django_urls(events)
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = None
    settings.README_METRICS_CONFIG = config()
    if settings.README_METRICS_CONFIG:
        settings.MIDDLEWARE = ["readme_metrics.django.MetricsMiddleware"]


def django_wsgi() -> Any:
    _django(events)
    from django.core.wsgi import get_wsgi_application

    return get_wsgi_application()


def django_asgi() -> Any:
    _django(async_events)
    from django.core.asgi import get_asgi_application

    return get_asgi_application()


def fastapi() -> Any:
    from fastapi import FastAPI, Request
    from starlette.responses import FileResponse, PlainTextResponse, Response, StreamingResponse

    from readme_metrics.fastapi import ReadMeMetricsMiddleware

    app = FastAPI()

    async def echo(request: Request) -> Response:
        return Response(await request.body(), media_type=request.headers.get("content-type"))

    async def wait(request: Request) -> Response:
        return StreamingResponse(async_events(request.url.query), media_type=EVENTS)

    async def fail(_: Request) -> Response:
        raise ZeroDivisionError

    app.add_route("/json", lambda _: Response(b'{"token": "t0ken"}', media_type="application/json"))
    app.add_route("/echo", echo, methods=["POST"])
    app.add_route("/unread", lambda _: PlainTextResponse("no", 403), methods=["POST"])
    app.add_route("/stream", lambda _: StreamingResponse(pieces(), media_type="text/plain"))
    app.add_route("/wait", wait)
    app.add_route("/file", lambda _: FileResponse(FILE))
    app.add_route("/raise", fail)
    if options := config():
        app.add_middleware(ReadMeMetricsMiddleware, config=options)
    return app


DOORS = {door.__name__: door for door in (flask, django_wsgi, django_asgi, fastapi)}
app = DOORS[os.environ["TEST_DOOR"]]()
