"""The markers that are written in place of values that are not sent, as `rust/redact/marker.rs`."""

from __future__ import annotations

NOT_UTF8 = "[NOT VALID UTF-8]"


class Malformed(Exception):
    """A text that was not understood in full. The argument is the reason in the marker."""


def redacted(value: str) -> str:
    """The marker for a denied string."""
    return f"[REDACTED {len(value)}]"


def withheld(size: int, reason: str) -> str:
    """The marker for a body that could not be understood."""
    return f"[WITHHELD {size} bytes: {reason}]"
