"""The HTTP/1.1 half of the stand-in Metrics server: bytes in, bytes out, no opinion on logs."""

from __future__ import annotations

import socket
import socketserver
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, Protocol
from urllib.parse import urlsplit

from readme_metrics.collector.post import MAX_BODY_BYTES, Answer, Post, Refused

# SO_LINGER with a timeout of 0: close() resets the connection.
_LINGER_RESET = struct.pack("ii", 1, 0)


class Service(Protocol):
    """Decides the answer to each request that has the right path and credentials."""

    def receive(self, post: Post) -> Answer: ...
    def look_up(self) -> Answer: ...


class HTTPServer(socketserver.ThreadingTCPServer):
    """A server that knows its open connections, so that closing it cuts them too, as a crash would."""

    # Not a subclass of http.server.HTTPServer, which asks the DNS for the name of the host that it binds.
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: str, port: int, service: Service, handler: type[ServiceHandler] | None = None) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.service = service
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        #: How many requests are being answered.
        self._answering = 0
        self._answered = threading.Condition()
        super().__init__((host, port), handler or ServiceHandler)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        with self._lock:
            self._connections.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        # The lock keeps server_close() from shutting down a descriptor that has been closed and given to another file.
        # The base class's shutdown() is not called: its FIN would precede the reset that ends `Answer.raw`.
        with self._lock:
            self._connections.discard(request)
            self.close_request(request)

    def server_close(self) -> None:
        super().server_close()
        with self._lock:
            for connection in self._connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Counts one answer as being sent, from its decision to its last byte."""
        with self._answered:
            self._answering += 1
        try:
            yield
        finally:
            with self._answered:
                self._answering -= 1
                self._answered.notify_all()

    def wait_until_answered(self, timeout_s: float) -> bool:
        """Waits up to `timeout_s` seconds until no request is being answered; returns whether that is so."""
        with self._answered:
            return self._answered.wait_for(lambda: self._answering == 0, timeout_s)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignores a client that went away; prints the traceback of anything else, which is a bug."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class ServiceHandler(BaseHTTPRequestHandler):
    """One connection. A subclass may serve more than the paths of the Metrics server."""

    protocol_version = "HTTP/1.1"
    # With Nagle's algorithm, the body of an answer waits up to 40 ms for the client to acknowledge its head.
    disable_nagle_algorithm = True
    server: HTTPServer

    def do_POST(self) -> None:
        self.answer(self._receive)

    def do_GET(self) -> None:
        self.answer(self._look_up)

    def _receive(self) -> Answer:
        # The body is read first: unread bytes would be taken for the next request.
        body = self.read_body()
        self._check("/v1/request")
        return self.server.service.receive(Post(time.time(), self.headers, body))

    def _look_up(self) -> Answer:
        self.read_body()
        self._check("/v1", "/api/v1")
        return self.server.service.look_up()

    def answer(self, decide: Callable[[], Answer]) -> None:
        """Sends what `decide` returns, or the refusal that it raises."""
        with self.server.answering():
            try:
                answer = decide()
            except Refused as refusal:
                answer = Answer.refusal(refusal.status, str(refusal))
            if answer.raw is None:
                self._send(answer)
            else:
                self._send_raw(answer.raw)

    def read_body(self, max_bytes: int = MAX_BODY_BYTES) -> bytes:
        """The request's body; raises Refused if it has no usable length or is larger than `max_bytes`."""
        if "Transfer-Encoding" in self.headers:
            self.close_connection = True
            raise Refused(HTTPStatus.LENGTH_REQUIRED, "send a Content-Length")
        # A second Content-Length, even an equal one, can smuggle one request inside another (RFC 9112, section 6.3).
        length = ", ".join(self.headers.get_all("Content-Length", ["0"]))
        if not (length.isascii() and length.isdigit()):
            self.close_connection = True
            raise Refused(HTTPStatus.BAD_REQUEST, f"Content-Length is {length!r}")
        if int(length) > max_bytes:
            self.close_connection = True
            status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            raise Refused(status, f"body is larger than {max_bytes} bytes")
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise ConnectionAbortedError("the client left in the middle of its body")
        return body

    def _check(self, *paths: str) -> None:
        path = urlsplit(self.path).path.rstrip("/")
        if path not in paths:
            raise Refused(HTTPStatus.NOT_FOUND, f"there is nothing at {path}")
        if not self.headers.get("Authorization", "").startswith("Basic "):
            raise Refused(HTTPStatus.UNAUTHORIZED, "the API key is missing (HTTP Basic user name)")

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(answer.body)

    def _send_raw(self, raw: bytes) -> None:
        self.wfile.write(raw)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
        self.close_connection = True

    def log_message(self, *_: Any) -> None:
        """Prints nothing: the commands print what their users need."""
