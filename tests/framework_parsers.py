"""The fields of a request that each framework gives an app: those of the query, of the form and of the cookies.

A parser that refuses an input gives nothing for it: an app of that framework would not see the field either.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator
from typing import Any

Environ = dict[str, Any]
#: Where the field was read, its name, and its value; for a file, the client's name of the file instead of a value.
Field = tuple[str, str, str]


def text(value: object) -> str:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)


def werkzeug(environ: Environ) -> Iterator[Field]:
    from werkzeug import Request

    request = Request(environ)
    for where, fields in (("query", request.args), ("form", request.form), ("cookies", request.cookies)):
        yield from ((where, name, value) for name, value in fields.items(multi=True))
    yield from (("file", name, file.filename or "") for name, file in request.files.items(multi=True))


def django(environ: Environ) -> Iterator[Field]:
    from django.core.handlers.wsgi import WSGIRequest

    from apps import django_project  # noqa: F401 - its settings: a process has one set of them

    request = WSGIRequest(environ)
    for where, fields in (("query", request.GET), ("form", request.POST)):
        yield from ((where, name, value) for name, values in fields.lists() for value in values)
    yield from (("file", name, file.name or "") for name, files in request.FILES.lists() for file in files)
    yield from (("cookies", name, value) for name, value in request.COOKIES.items())


def bottle(environ: Environ) -> Iterator[Field]:
    import bottle

    request = bottle.Request(environ)
    for where, fields in (("query", request.query), ("form", request.forms), ("cookies", request.cookies)):
        yield from ((where, name, text(value)) for name, value in fields.decode().allitems())
    yield from (("file", name, file.raw_filename or "") for name, file in request.files.allitems())


def webob(environ: Environ) -> Iterator[Field]:
    import webob

    request = webob.Request(environ)
    yield from (("query", name, value) for name, value in request.GET.items())
    yield from (("cookies", name, value) for name, value in request.cookies.items())
    for name, value in request.POST.items():
        if hasattr(value, "filename"):
            yield "file", name, value.filename or ""
        elif isinstance(value, (str, bytes)):  # not the list that cgi makes of everything after a typed part
            yield "form", name, text(value)


def falcon(environ: Environ) -> Iterator[Field]:
    import falcon

    request = falcon.Request(environ)
    for where, fields in (("query", request.params), ("cookies", request.cookies)):
        for name, value in fields.items():
            yield from ((where, name, each) for each in (value if isinstance(value, list) else [value]))
    media = request.get_media()
    if isinstance(media, dict):
        for name, value in media.items():
            yield from (("form", name, text(each)) for each in (value if isinstance(value, list) else [value]))
        return
    for part in media:
        if part.filename is None:
            yield "form", part.name or "", text(part.get_data())
        else:
            yield "file", part.name or "", part.filename


PARSERS: tuple[Callable[[Environ], Iterator[Field]], ...] = (werkzeug, django, bottle, webob, falcon)


def fields_by(parser: Callable[[Environ], Iterator[Field]], environ: Environ, body: bytes) -> list[Field]:
    """All fields that the parser gives before it refuses the rest, if it does."""
    fields = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for left_out in ((), ("QUERY_STRING",), ("HTTP_COOKIE",)):
            # A parser reads all places in one go: its refusal of one place must not hide what it reads in another.
            tried = {key: "" if key in left_out else value for key, value in environ.items()}
            tried.update({"wsgi.input": io.BytesIO(body), "wsgi.errors": io.StringIO()})
            try:
                for field in parser(tried):
                    fields.append(field)
            except Exception:
                continue
            break
    return fields
