"""`Body`: what is kept of one body while it passes."""

from __future__ import annotations

#: So many chunks are joined into one: an object costs some 33 bytes beside its content, which a body that comes byte by
#: byte would pay a million times. Each byte is copied once, whatever the number of chunks.
MANY_CHUNKS = 256


class Body:
    """The first bytes of a body, and the number of all of them."""

    __slots__ = ("_joined", "_room_bytes", "chunks", "failure", "size_bytes")

    def __init__(self, max_bytes: int) -> None:
        self.chunks: list[bytes] = []
        self.size_bytes = 0
        #: Why this body is not what passed, if it is not: its log would not be true.
        self.failure: Exception | None = None
        self._room_bytes = max_bytes
        #: How many of the chunks, from the first, are joined ones.
        self._joined = 0

    def add(self, data: bytes) -> None:
        """Notes a piece of the body. Never raises: `failure` tells what went wrong."""
        try:
            size = len(data)
            self.size_bytes += size
            room = self._room_bytes
            if size > room:
                data = data[:room]
                size = room
            if size:
                # A few servers give and take other buffers as well; theirs may change once they have passed.
                self.chunks.append(data if type(data) is bytes else bytes(data))
                self._room_bytes = room - size
                if len(self.chunks) - self._joined == MANY_CHUNKS:
                    self.chunks[self._joined :] = [b"".join(self.chunks[self._joined :])]
                    self._joined += 1
        except Exception as error:
            self.failure = error

    def forget(self) -> None:
        """Keeps no bytes from here on; the size is still counted."""
        self.chunks = []
        self._joined = 0
        self._room_bytes = 0
