"""`AsgiExchange`: an exchange between an ASGI server and its app; `begin` makes one."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from readme_metrics.capture import nesting
from readme_metrics.capture.asgi.grouping import identify, identify_at_the_end
from readme_metrics.capture.asgi.request import request_of
from readme_metrics.capture.exchange import SERVER_ERROR, Exchange
from readme_metrics.capture.selection import is_left_out

if TYPE_CHECKING:
    from readme_metrics._core import Verdict
    from readme_metrics.capture.asgi.types import Message, Receive, Scope, Send
    from readme_metrics.capture.intake import Intake

#: ASGI has no reason phrases.
STATUSES = {int(status): f"{status} {status.phrase}" for status in HTTPStatus}
#: nginx's status for a client that left before the answer. No server sends it.
CLIENT_CLOSED_REQUEST = "499 Client Closed Request"


class AsgiExchange(Exchange):
    """One request and its response, from the call of the app to the last message of the response.

    The app gets the exchange's `receive` and `send`. The server's are awaited exactly when the app awaits these, and
    each message object passes unchanged; only the documentation's URL requires a new `http.response.start`.
    """

    server_receive: Receive
    server_send: Send
    _has_trailers = False
    _is_client_gone = False

    async def receive(self) -> Message:
        message = await self.server_receive()
        try:
            kind = message["type"]
            if kind == "http.request":
                body = message.get("body")
                if body:
                    self.add_request(body)
            elif kind == "http.disconnect":
                self._is_client_gone = True
        except Exception as error:
            self.lose(error)
        return message

    async def send(self, message: Message) -> None:
        is_last = False
        try:
            kind = message["type"]
            if kind == "http.response.body":
                body = message.get("body")
                if body:
                    self.add_response(body)
                is_last = not (message.get("more_body") or self._has_trailers)
            elif kind == "http.response.start":
                if self.status is None:
                    return await self._start(message)
            elif kind == "http.response.trailers":
                is_last = self._has_trailers and not message.get("more_trailers")
            elif kind == "http.response.pathsend":
                # The server sends a file by itself: the response's size is the one that the app declares.
                self.sent_by_server()
                is_last = not self._has_trailers
            elif kind == "http.response.zerocopysend":
                self.sent_by_server()
                is_last = not (message.get("more_body") or self._has_trailers)
        except Exception as error:
            self.lose(error)
        await self.server_send(message)
        if is_last:
            self.finish()
        return None

    async def _start(self, message: Message) -> None:
        passed = message
        headers: Any = ()
        try:
            if self.is_judged and self.is_logged is None:
                self.decide(str(message["status"]), message.get("headers", ()))
            if self.is_logged is None:
                await identify(self)
            headers = message.get("headers")
            if headers is None:
                # A server may refuse a response without headers (granian): the app must see that refusal.
                headers = ()
            elif self.is_logged:
                passed, headers = self._announced(message, headers)
        except Exception as error:
            self.is_logged = False
            self.intake.lost("internal", error)
        await self.server_send(passed)
        # After the call: a response that the server refuses has not been sent.
        status = message.get("status")
        # No client sees a status that is no number.
        self.status = (STATUSES.get(status) or str(status)) if isinstance(status, int) else SERVER_ERROR
        self.headers = headers
        self._has_trailers = bool(message.get("trailers"))

    def _announced(self, message: Message, headers: Any) -> tuple[Message, Any]:
        """The message with the documentation's URL, and its headers."""
        if not (hasattr(type(headers), "__iter__") or hasattr(type(headers), "__getitem__")):
            return message, ()  # the server refuses them, and the app must see that
        kept = headers if isinstance(headers, (list, tuple)) else list(headers)
        intake = self.intake
        base_url = (intake.flusher or intake.join()).docs_url.base_url
        if base_url is not None:
            url = self.documentation_url(base_url).encode("ascii")
            kept = [*kept, (b"x-documentation-url", url)]
        if kept is headers:
            return message, kept
        # Servers differ in the types that they accept: the new headers have the type of the app's.
        passed = kept if isinstance(headers, list) else type(headers)(kept) if type(headers) is tuple else iter(kept)
        return {**message, "headers": passed}, kept

    def route(self) -> str | None:
        # Starlette and FastAPI store the route that the path matched in the scope. FastAPI (since 0.138) stores the
        # prefixes of routers apart from it; a mount appends its prefix to the root path, which begins with the
        # server's.
        scope = self.head
        route = scope.get("fastapi", {}).get("effective_route_context") or scope.get("route")
        path = getattr(route, "path", None)
        if not isinstance(path, str):
            return None
        mount: str = scope.get("root_path", "").removeprefix(scope["app_root_path"]) if "app_root_path" in scope else ""
        return mount + path

    async def ended(self, error: BaseException | None) -> None:
        """The app has returned, or raised `error`: a response that has not ended by now never will."""
        if self.is_finished:
            return
        if self.status is None and (self._is_client_gone or _is_cancelled(error)):
            self.status = CLIENT_CLOSED_REQUEST
        await identify_at_the_end(self, error)
        self.finish()


def _is_cancelled(error: BaseException | None) -> bool:
    """Whether `error` cancels the app: asyncio's, trio's, or that of a generator that is closed."""
    return error is not None and type(error).__name__ in ("CancelledError", "Cancelled", "GeneratorExit")


def begin(intake: Intake, scope: Scope, receive: Receive, send: Send) -> AsgiExchange | None:
    """Starts to watch a request; None if it is not to be logged, or not here. Whatever goes wrong is counted."""
    try:
        if scope["method"] == "OPTIONS" or (intake.is_selective and not is_selected(intake, scope)):
            return None
        if nesting.KEY in scope and nesting.is_logged_further_out(scope, intake, request_of):
            return None
        verdict = judge(intake, scope) if intake.has_rules else None
        if verdict is not None and is_left_out(intake, scope, verdict):
            return None
        exchange = AsgiExchange(intake.encoder, scope, is_scope=True)
        exchange.intake = intake
        exchange.grouping = intake.grouping
        exchange.is_logged = None
        exchange.is_finished = False
        exchange.head = scope
        exchange.make_request = request_of
        exchange.server_receive = receive
        exchange.server_send = send
        if verdict is not None:
            exchange.follow_rules(verdict)
        nesting.enter(scope, exchange)
        return exchange
    except Exception as error:
        intake.lost("internal", error)
        return None


def is_selected(intake: Intake, scope: Scope) -> bool:
    """Whether the request of this scope is to be logged."""
    return intake.is_selected(_header(scope, b"host"), _path(scope))


def judge(intake: Intake, scope: Scope) -> Verdict:
    """What the rules say of the request of this scope."""
    host, user_agent = _header(scope, b"host"), _header(scope, b"user-agent")
    return intake.encoder.judge(scope["method"], host, _path(scope), user_agent, False)


def _header(scope: Scope, wanted: bytes) -> str:
    value: bytes = next((value for name, value in scope["headers"] if name.lower() == wanted), b"")
    return value.decode("latin-1")


def _path(scope: Scope) -> str:
    root, path = scope.get("root_path", "").rstrip("/"), scope["path"]
    # Servers differ in whether the path includes the root path: see `Scope::full_path`.
    if root and path != root and not path.startswith(f"{root}/"):
        path = root + path
    full: str = path
    return full
