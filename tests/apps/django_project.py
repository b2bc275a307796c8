"""A Django project in one module, with a view for each shape of request and response."""

from __future__ import annotations

import json
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import django
from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import FileResponse, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path

FILE = Path(__file__).parent.parent / "har-1.2.schema.json"
#: Removed when the process ends.
_directory = tempfile.TemporaryDirectory()
DATABASE = Path(_directory.name, "db.sqlite3")
PNG = b"\x89PNG\r\n\x1a\n\xff\x00"

if not settings.configured:
    settings.configure(
        ROOT_URLCONF=__name__,
        SECRET_KEY="secret",
        ALLOWED_HOSTS=["*"],
        DEBUG=False,
        # A file, so that every thread sees the same database.
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": DATABASE}},
        LOGGING_CONFIG=None,
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
        DATA_UPLOAD_MAX_MEMORY_SIZE=100_000,
        FILE_UPLOAD_MAX_MEMORY_SIZE=10_000,
        CACHES={"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}},
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        MIDDLEWARE=[],
        USE_TZ=True,
    )
    django.setup()


def group(request: HttpRequest) -> dict[str, str] | None:
    return {"api_key": "customer-0001", "label": "Customer", "email": "customer@example.com"}


def item(request: HttpRequest, number: int) -> JsonResponse:
    response = JsonResponse({"number": number, "token": "t0ken"})
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    return response


def body(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.body, content_type=request.content_type)


def read(request: HttpRequest) -> HttpResponse:
    return HttpResponse(b"".join(iter(lambda: request.read(7), b"")), content_type="text/plain")


def lines(request: HttpRequest) -> HttpResponse:
    return HttpResponse(b"|".join(request), content_type="text/plain")


def form(request: HttpRequest) -> JsonResponse:
    files = {name: [type(file).__name__, file.size] for name, file in request.FILES.items()}
    return JsonResponse({"fields": dict(request.POST), "files": files})


def read_then_body(request: HttpRequest) -> HttpResponse:
    request.read(1)
    return HttpResponse(request.body)  # RawPostDataException


def body_then_form(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.body + json.dumps(dict(request.POST)).encode())


def unread(request: HttpRequest) -> HttpResponse:
    return HttpResponse("no", status=403, content_type="text/plain")


def stream(request: HttpRequest) -> StreamingHttpResponse:
    def pieces() -> Iterator[Any]:
        yield "één "
        yield b"two "
        yield "three"

    return StreamingHttpResponse(pieces(), content_type="text/plain; charset=utf-8")


async def async_stream(request: HttpRequest) -> StreamingHttpResponse:
    async def pieces() -> AsyncIterator[str]:
        yield "one "
        yield "two"

    return StreamingHttpResponse(pieces(), content_type="text/plain")


def events(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(iter(["data: 1\n\n", "data: 2\n\n"]), content_type="text/event-stream")


def file(request: HttpRequest) -> FileResponse:
    return FileResponse(FILE.open("rb"))


def image(request: HttpRequest) -> HttpResponse:
    return HttpResponse(PNG, content_type="image/png")


def empty(request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=204)


def fail(request: HttpRequest) -> HttpResponse:
    raise KeyError("from the view")


async def async_view(request: HttpRequest) -> HttpResponse:
    return HttpResponse(b"async " + request.body, content_type="text/plain")


urlpatterns = [
    path("items/<int:number>", item),
    *(path(view.__name__, view) for view in (body, read, lines, form, read_then_body, body_then_form, unread, stream)),
    *(path(view.__name__, view) for view in (async_stream, events, file, image, empty, fail, async_view)),
]


class EagerMiddleware:
    """A middleware further out that reads the body before anything else, as some do."""

    sync_capable = async_capable = True

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        _ = request.body
        return self.get_response(request)


class FormMiddleware(EagerMiddleware):
    """A middleware further out that looks at the form's fields, as some do for a token."""

    def __call__(self, request: HttpRequest) -> Any:
        _ = request.POST
        return self.get_response(request)


def wsgi() -> WSGIHandler:
    return WSGIHandler()


def asgi() -> ASGIHandler:
    return ASGIHandler()
