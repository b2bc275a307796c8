"""`Delivery`: peek, POST, release. Nothing leaves the queue before the server has it or has refused it for good."""

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

#: Bounds of one POST. A single entry may exceed the second.
MAX_BATCH_ENTRIES = 1000
MAX_BATCH_BYTES = 1024 * 1024
#: Refused POSTs: enough at once to find the bad entries of a few batches, in the long run a trickle.
REFUSALS_BURST = 50
REFUSALS_PER_S = 5.0
#: Added to a POST's timeout: how long the other processes leave the server to the one that probes it.
TURN_MARGIN_S = 1.0

#: The operating system's: the module's own generator is the app's, which may have seeded it, and a fork repeats it.
_JITTER = random.SystemRandom()


class Delivery:
    """One sender at a time: its caller holds the lock."""

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
        # Halved while the server refuses a batch, so that one bad entry is found and alone is lost; grows again.
        self._max_entries = MAX_BATCH_ENTRIES
        # Halved when the server finds a batch too large. It will not change its mind: never grows.
        self._max_bytes = MAX_BATCH_BYTES
        self._refusals = backoff.Budget(REFUSALS_BURST, REFUSALS_PER_S)
        self._is_failing = False
        # A pause of this process alone: failures in a row for reasons of its own, and when it may try again.
        self._own_failures = 0
        self._resume_at_s = 0.0
        #: How many POSTs this process has made, and the seconds that they took.
        self.posts = 0
        self.post_s = 0.0
        #: POSTs of this process that have to be repeated.
        self.retries = 0
        #: Why the latest POST of this process failed; None once one has succeeded.
        self.last_error: str | None = None

    def pause_s(self) -> float:
        """Seconds until the next try may be made; 0 where it may be made now.

        All processes of the host share a pause for what the server says. One for this process's own trouble is its own.
        """
        return max(self._queue.pause_s(), self._resume_at_s - _core.monotonic(), 0.0)

    def post_next(self, timeout_s: float | None = None, *, is_last: bool = False) -> bool:
        """Posts the next batch.

        Args:
            timeout_s: Seconds it may take, if less than the config's `timeout`.
            is_last: Before an exit: a pause does not hold it up.

        Returns:
            Whether to go on: False where nothing waits, or where the server has to be left alone for a while.
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
            # It was this process's turn to find out whether the server is back, and it could not: the next one's.
            self._queue.failed(0.0, result.reason)
