"""`DropNotices`: tells when logs begin to be dropped and when that is over, with the number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from readme_metrics import _core

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from readme_metrics._process.reporter import HeldReports

#: No drop for this long: it is over. Also how far apart two lines about one reason are, at least.
QUIET_S = 60.0

CAUSES = {
    "full": "the queue is full (queue_bytes): the server is too slow or away",
    "no_space": "the file system under the queue is full: see `directory` in stats()",
    "no_memory": "the system has no memory or no file descriptor left for the queue",
    "no_directory": "the queue's directory is gone or cannot be used",
    "closed": "their requests ended after this process's queue was closed",
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

#: Whoever drops for these says so, with the details.
_EXPLAINED = frozenset({"grouping", "internal"})


class DropNotices:
    """Fed with sums, by one thread at a time."""

    def __init__(self, reporter: HeldReports, clock_s: Callable[[], float] = _core.monotonic) -> None:
        self._reporter = reporter
        self._clock_s = clock_s
        self._seen: dict[str, int] = {}
        # By reason, while logs are being dropped for it: the sum before, and when it last grew.
        self._going_on: dict[str, tuple[int, float]] = {}

    def update(self, dropped: Mapping[str, int]) -> None:
        """Looks at the sums by reason; they never shrink."""
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
        """Says what was still going on."""
        for reason in list(self._going_on):
            self._end(reason)

    def _end(self, reason: str) -> None:
        start, _ = self._going_on.pop(reason)
        self._reporter.loss("%d logs were dropped: %s", self._seen[reason] - start, CAUSES.get(reason, reason))
