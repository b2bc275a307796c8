"""`summarize` and `words`: the row of the list that shows a log, and the texts in which a search looks."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote, urlsplit

from readme_metrics.collector.fields import at, entry_of, number_at, pairs_at, text_at
from readme_metrics.collector.post import Log

#: What the middleware writes in place of a value that is not sent. In URLs the marker is percent-encoded.
MARKER = re.compile(
    r"\[(?:REDACTED(?: \d+)?|WITHHELD \d+ bytes: [a-zA-Z ]+|NOT READ \d+|NOT VALID UTF-8|TOO LARGE FOR THE QUEUE)\]"
    r"|%5BREDACTED(?:%20\d+)?%5D|\bsha512-[A-Za-z0-9+/]{86}==(?:\?[^\s]{0,16})?"
)
#: The page marks the requests that it sends with this header, which their logs then show.
REPLAY_HEADER = "x-readme-metrics-replay"

_SHOWN_CHARACTERS = 2000
#: The trace id of a `traceparent` header, in any version: https://www.w3.org/TR/trace-context/#traceparent-header
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")
#: A segment of a path that is an id: a number, a UUID, a long hexadecimal or random text.
_VARIABLE = re.compile(
    r"\d+|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{16,}|(?=[\w-]*\d)[\w-]{20,}"
)

Summary = dict[str, Any]


def summarize(log: Log) -> Summary:
    """The row of `log`; a value that the log lacks is None or empty."""
    entry = entry_of(log)
    url = text_at(entry, "request", "url")
    host, path, query = _split(url)
    status = number_at(entry, "response", "status")
    route = text_at(entry, "_route")
    return {
        "_id": log["_id"],
        "time": text_at(entry, "startedDateTime")[:40],
        "method": text_at(entry, "request", "method")[:40],
        "host": host[:300],
        "path": path[:_SHOWN_CHARACTERS],
        "query": query[:_SHOWN_CHARACTERS],
        "route": route[:_SHOWN_CHARACTERS],
        "trace": _trace(entry),
        "endpoint": (route or endpoint(path))[:_SHOWN_CHARACTERS],
        "status": int(status) if status is not None else None,
        "ms": number_at(entry, "time"),
        "caller": _caller(log)[:300],
        "request_bytes": _size(number_at(entry, "request", "bodySize")),
        "response_bytes": _size(number_at(entry, "response", "bodySize")),
        "type": text_at(entry, "response", "content", "mimeType")[:200],
        "development": at(log, "development") is True,
        "replay": any(name.lower() == REPLAY_HEADER for name, _ in pairs_at(entry, "request", "headers")),
        "redacted": sum(len(MARKER.findall(text)) for text in _searched(entry)),
    }


def words(log: Log) -> tuple[str, str]:
    """The texts in which a search looks, in lower case: everything but the bodies, and the bodies."""
    entry = entry_of(log)
    group = at(log, "group")
    head = [text_at(entry, "request", "method"), unquote(text_at(entry, "request", "url")), str(log["_id"])]
    head += [text_at(group, name) for name in ("id", "label", "email")]
    for side in ("request", "response"):
        head += [f"{name}: {value}" for name, value in pairs_at(entry, side, "headers")]
    fields = [f"{name}={value}" for name, value in pairs_at(entry, "request", "postData", "params")]
    bodies = [text_at(entry, "request", "postData", "text"), *fields, text_at(entry, "response", "content", "text")]
    return "\n".join(head).lower(), "\n".join(text for text in bodies if text).lower()


def endpoint(path: str) -> str:
    """`path` with `{id}` in place of each segment that looks like an id; a guess, by which requests are grouped."""
    return "/".join("{id}" if _VARIABLE.fullmatch(segment) else segment for segment in path.split("/"))


def _split(url: str) -> tuple[str, str, str]:
    try:
        parts = urlsplit(url)
    except ValueError:  # for instance an IPv6 address without its closing bracket
        return "", url, ""
    return parts.netloc, parts.path, parts.query


def _trace(entry: Any) -> str:
    """The id of the trace that the request is part of; empty where none is known."""
    for name, value in pairs_at(entry, "request", "headers"):
        if name.lower() == "traceparent" and (found := _TRACEPARENT.fullmatch(value.strip())):
            return found[1]
    return ""


def _caller(log: Log) -> str:
    return text_at(log, "group", "label") or text_at(log, "group", "email") or text_at(log, "group", "id")


def _size(size: float | None) -> float | None:
    return size if size is not None and size >= 0 else None  # HAR's -1: not known


def _searched(entry: Any) -> list[str]:
    texts = [text_at(entry, "request", "postData", "text"), text_at(entry, "response", "content", "text")]
    for place in (("request", "headers"), ("request", "queryString"), ("request", "postData", "params")):
        texts += [value for _, value in pairs_at(entry, *place)]
    return texts + [value for _, value in pairs_at(entry, "response", "headers")]
