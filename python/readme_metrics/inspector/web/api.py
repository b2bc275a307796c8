"""`API`: what the page asks for under `/api/`, once it is known that the page may ask."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from readme_metrics.collector.post import Answer, Log, Refused
from readme_metrics.inspector import preview, replay
from readme_metrics.inspector.curl import curl
from readme_metrics.inspector.explanation import explain
from readme_metrics.inspector.logs.filter import BadFilter, Filter, find
from readme_metrics.inspector.logs.har import har
from readme_metrics.inspector.logs.stats import MAX_MINUTES, stats
from readme_metrics.inspector.logs.store import MAX_LOGS, Kept
from readme_metrics.redaction.redactor import Lists

if TYPE_CHECKING:
    from readme_metrics.inspector.web.server import Inspector

_LIMIT = 200

Query = Mapping[str, list[str]]


class API:
    """The answers of one inspector. Every method raises Refused if it cannot answer."""

    def __init__(self, inspector: Inspector) -> None:
        self._inspector = inspector

    def read(self, path: str, query: Query) -> Answer:
        """Answers a GET."""
        store = self._inspector.store
        if path == "/api/logs":
            return self._list(query)
        if path == "/api/stats":
            minutes = _number(query, "minutes", 60, MAX_MINUTES)
            return _json(stats([kept.summary for kept in store.newest_first()], minutes, time.time()))
        if path == "/api/status":
            return _json(self._inspector.status())
        if path == "/api/export.har":
            chosen = find(store.newest_first(), wanted(query), MAX_LOGS).logs
            return _download(har(kept.log() for kept in reversed(chosen)), "logs.har")
        match = re.fullmatch(r"/api/logs/([^/]+)(?:/(curl|har|draft))?", path)
        if not match:
            raise Refused(HTTPStatus.NOT_FOUND, "there is nothing here")
        kept = self._kept(unquote(match[1]))
        if match[2] == "curl":
            return Answer(HTTPStatus.OK, {"Content-Type": "text/plain; charset=utf-8"}, _utf8(curl(kept.log())))
        if match[2] == "har":
            return _download(har([kept.log()]), "log.har")
        if match[2] == "draft":
            return _json(replay.draft(kept.log()))
        return _json(self._whole(kept))

    def write(self, path: str, body: bytes) -> Answer:
        """Answers a POST."""
        if path == "/api/clear":
            self._inspector.store.clear()
            return _json({"logs": 0})
        question = _question(body)
        if path == "/api/preview":
            try:
                return _json(preview.preview(question, self._inspector.lists or Lists()))
            except ValueError as error:
                raise Refused(HTTPStatus.BAD_REQUEST, str(error)) from None
        if path == "/api/replay":
            return _json(self._replay(question))
        raise Refused(HTTPStatus.NOT_FOUND, "there is nothing here")

    def _list(self, query: Query) -> Answer:
        """A page of rows, newest first: at most `limit`, all of them older than the sequence number `after`."""
        filter_ = wanted(query)
        limit = int(_number(query, "limit", _LIMIT, MAX_LOGS, least=0))
        last = self._inspector.store.last
        logs = self._inspector.store.newest_first()
        found = find(logs, filter_, MAX_LOGS)
        after = query.get("after", [""])[0]
        if after and not re.fullmatch(r"[0-9]{1,18}", after):
            raise Refused(HTTPStatus.BAD_REQUEST, "after takes the sequence number of a log")
        rows = [kept.summary for kept in found.logs if not after or kept.sequence < int(after)]
        return _json(
            {
                "logs": rows[:limit],
                "has_more": len(rows) > limit,
                "matched": found.matched,
                "total": len(logs),
                "is_complete": found.is_complete,
                "last": last,
                "notes": filter_.notes,
            }
        )

    def _whole(self, kept: Kept) -> Log:
        """The log as it arrived, with a key of ours that holds its row and its explanation."""
        log = kept.log()
        return {**log, "inspector": {"summary": kept.summary, **explain(log, self._inspector.lists)}}

    def _kept(self, log_id: str) -> Kept:
        kept = self._inspector.store.get(log_id)
        if kept is None:
            raise Refused(HTTPStatus.NOT_FOUND, "this log is not here, or no longer")
        return kept

    def _replay(self, question: dict[str, Any]) -> dict[str, Any]:
        if question.get("confirm") is not True:
            raise Refused(HTTPStatus.BAD_REQUEST, 'a replay wants "confirm": true')
        log_id = question.get("id")
        kept = self._kept(log_id if isinstance(log_id, str) else "")
        return replay.replay(replay.edited(kept.log(), question), self._inspector.port)


def wanted(query: Query) -> Filter:
    """The filter that the page asks with. Raises Refused if it means nothing."""
    try:
        return Filter(query.get("filter", [""])[0])
    except BadFilter as error:
        raise Refused(HTTPStatus.BAD_REQUEST, str(error)) from None


def _number(query: Query, name: str, default: float, most: float, least: float = 0.1) -> float:
    text = query.get(name, [""])[0]
    if not text:
        return default
    number = float(text) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", text) else -1.0
    if number < least:
        raise Refused(HTTPStatus.BAD_REQUEST, f"{name} takes a number")
    return min(number, most)


def _question(body: bytes) -> dict[str, Any]:
    try:
        question = json.loads(body)
    except (ValueError, RecursionError):
        question = None
    if not isinstance(question, dict):
        raise Refused(HTTPStatus.BAD_REQUEST, "send a JSON object")
    return question


def _json(value: object) -> Answer:
    return Answer.json(HTTPStatus.OK, value)


def _download(value: object, name: str) -> Answer:
    headers = {"Content-Type": "application/json", "Content-Disposition": f'attachment; filename="{name}"'}
    return Answer(HTTPStatus.OK, headers, json.dumps(value).encode())


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "replace")
