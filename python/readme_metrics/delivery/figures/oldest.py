"""`oldest_of`: when the oldest log that waits in a segment was made."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgpack

from readme_metrics import _core

if TYPE_CHECKING:
    from pathlib import Path


def oldest_of(directory: Path, segment: _core.SegmentInfo) -> float | None:
    """When the oldest log that waits in a segment was made, in seconds since 1970; None if the log cannot be read."""
    found = _core.entries(directory, segment.name, 0)
    if found is None or not found[1]:
        return None
    try:
        [entry] = msgpack.unpackb(found[1][0], raw=False, unicode_errors="replace")["request"]["log"]["entries"]
        started = entry["startedDateTime"]
        return datetime.fromisoformat(started.replace("Z", "+00:00")).timestamp()
    except (ValueError, KeyError, TypeError, AttributeError, msgpack.UnpackException):
        return None
