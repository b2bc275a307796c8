"""One log per request, and an app and a server that notice nothing."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from wsgiref.validate import validator

import jsonschema
import pytest

import wsgi
from readme_metrics.collector import Collector
from wsgi import AppError, call

SCHEMA = json.loads(Path(__file__).with_name("har-1.2.schema.json").read_text())

Logged = Callable[..., Any]


def entry(log: dict[str, Any]) -> Any:
    """The one HAR entry of a log that fits the schema."""
    jsonschema.validate(log, SCHEMA)
    return log["request"]["log"]["entries"][0]


PATHS = ["/", "/echo", "/empty", "/stream", "/write", "/repeated", "/unread"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_one_log_and_the_same_response(logged: Logged, path: str, method: str) -> None:
    body = b"" if method == "GET" else b'{"a": 1}'
    request: dict[str, Any] = {"method": method, "body": body, "content_type": "application/json" if body else ""}
    bare = call(wsgi.app, path, **request)
    middleware, logs = logged()

    response = call(middleware, path, **request)

    assert (response.status, response.body) == (bare.status, bare.body)
    [log] = logs(1)
    documentation_url = ("x-documentation-url", f"https://docs.example.com/logs/{log['_id']}")
    assert response.headers == [*bare.headers, documentation_url]
    har = entry(log)
    assert har["request"]["method"] == method
    assert har["request"]["bodySize"] == len(body)
    assert ("postData" in har["request"]) == bool(body)
    if body:
        assert har["request"]["postData"] == {"mimeType": "application/json", "text": '{"a": 1}'}
    assert f"{har['response']['status']} {har['response']['statusText']}" == bare.status
    assert [(h["name"], h["value"]) for h in har["response"]["headers"]] == response.headers
    assert har["response"]["content"]["text"] == bare.body.decode()
    assert har["response"]["content"]["size"] == har["response"]["bodySize"] == len(bare.body)


def test_validated_on_both_sides(logged: Logged) -> None:
    # The validator inside checks what the middleware hands to the app, the one outside what it hands to the server.
    middleware, logs = logged(app=validator(wsgi.app))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for path in PATHS:
            bare = call(wsgi.app, path, method="POST", body=b"abc")
            assert call(validator(middleware), path, method="POST", body=b"abc").body == bare.body
    assert len(logs(len(PATHS))) == len(PATHS)


def test_an_exception_before_the_response_is_logged_as_500_and_is_the_same_object(logged: Logged) -> None:
    middleware, logs = logged()
    with pytest.raises(AppError, match="before start_response"):
        call(middleware, "/raise")
    [log] = logs(1)
    assert entry(log)["response"]["status"] == 500


def test_an_exception_after_the_first_chunk_is_logged_with_the_status_already_sent(logged: Logged) -> None:
    middleware, logs = logged()
    with pytest.raises(AppError, match="after the first chunk"):
        call(middleware, "/raise-late")
    [log] = logs(1)
    har = entry(log)
    assert (har["response"]["status"], har["response"]["content"]["text"]) == (200, "begun")


def test_binary_passes_untouched(logged: Logged) -> None:
    png = b"\x89PNG\r\n\x1a\n" + bytes(range(256))

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "image/png")])
        return [png]

    middleware, logs = logged(app=app)
    assert call(middleware).body == png
    [log] = logs(1)
    assert entry(log)["response"]["content"] == {"text": "[NOT VALID UTF-8]", "size": len(png), "mimeType": "image/png"}


def test_one_element_list_keeps_its_length(logged: Logged) -> None:
    middleware, logs = logged()
    sized = middleware({"REQUEST_METHOD": "GET", "PATH_INFO": "/", "wsgi.input": None}, lambda *_: None)
    assert len(sized) == 1
    sized.close()
    unsized = middleware({"REQUEST_METHOD": "GET", "PATH_INFO": "/stream", "wsgi.input": None}, lambda *_: None)
    assert not hasattr(unsized, "__len__")
    unsized.close()
    logs(2)


def test_close_reaches_the_app_once_and_logs_once_even_when_the_client_hangs_up(logged: Logged) -> None:
    closed = []

    class Chunks:
        def __iter__(self) -> Any:
            return iter([b"one", b"two"])

        def close(self) -> None:
            closed.append(True)

    def app(environ: Any, start_response: Any) -> Chunks:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return Chunks()

    middleware, logs = logged(app=app)
    for chunks_taken in range(3):
        response = middleware({"REQUEST_METHOD": "GET", "PATH_INFO": "/", "wsgi.input": None}, lambda *_: None)
        iterator = iter(response)
        for _ in range(chunks_taken):
            next(iterator)
        response.close()
        assert len(closed) == chunks_taken + 1
    logs(3)


def test_the_url_is_ascii_and_true(logged: Logged) -> None:
    middleware, logs = logged()
    path = "/café menu".encode().decode("latin-1")
    server: dict[str, Any] = {"SCRIPT_NAME": "/shop", "HTTP_HOST": "api.example.com:8443", "wsgi.url_scheme": "https"}
    call(middleware, path, query="q=a%20b&empty=", **server)
    [log] = logs(1)
    har = entry(log)
    assert har["pageref"] == "https://api.example.com:8443/shop/caf%C3%A9%20menu?q=a%20b&empty="
    assert har["request"]["url"] == har["pageref"]
    assert har["request"]["queryString"] == [{"name": "q", "value": "a b"}, {"name": "empty", "value": ""}]


def test_the_request_is_logged_as_it_came_although_the_app_changed_its_environ(logged: Logged) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        environ["SCRIPT_NAME"], environ["PATH_INFO"] = "/mount", "/inside"
        environ.pop("HTTP_X_PLAN")
        return wsgi.app(environ, start_response)

    middleware, logs = logged(app=app)
    call(middleware, "/mount/inside", HTTP_X_PLAN="gold")
    [log] = logs(1)
    har = entry(log)
    assert har["request"]["url"].endswith("/mount/inside")
    assert {"name": "X-Plan", "value": "gold"} in har["request"]["headers"]


def test_the_body_cap_keeps_sizes_true(logged: Logged) -> None:
    middleware, logs = logged(max_body_bytes=10)
    body = b"0123456789abcdef"
    assert call(middleware, "/echo", method="POST", body=body, content_type="text/plain").body == body
    [log] = logs(1)
    har = entry(log)
    assert (har["request"]["bodySize"], har["response"]["bodySize"]) == (16, 16)
    assert har["request"]["postData"]["text"] == "0123456789"
    assert har["response"]["content"]["text"] == "0123456789"


def test_an_event_stream_is_logged_without_its_body(logged: Logged) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [("Content-Type", "text/event-stream; charset=utf-8")])
        yield b"data: 1\n\n"
        yield b"data: 2\n\n"

    middleware, logs = logged(app=app)
    assert call(middleware).body == b"data: 1\n\ndata: 2\n\n"
    [log] = logs(1)
    content = entry(log)["response"]["content"]
    assert "text" not in content
    assert content["size"] == 18


def test_a_file_response_is_returned_untouched(logged: Logged) -> None:
    class FileWrapper:
        def __init__(self, file: Any) -> None:
            self.file = file

        def __iter__(self) -> Any:
            return iter([b"file"])

    returned: list[Any] = []

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [("Content-Type", "application/pdf"), ("Content-Length", "4")])
        returned.append(environ["wsgi.file_wrapper"](object()))
        return returned[-1]

    middleware, logs = logged(app=app)
    for wrapper in (FileWrapper, lambda file: FileWrapper(file)):  # a class as in wsgiref, a function as in uWSGI
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "wsgi.input": None, "wsgi.file_wrapper": wrapper}
        assert middleware(environ, lambda *_: None) is returned[-1]
    for log in logs(2):
        content = log["request"]["log"]["entries"][0]["response"]["content"]
        assert content == {"size": 4, "mimeType": "application/pdf"}


def test_options_requests_hosts_and_ignored_paths_are_not_logged(logged: Logged) -> None:
    asked = []

    def group(request: Any) -> Any:
        asked.append(request.path)
        return {"api_key": "a", "label": "b", "email": "c"}

    middleware, logs = logged(
        group=group, allowed_http_hosts=["API.example.com"], ignore_paths=["/health", "/internal/*"]
    )
    for path, method, host in [
        ("/options", "OPTIONS", "api.example.com"),
        ("/other-host", "GET", "other.example.com"),
        ("/health", "GET", "api.example.com"),
        ("/internal/metrics", "GET", "api.example.com"),
        ("/healthy", "GET", "api.example.com"),
        ("/port", "GET", "api.example.com:8080"),
    ]:
        assert call(middleware, path, method=method, HTTP_HOST=host).status == "200 OK"
    assert [log["request"]["log"]["entries"][0]["request"]["url"] for log in logs(2)] == [
        "http://api.example.com/healthy",
        "http://api.example.com:8080/port",
    ]
    assert asked == ["/healthy", "/port"]


def test_a_request_that_breaks_the_sdk_still_gets_its_response(collector: Collector, logged: Logged) -> None:
    # Each violates PEP 3333 in its own way; the app answers, and what could not be logged is counted.
    middleware, _ = logged()
    for broken in ({"PATH_INFO": 5}, {"HTTP_HOST": None}, {"QUERY_STRING": b"bytes"}, {"HTTP_X": "\ud800"}):
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "wsgi.input": None, **broken}
        response = middleware(environ, lambda *_: None)
        assert b"".join(response)
        response.close()
    middleware.flush(10)
    stats = middleware.stats()
    assert stats["made"] == stats["sent"] + sum(stats["dropped"].values()) == 4
    assert len(collector.logs) == stats["sent"]


class Unreadable:
    """Takes the place of the headers, or of one of them."""

    def __iter__(self) -> Any:
        raise AppError("it cannot be iterated over")


MALFORMED: list[Any] = [None, 5, "ab", Unreadable(), [None], [("a",)], [Unreadable()], {"a": "b"}, [("a", "\ud800")]]


@pytest.mark.parametrize("headers", MALFORMED, ids=lambda headers: str(headers).partition(" at ")[0])
def test_no_malformed_status_or_header_loses_a_log(logged: Logged, headers: Any) -> None:
    statuses: list[Any] = ["200 OK", "200", "", None, 200, b"200 OK", "200 \ud800"]

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response(environ["status"], headers)
        return [b"ok"]

    def lenient(*started: Any) -> Any:
        """A server that takes anything."""

    def strict(*started: Any) -> Any:
        raise AppError("no such headers")

    middleware, logs = logged(app=app)
    for status in statuses:
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "SERVER_PROTOCOL": "HTTP/1.1", "status": status}
        result = middleware(environ, lenient)
        assert list(result) == [b"ok"]
        result.close()
        with pytest.raises(AppError, match="no such headers"):
            middleware(environ, strict)
    for crashed in logs(2 * len(statuses))[1::2]:
        assert entry(crashed)["response"]["status"] == 500
