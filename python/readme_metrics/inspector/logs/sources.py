"""Sources of logs other than POSTs: a file of JSON lines that may grow, and the queues of running apps."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from readme_metrics.collector.post import Log
from readme_metrics.inspector.logs.store import Store

_INTERVAL_S = 0.2
_READ_BYTES = 8 * 1024 * 1024


class JSONLines:
    """The file at `path`, as `collect --jsonl` or a dry run writes it; a context manager. Raises OSError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("rb")
        self._line = 0
        self._rest = b""
        self.unreadable = 0

    def __enter__(self) -> JSONLines:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def new(self) -> list[Log]:
        """The logs of the lines that were completed since the last call."""
        self._follow()
        lines = (self._rest + self._file.read(_READ_BYTES)).split(b"\n")
        self._rest = lines.pop()
        # A complete file may lack the end of its last line. A line that is half written is not a JSON object.
        if self._rest.endswith(b"}") and (log := _object(self._rest)) is not None:
            self._rest = b""
            lines.append(json.dumps(log).encode())
        return [log for line in lines if (log := self._log(line)) is not None]

    def _follow(self) -> None:
        """Starts from the beginning if the file was replaced or emptied."""
        try:
            found, opened = self._path.stat(), os.fstat(self._file.fileno())
        except OSError:
            return  # the file was removed; a file that takes its place is found by a later call
        if (found.st_dev, found.st_ino) != (opened.st_dev, opened.st_ino):
            self._file.close()
            self._file = self._path.open("rb")
            self._rest = b""
        elif opened.st_size < self._file.tell():
            self._file.seek(0)
            self._rest = b""

    def _log(self, line: bytes) -> Log | None:
        if not line.strip():
            return None
        self._line += 1
        log = _object(line)
        if log is None:
            self.unreadable += 1
            return None
        if not isinstance(log.get("_id"), str):
            log["_id"] = f"line-{self._line}"
        return log


def _object(line: bytes) -> Log | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def has_ids(logs: Iterable[dict[str, Any]]) -> list[Log]:
    """The logs that have an `_id`."""
    return [log for log in logs if isinstance(log.get("_id"), str)]


class Watch:
    """Looks for new logs a few times a second, on a thread of its own; a context manager."""

    def __init__(self, store: Store, look: Callable[[], Iterable[Log]]) -> None:
        self._store = store
        self._look = look
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="readme-metrics-watch", daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join(1)

    def _run(self) -> None:
        while not self._stopped.is_set():
            has_found = False
            try:
                for log in self._look():
                    has_found = True
                    self._store.add([log])
            except OSError:
                pass  # a file or directory was removed meanwhile; the next call of `look` finds what is there then
            self._stopped.wait(0 if has_found else _INTERVAL_S)
