"""`ProjectWorker`: moves one project's logs from its stream to ReadMe.

Each project has a thread and connections of its own, so that a project whose logs are refused or slow holds up no
other.
"""

from __future__ import annotations

import secrets
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

import redis.exceptions

from readme_metrics._process.reporter import HeldReports, Reporter
from readme_metrics.delivery.delivery import Delivery
from readme_metrics.delivery.docs_url import DocsUrl
from readme_metrics.delivery.senders import http
from readme_metrics.relay import acl, address, layout, scripts
from readme_metrics.relay.connection import Connection
from readme_metrics.relay.stream_queue import StreamQueue
from readme_metrics.relay.sums import Sums, read_sums

if TYPE_CHECKING:
    from readme_metrics.config import MetricsApiConfig
    from readme_metrics.delivery.senders.outcome import Sender

#: How long an idle relay waits for an entry, which is also how long its end may take.
BLOCK_S = 0.5
#: The pause between two POSTs, unless enough logs wait for a whole POST: POSTs carry more logs, and there are fewer.
LINGER_S = 0.1
#: How often the sums are read and checked.
LOOK_S = 1.0
#: How often a relay reports that it is alive.
HEARTBEAT_S = 5.0
#: How often relays that no longer report are looked for, and after how long such a relay is forgotten.
FORGET_EVERY_S = 600.0
FORGET_AFTER_S = 3600
#: The first wait for a Redis that does not answer; the wait doubles up to the longest.
REDIS_FIRST_S = 0.1
REDIS_LONGEST_S = 5.0
#: Seconds that one exchange with Redis may take.
REDIS_TIMEOUT_S = 5.0


class Settings(NamedTuple):
    """What all projects of a relay have in common."""

    redis_url: str
    consumer: str
    #: Seconds after which the entries of a dead relay are taken over.
    take_over_s: float


class ProjectWorker:
    """The worker runs from `start` until `stop` is called; `join` waits for its end."""

    def __init__(self, project: str, config: MetricsApiConfig, sender: Sender, settings: Settings) -> None:
        self.project = project
        self._settings = settings
        self._reporter = Reporter(config)
        self._sender = sender
        self._redis = Connection(settings.redis_url, REDIS_TIMEOUT_S)
        self.queue = StreamQueue(self._redis, project, settings.consumer, settings.take_over_s)
        self._reports = HeldReports(self._reporter)
        self._delivery = Delivery(self.queue, sender, self._reports, config.METRICS_API_TIMEOUT)
        self._docs_url = DocsUrl(config, http.project_base_url)
        self._published_base_url: str | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"readme-metrics.Relay.{project}", daemon=True)
        self._look_at_s = 0.0
        self._heartbeat_at_s = 0.0
        self._forget_at_s = time.monotonic() + FORGET_EVERY_S
        self._redis_failures = 0
        self._posted_at_s = 0.0
        self._is_backlog = False
        self._shown_error = ""
        #: The project's sums as they were last seen; None before the first look.
        self.sums: Sums | None = None
        #: Whether Redis answered the last time it was asked.
        self.is_redis_up = False

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Asks the worker to end: it finishes its POST and gives back the entries that it holds."""
        self._stopping.set()

    def join(self, timeout_s: float) -> bool:
        """Waits up to `timeout_s` seconds for the end. Returns whether the worker has ended."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def seen(self) -> Sums:
        """The sums as they were last seen, or zeros."""
        return self.sums or Sums()

    @property
    def retries(self) -> int:
        """POSTs that had to be made again."""
        return self._delivery.retries

    @property
    def failures(self) -> int:
        """POSTs in a row that have failed."""
        return self.queue.failures

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._turn()
                self._redis_answered()
            except redis.exceptions.ResponseError as error:
                if str(error).startswith("NOGROUP"):
                    self._make_group()
                else:
                    self._redis_failed(error)
            except (redis.exceptions.RedisError, OSError) as error:
                self._redis_failed(error)
            except Exception as error:
                self._reporter.error("relay", "The relay failed and goes on: %s", type(error).__name__)
                self._stopping.wait(LOOK_S)
        self._end()

    def _turn(self) -> None:
        self.queue.settle()
        self._look()
        pause_s = self._delivery.pause_s()
        if pause_s > 0:
            self.queue.keep()
            self._stopping.wait(min(pause_s, self._settings.take_over_s / 6, LOOK_S))
            return
        linger_s = self._posted_at_s + LINGER_S - time.monotonic()
        if linger_s > 0 and not self._is_backlog:
            self._stopping.wait(linger_s)
        self.queue.fill(BLOCK_S)
        self._is_backlog = self.queue.is_filled
        self._posted_at_s = time.monotonic()
        if self._delivery.post_next():
            self._docs_url.look_up()
        self._reports.tell()

    def _look(self) -> None:
        """Once in a while, checks the sums against the stream and reports that this relay is alive."""
        now_s = time.monotonic()
        if now_s < self._look_at_s:
            return
        self._look_at_s = now_s + LOOK_S
        keys = self.queue.keys
        lost = self._redis.run(scripts.RECOUNT, [keys.stream, keys.totals])
        sums = read_sums(self._redis, keys)
        if not sums.epoch:
            lost += self._restore()
            sums = read_sums(self._redis, keys)
        self.sums = sums
        if lost:
            self._reporter.error(
                "lost", "%d logs were in the stream and are gone: somebody removed them, or Redis did", lost
            )
        self._show_error()
        self._publish_base_url()
        if now_s >= self._heartbeat_at_s:
            self._heartbeat_at_s = now_s + HEARTBEAT_S
            self._redis.run(scripts.HEARTBEAT, [keys.relays], self._settings.consumer)
        if now_s >= self._forget_at_s:
            self._forget_at_s = now_s + FORGET_EVERY_S
            self._published_base_url = None
            self._redis.run(scripts.FORGET_RELAYS, [keys.stream, keys.relays], layout.GROUP, FORGET_AFTER_S)

    def _restore(self) -> int:
        """Writes the sums that this worker remembers to a Redis that has none. Returns how many logs were lost."""
        known = self.sums or Sums()
        arguments = (known.added, known.delivered, known.refused, known.lost + known.queued)
        epoch = secrets.token_hex(8)
        holds = self._redis.run(scripts.RESTORE, [self.queue.keys.totals], epoch, *arguments)
        return known.queued if holds == epoch.encode() else 0

    def _publish_base_url(self) -> None:
        """Writes the address of the documentation to Redis for the apps, and again if Redis may have lost it."""
        base_url = self._docs_url.base_url
        if base_url is not None and base_url != self._published_base_url:
            try:
                self._redis("SET", self.queue.keys.base_url, base_url)
            except redis.exceptions.OutOfMemoryError:
                return
            self._published_base_url = base_url

    def _show_error(self) -> None:
        """Writes the last error to Redis, so that `status --relay` can show why logs are not delivered."""
        error = self.queue.last_error if self.queue.failures else ""
        if error == self._shown_error:
            return
        totals = self.queue.keys.totals
        try:
            if error:
                self._redis("HSET", totals, "last_error", error, "last_error_at", int(time.time()))
            else:
                self._redis("HDEL", totals, "last_error", "last_error_at")
        except redis.exceptions.OutOfMemoryError:
            return
        self._shown_error = error

    def _make_group(self) -> None:
        try:
            self.queue.make_group()
            self._redis_answered()
        except (redis.exceptions.RedisError, OSError) as error:
            self._redis_failed(error)

    def _redis_answered(self) -> None:
        if self._redis_failures:
            self._reporter.warning("redis back", "Redis at %s answers again", address.masked(self._settings.redis_url))
        self._redis_failures = 0
        self.is_redis_up = True

    def _redis_failed(self, error: Exception) -> None:
        """Reports the error and waits. The held entries stay held until Redis answers again."""
        self.is_redis_up = False
        self._redis_failures += 1
        kind = type(error).__name__
        where = address.masked(self._settings.redis_url)
        if isinstance(error, redis.exceptions.NoPermissionError):
            command = acl.relay_acl(address.user(self._settings.redis_url))
            self._reporter.error("redis denied", "Redis at %s denies the relay what it needs. Set: %s", where, command)
        elif isinstance(error, redis.exceptions.AuthenticationError):
            self._reporter.error("redis denied", "Redis at %s: the user or password is wrong", where)
        else:
            self._reporter.warning("redis", "Redis at %s is away (%s); will go on when it is back", where, kind)
        ceiling_s = min(REDIS_LONGEST_S, REDIS_FIRST_S * 2.0 ** min(self._redis_failures, 16))
        self._stopping.wait(ceiling_s * (0.5 + secrets.randbelow(500) / 1000))

    def _end(self) -> None:
        try:
            self.queue.settle()
            self.queue.give_back()
        except Exception as error:
            self._reporter.warning(
                "end", "What was held could not be given back (%s): another relay takes it over", type(error).__name__
            )
        self._redis.close()
        self._sender.close()
