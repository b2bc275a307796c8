"""`Flusher`: what one process owns: its queue, its connection, and the thread that moves logs from one to the other."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

from readme_metrics import _core, place
from readme_metrics.delivery import Delivery
from readme_metrics.docs_url import DocsUrl
from readme_metrics.transport import Transport

if TYPE_CHECKING:
    from readme_metrics._guard import Reporter
    from readme_metrics.config import MetricsApiConfig

#: How often an idle flusher looks for segments of dead siblings. Half of the two seconds that are promised.
TICK_S = 1.0
#: Under load, batches grow for this long between two POSTs: at 1,000 requests a second, 50 logs share one.
LINGER_S = 0.05


class Flusher:
    """Made by the first log of a process, and of no use in any other: see `pid`."""

    def __init__(self, config: MetricsApiConfig, reporter: Reporter) -> None:
        self.pid = os.getpid()
        self._config = config
        self._reporter = reporter
        self._transport = Transport(config)
        name = place.name(config.README_API_KEY, self._transport.server)
        self.queue = _core.Queue(place.directories(config), name, config.queue_bytes)
        if self.queue.directory is None:
            reasons = "; ".join(self.queue.refusals)
            reporter.warning("private", "Logs of killed workers cannot be rescued: no shared directory (%s)", reasons)
        self.docs_url = DocsUrl(config)
        self._delivery = Delivery(self.queue, self._transport, reporter)
        self._buffer_length = config.BUFFER_LENGTH
        self._waiting_since_s = 0.0
        self._adopt_at_s = 0.0
        # One sender at a time: the thread, a request in synchronous mode, or whoever calls flush().
        self._sending = threading.Lock()
        # A bare lock as a wake-up call, free when somebody has called: releasing it takes no other lock, so neither a
        # signal handler nor a finaliser that logs a request can deadlock here, as it could in an Event.
        self._wake = threading.Lock()
        self._wake.acquire()
        self._wants_wake = False
        self._is_stopping = False
        self._deadline_s = 0.0
        self._thread = self._start() if config.IS_BACKGROUND_MODE else None

    def _start(self) -> threading.Thread | None:
        thread = threading.Thread(target=self._run, name="readme-metrics.Flusher", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # out of threads, or Python 3.12+ at exit: requests send for themselves
            return None
        return thread

    def recorded(self, waiting: int) -> None:
        """After each push, on the request's thread.

        Args:
            waiting: Entries in this process's queue; 0 where the new one was dropped.
        """
        if waiting == 0:
            self._reporter.warning(
                "full", "The queue is full or a log too large for it: logs are dropped (see stats())"
            )
        elif waiting == 1:
            self._waiting_since_s = time.monotonic()
        if self._thread is None:
            if waiting >= self._buffer_length or self._is_overdue(waiting):
                self._send_inline()
        elif waiting >= self._buffer_length and self._wants_wake:
            self._wants_wake = False
            self._call()

    def _is_overdue(self, waiting: int) -> bool:
        return waiting > 0 and time.monotonic() >= self._waiting_since_s + self._config.flush_interval

    def _call(self) -> None:
        try:
            self._wake.release()
        except RuntimeError:  # somebody else has called already
            pass

    def _run(self) -> None:
        while not self._is_stopping:
            self._wait()
            if self._is_stopping:
                break
            try:
                self._tick()
            except Exception as error:
                self._reporter.error("flusher", "The flusher failed and goes on: %s", type(error).__name__)
        self._finish()

    def _wait(self) -> None:
        pause_s = self._delivery.pause_s()
        # During a pause nothing can be sent, and requests need not call. A call between the two lines below is kept
        # by the lock; a push before them is seen by the comparison.
        self._wants_wake = pause_s == 0.0
        if pause_s or self.queue.waiting < self._buffer_length:
            wait_s = min(TICK_S, self._config.flush_interval)
            self._wake.acquire(timeout=min(wait_s, pause_s) if pause_s else wait_s)
        self._wants_wake = False

    def _tick(self) -> None:
        self.docs_url.refresh(self._transport)
        now_s = time.monotonic()
        adopted = 0
        if now_s >= self._adopt_at_s:
            self._adopt_at_s = now_s + TICK_S
            adopted = self.queue.adopt()
        waiting = self.queue.waiting
        if self._delivery.pause_s() or not (adopted or waiting >= self._buffer_length or self._is_overdue(waiting)):
            return
        with self._sending:
            while self._delivery.post_next() and not self._is_stopping:
                if self.queue.waiting < self._buffer_length:
                    break
                self._wake.acquire(timeout=LINGER_S)
        self._waiting_since_s = time.monotonic()

    def _send_inline(self) -> None:
        """On the request's thread: one batch. A thread that is sending already takes ours as well."""
        if self._sending.acquire(blocking=False):
            try:
                self.docs_url.refresh(self._transport)
                self.queue.adopt()
                if not self._delivery.pause_s():
                    self._delivery.post_next()
                self._waiting_since_s = time.monotonic()
            finally:
                self._sending.release()

    def _drain(self, deadline_s: float) -> None:
        """Sends all there is until it is gone, the deadline passes or a POST fails; a pause does not hold it up."""
        if not self._sending.acquire(timeout=max(deadline_s - time.monotonic(), 0.0)):
            return
        try:
            while (left_s := deadline_s - time.monotonic()) > 0 and self._delivery.post_next(left_s):
                pass
        finally:
            self._sending.release()

    def flush(self, timeout_s: float) -> int:
        """Sends what waits. Returns how many entries are left after at most `timeout_s` seconds."""
        self._drain(time.monotonic() + timeout_s)
        return self.queue.waiting

    def stop(self, wait_s: float) -> None:
        """Ends the thread with a last delivery, and waits for it up to `wait_s` seconds."""
        if self.pid != os.getpid() or self._is_stopping:
            return
        self._deadline_s = time.monotonic() + (wait_s or self._config.shutdown_timeout)
        self._is_stopping = True
        self._call()
        if self._thread is None:
            self._finish()
        else:
            self._thread.join(wait_s)

    def _finish(self) -> None:
        self._drain(self._deadline_s)
        self._transport.close()
        self.queue.close()
