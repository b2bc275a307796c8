"""`stream`: server-sent events for one browser tab, on the thread of its connection."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from readme_metrics.inspector.logs.filter import Filter
from readme_metrics.inspector.logs.store import Store

#: Seconds of silence after which a comment is sent, to learn whether the browser is still there.
_HEARTBEAT_S = 10.0
#: Seconds that one write may wait for a browser that does not read. Then the stream is cut; the browser reconnects.
WRITE_TIMEOUT_S = 20.0
#: The most streams at once, since each one takes a thread and a descriptor. A user has a tab or two.
MAX_STREAMS = 32


def stream(store: Store, after: int | None, wanted: Filter, write: Callable[[bytes], object]) -> None:
    """Writes events until `write` raises or the store is closed.

    Args:
        store: The logs.
        after: The sequence number of the last log that the tab has. None: the tab wants only logs that come from now
            on.
        wanted: The tab's filter.
        write: Sends bytes to the browser.
    """
    clearings = store.clearings
    position = store.last if after is None else after
    write(b"retry: 1000\n\n")
    told_s = time.monotonic()
    while not store.is_closed:
        news = store.wait(position, clearings, _HEARTBEAT_S)
        lines = []
        if news.clearings != clearings:
            lines.append(_event("clear", {}))
        if news.has_gap:
            # Some logs that the tab lacks are gone, so it should ask for the whole list. The kept ones follow here too.
            lines.append(_event("gap", {"kept": len(store)}))
        position, clearings = news.position, news.clearings
        for kept in news.logs:
            if wanted.matches(kept):
                lines.append(f"id: {kept.sequence}\ndata: {json.dumps(kept.summary)}\n\n")
        if lines and not wanted.is_empty:
            lines.append(_event("total", {"total": len(store)}))
        if lines:
            write("".join(lines).encode())
            told_s = time.monotonic()
        elif time.monotonic() - told_s >= _HEARTBEAT_S:
            write(b": still here\n\n")
            told_s = time.monotonic()


def _event(name: str, data: object) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
