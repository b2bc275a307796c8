"""A value that may not be sent, as `rust/redact/url/hidden.rs`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Denied:
    """A value that may not be sent, from `start` to `end` of the text."""

    start: int
    end: int
    #: None for a JSON value that is not a string.
    characters: int | None

    def marker(self) -> str:
        """What is written in the value's place."""
        return '"[REDACTED]"' if self.characters is None else f"[REDACTED {self.characters}]"
