"""`LogFile`: logs kept as JSON lines."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable

from readme_metrics._process.private_file import open_private
from readme_metrics.collector.post import Log


class LogFile:
    """Appends logs to the file at `path`, one JSON object per line; a context manager.

    Only the owner can read the file, since logs are about people; an existing file gets mode 0600. Raises OSError, also
    if `path` is a symbolic link or belongs to another user.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._file = os.fdopen(open_private(path), "w", encoding="ascii")

    def __enter__(self) -> LogFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def append(self, logs: Iterable[Log]) -> None:
        """Appends `logs`, all of which the operating system has when this returns."""
        # Written as ASCII: JSON may escape lone surrogates, which no UTF encoding can write.
        self._file.writelines(json.dumps(log) + "\n" for log in logs)
        self._file.flush()
