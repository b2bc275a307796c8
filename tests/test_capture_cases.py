"""Faults that other people's apps, servers and test suites have shown, as data: `exchanges/capture.json`.

A case is a request, an app, how the server iterates over the result, and what must be seen on the wire and in the log.
"""

from __future__ import annotations

import collections
import copy
import gzip
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest

import wsgi
from readme_metrics import MetricsApiConfig, MetricsMiddleware
from readme_metrics.collector import Collector

CASES: list[dict[str, Any]] = json.loads((Path(__file__).parent / "exchanges" / "capture.json").read_text())
RAISED = {error.__name__: error for error in (StopIteration, ConnectionError, KeyError)}


class Sized:
    def __init__(self, chunks: list[Any]) -> None:
        self._chunks = chunks

    def __len__(self) -> int:
        return len(self._chunks)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._chunks)


class Sequence:
    """Without `__iter__`: Python iterates over it by index."""

    def __init__(self, chunks: list[Any]) -> None:
        self._chunks = chunks

    def __len__(self) -> int:
        return len(self._chunks)

    def __getitem__(self, index: int) -> Any:
        return self._chunks[index]


class ListSubclass(list[Any]):
    pass


RESULTS: dict[str, Callable[[Any], Any]] = {
    "list": list,
    "tuple": tuple,
    "list subclass": ListSubclass,
    "deque": collections.deque,
    "dict values": lambda chunks: dict(enumerate(chunks)).values(),
    "sized": Sized,
    "sequence": Sequence,
    "generator": iter,
    "bytes": b"".join,
    "object": lambda _: object(),
    "none": lambda _: None,
}


def read(stream: Any) -> None:
    stream.read()


def with_(stream: Any) -> None:
    with stream as entered:
        assert entered.read() == b"question"


def try_seek(stream: Any) -> object:
    with pytest.raises((OSError, ValueError)):
        stream.seek(0)
    return None


def is_io(stream: Any) -> None:
    assert isinstance(stream, io.IOBase)
    stream.read()


def copied(stream: Any) -> None:
    assert copy.copy(stream).read() == b"question"


INPUTS: dict[str, Callable[[Any], object]] = {
    "none": lambda stream: None,
    "read": read,
    "read 3": lambda stream: stream.read(3),
    "with": with_,
    "try seek(0), then read": lambda stream: (try_seek(stream), stream.read()),
    "isinstance": is_io,
    "copy": copied,
    "close": lambda stream: stream.close(),
    "read, then close": lambda stream: (stream.read(), stream.close()),
    "close, then try seek": lambda stream: (stream.close(), try_seek(stream)),
}


class Socket(io.RawIOBase):
    """An input that cannot seek."""

    def __init__(self, body: bytes) -> None:
        self._body = io.BytesIO(body)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._body.readinto(buffer)


def chunk(case: Any) -> Any:
    if isinstance(case, str):
        return case.encode()
    return gzip.compress(case["gzip"].encode()) if "gzip" in case else case.get("str")


class App:
    def __init__(self, case: dict[str, Any]) -> None:
        self._case = case
        self.returned: Any = None

    def __call__(self, environ: Any, start_response: Any) -> Any:
        case = self._case
        INPUTS[case.get("input", "read")](environ["wsgi.input"])
        if "raises" in case:
            raise RAISED[case["raises"]]
        if "status" in case:
            status = case["status"]
            if isinstance(status, dict):
                status = status["bytes"].encode()
            headers = [tuple(header) for header in case["headers"]]
            kinds: dict[str, Callable[[Any], Any]] = {"generator": iter, "tuple": tuple}
            as_ = kinds.get(case.get("headers_as", ""), list)
            start_response(status, as_(headers))
        returns = case["returns"]
        self.returned = RESULTS[returns["type"]]([chunk(it) for it in returns.get("chunks", ())])
        return self.returned


def environ_of(request: dict[str, Any]) -> dict[str, Any]:
    body = request.get("body", "").encode()
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.get("method", "GET"),
        "SCRIPT_NAME": "",
        "PATH_INFO": request.get("path", "/"),
        "QUERY_STRING": "",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.input": Socket(body) if request.get("input") == "socket" else io.BytesIO(body),
    }
    if "host" in request:
        environ["HTTP_HOST"] = request["host"]
    if size := request.get("content_length", len(body)):
        environ["CONTENT_LENGTH"] = str(size)
    if "content_type" in request:
        environ["CONTENT_TYPE"] = request["content_type"]
    for name, value in request.get("headers", {}).items():
        environ[f"HTTP_{name.upper().replace('-', '_')}"] = value
    setup_testing_defaults(environ)
    return environ


def sent(result: Any, server: dict[str, Any]) -> bytes:
    """The bytes that a server with these habits sends for a result."""
    whole = []
    for _ in range(server.get("iterates", 1) - 1):
        assert sum(map(len, result)) == len(b"".join(result))
    for number, data in enumerate(result):
        if number == 0 and server.get("measures_late"):
            assert len(list(result)) == len(result)
        if isinstance(data, bytes) or (data and not server.get("skips_false_chunks")):
            whole.append(data)
    return b"".join(whole)


def value_at(entry: Any, path: str) -> Any:
    for key in path.split("."):
        entry = entry[key]
    return entry


def is_absent(entry: Any, path: str) -> bool:
    try:
        value_at(entry, path)
    except KeyError:
        return True
    return False


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_a_case(case: dict[str, Any], collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("README_METRICS_SERVER", collector.url)
    config = MetricsApiConfig(wsgi.API_KEY, wsgi.group, base_log_url="https://docs.example.com")
    app = App(case["app"])
    middleware: Any = app
    for _ in range(case.get("wrapped", 1)):
        middleware = MetricsMiddleware(middleware, config)
    environ = environ_of(case["request"])
    as_it_came, stream = environ.copy(), environ["wsgi.input"]
    started: list[Any] = []
    wire, log = case["wire"], case["log"]
    result = None

    def start_response(status: Any, headers: Any, exc_info: Any = None) -> Any:
        started[:] = [status, [list(header) for header in headers]]

    if "raises" in wire:
        with pytest.raises(RAISED[wire["raises"]]):
            middleware(environ, start_response)
    else:
        result = middleware(environ, start_response)
        if wire.get("same_object"):
            assert result is app.returned
        else:
            assert sent(result, case["server"]) == wire.get("body", "").encode() or "body" not in wire
            result.close()
    if "headers" in wire:
        assert started[1][: len(wire["headers"])] == wire["headers"]
    if "documentation_headers" in wire:
        names = [name for name, _ in started[1]]
        assert names.count("x-documentation-url") == wire["documentation_headers"]
    if "input_after" in wire:
        assert stream.read() == wire["input_after"].encode()
    if wire.get("environ_restored"):
        assert environ == as_it_came
    if case.get("wrapped"):
        middleware.app.flush(10)
    assert middleware.flush(10) == 0
    stats = middleware.stats()
    assert not sum(stats["dropped"].values()), stats
    if "count" in log:
        assert len(collector.logs) == log["count"]
    for received in collector.logs:
        entry = received["request"]["log"]["entries"][0]
        for path, expected in log.get("equals", {}).items():
            assert value_at(entry, path) == expected, path
        for path in log.get("absent", ()):
            assert is_absent(entry, path), path
        if "headers" in log:
            headers = [[header["name"], header["value"]] for header in entry["response"]["headers"]]
            assert headers[: len(log["headers"]["response"])] == log["headers"]["response"]
