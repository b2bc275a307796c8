"""`Store`: the logs that the page shows, which are the newest ones up to a number of logs and of bytes."""

from __future__ import annotations

import json
import sys
import threading
import time
import zlib
from collections import deque
from collections.abc import Iterable
from itertools import islice
from typing import Any, NamedTuple

from readme_metrics.collector.fields import at
from readme_metrics.collector.post import Log
from readme_metrics.inspector.logs.summary import Summary, summarize, words

MAX_LOGS = 10_000
MAX_BYTES = 64 * 1024 * 1024
#: A log that takes more than one fourth of the bytes is kept without its bodies: it must not push out all others.
_LARGEST_PART = 4
#: Bytes that a log takes in memory beside its texts, measured with tracemalloc.
_OVERHEAD_BYTES = 2500
_TOO_LARGE = "[TOO LARGE FOR THE INSPECTOR]"


class Kept:
    """One log: its row of the list, its searchable text, and the whole log, compressed."""

    __slots__ = ("bodies", "head", "packed", "sequence", "size", "summary")

    def __init__(self, log: Log, sequence: int, answer: int | None) -> None:
        self.sequence = sequence
        self.head, self.bodies = words(log)
        self.packed = zlib.compress(_json(log).encode(), 1)
        self.summary: Summary = {"sequence": sequence, **summarize(log), "answer": answer}
        self.size = len(self.packed) + sys.getsizeof(self.head) + sys.getsizeof(self.bodies) + _OVERHEAD_BYTES

    def log(self) -> Log:
        found: Log = json.loads(zlib.decompress(self.packed))
        return found


class News(NamedTuple):
    """What has happened since a reader last looked."""

    logs: list[Kept]
    #: Whether some logs came and were forgotten in between.
    has_gap: bool
    #: How often the user has cleared the store.
    clearings: int
    #: The value of `after` for the next call.
    position: int


class Store:
    """Keeps the newest logs, each `_id` once; may be used from any thread.

    Args:
        max_logs: How many logs are kept. Default 10,000.
        max_bytes: How many bytes of memory the logs may take, compressed logs and searchable text together. Default
            64 MiB.
    """

    def __init__(self, max_logs: int = MAX_LOGS, max_bytes: int = MAX_BYTES) -> None:
        self._max_logs = max_logs
        self._max_bytes = max_bytes
        self._ring: deque[Kept] = deque()
        self._by_id: dict[str, Kept] = {}
        self._changed = threading.Condition()
        # Begins at the time in microseconds, so that no tab of an earlier run has a higher number than this run.
        self._sequence = time.time_ns() // 1000
        #: The sequence number of the newest log that was forgotten.
        self._gone = self._sequence
        self._is_closed = False
        self.bytes = 0
        self.received = 0
        self.duplicates = 0
        self.clearings = 0

    def add(self, logs: Iterable[Log], answer: int | None = None) -> None:
        """Keeps `logs`, whose `_id`s are strings.

        A log whose `_id` was seen before is counted as a duplicate. It replaces the kept log only if `answer`, the
        status of ReadMe's answer, differs.
        """
        for log in logs:
            with self._changed:
                self.received += 1
                known = self._by_id.get(log["_id"])
                if known is not None and known.summary["answer"] == answer:
                    self.duplicates += 1
                    continue
                self._sequence += 1
                kept = Kept(log, self._sequence, answer)
                if kept.size > self._max_bytes // _LARGEST_PART:
                    kept = Kept(_without_bodies(log), self._sequence, answer)
                if known is not None:
                    self.duplicates += 1
                    self._ring.remove(known)
                    self.bytes -= known.size
                self._ring.append(kept)
                self._by_id[log["_id"]] = kept
                self.bytes += kept.size
                while len(self._ring) > self._max_logs or self.bytes > self._max_bytes:
                    self._forget_oldest()
                self._changed.notify_all()

    def clear(self) -> None:
        """Forgets all logs, but not how many were received."""
        with self._changed:
            self._ring.clear()
            self._by_id.clear()
            self.bytes = 0
            self.clearings += 1
            self._gone = self._sequence
            self._changed.notify_all()

    def close(self) -> None:
        """Wakes every thread that waits, and lets none wait again."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    @property
    def is_closed(self) -> bool:
        return self._is_closed

    def __len__(self) -> int:
        return len(self._ring)

    @property
    def last(self) -> int:
        """The sequence number of the newest log."""
        return self._sequence

    def get(self, log_id: str) -> Kept | None:
        with self._changed:
            return self._by_id.get(log_id)

    def newest_first(self) -> list[Kept]:
        """All kept logs, the newest first."""
        with self._changed:
            return list(reversed(self._ring))

    def wait(self, after: int, clearings: int, timeout_s: float, limit: int = 500) -> News:
        """The logs after the sequence number `after`, oldest first; waits up to `timeout_s` seconds for one.

        If `after` is a number that this store never gave, all kept logs are returned.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._sequence != after or self.clearings != clearings or self._is_closed, timeout_s
            )
            if self.clearings != clearings:
                after = max(after, self._gone)
            is_known = self._gone <= after <= self._sequence
            count = sum(1 for _ in self._newer(after)) if is_known else len(self._ring)
            first = len(self._ring) - count
            logs = list(islice(self._ring, first, first + limit))
            position = logs[-1].sequence if logs else self._sequence
            return News(logs, not is_known, self.clearings, position)

    def _newer(self, after: int) -> Iterable[Kept]:
        for kept in reversed(self._ring):
            if kept.sequence <= after:
                return
            yield kept

    def _forget_oldest(self) -> None:
        oldest = self._ring.popleft()
        del self._by_id[oldest.summary["_id"]]
        self.bytes -= oldest.size
        self._gone = max(self._gone, oldest.sequence)


def _json(log: Log) -> str:
    try:
        return json.dumps(log, allow_nan=False)
    except ValueError:
        # Python reads and writes NaN and Infinity in JSON; browsers refuse them.
        cleaned: Any = json.loads(json.dumps(log), parse_constant=str)
        return json.dumps(cleaned)


def _without_bodies(log: Log) -> Log:
    copy: Log = json.loads(json.dumps(log))
    for place in (("request", "postData"), ("response", "content")):
        body = at(copy, "request", "log", "entries", 0, *place)
        if isinstance(body, dict):
            body["text"] = _TOO_LARGE
            body.pop("params", None)
    return copy
