"""`RequestBody`: stands in for `wsgi.input` and notes what the app reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from readme_metrics._core import Capture


class RequestBody:
    """`wsgi.input` as the app reads it. Nothing is read before the app asks, nor more than the app asks for.

    It has all methods of the server's own object, beyond PEP 3333 too, and notes everything that the app reads.

    The code that makes one sets `reading`: an `__init__` would be one more Python call in each request.
    """

    #: The server's stream, and the object that is told of what the app reads. One attribute holds both, since a lookup
    #: is slow on a class with `__getattr__`.
    reading: tuple[Any, Capture | RequestBody]
    #: Bytes between the app's position, after it has gone back, and the furthest that it has read.
    _repeated_bytes = 0
    #: Where the body begins in the stream; None until the app calls `seek`.
    _start: int | None = None
    #: The capture, once the app has called `seek`; from then on `reading` names this object.
    _seeking: Capture | None = None

    @property
    def stream(self) -> Any:
        """The server's stream."""
        return self.reading[0]

    @property
    def capture(self) -> Capture:
        return self._seeking or cast("Capture", self.reading[1])

    def read(self, *args: Any, **kwargs: Any) -> bytes:
        stream, hearer = self.reading
        # `read(n)` is by far the most frequent call; passing on any arguments takes longer.
        data: bytes = stream.read(args[0]) if len(args) == 1 and not kwargs else stream.read(*args, **kwargs)
        hearer.add_request(data)
        return data

    def readline(self, *args: Any, **kwargs: Any) -> bytes:
        return self._note(self.stream.readline(*args, **kwargs))

    def readlines(self, *args: Any, **kwargs: Any) -> list[bytes]:
        lines: list[bytes] = self.stream.readlines(*args, **kwargs)
        for line in lines:
            self._note(line)
        return lines

    def __iter__(self) -> Iterator[bytes]:
        return map(self._note, self.stream)

    def __next__(self) -> bytes:
        return self._note(next(self.stream))

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self.stream, name)
        if name in ("read1", "readall"):
            return lambda *args: self._note(attribute(*args))
        if name in ("readinto", "readinto1"):
            return lambda buffer: self._note_filled(buffer, attribute(buffer))
        if name == "seek":
            return lambda *args: self._seek(attribute, args)
        return attribute

    @property  # type: ignore[misc]
    def __class__(self) -> type[Any]:
        """The type of the server's object, for `isinstance`."""
        kind: type[Any] = self.stream.__class__
        return kind

    @property
    def __enter__(self) -> Callable[[], Any]:
        """A context manager, if the server's object is one: a property, so that it is missing otherwise."""
        enter = self.stream.__enter__

        def entered() -> Any:
            stream = enter()
            return self if stream is self.stream else stream

        return entered

    @property
    def __exit__(self) -> Callable[..., Any]:
        return cast("Callable[..., Any]", self.stream.__exit__)

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Copies the server's object, where that can be copied."""
        return self.stream.__reduce_ex__(protocol)

    def __repr__(self) -> str:
        return repr(self.stream)

    def _note_filled(self, buffer: Any, size: int | None) -> int | None:
        try:
            if size:
                self._note(bytes(memoryview(buffer).cast("B")[:size]))
        except Exception:
            self.capture.lose_request()
        return size

    def _seek(self, seek: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        stream, capture = self.stream, self.capture
        try:
            if self._start is None:
                self._start = stream.tell() - capture.request_bytes
        except Exception:  # noqa: S110 - the stream cannot seek, or is closed
            pass
        result = seek(*args)
        try:
            if self._start is None:
                raise ValueError("the start of the body is unknown")
            if self._seeking is None:
                self._seeking = capture
                self.reading = (stream, self)  # a cycle, but only in an app that seeks
            self._repeated_bytes = max(self._start + capture.request_bytes - stream.tell(), 0)
        except Exception:
            capture.lose_request()
        return result

    def _note(self, data: bytes) -> bytes:
        self.add_request(data)
        return data

    def add_request(self, data: bytes) -> None:
        """Passes `data` to the capture, without the bytes that the app reads again."""
        if data:
            repeated = self._repeated_bytes
            if repeated:
                self._repeated_bytes = max(repeated - len(data), 0)
                self.capture.add_request(data[repeated:])
            else:
                self.capture.add_request(data)
