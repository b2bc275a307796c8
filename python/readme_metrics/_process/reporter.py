"""What becomes of an error of ours: counted by its caller, logged here once a minute per cause, never raised."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from readme_metrics.config import MetricsApiConfig

#: A minute: long enough that a failure on every request does not flood a log, short enough to be seen in it.
WINDOW_S = 60.0


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
        now = time.monotonic()
        if now < self._muted_until.get(cause, 0.0):
            return
        # Muted before the call: a log handler that sends a request through the app must not end up here again.
        self._muted_until[cause] = now + WINDOW_S
        self._log(level, message, args)

    def _log(self, level: str, message: str, args: tuple[object, ...]) -> None:
        try:
            getattr(self._config.LOGGER, level)(message, *args)
        except Exception:  # noqa: S110 - a broken LOGGER is the one thing that cannot be logged
            pass
