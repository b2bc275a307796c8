"""`Flusher`: a process's queue, its connection, and the thread that moves logs from the one to the other."""

from __future__ import annotations

import math
import os
import threading
from typing import TYPE_CHECKING

from readme_metrics import _core
from readme_metrics._process import wsgi_server
from readme_metrics._process.reporter import HeldReports
from readme_metrics.delivery import queue_dirs
from readme_metrics.delivery.background import Background
from readme_metrics.delivery.before_send import before_send_of
from readme_metrics.delivery.delivery import MAX_BATCH_BYTES, Delivery
from readme_metrics.delivery.docs_url import DocsUrl
from readme_metrics.delivery.figures import of_flusher
from readme_metrics.delivery.inline import InlineTurns
from readme_metrics.delivery.senders.choice import sender_for
from readme_metrics.delivery.upkeep import LOOK_S, Upkeep

if TYPE_CHECKING:
    from collections.abc import Sequence

    from readme_metrics._process.reporter import Reporter
    from readme_metrics.config import MetricsApiConfig

#: Under load, a batch grows for this long before the next POST: at 2,000 requests a second, it gets 200 logs.
LINGER_S = 0.1
#: A batch does not grow beyond this number of logs, which fit one POST if they are of a common size (4 KiB).
LINGER_ENTRIES = 250
#: More entries than any queue holds, so that no request wakes the flusher.
_NEVER = 1 << 62


class Flusher:
    """Made by the first log of a process, and of no use in another process: see `pid`.

    The constructor reports nothing: call `tell` afterwards, without holding a lock.
    """

    def __init__(self, config: MetricsApiConfig, reporter: Reporter) -> None:
        self.pid = os.getpid()
        #: The ids of the intakes that use this flusher; the last one to leave stops it.
        self.users: set[int] = set()
        self._config = config
        self._reporter = reporter
        # Reports that are made while a lock is held, and written without it, since a log handler may call the app.
        self._reports = HeldReports(reporter)
        self.tell = self._reports.tell
        self._sender = sender_for(config)
        self.queue = queue_dirs.open_queue(config)
        self._upkeep = Upkeep(config, self.queue, self._reports)
        self.docs_url = DocsUrl(config)
        before_send = before_send_of(config, self._reports)
        self._delivery = Delivery(self.queue, self._sender, self._reports, config.METRICS_API_TIMEOUT, before_send)
        self._buffer_length = config.BUFFER_LENGTH
        self._waiting_since_s = _core.monotonic()
        # Whether a batch could not be delivered: it is due as soon as the pause ends.
        self._is_behind = False
        # Held by whichever thread sends: the flusher's, that of a request, or that of a caller of flush().
        self._sending = threading.Lock()
        self._posted_at_s = -math.inf  # no POST yet: the first one never waits for a batch to grow
        self.is_stopping = False
        self.shutdown_timeout_s = config.shutdown_timeout
        self._deadline_s = 0.0
        # Under a uWSGI without threads no thread will ever run: requests send as in synchronous mode.
        is_inline = not (config.IS_BACKGROUND_MODE and wsgi_server.runs_threads())
        self._inline = InlineTurns(config.METRICS_API_TIMEOUT, is_wanted=is_inline)
        self._background = Background(self._run, self._reports, is_wanted=config.IS_BACKGROUND_MODE)
        self._background.start()

    @property
    def has_thread(self) -> bool:
        return self._background.is_running

    def recorded(self, waiting: int, *, may_wait: bool = True) -> None:
        """Called on the request's thread after a push at which `Queue.call_at_entries` asks for a call.

        Args:
            waiting: The number of entries in this process's queue; 0 if the new one was dropped.
            may_wait: Whether this thread may send if the flusher has no thread; that of an event loop may not.
        """
        if waiting == 1:
            self._waiting_since_s = _core.monotonic()
        if self.is_stopping:
            if waiting == 0:
                self._reporter.warning(
                    "late", "A request came after the last delivery of its process: its log is dropped"
                )
        elif not self.has_thread:
            if waiting == 0 or self._is_due(waiting):
                self._send_inline(may_wait=may_wait)
        elif waiting >= self.queue.call_at_entries:
            self.queue.call_at_entries = _NEVER
            self._background.call()

    def _is_due(self, waiting: int) -> bool:
        return (
            waiting >= self._buffer_length
            or self._is_behind
            or (waiting > 0 and _core.monotonic() >= self._waiting_since_s + self._config.flush_interval)
        )

    def _run(self) -> None:
        try:
            self._sender.load()
        except Exception as error:
            self._reporter.error("load", "What sending needs cannot be imported (%s)", type(error).__name__)
        # The first turn comes before the first wait: orphans beyond their bound are evicted in it.
        must_wait = False
        while not self.is_stopping:
            try:
                if must_wait:
                    self._wait()
                must_wait = True
                if not self.is_stopping:
                    self._tick()
            except Exception as error:
                self._reporter.error("flusher", "The flusher failed and goes on: %s", type(error).__name__)
            self.tell()
        self._finish()

    def _wait(self) -> None:
        wait_s = min(LOOK_S, self._config.flush_interval)
        if pause_s := self._delivery.pause_s():
            # No POST may be made now, so requests need not wake this thread.
            self._sleep(min(wait_s, pause_s), _NEVER)
            return
        self._sleep(wait_s, self._buffer_length)
        linger_s = self._posted_at_s + LINGER_S - _core.monotonic()
        if linger_s > 0 and not self.is_stopping:
            self._sleep(linger_s, max(self._buffer_length, LINGER_ENTRIES))

    def _sleep(self, longest_s: float, call_at_entries: int) -> None:
        """Sleeps until `call_at_entries` entries wait, the flusher is to stop, or `longest_s` seconds are over."""
        # If a request calls between these two lines, the lock stays released; a push before them is seen by the
        # comparison.
        self.queue.call_at_entries = call_at_entries
        if self.queue.waiting < call_at_entries:
            self._background.sleep(longest_s)
        self.queue.call_at_entries = _NEVER

    def _tick(self) -> None:
        adopted = self._upkeep.look_round()
        if self._delivery.pause_s() or not (adopted or self._is_due(self.queue.waiting)):
            return
        with self._sending:
            while self._delivery.post_next() and not self.is_stopping:
                # Less than a whole batch is left: it grows until the next turn.
                if not adopted and self.queue.waiting_bytes < MAX_BATCH_BYTES:
                    break
            self._posted_at_s = self._waiting_since_s = _core.monotonic()
            self._is_behind = self.queue.waiting > 0 and self._delivery.pause_s() > 0
        if self._sender.knows_base_url and not self._is_behind and not self.is_stopping:
            self.docs_url.look_up()

    def _send_inline(self, *, may_wait: bool) -> None:
        """Sends due entries on the request's thread, within its time. A thread that sends already sends ours too."""
        until_s = _core.monotonic() + self._inline.timeout_s
        while self._inline.may_begin() and self._sending.acquire(blocking=False):
            try:
                is_delivered = self._send_a_batch(may_wait=may_wait)
            finally:
                self._sending.release()
            self.tell()
            # Requests that came meanwhile left their entries to this thread, and there may be no later request.
            if not (is_delivered and self._is_due(self.queue.waiting)) or _core.monotonic() >= until_s:
                break

    def _send_a_batch(self, *, may_wait: bool) -> bool:
        """Sends one batch on this thread, which holds `_sending`. Returns whether it was delivered."""
        started_s, is_delivered = _core.monotonic(), False
        try:
            self._background.start()
            if self.has_thread or not may_wait:
                self._background.call()
                return False
            self._upkeep.look_round()
            is_delivered = not self._delivery.pause_s() and self._delivery.post_next(self._inline.timeout_s)
            if is_delivered:
                left_s = self._inline.timeout_s - (_core.monotonic() - started_s)
                if self._sender.knows_base_url and left_s > 0:
                    self.docs_url.look_up(left_s)
            self._waiting_since_s = _core.monotonic()
        except Exception as error:  # the log is in the queue and will be sent later
            self._reports.error("flusher", "Sending failed and will be repeated: %s", type(error).__name__)
        finally:
            self._inline.ended(started_s)
        return is_delivered

    def _drain(self, deadline_s: float) -> None:
        """Sends own logs, then those of dead siblings, until the deadline or a POST that fails. Ignores a pause."""
        if not self._sending.acquire(timeout=max(deadline_s - _core.monotonic(), 0.0)):
            return
        try:
            while (left_s := deadline_s - _core.monotonic()) > 0:
                is_delivered = self._delivery.post_next(left_s, is_last=True)
                if not is_delivered and (self.queue.waiting or not self.queue.adopt()):
                    break
        finally:
            self._sending.release()
            self.tell()

    def flush(self, timeout_s: float) -> int:
        """Sends the entries that wait, for at most `timeout_s` seconds. Returns how many are left."""
        try:
            self._drain(_core.monotonic() + timeout_s)
        except Exception as error:
            self._reporter.error("flusher", "Sending failed and will be repeated: %s", type(error).__name__)
        return self.queue.waiting

    def stats(self, others: Sequence[Flusher]) -> dict[str, object]:
        """The sums of this process and of the host; `others` are the other flushers of this process."""
        return of_flusher.stats(self.queue, self._siblings(others), self._delivery)

    def metrics_text(self, others: Sequence[Flusher]) -> str:
        """The sums of the host as Prometheus text, with the times of this process's POSTs."""
        return of_flusher.metrics_text(self.queue, self._siblings(others), self._delivery)

    def _siblings(self, others: Sequence[Flusher]) -> list[_core.Queue]:
        return [other.queue for other in others if other is not self and other.pid == self.pid]

    def stop(self, deadline_s: float) -> None:
        """Asks the thread for a last delivery until `deadline_s` (monotonic) and does not wait for it: see `join`."""
        if self.pid == os.getpid() and not self.is_stopping:
            self._deadline_s = deadline_s
            self.is_stopping = True
            self._background.call()
            if not self.has_thread:
                self._finish()

    def join(self) -> None:
        """Waits for the end of the thread until the deadline; reports its losses if it goes on beyond."""
        if self.pid == os.getpid() and not self._background.join(max(self._deadline_s - _core.monotonic(), 0.0)):
            self._upkeep.tell_last_losses()
            self.tell()

    def _finish(self) -> None:
        try:
            self._drain(self._deadline_s)
            self._sender.close()
            self._upkeep.tell_last_losses()
            self.queue.close()
            self.queue.call_at_entries = 0  # each later request calls `recorded`, which reports that it is too late
        except Exception as error:
            self._reporter.error("flusher", "The flusher failed at its end: %s", type(error).__name__)
        self.tell()
