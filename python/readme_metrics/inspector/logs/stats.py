"""`stats`: counts, durations and errors, by endpoint, by caller and over time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from math import ceil
from typing import Any

from readme_metrics.inspector.logs.summary import Summary

_BUCKETS = 60
MAX_MINUTES = 24 * 60


def stats(summaries: Iterable[Summary], minutes: float, now_s: float) -> dict[str, Any]:
    """The numbers of the requests that began in the last `minutes`.

    Durations are in milliseconds, percentiles are by nearest rank, and a status of 400 or more is an error.
    """
    begin_s = now_s - minutes * 60
    recent = [
        (begun_s, row) for row in summaries if (begun_s := seconds(row["time"])) is not None and begun_s > begin_s
    ]
    rows = [row for _, row in recent]
    return {
        "minutes": minutes,
        "total": _numbers(rows),
        "endpoints": _groups(rows, lambda row: {"method": row["method"], "path": row["endpoint"]}),
        "callers": _groups(rows, lambda row: {"caller": row["caller"]}),
        "series": _series(recent, begin_s, minutes),
    }


def seconds(time: str) -> float | None:
    """An ISO 8601 time in seconds since the epoch; None if `time` is not one."""
    try:
        # Python 3.10 does not understand the Z.
        parsed = datetime.fromisoformat(time.removesuffix("Z") + "+00:00" if time.endswith("Z") else time)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, OverflowError):
        return None


def _groups(rows: list[Summary], key: Callable[[Summary], dict[str, str]]) -> list[dict[str, Any]]:
    groups: dict[tuple[str, ...], list[Summary]] = defaultdict(list)
    for row in rows:
        groups[tuple(key(row).values())].append(row)
    numbers = [{**key(members[0]), **_numbers(members)} for members in groups.values()]
    return sorted(numbers, key=lambda group: -int(group["count"]))


def _numbers(rows: list[Summary]) -> dict[str, Any]:
    durations = sorted(row["ms"] for row in rows if row["ms"] is not None)
    errors = sum(1 for row in rows if (row["status"] or 0) >= 400)
    return {
        "count": len(rows),
        "errors": errors,
        "error_share": errors / len(rows) if rows else 0.0,
        "p50": percentile(durations, 50),
        "p95": percentile(durations, 95),
        "p99": percentile(durations, 99),
        "bytes": sum((row["request_bytes"] or 0) + (row["response_bytes"] or 0) for row in rows),
    }


def percentile(ordered: list[float], percent: int) -> float | None:
    """The smallest of `ordered` that at least `percent` of them do not exceed; None if `ordered` is empty."""
    return ordered[max(ceil(len(ordered) * percent / 100), 1) - 1] if ordered else None


def _series(recent: list[tuple[float, Summary]], begin_s: float, minutes: float) -> list[dict[str, Any]]:
    """The numbers over time, in buckets of equal length."""
    step_s = minutes * 60 / _BUCKETS
    buckets: list[list[Summary]] = [[] for _ in range(_BUCKETS)]
    for begun_s, row in recent:
        buckets[min(int((begun_s - begin_s) / step_s), _BUCKETS - 1)].append(row)
    return [{"at": round(begin_s + number * step_s, 3), **_numbers(bucket)} for number, bucket in enumerate(buckets)]
