"""What becomes of an error of ours: counted by its caller, logged here once a minute per cause, never raised."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from readme_metrics import _core

if TYPE_CHECKING:
    from collections.abc import Callable

    from readme_metrics.config import MetricsApiConfig

#: A minute: long enough that a failure on every request does not flood a log, short enough to be seen in it.
WINDOW_S = 60.0


_is_exit_over = False


def end() -> None:
    """Lets no thread but the main one report any more; for the end of the exit handlers.

    A daemon thread that is stopped while it writes to stderr takes the lock of stderr along, and Python then ends the
    process with a fatal error.
    """
    global _is_exit_over
    _is_exit_over = True


class Reporter:
    """Writes to the config's LOGGER. Nothing that the logger does reaches the caller."""

    def __init__(self, config: MetricsApiConfig) -> None:
        self._config = config
        self._muted_until: dict[str, float] = {}

    def warning(self, cause: str, message: str, *args: object) -> None:
        self._report("warning", cause, message, args)

    def error(self, cause: str, message: str, *args: object) -> None:
        self._report("error", cause, message, args)

    def loss(self, message: str, *args: object) -> None:
        """What `DropNotices` has found, which keeps the window itself."""
        self._log("warning", message, args)

    def _report(self, level: str, cause: str, message: str, args: tuple[object, ...]) -> None:
        now = _core.monotonic()
        if now < self._muted_until.get(cause, 0.0):
            return
        # Muted before the call: a log handler that sends a request through the app must not end up here again.
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
    """A `Reporter` for code that runs while a lock is held: keeps the reports until `tell` is called without it.

    A log handler may call the app, which may want the very lock.
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
        """Reports what was held. Any thread may, and a report may lead back here."""
        while True:
            try:
                report = self._held.popleft()
            except IndexError:
                return
            report()
