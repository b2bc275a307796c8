"""`Deadline`: makes a whole exchange with a server end in time, however slowly the server sends.

The timeout of `requests` bounds each operation on the socket, so a server that sends a byte now and then could hold the
exchange up for ever. Here each operation gets only the time that is left.
"""

from __future__ import annotations

import http.client
import io
import socket
from typing import TYPE_CHECKING, Any

import requests.adapters
import urllib3.connection

from readme_metrics import _core

if TYPE_CHECKING:
    from collections.abc import Callable


class Deadline:
    """When the current exchange has to end. One per session, since a session does one exchange at a time."""

    def __init__(self) -> None:
        self._until_s = 0.0
        #: Whether the current exchange has tried to open a connection, and so does not use an older one.
        self.has_connected = False

    def begin(self, until_s: float) -> None:
        """Starts an exchange that has to end at `until_s` (seconds, `_core.monotonic`)."""
        self._until_s = until_s
        self.has_connected = False

    def left_s(self) -> float:
        """Seconds until the deadline.

        Raises:
            TimeoutError: The deadline has passed.
        """
        left_s = self._until_s - _core.monotonic()
        if left_s <= 0:
            raise TimeoutError("the deadline has passed")
        return left_s


class Adapter(requests.adapters.HTTPAdapter):
    """Makes connections, direct or by a proxy, that keep the deadline. The DNS query is not bounded."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        super().__init__(pool_connections=2, pool_maxsize=1)

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        return self._bound(super().get_connection_with_tls_context, *args, **kwargs)

    def get_connection(self, *args: Any, **kwargs: Any) -> Any:
        return self._bound(super().get_connection, *args, **kwargs)  # requests < 2.32

    def _bound(self, pool_for: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """The pool that `pool_for` finds or makes, whose connections keep the deadline.

        A recorder of HTTP traffic (such as VCR) replaces the class of urllib3's connections for a while. A pool whose
        class is no longer the current one is discarded.
        """
        pool = pool_for(*args, **kwargs)
        bound_to = getattr(pool, "bound_to", None)
        kind = type(pool).ConnectionCls
        if bound_to is not None and bound_to is not kind:
            self.close()  # clears the pools; new ones are made on demand
            pool = pool_for(*args, **kwargs)
            bound_to = None
        if bound_to is None:
            pool.ConnectionCls = _bounded(kind, self._deadline)
            pool.bound_to = kind
        return pool


def _bounded(kind: type[urllib3.connection.HTTPConnection], deadline: Deadline) -> type:
    class TimedConnection(kind):  # type: ignore[misc,valid-type]
        @staticmethod
        def response_class(sock: socket.socket, *args: Any, **kwargs: Any) -> http.client.HTTPResponse:
            response = http.client.HTTPResponse(sock, *args, **kwargs)
            response.fp = io.BufferedReader(_Reader(sock, response.fp.detach(), deadline.left_s))
            return response

        def _new_conn(self) -> socket.socket:
            deadline.has_connected = True
            own: Any = self
            host = own.host
            addresses = [found[4][0] for found in socket.getaddrinfo(host, own.port, type=socket.SOCK_STREAM)]
            for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
                # Each address gets its share of the time, so that one that does not answer leaves time for the others.
                own.host, own.timeout = address, deadline.left_s() / left
                try:
                    sock: socket.socket = super()._new_conn()
                    break
                except Exception:
                    if left == 1:
                        raise
                finally:
                    own.host = host
            # The TLS handshake that may follow is one operation.
            sock.settimeout(deadline.left_s())
            return sock

        def send(self, data: Any) -> None:
            if self.sock is None:
                self.connect()
            view = memoryview(data)
            while view:
                # `send` takes as much as the socket has room for (with TLS, one record), so the deadline is checked
                # often.
                self.sock.settimeout(deadline.left_s())
                view = view[self.sock.send(view) :]

    return TimedConnection


class _Reader(io.RawIOBase):
    """Reads from a socket within the deadline. `raw` is the socket's own file object, which keeps the socket open."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase, left_s: Callable[[], float]) -> None:
        self._sock = sock
        self._raw = raw
        self._left_s = left_s

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._left_s())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()
