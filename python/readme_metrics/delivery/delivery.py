"""`Delivery`: peek, POST, release. A log leaves the queue only when the server has accepted it or refused it for
good.
"""

from __future__ import annotations

import random
from functools import partial
from typing import TYPE_CHECKING

from readme_metrics import _core
from readme_metrics.delivery import backoff
from readme_metrics.delivery.senders.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from readme_metrics._process.reporter import HeldReports
    from readme_metrics.delivery.batch_queue import Batch, BatchQueue
    from readme_metrics.delivery.before_send import BeforeSend
    from readme_metrics.delivery.senders.outcome import Result, Sender

#: The bounds of one POST. A single entry may be larger than the second.
MAX_BATCH_ENTRIES = 1000
MAX_BATCH_BYTES = 1024 * 1024
#: The bounds of refused POSTs: enough at once to find the bad entries of a few batches, and few in the long run.
REFUSALS_BURST = 50
REFUSALS_PER_S = 5.0
#: Added to a POST's timeout. While one process tries whether the server is back, the others wait this long in all.
TURN_MARGIN_S = 1.0

#: The operating system's randomness. The generator of `random` belongs to the app, which may have seeded it, and a
#: forked child repeats its numbers.
_JITTER = random.SystemRandom()


class Delivery:
    """Delivers batches from a queue. Not for several threads at once: the caller holds a lock."""

    def __init__(
        self,
        queue: BatchQueue,
        sender: Sender,
        reporter: HeldReports,
        timeout_s: float,
        before_send: BeforeSend | None = None,
    ) -> None:
        self._before_send = before_send
        self._queue = queue
        self._sender = sender
        self._reporter = reporter
        self._turn_s = timeout_s + TURN_MARGIN_S
        # Halved while the server refuses a batch, so that only the bad entry is lost. Grows again.
        self._max_entries = MAX_BATCH_ENTRIES
        # Halved when the server finds a batch too large. Never grows, since the server's bound does not change.
        self._max_bytes = MAX_BATCH_BYTES
        self._refusals = backoff.Budget(REFUSALS_BURST, REFUSALS_PER_S)
        self._is_failing = False
        # The pause of this process alone: how often it has failed in a row for reasons of its own, and when it ends.
        self._own_failures = 0
        self._resume_at_s = 0.0
        #: How many POSTs this process has made, and how many seconds they took.
        self.posts = 0
        self.post_s = 0.0
        #: How many POSTs of this process have to be repeated.
        self.retries = 0
        #: Why the latest POST of this process failed; None once one has succeeded.
        self.last_error: str | None = None

    def pause_s(self) -> float:
        """Seconds until the next try; 0 if it may be made now.

        The processes of the host share a pause if the server refuses or fails. A pause for a fault of this process's
        own settings is not shared.
        """
        return max(self._queue.pause_s(), self._resume_at_s - _core.monotonic(), 0.0)

    def post_next(self, timeout_s: float | None = None, *, is_last: bool = False) -> bool:
        """Posts the next batch.

        Args:
            timeout_s: Seconds that the POST may take, if less than the config's `timeout`.
            is_last: Whether the process is about to exit: then a pause is ignored.

        Returns:
            Whether to continue: False if no entry waits, or if there is a pause now.
        """
        batch = self._queue.peek(self._max_entries, self._max_bytes)
        if batch is None:
            return False
        if batch.count == 0:
            self._queue.release(batch, False)
            return True
        if not is_last and (self.pause_s() > 0 or self._queue.claim(self._turn_s) > 0):
            return False
        body, count = batch.json, batch.count
        release: Callable[..., None] = self._queue.release
        if self._before_send is not None:
            body, count, left_out = self._before_send.prepare(batch)
            release = partial(release, left_out=left_out)
            if count == 0:
                release(batch, True)
                return True
        started_s = _core.monotonic()
        result = self._sender.post(body, count, timeout_s)
        self.posts += 1
        self.post_s += _core.monotonic() - started_s
        if result.outcome is Outcome.SENT:
            release(batch, True)
            self._queue.succeeded()
            self._own_failures, self._resume_at_s, self.last_error = 0, 0.0, None
            self._max_entries = min(self._max_entries * 2, MAX_BATCH_ENTRIES)
            if self._is_failing:
                self._is_failing = False
                self._reporter.warning("recovered", "%s takes logs again", self._sender.server)
            return True
        if result.outcome in (Outcome.REFUSED, Outcome.TOO_LARGE):
            return self._refused(batch, result)
        self._pause(result)
        return False

    def _refused(self, batch: Batch, result: Result) -> bool:
        if batch.count == 1:
            self._queue.release(batch, False)
        elif result.outcome is Outcome.TOO_LARGE:
            self._max_bytes = min(self._max_bytes, len(batch.json)) // 2
        else:
            self._max_entries = batch.count // 2
        if self._refusals.spend(_core.monotonic()):
            self._queue.failed(0.0, result.reason)
            return True
        self._pause(result)
        return False

    def _pause(self, result: Result) -> None:
        self.retries += 1
        self._is_failing = True
        self.last_error = result.reason
        failures = self._own_failures if result.is_own_trouble else self._queue.failures
        if result.outcome is Outcome.DENIED:
            delay_s = backoff.DENIED_S
            self._reporter.error(
                "denied",
                "%s answered %s: %s. Logs are kept while there is room",
                self._sender.server,
                result.reason,
                result.hint,
            )
        else:
            delay_s = backoff.delay_s(failures + 1, result.retry_after_s, _JITTER.random())
            self._reporter.warning(
                "retry", "Could not send logs to %s (%s); will retry", self._sender.server, result.reason
            )
        if not result.is_own_trouble:
            self._queue.failed(delay_s, result.reason)
            return
        self._own_failures += 1
        self._resume_at_s = _core.monotonic() + delay_s
        if self._queue.failures:
            # This process was to find out whether the server is back, and could not. Another process may try at once.
            self._queue.failed(0.0, result.reason)
