"""`Upkeep`: the work of a flusher about once a second, other than sending."""

from __future__ import annotations

from typing import TYPE_CHECKING

from readme_metrics import _core
from readme_metrics.delivery import queue_dirs
from readme_metrics.delivery.drop_notices import DropNotices
from readme_metrics.delivery.expiry import expire

if TYPE_CHECKING:
    from readme_metrics._process.reporter import HeldReports
    from readme_metrics.config import MetricsApiConfig

#: How often an idle flusher looks for segments of dead siblings: half of the two seconds that are promised.
LOOK_S = 1.0
#: How soon, and then how often, a flusher looks for logs of keys that no process uses. Not while the app starts.
FIRST_EXPIRY_S = 60.0
EXPIRY_S = 3600.0


class Upkeep:
    """Maintains one process's queue and reports what happens to it. One caller at a time.

    Args:
        config: The configuration of the app.
        queue: The queue of this process.
        reports: Gets warnings about private memory and dropped logs.
    """

    def __init__(self, config: MetricsApiConfig, queue: _core.Queue, reports: HeldReports) -> None:
        self._config = config
        self._queue = queue
        self._reports = reports
        self._losses = DropNotices(reports)
        self._look_at_s = 0.0
        self._expire_at_s = _core.monotonic() + FIRST_EXPIRY_S
        self._is_private = False
        self._say_where_the_queue_is()

    def look_round(self) -> int:
        """Adopts the logs of dead processes and reports dropped logs, at most once in `LOOK_S`.

        Returns:
            How many logs were adopted.
        """
        now_s = _core.monotonic()
        if now_s < self._look_at_s:
            return 0
        self._look_at_s = now_s + LOOK_S
        adopted = self._queue.adopt()
        self._say_where_the_queue_is()
        self._update_losses()
        if now_s >= self._expire_at_s:
            self._expire_at_s = now_s + EXPIRY_S
            self._expire()
        return adopted

    def tell_last_losses(self) -> None:
        """Reports dropped logs at the end of the process, before the queue is closed."""
        self._update_losses()
        self._losses.close()
        waiting = self._queue.waiting
        if waiting and self._queue.directory is None:
            message = "%d logs are lost: they could not be sent before the end of their process, nor left to another"
            self._reports.loss(message, waiting)

    def _say_where_the_queue_is(self) -> None:
        """Warns when the queue is in private memory, at the start or later, and when it is shared again."""
        was_private, self._is_private = self._is_private, self._queue.directory is None
        if self._is_private and not was_private:
            reasons = "; ".join(self._queue.refusals)
            message = "Logs of killed workers cannot be rescued: no shared directory (%s)"
            self._reports.warning("private", message, reasons)
        elif was_private and not self._is_private:
            self._reports.warning("shared", "Logs of killed workers can be rescued again: %s", self._queue.directory)

    def _update_losses(self) -> None:
        stats = self._queue.stats()
        dropped, others = stats.own.dropped, stats.adopted.dropped
        self._losses.update({reason: count + others[reason] for reason, count in dropped.items()})

    def _expire(self) -> None:
        days = self._config.orphan_days
        given_up = expire(queue_dirs.directories(self._config), queue_dirs.name(self._config), days)
        if given_up:
            self._reports.loss("%d logs of keys that no process has used for %g days were dropped", given_up, days)
