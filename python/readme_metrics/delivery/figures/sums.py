"""The dicts of `stats()` and `status --json`. Only this module makes dicts of the core's classes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from readme_metrics import _core

if TYPE_CHECKING:
    from pathlib import Path


def nothing_yet() -> dict[str, object]:
    """The result of `stats()` before this process has logged anything."""
    sums = _counts(_core.Counts())
    del sums["bodies_dropped"]
    return {"pid": os.getpid(), **sums, "retries": 0, "last_error": None, "directory": None, "host": None}


def of_process(
    stats: _core.QueueStats, retries: int, last_error: str | None, directory: Path | None, survey: _core.Survey
) -> dict[str, object]:
    """The result of `stats()`.

    Args:
        stats: The sums of this process.
        retries: How many POSTs of this process had to be repeated.
        last_error: Why the last POST of this process failed: an HTTP status or the name of an exception; None if it did
            not fail.
        directory: The queue's directory; None in private memory.
        survey: The sums of all processes of the host.
    """
    return {
        "pid": os.getpid(),
        **_counts(stats.own),
        "adopted": {
            "sent": stats.adopted.sent,
            "queued": stats.adopted.queued,
            "dropped": stats.adopted.dropped,
            "entries": stats.adopted.made,
        },
        "retries": retries,
        "last_error": last_error,
        "directory": directory,
        "host": {**_counts(survey.counts), **_server(survey.server)},
    }


def of_directory(survey: _core.Survey) -> dict[str, object]:
    """One app in the output of `status --json`."""
    return {
        "label": survey.label,
        **_counts(survey.counts),
        **_server(survey.server),
        "segments": [_segment(segment) for segment in survey.segments],
    }


def _counts(counts: _core.Counts) -> dict[str, object]:
    return {
        "made": counts.made,
        "sent": counts.sent,
        "queued": counts.queued,
        "dropped": counts.dropped,
        "sampled": counts.sampled,
        "bodies_dropped": counts.bodies_dropped,
    }


def _server(server: _core.ServerState) -> dict[str, object]:
    return {
        "failures": server.failures,
        "retries": server.retries,
        "last_success": server.last_success,
        "last_error": server.last_error,
        "last_error_at": server.last_error_at,
        "pause_until": server.pause_until,
    }


def _segment(segment: _core.SegmentInfo) -> dict[str, object]:
    return {
        **_counts(segment.counts),
        "name": segment.name,
        "is_orphan": segment.is_orphan,
        "owner_pid": segment.owner_pid,
        "creator_pid": segment.creator_pid,
        "created": segment.created,
        "file_bytes": segment.file_bytes,
        "queued_bytes": segment.queued_bytes,
        "defect": segment.defect,
    }
