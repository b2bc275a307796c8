"""`InspectorHandler`: which request goes where, and who may send it."""

from __future__ import annotations

import re
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, cast
from urllib.parse import parse_qs, quote, unquote

from readme_metrics.collector.http_server import HTTPServer, ServiceHandler
from readme_metrics.collector.post import Answer, Refused
from readme_metrics.inspector.web import events, page_files
from readme_metrics.inspector.web.api import API, Query, wanted
from readme_metrics.inspector.web.sessions import HEADERS

if TYPE_CHECKING:
    from readme_metrics.inspector.web.server import Inspector

_MAX_QUESTION_BYTES = 8 * 1024 * 1024


class InspectorHandler(ServiceHandler):
    """The routes. Paths under /v1 are the stand-in's, which needs no cookie; all others are the page's."""

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
        path, _ = self._target()
        if path.startswith(("/v1", "/api/v1")):
            self._stand_in(super().do_POST)
        else:
            self.answer(lambda: self._write(path))

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
            self.close_connection = True  # the request's body is left unread
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
            # A browser that follows a link from another site sends no cookie; following one from this page, it does.
            link = quote(path if path.startswith("/logs/") else "/")
            return _guarded(page_files.token_is_missing(refusal.status, link))
        if path.startswith("/api/"):
            sessions.check_origin(self.headers)
            return _guarded(API(self.inspector).read(path, query))
        if path.startswith("/logs/"):
            # `x-documentation-url` leads here.
            location = "/#log=" + quote(unquote(path.removeprefix("/logs/")), safe="")
            return _guarded(Answer(HTTPStatus.SEE_OTHER, {"Location": location}))
        return _guarded(page_files.file(path))

    def _write(self, path: str) -> Answer:
        try:
            self.inspector.sessions.check_host(self.headers)
            self.inspector.sessions.check_write(self.headers)
        except Refused:
            self.close_connection = True  # the request's body, of whatever size, is left unread
            raise
        body = self.read_body(_MAX_QUESTION_BYTES)
        return _guarded(API(self.inspector).write(path, body))

    def _stream(self, query: Query) -> None:
        inspector = self.inspector
        try:
            inspector.sessions.check_host(self.headers)
            inspector.sessions.check_reader(self.headers)
            inspector.sessions.check_origin(self.headers)
            filter_ = wanted(query)
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
            events.stream(inspector.store, self._position(query), filter_, self.wfile.write)
        except (OSError, ValueError):
            pass  # the reader has gone, or does not read
        finally:
            inspector.streams.release()

    def _position(self, query: Query) -> int | None:
        """The last log that the reader has: from the browser when it reconnects, from the page the first time."""
        last = self.headers.get("Last-Event-ID") or query.get("after", [""])[0]
        if not last:
            return None
        # A number that is not ours is from an earlier run: the reader is told of a gap and then gets everything.
        return int(last) if re.fullmatch(r"[0-9]{1,18}", last) else 0


def _guarded(answer: Answer) -> Answer:
    """The answer with the headers that protect the page."""
    return Answer(answer.status, {**answer.headers, **HEADERS}, answer.body)
