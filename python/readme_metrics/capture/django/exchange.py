"""`DjangoExchange`: an exchange inside Django's middleware chain; `begin` makes one.

Django has its `HttpRequest` only there. So the request's stream is watched in place of the server's input, and the
response by its closers and, if it is a stream, by its iterator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponseBase

from readme_metrics.capture import nesting
from readme_metrics.capture.asgi import exchange as asgi_exchange
from readme_metrics.capture.django.form import parsed_form
from readme_metrics.capture.django.response_body import AsyncPieces, Closer, Pieces
from readme_metrics.capture.exchange import Exchange
from readme_metrics.capture.selection import is_left_out
from readme_metrics.capture.wsgi import exchange as wsgi_exchange
from readme_metrics.capture.wsgi.request_body import RequestBody
from readme_metrics.capture.wsgi.unread_body import arrived_bytes

if TYPE_CHECKING:
    from readme_metrics.capture.intake import Intake


class DjangoExchange(Exchange):
    """One request and its response, from the call of the middleware to the closing of the response."""

    #: None once the exchange is over, so that no reference cycle keeps the request.
    request: HttpRequest | None
    request_body: RequestBody | None = None
    _response: HttpResponseBase | None = None

    def start(self, response: HttpResponseBase) -> bool:
        """The view has answered. Returns whether the caller must be identified, since no rule has decided."""
        try:
            if self.is_judged:
                self.decide(str(response.status_code), list(response.items()))
        except Exception as error:
            self.is_logged = False
            self.intake.lost("internal", error)
        return self.is_logged is None

    def route(self) -> str | None:
        route = getattr(getattr(self.request, "resolver_match", None), "route", None)
        return route if isinstance(route, str) else None

    def respond(self, response: HttpResponseBase) -> None:
        """The view has answered: announces the documentation, and watches what becomes of the response."""
        try:
            if not self.is_logged:
                self.finish()
                return
            intake = self.intake
            base_url = (intake.flusher or intake.join()).docs_url.base_url
            if base_url is not None:
                response.headers["x-documentation-url"] = self.documentation_url(base_url)
            self._note_head(response)
            if response.streaming:
                self._watch(response)
            else:
                # The content is read when the response is closed: a middleware further out may change it.
                self._response = response
            response._resource_closers.append(Closer(self))
        except Exception as error:
            self.lose(error)

    def _watch(self, response: Any) -> None:
        if _are_events(response):
            self.forget_response()
        if getattr(response, "file_to_stream", None) is not None and "wsgi.file_wrapper" in self.head:
            # The server sends the file by itself: the response's size is the one that the app declares.
            self.sent_by_server()
        elif response.is_async:
            response._iterator = AsyncPieces(response, self)
        else:
            # `_iterator` is set in place of `streaming_content`, whose setter makes a file response forget its file.
            response._iterator = Pieces(response, self)

    def _note_head(self, response: HttpResponseBase) -> None:
        self.status = f"{response.status_code} {response.reason_phrase}"
        cookies = [("Set-Cookie", cookie.OutputString()) for cookie in response.cookies.values()]
        self.headers = [*response.items(), *cookies]

    def finish(self, chunks: list[bytes] | None = None) -> None:
        response: Any = self._response
        if response is not None and not self.is_finished:
            try:
                self._note_head(response)
                chunks = [response.content]
            except Exception as error:
                self.lose(error)
        super().finish(chunks)

    def read_rest(self) -> None:
        body, request, intake = self.request_body, self.request, self.intake
        unread_bytes = self.unread_bytes
        if body is None or unread_bytes + self.request_bytes > intake.max_unread_bytes:
            return
        try:
            # Under ASGI, Django has received the whole body.
            is_here = isinstance(request, ASGIRequest)
            source = self.head.get("wsgi.input")
            if is_here or arrived_bytes(self.head, source, is_tls=self.is_tls) >= unread_bytes:
                body.read(unread_bytes)
        except Exception as error:
            intake.reporter.warning("unread body", "Could not read the rest of a request's body: %s", error)

    def let_go(self) -> None:
        super().let_go()
        if self.request is not None:
            vars(self.request).pop("close", None)  # set by `_watch_request`
        self.request = self.request_body = self._response = None


def begin(intake: Intake, request: HttpRequest) -> DjangoExchange | None:
    """Starts to watch a request; None if it is not to be logged here. Whatever goes wrong is counted, never raised."""
    try:
        is_asgi = isinstance(request, ASGIRequest)
        head: dict[str, Any] = request.scope if is_asgi else getattr(request, "environ", request.META)
        is_selected = asgi_exchange.is_selected if is_asgi else wsgi_exchange.is_selected
        if request.method == "OPTIONS" or (intake.is_selective and not is_selected(intake, head)):
            return None
        if nesting.is_logged_further_out(head, intake, lambda *_: request):
            return None
        verdict = None
        if intake.has_rules:
            verdict = (asgi_exchange.judge if is_asgi else wsgi_exchange.judge)(intake, head)
            if is_left_out(intake, head, verdict):
                return None
        exchange = DjangoExchange(intake.encoder, head, is_scope=is_asgi)
        exchange.intake = intake
        exchange.grouping = intake.grouping
        exchange.is_logged = None
        exchange.is_finished = False
        exchange.head = head
        exchange.make_request = lambda *_: request
        exchange.request = request
        if verdict is not None:
            exchange.follow_rules(verdict)
        nesting.enter(head, exchange)
        _watch_request(request, exchange)
        return exchange
    except Exception as error:
        intake.lost("internal", error)
        return None


def _watch_request(request: Any, exchange: DjangoExchange) -> None:
    read = getattr(request, "_body", None)
    if read is not None:
        # A middleware further out has read the body, and Django keeps it for later readers.
        exchange.add_request(read)
    elif (form := parsed_form(request, _shown_bytes(request, exchange))) is not None:
        exchange.add_request(form)
    elif (stream := getattr(request, "_stream", None)) is not None:
        request._stream = exchange.request_body = body = RequestBody()
        body.reading = (stream, exchange)
    close = request.close

    # Django calls `close` at the end of the response that it sends. That need not be the view's response: a middleware
    # further out may have replaced it.
    def close_and_finish() -> None:
        exchange.finish()
        close()

    request.close = close_and_finish


def _shown_bytes(request: Any, exchange: DjangoExchange) -> int:
    """How many bytes of the request's body a log may show."""
    declared = str(request.META.get("CONTENT_LENGTH") or "")
    return min(int(declared) if declared.isdecimal() else 0, exchange.intake.max_unread_bytes)


def _are_events(response: Any) -> bool:
    """Whether this is a stream of server-sent events, which is logged without its body."""
    return str(response.get("Content-Type", "")).lower().startswith("text/event-stream")
