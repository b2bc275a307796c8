"""A body as it was captured, as `Body` of `rust/redact/body/mod.rs`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Body:
    """A body as it was captured."""

    bytes: bytes
    content_type: str | None = None
    content_encoding: str | None = None
    size: int | None = None
    truncated: bool = False
    max_bytes: int = 1 << 20

    @property
    def true_size(self) -> int:
        """The size, including the bytes that the capture cut off."""
        return len(self.bytes) if self.size is None else self.size
