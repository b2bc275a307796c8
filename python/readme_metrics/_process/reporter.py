"""`Reporter`: logs our own errors, each cause once a minute. The caller counts them; none is raised into the app."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from readme_metrics import _core

if TYPE_CHECKING:
    from collections.abc import Callable

    from readme_metrics.config import MetricsApiConfig

#: How long a cause stays silent once it was reported: a failure on every request must not flood the app's log.
WINDOW_S = 60.0


_is_exit_over = False


def end() -> None:
    """Silences every thread but the main one; called at the end of the exit handlers.

    A daemon thread that is stopped while it writes to stderr keeps the lock of stderr, and Python then ends the process
    with a fatal error.
    """
    global _is_exit_over
    _is_exit_over = True


class Reporter:
    """Writes to the configuration's `LOGGER`. An exception of the logger never reaches the caller."""

    def __init__(self, config: MetricsApiConfig) -> None:
        self._config = config
        self._muted_until: dict[str, float] = {}

    def warning(self, cause: str, message: str, *args: object) -> None:
        self._report("warning", cause, message, args)

    def error(self, cause: str, message: str, *args: object) -> None:
        self._report("error", cause, message, args)

    def loss(self, message: str, *args: object) -> None:
        """Reports dropped logs without muting the cause: `DropNotices` keeps a window of its own."""
        self._log("warning", message, args)

    def _report(self, level: str, cause: str, message: str, args: tuple[object, ...]) -> None:
        now = _core.monotonic()
        if now < self._muted_until.get(cause, 0.0):
            return
        # Muted before the call: a log handler may send a request through the app, whose failure comes here again.
        self._muted_until[cause] = now + WINDOW_S
        self._log(level, message, args)

    def _log(self, level: str, message: str, args: tuple[object, ...]) -> None:
        if _is_exit_over and threading.current_thread() is not threading.main_thread():
            return
        try:
            getattr(self._config.LOGGER, level)(message, *args)
        except Exception:  # noqa: S110 - a broken LOGGER is the one thing that cannot be logged
            pass


class HeldReports:
    """A `Reporter` for code that holds a lock: keeps the reports until `tell` is called after the lock is released.

    A log handler may call the app, and the app may need that lock.
    """

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._held: deque[Callable[[], None]] = deque()

    def warning(self, cause: str, message: str, *args: object) -> None:
        self._held.append(lambda: self._reporter.warning(cause, message, *args))

    def error(self, cause: str, message: str, *args: object) -> None:
        self._held.append(lambda: self._reporter.error(cause, message, *args))

    def loss(self, message: str, *args: object) -> None:
        self._held.append(lambda: self._reporter.loss(message, *args))

    def tell(self) -> None:
        """Writes the kept reports. Any thread may call it, also from within a report."""
        while True:
            try:
                report = self._held.popleft()
            except IndexError:
                return
            report()
