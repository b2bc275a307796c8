"""`WsgiExchange`: an exchange between a WSGI server and its app; `begin` makes one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from readme_metrics.capture import nesting
from readme_metrics.capture.exchange import GONE, Exchange
from readme_metrics.capture.nesting import KEY
from readme_metrics.capture.selection import is_left_out
from readme_metrics.capture.wsgi.request_body import RequestBody
from readme_metrics.capture.wsgi.unparsed_request import unparsed_request
from readme_metrics.capture.wsgi.unread_body import read_rest

if TYPE_CHECKING:
    from readme_metrics._core import Capture, Verdict
    from readme_metrics.capture.caller import Grouping
    from readme_metrics.capture.intake import Intake
    from readme_metrics.capture.wsgi.types import Environ, ExcInfo, Headers, StartResponse


class WsgiExchange(Exchange):
    """One request and its response, from the call of the app to the `close()` of what it returned."""

    server_start_response: StartResponse
    server_input: Any = None
    request_body: RequestBody | None = None
    #: The function that replaces, in the environ, a file wrapper that is a function.
    file_wrap: Callable[..., object] | None
    _file_wrapper: Callable[..., object] | None = None
    _file_response: object = None
    _has_failed = False
    #: The server's environ, where `head` is a copy of it that a door further in was given.
    _copied_environ: Environ | None

    def start_response(self, status: str, headers: Headers, exc_info: ExcInfo | None = None) -> Callable[..., object]:
        if type(headers) is not list:
            headers = _lasting(headers)
        try:
            intake = self.intake
            if self.is_logged is None:
                if intake.has_rules and self.is_judged:
                    self.decide(status, headers)
                if self.is_logged is None:
                    self.grouping.identify(self)
            if self.is_logged:
                base_url = (intake.flusher or intake.join()).docs_url.base_url
                if base_url is not None:
                    headers = self.announced(headers, base_url)
        except Exception as error:
            self.is_logged = False
            self.intake.lost("internal", error)
        start_response = self.server_start_response
        self._server_write = (
            start_response(status, headers) if exc_info is None else start_response(status, headers, exc_info)
        )
        # After the call: a server that has sent its headers refuses others (PEP 3333), and the log shows the ones it
        # sent.
        self.status = status
        self.headers = headers
        return self

    def __call__(self, data: bytes) -> object:
        """The `write` of PEP 3333, which `start_response` returns."""
        result = self._server_write(data)
        self.add_response(data)
        return result

    def watch(self, file_wrapper: Callable[..., object]) -> None:
        """Notes the server's file wrapper, so that `is_server_file` knows its results."""
        self._file_wrapper = file_wrapper
        if isinstance(file_wrapper, type):
            return

        # uWSGI's file wrapper is a function, whose results have no type of their own.
        def wrap(*args: Any) -> object:
            self._file_response = file_wrapper(*args)
            return self._file_response

        self.head["wsgi.file_wrapper"] = self.file_wrap = wrap

    def is_server_file(self, iterable: object) -> bool:
        """Whether the server's file wrapper made `iterable`, which the server then sends by itself."""
        if iterable is self._file_response:
            return iterable is not None
        file_wrapper = self._file_wrapper
        return isinstance(file_wrapper, type) and isinstance(iterable, file_wrapper)

    def route(self) -> str | None:
        # Werkzeug stores its request in the environ; Flask stores the rule that the path matched in that request.
        rule = getattr(getattr(self.head.get("werkzeug.request"), "url_rule", None), "rule", None)
        return rule if isinstance(rule, str) else None

    def give_request(
        self, grouping: Grouping, make_request: Callable[[Environ, Capture], object], head: Environ
    ) -> None:
        if head is not self.head and self._copied_environ is None:
            self._copied_environ = self.head
        super().give_request(grouping, make_request, head)

    def read_rest(self) -> None:
        body, intake = self.request_body, self.intake
        if body is not None and self.unread_bytes + self.request_bytes <= intake.max_unread_bytes:
            try:
                read_rest(body, self.head, self.unread_bytes, is_tls=self.is_tls)
            except Exception:  # noqa: S110 - the stream is closed or broken: the log says that the body was not read
                pass

    def failed(self, error: BaseException) -> None:
        super().failed(error)
        self._has_failed = True
        # A served WebSocket ends in one of these two: the first in gunicorn, the second in Werkzeug.
        if self.is_logged is None and isinstance(error, (StopIteration, ConnectionError)) and self._wants_upgrade():
            self.discard()

    def is_upgraded(self) -> bool:
        return not self._has_failed and self._wants_upgrade()

    def _wants_upgrade(self) -> bool:
        return str(self.head.get("HTTP_UPGRADE", "")).lower() == "websocket"

    def let_go(self) -> None:
        environ = self.head
        if self._copied_environ is not None:
            environ, self._copied_environ = self._copied_environ, None
        # Some tests use one environ for many calls.
        if (body := self.request_body) is not None and environ.get("wsgi.input") is body:
            environ["wsgi.input"] = self.server_input
        if (file_wrap := self.file_wrap) is not None:
            if environ.get("wsgi.file_wrapper") is file_wrap:
                environ["wsgi.file_wrapper"] = self._file_wrapper
            self.file_wrap = None
        if len(entered := environ.pop(KEY, ())) > 1:
            environ[KEY] = entered
            nesting.leave(environ, self)
        self.request_body = None
        self.head = GONE


def begin(
    intake: Intake,
    environ: Environ,
    start_response: StartResponse,
    make_request: Callable[[Environ, Capture], object] = unparsed_request,
) -> WsgiExchange | None:
    """Starts to watch a request; None if it is not to be logged here. Whatever goes wrong is counted, never raised.

    Args:
        intake: The middleware's.
        environ: The request's, with our own `wsgi.input` from here on.
        start_response: The server's.
        make_request: Makes the request for the grouping function, when the response starts.
    """
    try:
        if environ.get("REQUEST_METHOD") == "OPTIONS" or (intake.is_selective and not is_selected(intake, environ)):
            return None
        is_inside = KEY in environ
        if is_inside and nesting.is_logged_further_out(environ, intake, make_request):
            return None
        verdict = judge(intake, environ) if intake.has_rules else None
        if verdict is not None and is_left_out(intake, environ, verdict):
            return None
        exchange = WsgiExchange(intake.encoder, environ)
        exchange.intake = intake
        exchange.grouping = intake.grouping
        exchange.is_logged = None
        exchange.is_finished = False
        exchange.head = environ
        exchange.make_request = make_request
        exchange.server_start_response = start_response
        exchange.file_wrap = None
        exchange._copied_environ = None
        environ[KEY] = (*environ.get(KEY, ()), exchange) if is_inside else (exchange,)
        if verdict is not None:
            exchange.follow_rules(verdict)
        stream = environ.get("wsgi.input")
        if stream is not None:
            exchange.server_input = stream
            environ["wsgi.input"] = exchange.request_body = body = RequestBody()
            body.reading = (stream, exchange)
        file_wrapper = environ.get("wsgi.file_wrapper")
        if file_wrapper is not None:
            exchange.watch(file_wrapper)
        return exchange
    except Exception as error:
        intake.lost("internal", error)
        return None


def _lasting(headers: Any) -> Any:
    """Headers that can be iterated more than once: by the server, and for the log."""
    # The server refuses an object that is no iterable.
    return list(headers) if hasattr(type(headers), "__next__") else headers


def is_selected(intake: Intake, environ: Environ) -> bool:
    """Whether the request of this environ is to be logged."""
    return intake.is_selected(environ.get("HTTP_HOST", ""), _path(environ))


def judge(intake: Intake, environ: Environ) -> Verdict:
    """What the rules say of the request of this environ."""
    return intake.encoder.judge(
        environ.get("REQUEST_METHOD", ""),
        environ.get("HTTP_HOST", ""),
        _path(environ),
        environ.get("HTTP_USER_AGENT", ""),
        True,
    )


def _path(environ: Environ) -> str:
    path: str = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    return path
