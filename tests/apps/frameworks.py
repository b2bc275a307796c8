"""The same small app in each framework: JSON, an upload, a stream, a static file and a view that raises."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from wsgi import FILE, Response, call

WSGIApp = Callable[..., Any]


def pieces() -> Iterator[bytes]:
    for number in range(3):
        yield b"piece %d\n" % number


def fail(*_: Any) -> Any:
    raise ZeroDivisionError


def flask() -> WSGIApp:
    from flask import Flask, request, send_file

    app = Flask("app")
    app.add_url_rule("/json", view_func=lambda: {"hello": "world"}, endpoint="get")
    app.add_url_rule("/echo", view_func=lambda: request.get_json(), endpoint="echo", methods=["POST"])
    app.add_url_rule("/upload", view_func=lambda: request.files["file"].read(), endpoint="upload", methods=["POST"])
    app.add_url_rule(
        "/stream", view_func=lambda: app.response_class(pieces(), mimetype="text/plain"), endpoint="stream"
    )
    app.add_url_rule("/file", view_func=lambda: send_file(FILE, etag=False, conditional=False), endpoint="file")
    app.add_url_rule("/raise", view_func=fail, endpoint="raise")
    return app


def django() -> WSGIApp:
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application
    from django.http import FileResponse, HttpResponse, JsonResponse, StreamingHttpResponse
    from django.urls import path

    urls = [
        path("json", lambda _: JsonResponse({"hello": "world"})),
        path("echo", lambda request: JsonResponse(json.loads(request.body))),
        path("upload", lambda request: HttpResponse(request.FILES["file"].read())),
        path("stream", lambda _: StreamingHttpResponse(pieces(), content_type="text/plain")),
        path("file", lambda _: FileResponse(FILE.open("rb"))),
        path("raise", fail),
    ]
    from apps import django_project  # noqa: F401 - its settings: a process has one set of them

    settings.ROOT_URLCONF = tuple(urls)
    app: WSGIApp = get_wsgi_application()
    return app


def falcon() -> WSGIApp:
    import falcon

    class Resource:
        def __init__(self, **methods: Callable[..., None]) -> None:
            vars(self).update(methods)

    def file(_: Any, response: Any) -> None:
        response.set_stream(FILE.open("rb"), FILE.stat().st_size)

    app = falcon.App()
    app.add_route("/json", Resource(on_get=lambda _, response: setattr(response, "media", {"hello": "world"})))
    app.add_route("/echo", Resource(on_post=lambda request, response: setattr(response, "media", request.media)))
    app.add_route(
        "/upload",
        Resource(
            on_post=lambda request, response: setattr(
                response, "data", b"".join(part.stream.read() for part in request.get_media())
            )
        ),
    )
    app.add_route("/stream", Resource(on_get=lambda _, response: setattr(response, "stream", pieces())))
    app.add_route("/file", Resource(on_get=file))
    app.add_route("/raise", Resource(on_get=fail))
    return app


def bottle() -> WSGIApp:
    import bottle

    app: Any = bottle.Bottle()
    app.route("/json", callback=lambda: {"hello": "world"})
    app.route("/echo", method="POST", callback=lambda: bottle.request.json)
    app.route("/upload", method="POST", callback=lambda: bottle.request.files["file"].file.read())
    app.route("/stream", callback=pieces)
    app.route("/file", callback=lambda: bottle.static_file(FILE.name, root=str(FILE.parent)))
    app.route("/raise", callback=fail)
    made: WSGIApp = app
    return made


def pyramid() -> WSGIApp:
    from pyramid.config import Configurator
    from pyramid.response import FileResponse, Response

    config = Configurator()
    views: dict[str, Callable[[Any], Any]] = {
        "json": lambda _: Response(json_body={"hello": "world"}),
        "echo": lambda request: Response(json_body=request.json_body),
        "upload": lambda request: Response(request.POST["file"].file.read()),
        "stream": lambda _: Response(app_iter=pieces(), content_type="text/plain"),
        "file": lambda request: FileResponse(str(FILE), request=request),
        "raise": fail,
    }
    for name, view in views.items():
        config.add_route(name, f"/{name}")
        config.add_view(view, route_name=name)
    app: WSGIApp = config.make_wsgi_app()
    return app


def plain() -> WSGIApp:
    def app(environ: Any, start_response: Any) -> Any:
        path = environ["PATH_INFO"]
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if path == "/raise":
            raise ZeroDivisionError
        start_response("200 OK", [("Content-Type", "text/plain")])
        if path == "/file":
            return environ["wsgi.file_wrapper"](FILE.open("rb"))
        if path == "/upload":
            return [body.partition(b"\r\n\r\n")[2].rpartition(b"\r\n--")[0]]
        return {"/json": [b'{"hello": "world"}'], "/echo": [body], "/stream": pieces()}[path]

    return app


FRAMEWORKS = {"Flask": flask, "Django": django, "Falcon": falcon, "Bottle": bottle, "Pyramid": pyramid, "plain": plain}

BOUNDARY = "frontier"
UPLOAD = (
    (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()
    + bytes(range(256)) * 8
    + f"\r\n--{BOUNDARY}--\r\n".encode()
)

REQUESTS: dict[str, dict[str, Any]] = {
    "/json": {},
    "/echo": {"method": "POST", "body": b'{"a": [1, 2]}', "content_type": "application/json"},
    "/upload": {"method": "POST", "body": UPLOAD, "content_type": f"multipart/form-data; boundary={BOUNDARY}"},
    "/stream": {},
    "/file": {},
    "/raise": {},
    "/missing": {},
}


def answer(app: WSGIApp, path: str) -> Response | type[BaseException]:
    """What the server gets: a response, or the exception that the framework lets through."""
    from wsgiref.util import FileWrapper

    try:
        return call(app, path, **{**REQUESTS[path], "wsgi.file_wrapper": FileWrapper})
    except Exception as error:
        return type(error)
