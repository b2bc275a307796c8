"""`Sums`: what became of a project's logs, read from Redis."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from readme_metrics.relay import scripts

if TYPE_CHECKING:
    from readme_metrics.relay.connection import Connection
    from readme_metrics.relay.layout import Keys

_COUNTS = ("added", "delivered", "refused", "lost", "queued", "entries", "bytes")


class Sums(NamedTuple):
    """Counts of logs, except for `entries` and `bytes`: added = delivered + refused + lost + queued."""

    #: Logs that apps have added.
    added: int = 0
    #: Logs that ReadMe has accepted.
    delivered: int = 0
    #: Logs that were refused for good, by ReadMe or by a relay that could not read them.
    refused: int = 0
    #: Logs that something other than a relay has removed from the stream: FLUSHALL, an eviction, a failover.
    lost: int = 0
    #: Logs that are in the stream.
    queued: int = 0
    entries: int = 0
    bytes: int = 0
    #: The age of the oldest entry in seconds; 0 if the stream is empty.
    oldest_s: float = 0.0
    #: A random text that the first relay sets; empty if Redis has lost the sums.
    epoch: str = ""
    last_error: str = ""
    last_error_at: int | None = None


def read_sums(connection: Connection, keys: Keys) -> Sums:
    """The sums as they are now. The age of the oldest entry is measured with the clock of this host."""
    found = connection("HGETALL", keys.totals)
    oldest = connection.run(scripts.OLDEST, [keys.stream])
    fields = dict(zip(found[::2], found[1::2], strict=False))
    counts = {name: _whole(fields.get(name.encode())) for name in _COUNTS}
    at = fields.get(b"last_error_at")
    return Sums(
        **counts,
        oldest_s=max(time.time() - int(oldest.partition(b"-")[0]) / 1000, 0.0) if oldest else 0.0,
        epoch=fields.get(b"epoch", b"").decode("ascii", "replace"),
        last_error=fields.get(b"last_error", b"").decode("utf-8", "replace"),
        last_error_at=None if at is None else _whole(at),
    )


def _whole(value: bytes | None) -> int:
    try:
        return int(value or 0)
    except ValueError:  # not written by us
        return 0
