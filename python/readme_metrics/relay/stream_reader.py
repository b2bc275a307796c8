"""`StreamReader`: takes entries out of a project's stream, new ones and those that dead relays held."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Any

from readme_metrics.relay import layout, scripts
from readme_metrics.relay.connection import Argument, Connection
from readme_metrics.relay.entry import BadEntry, Entry, OtherVersion, logs_of, measure, refused_log

#: The most entries that are asked for at a time, since their sizes are known only when they have come.
READ_ENTRIES = 16
#: How often entries of dead relays are looked for.
TAKE_OVER_EVERY_S = 1.0
#: An entry that this many relays have held, none of which said what became of it, kills relays and is refused.
DELIVERIES_BOUND = 10
#: An entry that this many relays have held is held alone, so that it takes no other entry along.
DELIVERIES_SUSPECT = 3
#: How long an entry of another version is left for a relay that can read it, as the files of the queue are.
OTHER_VERSION_MS = 24 * 60 * 60 * 1000
#: How many entries of other versions are remembered, so that they are not claimed again and again.
_REMEMBERED = 100_000


class StreamReader:
    """Takes entries out of one project's stream. Not for several threads at once.

    Args:
        connection: The connection of the queue that reads.
        keys: The project's keys.
        consumer: The name of this relay, which no other relay has.
        take_over_s: Seconds after which entries of a dead relay are taken over.
        clock: Seconds, monotonic.
        first_bytes: How large an entry is taken to be before the first one has come.

    Every method may raise redis.exceptions.RedisError.
    """

    #: Seconds that an answer may take beyond the time that a read may block.
    _timeout_s = 5.0

    def __init__(
        self,
        connection: Connection,
        keys: layout.Keys,
        consumer: str,
        take_over_s: float,
        clock: Callable[[], float],
        first_bytes: int,
    ) -> None:
        self._redis = connection
        self._keys = keys
        self._consumer = consumer
        self._take_over_s = take_over_s
        self._clock = clock
        self._largest_bytes = first_bytes
        self._other_versions: dict[bytes, None] = {}
        self._take_over_at_s = 0.0

    def new(self, room_bytes: int, block_s: float) -> list[Entry] | None:
        """Entries that no relay has had yet; None if there are none after `block_s` seconds.

        Args:
            room_bytes: As many entries are asked for as fit into this, if they are as large as those of the last read.
            block_s: Seconds to wait for an entry; 0 does not wait.
        """
        count = max(1, min(READ_ENTRIES, room_bytes // self._largest_bytes))
        wait: list[Argument] = ["BLOCK", int(block_s * 1000) or 1] if block_s > 0 else []
        answer = self._redis(
            *("XREADGROUP", "GROUP", layout.GROUP, self._consumer, "COUNT", count),
            *(*wait, "STREAMS", self._keys.stream, ">"),
            timeout_s=block_s + self._timeout_s,
        )
        return self._entries(answer[0][1], {}) if answer else None

    def abandoned(self, held: Collection[bytes]) -> list[Entry]:
        """Entries of relays that have not been heard from, and own ones whose arrival was lost; looks once in a while.

        Args:
            held: The ids of the entries that this relay holds. An entry that may kill relays is taken only if there
                are none.
        """
        if self._clock() < self._take_over_at_s:
            return []
        self._take_over_at_s = self._clock() + min(TAKE_OVER_EVERY_S, self._take_over_s / 6)
        stream, start = self._keys.stream, "-"
        idle_ms = int(self._take_over_s * 1000)
        while True:
            found = self._redis("XPENDING", stream, layout.GROUP, "IDLE", idle_ms, start, "+", 100)
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
            wanted = [] if held else suspects[:1]
        wanted = wanted[:READ_ENTRIES]
        if not wanted:
            return []
        ids = [entry_id for entry_id, _ in wanted]
        claimed = self._redis("XCLAIM", stream, layout.GROUP, self._consumer, idle_ms, *ids)
        # Redis 6.2 answers nil for an entry that is pending and was deleted; later versions forget it by themselves.
        there = [entry for entry in claimed if entry]
        if len(there) < len(claimed):
            self._redis("XACK", stream, layout.GROUP, *(set(ids) - {entry[0] for entry in there}))
        return self._entries(there, dict(wanted))

    def strays(self) -> list[Entry]:
        """Entries that were read once and that no consumer holds any more."""
        keys = [self._keys.stream, self._keys.totals]
        found = self._redis.run(scripts.CLAIM_STRAYS, keys, layout.GROUP, self._consumer, READ_ENTRIES)
        return self._entries(found, {})

    def _entries(self, found: list[Any], deliveries_of: dict[bytes, int]) -> list[Entry]:
        """What Redis has handed over. An entry that is no batch comes settled, with its logs refused."""
        entries = []
        for entry_id, flat in found:
            fields = dict(zip(flat[::2], flat[1::2], strict=False))
            size, weight = measure(fields)
            deliveries = deliveries_of.get(entry_id, 0)
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
                entries.append(Entry(entry_id, size, weight, [], refused=refused))
            else:
                is_suspect = deliveries >= DELIVERIES_SUSPECT
                entries.append(Entry(entry_id, size, weight, logs, is_suspect=is_suspect))
        self._largest_bytes = max((entry.size for entry in entries), default=self._largest_bytes) or 1
        return entries

    def _is_set_aside(self, entry_id: bytes) -> bool:
        return entry_id in self._other_versions and not self._is_expired(entry_id)

    def _set_aside(self, entry_id: bytes) -> None:
        if len(self._other_versions) >= _REMEMBERED:
            self._other_versions.clear()
        self._other_versions[entry_id] = None

    def _is_expired(self, entry_id: bytes) -> bool:
        return int(entry_id.partition(b"-")[0]) < time.time() * 1000 - OTHER_VERSION_MS
