"""`Delivery`: peek, POST, release. Nothing leaves the queue before the server has it or has refused it for good."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from readme_metrics import backoff
from readme_metrics.transport import Verdict

if TYPE_CHECKING:
    from readme_metrics import _core
    from readme_metrics._guard import Reporter
    from readme_metrics.transport import Result, Transport

#: Bounds of one POST. A single entry may exceed the second.
MAX_BATCH_ENTRIES = 1000
MAX_BATCH_BYTES = 1024 * 1024


class Delivery:
    """One sender at a time: its caller holds the lock."""

    def __init__(self, queue: _core.Queue, transport: Transport, reporter: Reporter) -> None:
        self._queue = queue
        self._transport = transport
        self._reporter = reporter
        # Halved while the server refuses a batch, so that one bad or large entry is found and alone is lost.
        self._max_entries = MAX_BATCH_ENTRIES
        self._failures = 0
        self._resume_at_s = 0.0

    def pause_s(self) -> float:
        """Seconds until the next try may be made; 0 where it may be made now."""
        return max(self._resume_at_s - time.monotonic(), 0.0)

    def post_next(self, timeout_s: float | None = None) -> bool:
        """Posts the next batch.

        Args:
            timeout_s: Seconds it may take, if less than the config's `timeout`.

        Returns:
            Whether to go on: False where nothing waits, or where the server has to be left alone for a while.
        """
        batch = self._queue.peek(self._max_entries, MAX_BATCH_BYTES)
        if batch is None:
            return False
        if batch.malformed:
            self._reporter.error("corrupt", "%d damaged log(s) in shared memory dropped", batch.malformed)
        if batch.count == 0:
            self._queue.release(batch, False)
            return True
        result = self._transport.post(batch.json, timeout_s)
        if result.verdict is Verdict.SENT:
            self._queue.release(batch, True)
            self._failures = 0
            self._max_entries = min(self._max_entries * 2, MAX_BATCH_ENTRIES)
            return True
        if result.verdict is Verdict.REFUSED:
            if batch.count > 1:
                self._max_entries = batch.count // 2
            else:
                self._queue.release(batch, False)
                self._reporter.error("refused", "The Metrics server refused a log (%s); it is dropped", result.reason)
            return True
        self._pause(result)
        return False

    def _pause(self, result: Result) -> None:
        self._failures += 1
        if result.verdict is Verdict.DENIED:
            delay_s = backoff.DENIED_S
            self._reporter.error(
                "denied",
                "%s answered %s: check the API key and README_METRICS_SERVER. Logs are kept while there is room",
                self._transport.server,
                result.reason,
            )
        else:
            # Not for secrets: this only spreads the retries of many processes.
            delay_s = backoff.delay_s(self._failures, result.retry_after_s, random.random())  # noqa: S311
            self._reporter.warning(
                "retry", "Could not send logs to %s (%s); will retry", self._transport.server, result.reason
            )
        self._resume_at_s = time.monotonic() + delay_s
