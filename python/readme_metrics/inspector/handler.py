"""The routes of the page: which request asks for what, and who is let in."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from importlib.resources import files
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qs, quote, unquote

from readme_metrics.collector.http_server import HTTPServer, ServiceHandler
from readme_metrics.collector.post import Answer, Log, Refused
from readme_metrics.inspector import events, preview, replay
from readme_metrics.inspector.curl import curl
from readme_metrics.inspector.explanation import explain
from readme_metrics.inspector.filter import BadFilter, Filter, find
from readme_metrics.inspector.har import har
from readme_metrics.inspector.sessions import HEADERS
from readme_metrics.inspector.stats import MAX_MINUTES, stats
from readme_metrics.inspector.store import MAX_LOGS, Kept, Store
from readme_metrics.redaction.redactor import Lists

if TYPE_CHECKING:
    from readme_metrics.inspector.server import Inspector

_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_LIMIT = 200
_MAX_QUESTION_BYTES = 8 * 1024 * 1024
_CLOSED_DOOR = """<!doctype html><html lang="en"><meta charset="utf-8"><title>readme-metrics inspect</title>
<h1>This page wants its token</h1><p>Open the address that <code>readme-metrics inspect</code> has printed. If you have
done so in this browser before, <a href="{}">go on</a>.</p></html>
"""

Query = Mapping[str, list[str]]


class InspectorHandler(ServiceHandler):
    """The routes. What begins with /v1 is the stand-in's and knows no cookie; everything else is the page's."""

    server: HTTPServer

    @property
    def inspector(self) -> Inspector:
        return cast("Inspector", self.server.service)

    def do_GET(self) -> None:
        path, query = self._target()
        if path.startswith(("/v1", "/api/v1")):
            self._stand_in(super().do_GET)
        elif path == "/api/events":
            self._stream(query)
        else:
            self.answer(lambda: self._page(path, query))

    def do_POST(self) -> None:
        path, query = self._target()
        if path.startswith(("/v1", "/api/v1")):
            self._stand_in(super().do_POST)
        else:
            self.answer(lambda: self._write(path, query))

    def _target(self) -> tuple[str, Query]:
        path, _, query = self.path.partition("?")
        try:
            return path, parse_qs(query, keep_blank_values=True, max_num_fields=20, errors="replace")
        except ValueError:
            return path, {}

    def _stand_in(self, go_on: Callable[[], None]) -> None:
        try:
            self.inspector.sessions.check_host(self.headers)
            self.inspector.sessions.check_origin(self.headers)
        except Refused as refusal:
            # Its body is left unread.
            self.close_connection = True
            self.inspector.stand_in.reject(str(refusal))
            reason = Answer.refusal(refusal.status, str(refusal))
            self.answer(lambda: reason)
        else:
            go_on()

    def _page(self, path: str, query: Query) -> Answer:
        self.read_body(_MAX_QUESTION_BYTES)
        sessions = self.inspector.sessions
        sessions.check_host(self.headers)
        try:
            if path == "/" and "token" in query:
                return _guarded(sessions.enter(query["token"][0]))
            sessions.check_reader(self.headers)
        except Refused as refusal:
            if path.startswith("/api/"):
                raise
            # A link from elsewhere comes without the cookie; one from this page has it.
            page = _CLOSED_DOOR.format(quote(path if path.startswith("/logs/") else "/"))
            return _guarded(Answer(refusal.status, {"Content-Type": "text/html; charset=utf-8"}, page.encode()))
        if path.startswith("/api/"):
            sessions.check_origin(self.headers)
            return _guarded(self._read(path, query))
        if path.startswith("/logs/"):
            # Where `x-documentation-url` leads.
            location = "/#log=" + quote(unquote(path.removeprefix("/logs/")), safe="")
            return _guarded(Answer(HTTPStatus.SEE_OTHER, {"Location": location}))
        return _guarded(_file(path))

    def _read(self, path: str, query: Query) -> Answer:
        if path == "/api/logs":
            return _list(self.inspector.store, query)
        if path == "/api/stats":
            minutes = _number(query, "minutes", 60, MAX_MINUTES)
            rows = [kept.summary for kept in self.inspector.store.newest_first()]
            return _json(stats(rows, minutes, time.time()))
        if path == "/api/status":
            return _json(self.inspector.status())
        if path == "/api/export.har":
            chosen = find(self.inspector.store.newest_first(), _filter(query), MAX_LOGS).logs
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

    def _whole(self, kept: Kept) -> Log:
        """The log as it arrived, and beside its own keys what there is to say of it."""
        log = kept.log()
        return {**log, "inspector": {"summary": kept.summary, **explain(log, self.inspector.lists)}}

    def _kept(self, log_id: str) -> Kept:
        kept = self.inspector.store.get(log_id)
        if kept is None:
            raise Refused(HTTPStatus.NOT_FOUND, "this log is not here, or no longer")
        return kept

    def _write(self, path: str, _: Query) -> Answer:
        try:
            self.inspector.sessions.check_host(self.headers)
            self.inspector.sessions.check_write(self.headers)
        except Refused:
            # Its body, of whatever size, is left unread.
            self.close_connection = True
            raise
        body = self.read_body(_MAX_QUESTION_BYTES)
        if path == "/api/clear":
            self.inspector.store.clear()
            return _guarded(_json({"logs": 0}))
        question = _question(body)
        if path == "/api/preview":
            try:
                return _guarded(_json(preview.preview(question, self.inspector.lists or Lists())))
            except ValueError as error:
                raise Refused(HTTPStatus.BAD_REQUEST, str(error)) from None
        if path == "/api/replay":
            return _guarded(_json(self._replay(question)))
        raise Refused(HTTPStatus.NOT_FOUND, "there is nothing here")

    def _replay(self, question: dict[str, Any]) -> dict[str, Any]:
        if question.get("confirm") is not True:
            raise Refused(HTTPStatus.BAD_REQUEST, 'a replay wants "confirm": true')
        log_id = question.get("id")
        kept = self._kept(log_id if isinstance(log_id, str) else "")
        return replay.replay(replay.edited(kept.log(), question), self.inspector.port)

    def _stream(self, query: Query) -> None:
        inspector = self.inspector
        try:
            inspector.sessions.check_host(self.headers)
            inspector.sessions.check_reader(self.headers)
            inspector.sessions.check_origin(self.headers)
            wanted = _filter(query)
        except Refused as refusal:
            answer = Answer.refusal(refusal.status, str(refusal))
            self.answer(lambda: answer)
            return
        if not inspector.streams.acquire(blocking=False):
            self.answer(lambda: Answer.refusal(HTTPStatus.SERVICE_UNAVAILABLE, "too many tabs are open"))
            return
        try:
            self.close_connection = True
            self.connection.settimeout(events.WRITE_TIMEOUT_S)
            self.send_response(HTTPStatus.OK)
            for name, value in {**HEADERS, "Content-Type": "text/event-stream", "Connection": "close"}.items():
                self.send_header(name, value)
            self.end_headers()
            events.stream(inspector.store, self._position(query), wanted, self.wfile.write)
        except (OSError, ValueError):
            pass  # the reader has gone, or does not read
        finally:
            inspector.streams.release()

    def _position(self, query: Query) -> int | None:
        """What the reader has: as the browser says when it comes back, or as the page says the first time."""
        last = self.headers.get("Last-Event-ID") or query.get("after", [""])[0]
        if not last:
            return None
        # What is no number of ours is from another run: the reader gets a gap, and then everything.
        return int(last) if re.fullmatch(r"[0-9]{1,18}", last) else 0


def _list(store: Store, query: Query) -> Answer:
    """A page of rows, newest first: those older than the sequence number `after`, at most `limit`."""
    wanted = _filter(query)
    limit = int(_number(query, "limit", _LIMIT, MAX_LOGS, least=0))
    last = store.last
    logs = store.newest_first()
    total = len(logs)
    found = find(logs, wanted, MAX_LOGS)
    after = query.get("after", [""])[0]
    if after and not re.fullmatch(r"[0-9]{1,18}", after):
        raise Refused(HTTPStatus.BAD_REQUEST, "after takes the sequence number of a log")
    rows = [kept.summary for kept in found.logs if not after or kept.sequence < int(after)]
    return _json(
        {
            "logs": rows[:limit],
            "has_more": len(rows) > limit,
            "matched": found.matched,
            "total": total,
            "is_complete": found.is_complete,
            "last": last,
            "notes": wanted.notes,
        }
    )


def _filter(query: Query) -> Filter:
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


def _file(path: str) -> Answer:
    """A file of the page. Only names that are listed are looked for."""
    name = "index.html" if path == "/" else path.removeprefix("/")
    if name not in _PAGE:
        raise Refused(HTTPStatus.NOT_FOUND, "there is nothing here")
    kind = _TYPES[name.rpartition(".")[2]]
    content = (files("readme_metrics.inspector") / "page" / name).read_bytes()
    return Answer(HTTPStatus.OK, {"Content-Type": f"{kind}; charset=utf-8"}, content)


_PAGE = frozenset(
    [
        "index.html",
        "app.css",
        "icon.svg",
        "app.js",
        "list.js",
        "detail.js",
        "body.js",
        "numbers.js",
        "trial.js",
        "dom.js",
    ]
)


def _guarded(answer: Answer) -> Answer:
    return Answer(answer.status, {**answer.headers, **HEADERS}, answer.body)


def _json(value: object) -> Answer:
    return Answer.json(HTTPStatus.OK, value)


def _download(value: object, name: str) -> Answer:
    headers = {"Content-Type": "application/json", "Content-Disposition": f'attachment; filename="{name}"'}
    return Answer(HTTPStatus.OK, headers, json.dumps(value).encode())


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "replace")
