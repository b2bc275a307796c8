"""The app reads what it would have read without us, however it reads, and the log shows just that."""

from __future__ import annotations

import io
import itertools
import socket
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from readme_metrics._core import Capture, Encoder
from readme_metrics.capture.wsgi.request_body import RequestBody
from test_capture import entry
from wsgi import TEXT, call

Logged = Callable[..., Any]
BODY = b"first line\nsecond\n\nlast without end"


def watched(stream: Any, max_bytes: int) -> RequestBody:
    """A body as an app reads it."""
    encoder = Encoder(
        denylist=[],
        allowlist=[],
        redact_nested=False,
        development=False,
        max_body_bytes=max_bytes,
        trust_forwarded=False,
        platform="test",
    )
    body = RequestBody()
    body.reading = (stream, Capture(encoder, {}))
    return body


READERS: dict[str, Callable[[Any], bytes]] = {
    "read": lambda stream: stream.read(),
    "read(-1)": lambda stream: stream.read(-1),
    "read(n)": lambda stream: b"".join(iter(lambda: stream.read(7), b"")),
    "readline": lambda stream: b"".join(iter(stream.readline, b"")),
    "readline(n)": lambda stream: b"".join(iter(lambda: stream.readline(4), b"")),
    "readlines": lambda stream: b"".join(stream.readlines()),
    "readlines(hint)": lambda stream: b"".join(stream.readlines(1)) + b"".join(stream.readlines(1)) + stream.read(),
    "for": lambda stream: b"".join(list(stream)),
    "next": lambda stream: next(stream) + stream.read(),
    "read1": lambda stream: b"".join(iter(lambda: stream.read1(8), b"")),
    "readinto": lambda stream: read_into(stream, bytearray(9)),
    "BufferedReader": lambda stream: io.BufferedReader(stream).read(),
    "TextIOWrapper": lambda stream: io.TextIOWrapper(stream, "ascii", newline="").read().encode(),
    "twice": lambda stream: (stream.read(12), stream.seek(0), stream.read())[2],
    "seek to learn the size": lambda stream: (stream.seek(0, 2), stream.seek(0), stream.read())[2],
    "nothing": lambda stream: b"",
}


def read_into(stream: Any, buffer: bytearray) -> bytes:
    read = b""
    while size := stream.readinto(buffer):
        read += buffer[:size]
    return read


def reading(reader: Callable[[Any], bytes]) -> Callable[..., Any]:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        body = reader(environ["wsgi.input"])
        start_response("200 OK", [*TEXT])
        return [body]

    return app


@pytest.mark.parametrize("how", READERS)
def test_every_way_to_read(logged: Logged, how: str) -> None:
    bare = call(reading(READERS[how]), method="POST", body=BODY, content_type="text/plain")
    middleware, logs = logged(app=reading(READERS[how]))
    response = call(middleware, method="POST", body=BODY, content_type="text/plain")
    assert response.body == bare.body == (b"" if how == "nothing" else BODY)
    har = entry(logs(1)[0])
    assert (har["request"]["bodySize"], har["request"]["postData"]["text"]) == (len(BODY), BODY.decode())


@pytest.mark.parametrize("declared", ["", None, "5", "1000", "-1", "nonsense", "9" * 40])
def test_a_wrong_length_changes_nothing_for_the_app(logged: Logged, declared: str | None) -> None:
    middleware, logs = logged(app=reading(READERS["read"]))
    stream = io.BytesIO(BODY)
    changes: dict[str, Any] = {"wsgi.input": stream} | ({} if declared is None else {"CONTENT_LENGTH": declared})
    assert call(middleware, method="POST", content_type="text/plain", **changes).body == BODY
    request = entry(logs(1)[0])["request"]
    assert request["postData"]["text"] == BODY.decode()
    assert request["bodySize"] == (1000 if declared == "1000" else len(BODY))


class Guarded(io.RawIOBase):
    """A body that must not be read: reading it would wait for ever."""

    def readable(self) -> bool:
        return True

    def read(self, *_: Any) -> bytes:
        raise AssertionError("read, although the app did not")

    readline = readlines = readall = read  # type: ignore[assignment]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "GET"])
def test_nothing_is_read_before_the_app_or_beyond_what_is_there(logged: Logged, method: str) -> None:
    middleware, logs = logged()
    environ: dict[str, Any] = {"CONTENT_LENGTH": "7", "wsgi.input": Guarded()}
    assert call(middleware, "/unread", method=method, **environ).body == b"no"
    assert entry(logs(1)[0])["request"]["bodySize"] == 7


@pytest.mark.parametrize(
    ("changes", "options"),
    [
        ({"CONTENT_LENGTH": ""}, {}),
        ({"CONTENT_LENGTH": "21"}, {"max_body_bytes": 20}),
        ({"HTTP_EXPECT": "100-continue"}, {}),
        ({}, {"capture_unread_body": False}),
    ],
    ids=["no length", "over the cap", "Expect", "switched off"],
)
def test_an_unread_body_is_left_alone(logged: Logged, changes: dict[str, Any], options: dict[str, Any]) -> None:
    stream = io.BytesIO(b"x" * 21)
    environ = {"CONTENT_LENGTH": "21", "wsgi.input": stream, **changes}
    middleware, logs = logged(**options)
    call(middleware, "/unread", method="POST", **environ)
    logs(1)
    assert stream.tell() == 0


@pytest.mark.parametrize(("server_says", "app_says", "is_read"), [("http", "https", True), ("https", "http", False)])
def test_what_the_app_makes_of_the_scheme_changes_nothing(
    logged: Logged, server_says: str, app_says: str, is_read: bool
) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        environ["wsgi.url_scheme"] = app_says  # as ProxyFix does
        start_response("200 OK", [])
        return []

    client, server = socket.socketpair()
    with client, server, server.makefile("rb") as stream:
        client.sendall(b"whole")
        middleware, logs = logged(app=app)
        environ: dict[str, Any] = {"CONTENT_LENGTH": "5", "wsgi.input": stream, "wsgi.url_scheme": server_says}
        call(middleware, method="POST", **environ)
        [log] = logs(1)
    assert entry(log)["request"]["postData"]["text"] == ("whole" if is_read else "[NOT READ 5]")


def test_the_streams_own_attributes_are_the_servers(logged: Logged) -> None:
    closed = []

    class Stream(io.BytesIO):
        server_own = "mine"

        def close(self) -> None:
            closed.append(True)
            super().close()

    seen = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        stream = environ["wsgi.input"]
        seen.append((stream.server_own, stream.closed, hasattr(stream, "nothing")))
        start_response("200 OK", [*TEXT])
        return []

    middleware, logs = logged(app=app)
    environ: dict[str, Any] = {"CONTENT_LENGTH": "4", "wsgi.input": Stream(b"body")}
    call(middleware, method="POST", **environ)
    logs(1)
    assert seen == [("mine", False, False)]
    assert closed == []


class Chunks:
    """Gives one chunk per read, each a new object, as a server does."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)

    def read(self) -> bytes:
        return bytes(bytearray(next(self._chunks)))


def test_a_million_tiny_chunks_cost_little() -> None:
    chunks = [b"%02d" % (number % 100) for number in range(100)]
    body = watched(Chunks(itertools.cycle(chunks)), 1024 * 1024)
    tracemalloc.start()
    try:
        for _ in range(500_000):
            body.read()
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert body.capture.captured_request() == b"".join(chunks) * 5000
    assert peak_bytes < 1.5 * body.capture.request_bytes


@given(
    chunks=st.lists(st.binary(max_size=50), max_size=600),
    max_bytes=st.integers(0, 2000),
)
@settings(max_examples=200, deadline=None)
def test_a_body_is_the_beginning_of_its_chunks(chunks: list[bytes], max_bytes: int) -> None:
    body = watched(Chunks(chunks), max_bytes)
    for chunk in chunks:
        assert body.read() == chunk
    whole = b"".join(chunks)
    assert (body.capture.captured_request(), body.capture.request_bytes) == (whole[:max_bytes], len(whole))


@given(
    data=st.binary(max_size=200),
    steps=st.lists(st.tuples(st.sampled_from(["read", "readline", "seek"]), st.integers(0, 250)), max_size=20),
)
@settings(max_examples=200, deadline=None)
def test_reading_and_seeking_in_any_order_notes_each_byte_once(data: bytes, steps: list[tuple[str, int]]) -> None:
    bare = io.BytesIO(data)
    body = watched(io.BytesIO(data), 1000)
    reached = 0
    for name, argument in steps:
        if name == "seek":
            argument = min(argument, reached)  # to seek forward is not to read
        assert getattr(body, name)(argument) == getattr(bare, name)(argument)
        reached = max(reached, bare.tell())
    assert body.capture.captured_request() == data[:reached]


UPLOAD = """
import resource, sys
sys.path.insert(0, "tests")
import wsgi
from readme_metrics import MetricsApiConfig, MetricsMiddleware

PIECE = bytes(64 * 1024)
class Upload:
    left = 16 * 1024
    def read(self, size=-1):
        if not self.left:
            return b""
        self.left -= 1
        return bytes(PIECE)

def app(environ, start_response):
    size = 0
    while piece := environ["wsgi.input"].read(len(PIECE)):
        size += len(piece)
    start_response("200 OK", [])
    yield str(size).encode()

middleware = MetricsMiddleware(app, MetricsApiConfig("key", wsgi.group))
wsgi.call(middleware, "/", method="POST", body=b"x" * 1000)  # allocates what is needed only once
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
environ = {"wsgi.input": Upload(), "CONTENT_LENGTH": str(1 << 30)}
print(wsgi.call(middleware, "/", method="POST", **environ).body.decode())
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_an_upload_of_a_gigabyte_costs_no_more_than_the_cap() -> None:
    run = subprocess.run([sys.executable, "-c", UPLOAD], capture_output=True, text=True, check=True)
    size, grown_kib = map(int, run.stdout.split())
    assert size == 1 << 30
    # The cap of 1 MiB counts several times: for the chunks, joined, encoded and in the queue.
    assert grown_kib < 8 * 1024
