"""Reads the part of a request's body that the app has left unread, as far as that has arrived."""

from __future__ import annotations

import io
import os
import stat
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from readme_metrics.capture.wsgi.request_body import RequestBody
    from readme_metrics.capture.wsgi.types import Environ

try:
    import fcntl
    import termios
except ImportError:  # Windows: only what is in memory or in a file counts as there
    _FIONREAD = None
else:
    _FIONREAD = termios.FIONREAD

#: Streams that hold the whole body, in memory or in a temporary file.
_SEEKABLE = (io.BytesIO, io.BufferedRandom)


def read_rest(body: RequestBody, environ: Environ, unread_bytes: int, *, is_tls: bool) -> None:
    """Reads the `unread_bytes` that the app left of `body`, if all of them are there.

    Raises:
        Exception: Whatever a stream that is closed or broken raises.
    """
    stream = body.stream
    if arrived_bytes(environ, stream, is_tls=is_tls) < unread_bytes:
        return
    # A stream that can seek is put back: a test client may send the same stream again after a redirect.
    position = stream.tell() if isinstance(stream, _SEEKABLE) else None
    body.read(unread_bytes)
    if position is not None:
        stream.seek(position)


def arrived_bytes(environ: Environ, stream: Any, *, is_tls: bool) -> int:
    """How many bytes `stream.read()` certainly returns without waiting for the client; 0 if that is not known.

    Args:
        environ: The request's environ.
        stream: The server's `wsgi.input`.
        is_tls: Whether the connection is TLS, by the server's environ; the app may have changed its own (ProxyFix).

    Raises:
        Exception: Whatever a stream that is closed or broken raises.
    """
    if isinstance(stream, _SEEKABLE):  # waitress, test clients
        return sys.maxsize
    gunicorn_socket = environ.get("gunicorn.socket")
    if gunicorn_socket is not None:
        # The reader's buffer holds the part of the body that came along with the headers.
        return len(stream.reader.unreader.buf.getbuffer()) + _waiting_in(gunicorn_socket)
    if type(stream).__module__ == "uwsgi":
        return _waiting_for_uwsgi(stream)
    if type(stream) is io.BufferedReader and not is_tls:  # wsgiref, Werkzeug
        return _waiting_for_buffer(stream)
    return 0


def _waiting_in(connection: Any) -> int:
    """The bytes that the kernel holds; for a TLS connection, those that are decrypted."""
    pending = getattr(connection, "pending", None)
    return int(pending()) if pending is not None else _readable_bytes(connection.fileno())


def _readable_bytes(descriptor: int) -> int:
    if _FIONREAD is None:
        return 0
    return int.from_bytes(fcntl.ioctl(descriptor, _FIONREAD, bytes(4)), sys.byteorder)


def _waiting_for_uwsgi(stream: Any) -> int:
    # With `--http-socket` uWSGI does not say how much of the body came along with the headers: that is not counted.
    options = sys.modules["uwsgi"].opt
    if "post-buffering" in options:
        return sys.maxsize
    return 0 if "https-socket" in options else _readable_bytes(stream.fileno())


def _waiting_for_buffer(stream: io.BufferedReader) -> int:
    descriptor = stream.fileno()
    if not stat.S_ISSOCK(os.fstat(descriptor).st_mode) or not os.get_blocking(descriptor):
        return 0
    # peek() asks the kernel only if the buffer is empty, and then must not wait.
    os.set_blocking(descriptor, False)
    try:
        buffered = len(stream.peek(1))
    finally:
        os.set_blocking(descriptor, True)
    return buffered + _readable_bytes(descriptor)
