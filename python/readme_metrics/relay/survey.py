"""`survey`: what a Redis server holds of each project. Changes nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import redis.exceptions

from readme_metrics.relay import layout
from readme_metrics.relay.entry import measure
from readme_metrics.relay.sums import read_sums

if TYPE_CHECKING:
    from readme_metrics.relay.connection import Connection

_PROJECT = re.compile(rb"readme-metrics:\{([A-Za-z0-9._-]{1,100})\}(?::\w+)?")
#: How many of the newest refused logs are shown.
SHOWN_REFUSED = 3


def survey(connection: Connection) -> dict[str, dict[str, Any]]:
    """What became of each project's logs, which relays take them, and which logs were refused, by project.

    Raises:
        redis.exceptions.RedisError: The server does not answer, or the user lacks the permission.
    """
    return {project: _project(connection, layout.Keys.of(project)) for project in sorted(_projects(connection))}


def _projects(connection: Connection) -> set[str]:
    names: set[str] = set()
    cursor = b"0"
    while True:
        cursor, keys = connection("SCAN", cursor, "MATCH", layout.ALL_KEYS, "COUNT", 1000)
        names |= {found[1].decode() for key in keys if (found := _PROJECT.fullmatch(key))}
        if cursor == b"0":
            return names


def _project(connection: Connection, keys: layout.Keys) -> dict[str, Any]:
    sums = read_sums(connection, keys)
    entries = connection("XLEN", keys.stream)
    queued = sums.queued if entries == sums.entries else _count(connection, keys)
    relays = _relays(connection, keys)
    return {
        "added": sums.added,
        "delivered": sums.delivered,
        "refused": sums.refused,
        "lost": sums.lost,
        "in_stream": queued,
        "entries": entries,
        "bytes": sums.bytes,
        "oldest_seconds": round(sums.oldest_s, 1),
        "held_entries": sum(relay["held_entries"] for relay in relays),
        "relays": relays,
        "last_error": sums.last_error or None,
        "last_error_at": sums.last_error_at,
        "latest_refused": _refused(connection, keys),
    }


def _count(connection: Connection, keys: layout.Keys) -> int:
    """Counts the logs in the stream, for a stream that has changed since the sums were written."""
    logs, start = 0, "-"
    while page := connection("XRANGE", keys.stream, start, "+", "COUNT", 100):
        for _, flat in page:
            logs += measure(dict(zip(flat[::2], flat[1::2], strict=False)))[1]
        start = "(" + page[-1][0].decode()
    return logs


def _relays(connection: Connection, keys: layout.Keys) -> list[dict[str, Any]]:
    """The relays that take from the stream, and how many entries each holds."""
    now_s = int(connection("TIME")[0])
    flat = connection("HGETALL", keys.relays)
    heard = {name: max(now_s - int(at), 0) for name, at in zip(flat[::2], flat[1::2], strict=False) if at.isdigit()}
    held: dict[bytes, int] = {}
    try:
        for flat in connection("XINFO", "CONSUMERS", keys.stream, layout.GROUP):
            facts = dict(zip(flat[::2], flat[1::2], strict=False))
            held[facts[b"name"]] = facts[b"pending"]
    except redis.exceptions.NoPermissionError:
        raise
    except redis.exceptions.ResponseError:  # there is no stream or no group yet, since no relay has run
        pass
    return [
        {
            "name": name.decode("utf-8", "replace"),
            "held_entries": held.get(name, 0),
            "heard_of_seconds_ago": heard.get(name),
        }
        for name in sorted({*heard, *(name for name, count in held.items() if count)})
    ]


def _refused(connection: Connection, keys: layout.Keys) -> list[dict[str, str]]:
    newest = connection("XREVRANGE", keys.refused, "+", "-", "COUNT", SHOWN_REFUSED)
    shown = []
    for _, flat in newest:
        fields = dict(zip(flat[::2], flat[1::2], strict=False))
        shown.append(
            {name: fields.get(name.encode(), b"").decode("utf-8", "replace") for name in ("reason", "url", "id")}
        )
    return shown
