"""`StreamQueue`: what `Delivery` takes batches from, where the queue is a Redis stream that relays share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import redis.exceptions

from readme_metrics.relay import layout, scripts
from readme_metrics.relay.connection import Argument, Connection
from readme_metrics.relay.entry import Entry, refused_log
from readme_metrics.relay.stream_reader import StreamReader

#: The most that a relay holds of one project, unless a single entry is larger.
HELD_BYTES = 4 * 1024 * 1024
#: A relay reads more entries while it holds less than this, which is enough for one POST.
WANTED_BYTES = 1024 * 1024


@dataclass
class StreamBatch:
    """The logs that one POST carries, which stay in the stream until they are released."""

    json: bytes
    count: int
    #: The entries that the logs are from, and how many are from each.
    shares: list[tuple[Entry, int]]
    malformed: int = 0


class StreamQueue:
    """The entries of a project's stream that this relay holds. Not for several threads at once.

    Args:
        connection: A connection that nobody else uses.
        project: The name of the project.
        consumer: The name of this relay, which no other relay has.
        take_over_s: Seconds after which entries of a dead relay are taken over.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        connection: Connection,
        project: str,
        consumer: str,
        take_over_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.keys = layout.Keys.of(project)
        self._redis = connection
        self._consumer = consumer
        self._take_over_s = take_over_s
        self._clock = clock
        self._held: list[Entry] = []
        self._held_bytes = 0
        self._reader = StreamReader(connection, self.keys, consumer, take_over_s, clock, WANTED_BYTES)
        self._kept_at_s = clock()
        # Whether the server has answered since the oldest entry was taken: then no held entry kills relays.
        self._is_answered = False
        self._resume_at_s = 0.0
        self.failures = 0
        self.last_error = ""
        #: What this relay did: logs delivered, logs refused, entries that another relay had already released.
        self.delivered = 0
        self.refused = 0
        self.repeated = 0

    # `Delivery` calls these methods. None of them talks to Redis.

    def peek(self, max_entries: int, max_bytes: int) -> StreamBatch | None:
        """The oldest held logs as one JSON array, which stay held until they are released; None if no log is held."""
        logs: list[bytes] = []
        shares: list[tuple[Entry, int]] = []
        size = 2
        for entry in self._held:
            taken = 0
            for log in entry.logs[entry.settled :]:
                if logs and (len(logs) == max_entries or size + len(log) + 1 > max_bytes):
                    break
                logs.append(log)
                size += len(log) + 1
                taken += 1
            if taken:
                shares.append((entry, taken))
            if entry.settled + taken < len(entry.logs):
                break
        return StreamBatch(b"[" + b",".join(logs) + b"]", len(logs), shares) if logs else None

    def release(self, batch: StreamBatch, sent: bool) -> None:
        """Notes that the server has taken a batch (`sent`) or refused it for good; `failed` then tells the reason."""
        for entry, count in batch.shares:
            logs = entry.logs[entry.settled : entry.settled + count]
            entry.settled += count
            if sent:
                entry.delivered += count
            else:
                entry.refused += [refused_log(log, "", "") for log in logs]

    def claim(self, turn_s: float) -> float:  # noqa: ARG002 - a relay's turn is its own
        """Seconds until a POST may be made."""
        return self.pause_s()

    def pause_s(self) -> float:
        return max(self._resume_at_s - self._clock(), 0.0)

    def succeeded(self) -> None:
        """Notes that the server has taken a batch."""
        self.failures = 0
        self._resume_at_s = 0.0
        self._is_answered = True

    def failed(self, delay_s: float, error: str) -> None:
        """Notes that the server has not taken a batch, and that no POST may be made for `delay_s` seconds."""
        self.failures += 1
        self.last_error = error
        self._resume_at_s = self._clock() + delay_s
        # Also set for an exception, which is no answer: the relay has survived the POST.
        self._is_answered = True
        status = error.removeprefix("HTTP ") if error.startswith("HTTP ") else ""
        for entry in self._held:
            entry.refused = [
                refused if refused.reason else refused._replace(reason=error, status=status)
                for refused in entry.refused
            ]

    # The relay's own loop calls these methods. Each may raise redis.exceptions.RedisError.

    @property
    def held(self) -> int:
        """How many entries this relay holds."""
        return len(self._held)

    @property
    def is_filled(self) -> bool:
        """Whether the held entries are enough for a whole POST."""
        return self._held_bytes >= WANTED_BYTES

    def settle(self) -> None:
        """Removes the entries whose logs are all settled from the stream. The next call repeats what has failed."""
        settled = [entry for entry in self._held if entry.is_settled]
        if not settled:
            return
        for entry, answer in zip(settled, self._release(settled), strict=True):
            if isinstance(answer, Exception):
                raise answer
            self._held.remove(entry)
            self._held_bytes -= entry.size
            if answer:
                self.delivered += entry.delivered
                self.refused += len(entry.refused)
            else:
                self.repeated += 1

    def _release(self, entries: Iterable[Entry]) -> list[Any]:
        keys = self.keys
        script = scripts.RELEASE
        commands: list[list[Argument]] = []
        for entry in entries:
            command: list[Argument] = [
                "EVALSHA",
                script.digest,
                3,
                keys.stream,
                keys.totals,
                keys.refused,
                layout.GROUP,
                entry.id,
            ]
            counts = [entry.size, entry.weight, entry.delivered, len(entry.refused), layout.REFUSED_LOGS]
            commands.append([*command, *counts, *(value for log in entry.refused for value in log)])
        answers = self._redis.pipeline(commands)
        if any(isinstance(answer, redis.exceptions.NoScriptError) for answer in answers):
            answers = self._redis.pipeline([["EVAL", script.text, *command[2:]] for command in commands])
        return answers

    def fill(self, block_s: float) -> None:
        """Takes entries until there is enough for a POST; waits up to `block_s` seconds if no entry is held."""
        self.keep()
        if self._held_bytes < WANTED_BYTES:
            self._hold(self._reader.abandoned({entry.id for entry in self._held}))
        while self._held_bytes < WANTED_BYTES and not self._has_suspect():
            entries = self._reader.new(HELD_BYTES - self._held_bytes, 0.0 if self._held else block_s)
            if entries is None:
                self._hold(self._reader.strays())
                return
            self._hold(entries)
            block_s = 0.0

    def _hold(self, entries: list[Entry]) -> None:
        if entries and not self._held:
            self._kept_at_s = self._clock()
            self._is_answered = False
        self._held += entries
        self._held_bytes += sum(entry.size for entry in entries)

    def make_group(self) -> None:
        """Makes the consumer group if it is missing; relays that use it are not disturbed."""
        self._redis.run(scripts.MAKE_GROUP, [self.keys.stream, self.keys.totals], layout.GROUP)

    def keep(self) -> None:
        """Keeps other relays from taking the held entries over; forgets entries that one took over nevertheless."""
        now_s = self._clock()
        if now_s < self._kept_at_s + self._take_over_s / 3:
            return
        if self._held:
            ids = [entry.id for entry in self._held]
            flag = "1" if self._is_answered else "0"
            own = set(self._redis.run(scripts.KEEP, [self.keys.stream], layout.GROUP, self._consumer, flag, *ids))
            # Settled entries stay: they have to be removed from the stream, whoever holds them.
            self._held = [entry for entry in self._held if entry.id in own or entry.is_settled]
            self._held_bytes = sum(entry.size for entry in self._held)
        self._kept_at_s = now_s

    def give_back(self) -> None:
        """Offers the held entries to the other relays at once."""
        if self._held:
            ids = [entry.id for entry in self._held]
            self._redis.run(scripts.GIVE_BACK, [self.keys.stream], layout.GROUP, self._consumer, *ids)
            self._held.clear()
            self._held_bytes = 0
        self._redis.run(scripts.FORGET_RELAYS, [self.keys.stream, self.keys.relays], layout.GROUP, self._consumer)

    def _has_suspect(self) -> bool:
        return any(entry.is_suspect for entry in self._held)
