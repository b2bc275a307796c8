"""Logs as HAR files, and HAR files as logs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from readme_metrics import _core
from readme_metrics.collector.fields import at, entry_of
from readme_metrics.collector.post import Log


def har(logs: Iterable[Log]) -> dict[str, Any]:
    """The logs as one HAR 1.2 document. HAR has no field for the caller, so each entry's `comment` names it."""
    entries = []
    for log in logs:
        entry = entry_of(log)
        if isinstance(entry, dict):
            label = at(log, "group", "label")
            comment = f"_id {log['_id']}" + (f", caller {label}" if isinstance(label, str) else "")
            # `pageref` is left out: it must name a page of the document, and the document has no pages.
            entries.append({**{key: value for key, value in entry.items() if key != "pageref"}, "comment": comment})
    creator = {"name": "readme-metrics inspect", "version": _core.__version__}
    return {"log": {"version": "1.2", "creator": creator, "entries": entries}}


def logs_of(path: Path) -> Iterator[Log]:
    """The entries of a HAR file as logs.

    Raises:
        OSError: The file cannot be read.
        ValueError: The file is not a HAR file; the message says why.
    """
    try:
        document = json.loads(path.read_bytes())
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    entries = at(document, "log", "entries")
    if not isinstance(entries, list):
        raise ValueError("it has no log.entries")
    for number, entry in enumerate(entries, 1):
        if isinstance(entry, dict):
            log = {"version": "1.2", "creator": at(document, "log", "creator"), "entries": [entry]}
            yield {"_id": f"har-{number}", "request": {"log": log}}
