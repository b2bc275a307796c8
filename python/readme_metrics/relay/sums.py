"""`Sums`: what became of a project's logs, as Redis has it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from readme_metrics.relay import layout

if TYPE_CHECKING:
    from readme_metrics.relay.connection import Connection
    from readme_metrics.relay.layout import Keys

_COUNTS = ("added", "delivered", "refused", "lost", "queued", "entries", "bytes")


class Sums(NamedTuple):
    """In logs, but for `entries` and `bytes`: added = delivered + refused + lost + queued."""

    #: By apps.
    added: int = 0
    #: ReadMe has confirmed them.
    delivered: int = 0
    #: For good, by ReadMe or by a relay that could not read them.
    refused: int = 0
    #: Removed from the stream by somebody else: FLUSHALL, an eviction, a failover.
    lost: int = 0
    #: In the stream.
    queued: int = 0
    entries: int = 0
    bytes: int = 0
    #: Of the oldest entry, in seconds; 0 where there is none.
    oldest_s: float = 0.0
    #: Set by the first relay; empty where Redis has forgotten the sums.
    epoch: str = ""
    last_error: str = ""
    last_error_at: int | None = None


def read_sums(connection: Connection, keys: Keys) -> Sums:
    """The sums as they are now; the oldest entry's age by the clock of this host."""
    found = connection("HGETALL", keys.totals)
    oldest = connection.run(layout.OLDEST, [keys.stream])
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
