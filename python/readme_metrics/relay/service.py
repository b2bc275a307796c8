"""`Relay`: runs one worker for each project, and logs their progress."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from readme_metrics import MetricsApiConfig
from readme_metrics.delivery.senders.http import Transport
from readme_metrics.relay import address
from readme_metrics.relay.connection import Connection
from readme_metrics.relay.project_worker import REDIS_TIMEOUT_S, ProjectWorker, Settings
from readme_metrics.relay.server_facts import warnings

if TYPE_CHECKING:
    from readme_metrics.relay.sums import Sums

LOGGER = logging.getLogger("readme_metrics.relay")
#: A backlog is logged if its oldest entry is older than this.
BACKLOG_S = 10.0
#: Seconds between two log lines about a backlog.
PROGRESS_S = 10.0
#: How often the settings of Redis are checked: see `server_facts`.
FACTS_S = 3600.0


class Options(NamedTuple):
    """The options of `readme-metrics relay`; times are in seconds."""

    redis_url: str
    timeout_s: float = 3.0
    take_over_s: float = 30.0
    shutdown_timeout_s: float = 5.0
    compress: bool = False


class Relay:
    """Runs from `start` to `stop`.

    Args:
        options: The options, which the command has checked.
        keys: The ReadMe API keys by project.
    """

    def __init__(self, options: Options, keys: Mapping[str, str]) -> None:
        self._options = options
        consumer = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        settings = Settings(options.redis_url, consumer, options.take_over_s)
        self.workers = [self._worker(project, key, settings) for project, key in keys.items()]
        self._stopping = threading.Event()
        self._seen: dict[str, tuple[float, Sums]] = {}

    def _worker(self, project: str, key: str, settings: Settings) -> ProjectWorker:
        config = MetricsApiConfig(
            key,
            None,
            timeout=self._options.timeout_s,
            compress=self._options.compress,
            relay=settings.redis_url,
            project=project,
        )
        config.LOGGER = LOGGER.getChild(project)
        return ProjectWorker(project, config, Transport(config), settings)

    def start(self) -> None:
        for worker in self.workers:
            worker.start()

    def watch(self) -> None:
        """Logs backlogs and warnings about the settings of Redis, until the process is told to stop."""
        facts_at_s = 0.0
        while True:
            now_s = time.monotonic()
            if now_s >= facts_at_s and self._tell_facts():
                facts_at_s = now_s + FACTS_S
            for worker in self.workers:
                self._tell_progress(worker, now_s)
            self._stopping.wait(PROGRESS_S)

    def _tell_facts(self) -> bool:
        try:
            connection = Connection(self._options.redis_url, REDIS_TIMEOUT_S)
            for warning in warnings(connection):
                LOGGER.warning("Redis at %s: %s", address.masked(self._options.redis_url), warning)
            connection.close()
        except Exception:  # the workers report it
            return False
        return True

    def _tell_progress(self, worker: ProjectWorker, now_s: float) -> None:
        sums = worker.sums
        if sums is None:
            return
        before_s, before = self._seen.get(worker.project, (now_s, sums))
        self._seen[worker.project] = now_s, sums
        was_behind = before.queued and before.oldest_s > BACKLOG_S
        if sums.queued and sums.oldest_s > BACKLOG_S:
            per_s = (sums.delivered - before.delivered) / max(now_s - before_s, 1.0)
            shrinks_per_s = (before.queued - sums.queued) / max(now_s - before_s, 1.0)
            rest = f"empty in about {sums.queued / shrinks_per_s:,.0f} s" if shrinks_per_s > 0 else "not shrinking"
            LOGGER.info(
                "%s: %s logs wait (%.1f MiB, the oldest for %.0f s), %s delivered per second, %s",
                worker.project,
                f"{sums.queued:,}",
                sums.bytes / 2**20,
                sums.oldest_s,
                f"{per_s:,.0f}",
                rest,
            )
        elif was_behind:
            LOGGER.info("%s: the backlog is delivered", worker.project)

    def stop(self) -> bool:
        """Ends within `shutdown_timeout_s`. Returns whether every worker has given back its entries."""
        deadline_s = time.monotonic() + self._options.shutdown_timeout_s
        for worker in self.workers:
            worker.stop()
        return all([worker.join(max(deadline_s - time.monotonic(), 0.0)) for worker in self.workers])
