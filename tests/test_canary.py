"""Secrets wherever a request or a response can hold one: none of them is stored, sent or written to a log."""

from __future__ import annotations

import gzip
import itertools
import logging
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import wsgi
from readme_metrics.collector import Collector
from wsgi import call

DENIED = ["password", "token", "x-secret", "COOKIE", "set-cookie"]
ALLOWED = [
    "kept", "page", "user", "Authorization", "proxy-authorization", "referer", "destination", "x-original-url",
    "location", "content-location", "refresh", "link",
]  # fmt: skip
#: A value that no list denies, and that must therefore be found: this shows that the search works.
KEPT = "kept-for-all-to-see"

_numbers = itertools.count(100_000)


def new() -> str:
    """A secret that no encoding of text changes."""
    return f"S3CRET{next(_numbers)}"


def assert_only_kept(data: bytes) -> None:
    data = data.replace(b"\\u0000", b"").replace(b"\0", b"")  # as UTF-16 and UTF-32 have them
    assert KEPT.encode() in data
    assert re.findall(rb"S3CRET\d+", data) == []


def url(start: str) -> str:
    """A URL with denied parameters, in every spelling that some parser reads."""
    query = f"page={KEPT}&token={new()}&t%6fken={new()}&t%256Fken={new()}&password={new()}&page=1;token={new()}"
    return f"{start}?{query}&token={new()}#token={new()}"


def part(disposition: str, value: str) -> str:
    return f"--B\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{value}\r\n"


def multipart(*parts: str) -> bytes:
    return "".join([*parts, "--B--\r\n"]).encode()


def forms() -> Iterator[str]:
    yield f"kept={KEPT}&password={new()}&token={new()}&password={new()}&password=&password"
    yield f"p%61ssword={new()}&p%2561ssword={new()}&page=1;token={new()}"
    yield f'{{"password": "{new()}"}}'


def multiparts() -> Iterator[bytes]:
    field = part('name="password"', new())
    yield multipart(
        part('name="kept"', KEPT),
        field,
        part("name=token", f"two\r\n{new()}"),
        part('\r\n name="password"', new()),
        part("name*=utf-8''p%61ssword", new()),
        part(f'name="token"; filename="{new()}"\r\nContent-Type: text/plain', new()),
        part('name="page"; filename="file"', new()),
        part('name="user"\r\nContent-Type: application/json', f'{{"password": "{new()}"}}'),
    )
    yield multipart(part("filename-only", new()), field)
    yield multipart(part('name="page"; name="token"', new()))
    yield multipart(field).replace(b"\r\n", b"\n")
    yield field.encode()  # no closing boundary


def json_texts(is_nested: bool) -> Iterator[str]:
    yield f'{{"kept": "{KEPT}", "password": "{new()}", "token": {{"kept": ["{new()}"]}}}}'
    yield f'{{"p\\u0061ssw\\u006Frd": "{new()}", "\\ud800password": "{new()}", "password\\udfff": "{new()}"}}'
    yield f'{{"password": 1, "page": 2, "password": "{new()}"}}'
    yield f'\ufeff{{"password": "{new()}"}}'
    yield f'{{"page": NaN, "user": [1e999, -Infinity, {"9" * 5000}], "password": "{new()}"}}'
    yield f'{{"user": {"[" * 100_000}{"]" * 100_000}, "password": "{new()}"}}'
    yield f'{{"{"x" * 400_000}": 1, "password": "{"x" * 400_000}{new()}"}}'
    if is_nested:
        yield f'[{{"kept": "{KEPT}", "user": [{{"password": "{new()}"}}, {{"token": [{{}}, "{new()}"]}}]}}]'


def malformed_json() -> Iterator[bytes]:
    yield f'{{"password": "{new()}", }}'.encode()
    yield f'{{"password": "{new()}"}} and more'.encode()
    yield f'{{"password": "{new()}'.encode()
    yield f'{{"password": "\n{new()}"}}'.encode()
    yield f'{{"page": 1}}\n{{"password": "{new()}"}}'.encode()
    yield b'{"page": "\xff", "password": "' + new().encode() + b'"}'
    yield f'{{"password": "{new()}", "page": "{"x" * 2**20}"}}'.encode()  # beyond max_body_bytes


def raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(data) + compressor.flush()


def bodies(is_nested: bool) -> Iterator[tuple[str, str, bytes]]:
    """Content type, content coding and bytes."""
    form, mime, json = "application/x-www-form-urlencoded", "multipart/form-data; boundary=B", "application/json"
    for text in forms():
        yield form, "", text.encode()
    yield "Application/X-WWW-Form-Urlencoded; charset=UTF-8", "", f"page=1&token={new()}".encode()
    yield "", "", f"password={new()}".encode()

    for body in multiparts():
        yield mime, "", body
    for wrong in (
        "multipart/form-data",
        "multipart/form-data; boundary=C",
        "multipart/mixed; boundary=B",
        "text/plain",
    ):
        yield wrong, "", multipart(part('name="password"', new()))

    for text in json_texts(is_nested):
        yield json, "", text.encode()
    for body in malformed_json():
        yield json, "", body
    yield json, "", f"password is {new()}".encode()
    for other in ("Application/Problem+JSON ;Charset=UTF-8", "text/html", "", f"{json}, text/plain"):
        yield other, "", f' {{"password": "{new()}"}}'.encode()
    for charset in ("utf-16", "utf-16-le", "utf-32", "utf-32-be"):
        yield f"{json}; charset={charset}", "", f'{{"password": "{new()}"}}'.encode(charset)
        yield json, "", f'{{"password": "{new()}"}}'.encode(charset)

    compressors: dict[str, Callable[[bytes], bytes]] = {
        "gzip": gzip.compress, "deflate": zlib.compress, " Deflate": raw_deflate,
    }  # fmt: skip
    for coding, compress in compressors.items():
        yield json, coding, compress(f'{{"kept": "{KEPT}", "password": "{new()}"}}'.encode())
        yield form, coding, compress(f"kept={KEPT}&password={new()}".encode())
        yield mime, coding, compress(multipart(part('name="password"', new())))
        yield json, coding, f'{{"password": "{new()}"}}'.encode()  # not compressed at all
    yield json, "gzip", gzip.compress(f'{{"password": "{new()}", "page": "'.encode() + b"x" * 2**24)  # a bomb


def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Answers with the body that it gets, among headers with secrets."""
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    headers = [
        ("Content-Type", environ.get("CONTENT_TYPE", "")),
        ("Content-Encoding", environ["HTTP_CONTENT_ENCODING"]),
        ("Set-Cookie", f"first={new()}"),
        ("set-cookie", f"second={new()}; HttpOnly"),
        ("X-SECRET", new()),
        ("Location", url("https://host/")),
        ("Content-Location", url("/path")),
        ("Refresh", f"0; url={url('/path')}"),
        ("Link", f"<{url('/next')}>; rel=next, <{url('/last')}>; rel=last"),
    ]
    start_response("200 OK", headers)
    return [body[:7], body[7:]]


def exchange(middleware: Any, content_type: str, coding: str, body: bytes) -> None:
    call(
        middleware,
        method="POST",
        query=url("").replace("#", "&")[1:],
        content_type=content_type,
        body=body,
        HTTP_CONTENT_ENCODING=coding,
        HTTP_X_SECRET=new(),
        HTTP_COOKIE=f"session={new()}; {new()}",
        HTTP_AUTHORIZATION=f"Bearer {new()}",
        HTTP_PROXY_AUTHORIZATION=f"Basic {new()}",
        HTTP_REFERER=url("https://host/path"),
        HTTP_X_ORIGINAL_URL=url("/path"),
        HTTP_DESTINATION=url("https://host/path"),
    )


def group(request: Any) -> dict[str, str]:
    return {"api_key": new(), "label": KEPT}


@pytest.mark.parametrize("is_nested", [False, True], ids=["top level", "nested"])
@pytest.mark.parametrize("lists", [{"denylist": DENIED}, {"allowlist": ALLOWED}], ids=lambda lists: next(iter(lists)))
def test_no_secret_gets_out(
    lists: dict[str, list[str]],
    is_nested: bool,
    logged: Callable[..., Any],
    collector: Collector,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    options = {"app": app, "group": group, "redact_nested": is_nested, "flush_interval": 3600, "buffer_length": 10_000}
    middleware, logs = logged(**options, **lists)
    rehearsed, _ = logged(**options, **lists, dry_run=True)
    count = 0
    for body in bodies(is_nested):
        exchange(middleware, *body)
        exchange(rehearsed, *body)
        count += 1

    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert_only_kept(b"".join(files))
    assert wsgi.API_KEY.encode() not in b"".join(files)

    assert len(logs(count)) == count
    assert_only_kept(b"".join(post.raw for post in collector.posts))

    rehearsed.flush(10)
    assert_only_kept(caplog.text.encode())
