"""The two bodies of an exchange: the request's as the app reads it, the response's as it passes to the server.

What stands between app and server forwards everything at once and unchanged (PEP 3333). What is ours to do runs under
`except Exception`: it may lose a log, which is counted, never a byte.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from readme_metrics.exchange import Exchange


class Body:
    """The first bytes of a body, and the number of all of them."""

    __slots__ = ("_room_bytes", "chunks", "size_bytes")

    def __init__(self, max_bytes: int) -> None:
        self.chunks: list[bytes] = []
        self.size_bytes = 0
        self._room_bytes = max_bytes

    def add(self, data: bytes) -> None:
        size = len(data)
        self.size_bytes += size
        room = self._room_bytes
        if size <= room:
            if size:
                self.chunks.append(data)
                self._room_bytes = room - size
        elif room:
            self.chunks.append(data[:room])
            self._room_bytes = 0

    def forget(self) -> None:
        """Keeps no bytes from here on; the size is still counted."""
        self.chunks = []
        self._room_bytes = 0


class RequestBody:
    """`wsgi.input` as the app reads it. Nothing is read before the app asks, nor more than it asks for."""

    def __init__(self, stream: Any, max_bytes: int) -> None:
        self._stream = stream
        self.body = Body(max_bytes)

    def read(self, *size: int) -> bytes:
        return self._keep(self._stream.read(*size))

    def readline(self, *size: int) -> bytes:
        return self._keep(self._stream.readline(*size))

    def readlines(self, *hint: int) -> list[bytes]:
        lines: list[bytes] = self._stream.readlines(*hint)
        for line in lines:
            self._keep(line)
        return lines

    def __iter__(self) -> Iterator[bytes]:
        return map(self._keep, self._stream)

    def __getattr__(self, name: str) -> Any:
        # What servers offer beyond PEP 3333 (`readinto` aside, no reading): theirs, as it is.
        return getattr(self._stream, name)

    def read_rest(self, length: int) -> None:
        """Reads what the app left of a body of `length` bytes."""
        while self.body.size_bytes < length and self.read(length - self.body.size_bytes):
            pass

    def _keep(self, data: bytes) -> bytes:
        try:
            self.body.add(data)
        except Exception:  # noqa: S110 - a server that answers with anything else than bytes is the app's to deal with
            pass
        return data


class ResponseBody:
    """The app's iterable, its chunks noted as they pass."""

    def __init__(self, iterable: Iterable[bytes], exchange: Exchange) -> None:
        self._iterable = iterable
        self._iterator: Iterator[bytes] | None = None
        self._exchange = exchange

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            chunk = self._first() if self._iterator is None else next(self._iterator)
        except StopIteration:
            raise
        except BaseException:
            self._exchange.failed()
            raise
        self._exchange.sent(chunk)
        return chunk

    def _first(self) -> bytes:
        self._iterator = iter(self._iterable)
        chunk = next(self._iterator)
        # Only now has a generator called start_response. An endless stream must not fill its capture first.
        self._exchange.stream_started()
        return chunk

    def close(self) -> None:
        try:
            close = getattr(self._iterable, "close", None)
            if close is not None:
                close()
        except BaseException:
            self._exchange.failed()
            raise
        finally:
            self._exchange.finish()

    def __del__(self) -> None:
        # A server that drops a response without closing it breaks PEP 3333, and still answered a request.
        self._exchange.finish()


class SizedResponseBody(ResponseBody):
    """Keeps `len()` where the app's iterable has one: wsgiref derives `Content-Length` from it."""

    def __len__(self) -> int:
        return len(self._iterable)  # type: ignore[arg-type]
