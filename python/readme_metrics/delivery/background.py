"""`Background`: the flusher's thread, started as soon as the process can start one, and its sleep."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from readme_metrics import _core
from readme_metrics._process import threads, wsgi_server

if TYPE_CHECKING:
    from collections.abc import Callable

    from readme_metrics._process.reporter import HeldReports

#: Seconds until a thread that could not be started is tried again: the limit of threads may be reached only for a
#: while.
RETRY_S = 10.0
_NEVER = float("inf")


class Background:
    """The flusher's thread. One caller at a time.

    Args:
        run: Runs on the thread.
        reports: Gets one warning if no thread can be started.
        is_wanted: The configuration's `background_worker_mode`.
    """

    def __init__(self, run: Callable[[], None], reports: HeldReports, *, is_wanted: bool) -> None:
        self._run = run
        self._reports = reports
        self._thread: threading.Thread | None = None
        self._start_at_s = 0.0 if is_wanted else _NEVER
        # A plain lock that is released to wake the thread. Releasing it takes no other lock, so a signal handler or a
        # finaliser that logs a request cannot deadlock here, as it could in an Event.
        self._wake = threading.Lock()
        self._wake.acquire()

    @property
    def is_running(self) -> bool:
        return self._thread is not None

    def start(self) -> None:
        """Starts the thread if it is wanted and not running, and if the last try was long enough ago."""
        if self._thread is not None or _core.monotonic() < self._start_at_s:
            return
        if not wsgi_server.runs_threads():
            self._start_at_s = _NEVER
            self._reports.warning(
                "threads", "uWSGI runs no threads: requests send logs themselves. Start it with --enable-threads"
            )
            return
        try:
            thread = threads.start(self._run, "readme-metrics.Flusher")
        except RuntimeError as error:  # out of threads, or Python 3.12+ at exit
            if not self._start_at_s:
                message = "No thread can be started (%s): until one can, requests send logs themselves, a few at a time"
                self._reports.warning("threads", message, error)
            self._start_at_s = _core.monotonic() + RETRY_S
        else:
            self._thread = thread

    def call(self) -> None:
        """Wakes the thread, or makes its next sleep end at once."""
        try:
            self._wake.release()
        except RuntimeError:  # the thread was woken already
            pass

    def sleep(self, longest_s: float) -> None:
        """Sleeps until `call`, for at most `longest_s` seconds. For the thread itself."""
        self._wake.acquire(timeout=longest_s)

    def join(self, timeout_s: float) -> bool:
        """Waits up to `timeout_s` seconds for the end of the thread, if any. Returns whether no thread runs."""
        if self._thread is None:
            return True
        self._thread.join(timeout_s)
        return not self._thread.is_alive()
