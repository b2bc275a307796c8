"""`DropNotices`: reports when logs begin to be dropped, and their number when that is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from readme_metrics import _core

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from readme_metrics._process.reporter import HeldReports

#: Dropping is over when no log was dropped for this long. Two lines about one reason are at least this far apart.
QUIET_S = 60.0

CAUSES = {
    "full": "the queue is full (queue_bytes): the server is too slow or away",
    "no_space": "the file system under the queue is full: see `directory` in stats()",
    "no_memory": "the system has no memory or no file descriptor left for the queue",
    "no_directory": "the queue's directory is gone or cannot be used",
    "closed": "requests ended after this process's queue was closed",
    "oversize": "larger than the queue even without their bodies",
    "grouping": "the grouping function raised or returned something unusable",
    "internal": "an error in readme-metrics",
    "refused": "the Metrics server refused them",
    "before_send": "before_send returned None or raised",
    "orphan": "dead processes had left more than can be kept",
    "expired": "no process has used their API key for orphan_days days",
    "discarded": "somebody ran `readme-metrics flush --discard`",
    "corrupt": "damaged in shared memory",
    "killed": "their process was killed while it queued them",
}

#: Reasons whose drops are reported with details where they happen.
_EXPLAINED = frozenset({"grouping", "internal"})


class DropNotices:
    """Compares the sums of dropped logs with those of the last call. One caller at a time."""

    def __init__(self, reporter: HeldReports, clock_s: Callable[[], float] = _core.monotonic) -> None:
        self._reporter = reporter
        self._clock_s = clock_s
        self._seen: dict[str, int] = {}
        # For each reason for which logs are being dropped: the sum when that began, and when the sum last grew.
        self._going_on: dict[str, tuple[int, float]] = {}

    def update(self, dropped: Mapping[str, int]) -> None:
        """Takes the sums by reason, which never shrink, and reports what has begun or ended."""
        now_s = self._clock_s()
        for reason, count in dropped.items():
            before = self._seen.get(reason, 0)
            self._seen[reason] = count
            if count > before:
                if reason not in self._going_on and reason not in _EXPLAINED:
                    self._reporter.loss("Logs are being dropped: %s", CAUSES.get(reason, reason))
                self._going_on[reason] = self._going_on.get(reason, (before, 0.0))[0], now_s
            elif reason in self._going_on and now_s >= self._going_on[reason][1] + QUIET_S:
                self._end(reason)

    def close(self) -> None:
        """Reports the drops that were not over yet."""
        for reason in list(self._going_on):
            self._end(reason)

    def _end(self, reason: str) -> None:
        start, _ = self._going_on.pop(reason)
        count = self._seen[reason] - start
        were = "log was" if count == 1 else "logs were"
        self._reporter.loss("%d %s dropped: %s", count, were, CAUSES.get(reason, reason))
