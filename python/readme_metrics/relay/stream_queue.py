"""`StreamQueue`: what `Delivery` takes batches from, where the queue is a Redis stream that relays share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import redis.exceptions

from readme_metrics.relay import layout
from readme_metrics.relay.connection import Argument, Connection
from readme_metrics.relay.entry import BadEntry, Entry, OtherVersion, logs_of, measure, refused_log

#: What a relay holds of one project at most, but for an entry that alone exceeds it.
HELD_BYTES = 4 * 1024 * 1024
#: It reads more while it holds less than this, which is one POST.
WANTED_BYTES = 1024 * 1024
#: Entries asked for at a time, at most: their sizes are known only when they have come.
READ_ENTRIES = 16
#: How often entries of dead relays are looked for.
TAKE_OVER_EVERY_S = 1.0
#: An entry that has been held by so many relays, none of which said what became of it, kills them.
DELIVERIES_BOUND = 10
#: From so many on it is held alone, so that it takes no other entry along.
DELIVERIES_SUSPECT = 3
#: How long an entry of another version is left for a relay that can read it, as the files of the queue are.
OTHER_VERSION_MS = 24 * 60 * 60 * 1000
#: Entries of other versions that are remembered, not to be claimed again and again.
_REMEMBERED = 100_000


@dataclass
class StreamBatch:
    """Logs on their way: what one POST carries."""

    json: bytes
    count: int
    #: From which entries they are, and how many from each.
    shares: list[tuple[Entry, int]]
    malformed: int = 0


class StreamQueue:
    """One relay's end of a project's stream. Of use to one thread.

    Args:
        connection: Of this queue alone.
        project: Its name.
        consumer: This relay's name, which no other has.
        take_over_s: Seconds after which what a dead relay held is taken over.
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
        self._largest_bytes = WANTED_BYTES
        self._kept_at_s = clock()
        # The server has answered since the oldest entry was taken: none of them kills relays.
        self._is_answered = False
        self._other_versions: dict[bytes, None] = {}
        self._resume_at_s = 0.0
        self._take_over_at_s = 0.0
        self.failures = 0
        self.last_error = ""
        #: Of this relay: logs delivered, logs refused, entries that somebody else had released already.
        self.delivered = 0
        self.refused = 0
        self.repeated = 0

    # What `Delivery` calls; nothing of it goes to Redis.

    def peek(self, max_entries: int, max_bytes: int) -> StreamBatch | None:
        """The oldest logs held as one JSON array, or None where none are. They stay held until released."""
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
        """Notes that the server has a batch (`sent`), or has refused it for good: why, is what `failed` says next."""
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
        """Notes that it has not, and that this relay is not to try again for `delay_s` seconds."""
        self.failures += 1
        self.last_error = error
        self._resume_at_s = self._clock() + delay_s
        # An exception is no answer, but the relay has lived to see it.
        self._is_answered = True
        status = error.removeprefix("HTTP ") if error.startswith("HTTP ") else ""
        for entry in self._held:
            entry.refused = [
                refused if refused.reason else refused._replace(reason=error, status=status)
                for refused in entry.refused
            ]

    # What the relay's own loop calls; each may raise redis.exceptions.RedisError.

    @property
    def held(self) -> int:
        """How many entries are held."""
        return len(self._held)

    @property
    def is_filled(self) -> bool:
        """Whether there is enough for a whole POST."""
        return self._held_bytes >= WANTED_BYTES

    def settle(self) -> None:
        """Lets go of the entries whose logs are all settled. What fails is done by the next call."""
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
        script = layout.RELEASE
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
        """Takes entries until there is enough for a POST; waits up to `block_s` where there is nothing to do."""
        self.keep()
        if self._held_bytes < WANTED_BYTES and self._clock() >= self._take_over_at_s:
            self._take_over()
        while self._held_bytes < WANTED_BYTES and not self._has_suspect():
            wait: list[Argument] = [] if self._held or block_s <= 0 else ["BLOCK", int(block_s * 1000) or 1]
            answer = self._redis(
                *("XREADGROUP", "GROUP", layout.GROUP, self._consumer, "COUNT", self._read_entries()),
                *(*wait, "STREAMS", self.keys.stream, ">"),
                timeout_s=block_s + self._timeout_s,
            )
            if not answer:
                self._claim_strays()
                return
            self._take(answer[0][1])
            block_s = 0.0

    #: Beside the time that a read may block.
    _timeout_s = 5.0

    def make_group(self) -> None:
        """Makes the group; those that know it go on as before."""
        self._redis.run(layout.MAKE_GROUP, [self.keys.stream, self.keys.totals], layout.GROUP)

    def keep(self) -> None:
        """Keeps what is held from being taken over; lets go of what has been, after a standstill of this process."""
        now_s = self._clock()
        if now_s < self._kept_at_s + self._take_over_s / 3:
            return
        if self._held:
            ids = [entry.id for entry in self._held]
            flag = "1" if self._is_answered else "0"
            own = set(self._redis.run(layout.KEEP, [self.keys.stream], layout.GROUP, self._consumer, flag, *ids))
            # What is settled is still to be let go of, whoever holds it.
            self._held = [entry for entry in self._held if entry.id in own or entry.is_settled]
            self._held_bytes = sum(entry.size for entry in self._held)
        self._kept_at_s = now_s

    def give_back(self) -> None:
        """Offers what is held to the other relays at once."""
        if self._held:
            ids = [entry.id for entry in self._held]
            self._redis.run(layout.GIVE_BACK, [self.keys.stream], layout.GROUP, self._consumer, *ids)
            self._held.clear()
            self._held_bytes = 0
        self._redis.run(layout.FORGET_RELAYS, [self.keys.stream, self.keys.relays], layout.GROUP, self._consumer)

    def _read_entries(self) -> int:
        """How many entries to ask for, so that they fit if they are no larger than the largest of the last read."""
        return max(1, min(READ_ENTRIES, (HELD_BYTES - self._held_bytes) // self._largest_bytes))

    def _has_suspect(self) -> bool:
        return any(entry.is_suspect for entry in self._held)

    def _take_over(self) -> None:
        """Takes entries of relays that have not been heard of, and own ones whose arrival was lost."""
        self._take_over_at_s = self._clock() + min(TAKE_OVER_EVERY_S, self._take_over_s / 6)
        keys, start = self.keys, "-"
        idle_ms = int(self._take_over_s * 1000)
        held = {entry.id for entry in self._held}
        while True:
            found = self._redis("XPENDING", keys.stream, layout.GROUP, "IDLE", idle_ms, start, "+", 100)
            wanted = [
                (entry_id, deliveries)
                for entry_id, _, _, deliveries in found
                if entry_id not in held and not self._is_set_aside(entry_id)
            ]
            if wanted or len(found) < 100:
                break
            start = "(" + found[-1][0].decode()
        suspects = [item for item in wanted if item[1] >= DELIVERIES_SUSPECT]
        if suspects:
            wanted = [] if self._held else suspects[:1]
        wanted = wanted[:READ_ENTRIES]
        if not wanted:
            return
        ids = [entry_id for entry_id, _ in wanted]
        deliveries_of = dict(wanted)
        claimed = self._redis("XCLAIM", keys.stream, layout.GROUP, self._consumer, idle_ms, *ids)
        # Redis 6.2 answers nil for what is pending and has been deleted; later ones forget it by themselves.
        self._take([entry for entry in claimed if entry], deliveries_of)
        if len(claimed) - sum(1 for entry in claimed if entry):
            gone = set(ids) - {entry[0] for entry in claimed if entry}
            self._redis("XACK", keys.stream, layout.GROUP, *gone)

    def _claim_strays(self) -> None:
        keys = [self.keys.stream, self.keys.totals]
        self._take(self._redis.run(layout.CLAIM_STRAYS, keys, layout.GROUP, self._consumer, READ_ENTRIES))

    def _take(self, entries: list[Any], deliveries_of: dict[bytes, int] | None = None) -> None:
        """Holds what Redis has handed over. What is no batch is settled at once, as refused."""
        if entries and not self._held:
            self._kept_at_s = self._clock()
            self._is_answered = False
        sizes = []
        for entry_id, flat in entries:
            fields = dict(zip(flat[::2], flat[1::2], strict=False))
            size, weight = measure(fields)
            deliveries = (deliveries_of or {}).get(entry_id, 0)
            try:
                logs = logs_of(fields)
            except OtherVersion as other:
                if not self._is_expired(entry_id):
                    self._set_aside(entry_id)
                    continue
                logs, reason = [], f"{other} for a day"
            except BadEntry as problem:
                logs, reason = [], f"malformed: {problem}"
            else:
                reason = f"held {deliveries} times without an answer" if deliveries >= DELIVERIES_BOUND else ""
            if reason:
                whole = fields.get(b"b", b"")
                refused = [refused_log(log, reason, "") for log in logs or [whole]]
                entry = Entry(entry_id, size, weight, [], refused=refused)
            else:
                entry = Entry(entry_id, size, weight, logs, is_suspect=deliveries >= DELIVERIES_SUSPECT)
            self._held.append(entry)
            self._held_bytes += size
            sizes.append(size)
        if sizes:
            self._largest_bytes = max(*sizes, 1)

    def _is_set_aside(self, entry_id: bytes) -> bool:
        return entry_id in self._other_versions and not self._is_expired(entry_id)

    def _set_aside(self, entry_id: bytes) -> None:
        if len(self._other_versions) >= _REMEMBERED:
            self._other_versions.clear()
        self._other_versions[entry_id] = None

    def _is_expired(self, entry_id: bytes) -> bool:
        return int(entry_id.partition(b"-")[0]) < time.time() * 1000 - OTHER_VERSION_MS
