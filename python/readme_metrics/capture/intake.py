"""`Intake`: filter, identify, encode, queue; the only caller of the core on the request's thread."""

from __future__ import annotations

import os
import platform
from typing import TYPE_CHECKING

from readme_metrics import _core
from readme_metrics._core import FORKED, QUIET, UNREAD
from readme_metrics._process.reporter import Reporter
from readme_metrics.capture.caller import UnusableGroup, narrow
from readme_metrics.capture.exchange import Exchange
from readme_metrics.capture.request_body import RequestBody
from readme_metrics.capture.unparsed_request import UnparsedRequest
from readme_metrics.capture.unread_body import arrived_bytes
from readme_metrics.delivery import registry
from readme_metrics.delivery.drop_notices import CAUSES

if TYPE_CHECKING:
    from readme_metrics.capture.wsgi_types import Environ, StartResponse
    from readme_metrics.config import MetricsApiConfig
    from readme_metrics.delivery.flusher import Flusher

#: The environ of an exchange that is over.
GONE: Environ = {}

_new = object.__new__


class Intake:
    """One per middleware. What belongs to a process is in `Flusher`, made by the first log of each pid."""

    def __init__(self, config: MetricsApiConfig) -> None:
        self._config = config
        self._reporter = Reporter(config)
        missing = config.missing_argument()
        self._is_disabled = config.is_disabled or missing is not None
        if missing and not config.is_disabled:
            self._reporter.warning("disabled", "Nothing is logged: %s is None or blank", missing)
        # A disabled middleware imports nothing: the module may not be there, or not yet.
        self._function = (None if self._is_disabled else config.imported_grouping_function()) or _nobody
        self._max_body_bytes = config.max_body_bytes
        self._hosts = frozenset(host.lower() for host in config.ALLOWED_HTTP_HOSTS)
        self._ignored_paths = frozenset(path for path in config.ignore_paths if not path.endswith("*"))
        self._ignored_prefixes = tuple(path[:-1] for path in config.ignore_paths if path.endswith("*"))
        self._encoder = _core.Encoder(
            denylist=config.DENYLIST,
            allowlist=config.ALLOWLIST,
            redact_nested=config.redact_nested,
            development=config.IS_DEVELOPMENT_MODE,
            max_body_bytes=config.max_body_bytes,
            trust_forwarded=config.trust_forwarded,
            platform=f"{platform.machine()}-{platform.system().lower()}{platform.release()}/{platform.python_version()}",
        )
        self._is_selective = bool(self._is_disabled or self._hosts or config.ignore_paths)
        self.flusher: Flusher | None = None

    def begin(self, environ: Environ, start_response: StartResponse) -> Exchange | None:
        """Starts to watch a request; None where it is not to be logged."""
        try:
            if environ.get("REQUEST_METHOD") == "OPTIONS" or (self._is_selective and not self._is_selected(environ)):
                return None
            exchange = Exchange(self._encoder, environ)
            exchange.intake = self
            exchange.environ = environ
            exchange.server_start_response = start_response
            exchange.is_logged = None
            exchange.is_finished = False
            stream = environ.get("wsgi.input")
            if stream is not None:
                environ["wsgi.input"] = exchange.request_body = body = RequestBody()
                body.stream = stream
                body.capture = exchange
                body.reading = (stream, exchange)
            file_wrapper = environ.get("wsgi.file_wrapper")
            if file_wrapper is not None:
                exchange.watch(file_wrapper)
            return exchange
        except Exception as error:
            self.lost("internal", error)
            return None

    def _is_selected(self, environ: Environ) -> bool:
        if self._is_disabled:
            return False
        if self._hosts:
            host = environ.get("HTTP_HOST", "").lower()
            if host not in self._hosts and host.rpartition(":")[0] not in self._hosts:
                return False
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        return not (path in self._ignored_paths or path.startswith(self._ignored_prefixes))

    def identify(self, exchange: Exchange) -> None:
        """Asks who made the call. Whatever goes wrong is counted and reported, never raised."""
        exchange.is_logged = False
        try:
            request = _new(UnparsedRequest)
            request._environ = exchange.environ
            request._capture = exchange
            function = self._function
            answer = function(request)
            exchange.is_logged = exchange.identify(answer) or self._narrow(exchange, answer)
        except Exception as error:
            self.lost("grouping", error)
        if not exchange.is_logged:
            exchange.forget_request()
            exchange.forget_response()

    def _narrow(self, exchange: Exchange, answer: object) -> bool:
        group = narrow(answer, self._reporter)
        if group is not None:
            exchange.set_caller(group)
        return group is not None

    def record(self, exchange: Exchange, chunks: list[bytes] | None = None) -> None:
        """Logs an exchange, with `chunks` at the end of its response. Whatever goes wrong is counted, never raised."""
        exchange.is_finished = True
        try:
            if exchange.is_logged is None:  # the app raised before it called start_response
                exchange.end()
                self.identify(exchange)
            if exchange.is_logged:
                flusher = self.flusher or self.join()
                waiting = flusher.queue.record(exchange, chunks, exchange.status, exchange.headers)
                if waiting != QUIET:
                    self._settle(exchange, flusher, waiting)
        except Exception as error:
            self.lost("internal", error)
        # Both lead back to the exchange: a cycle would stay until the garbage collector comes.
        exchange.request_body = None
        exchange.environ = GONE

    def _settle(self, exchange: Exchange, flusher: Flusher, waiting: int) -> None:
        """What is left to do after a push, or before it can be done."""
        if waiting == UNREAD:
            self._read_rest(exchange)
            waiting = flusher.queue.record(exchange, None, exchange.status, exchange.headers, is_read=True)
        if waiting == FORKED:
            flusher = self.join()
            waiting = flusher.queue.record(exchange, None, exchange.status, exchange.headers, is_read=True)
        if waiting >= 0:
            try:
                flusher.recorded(waiting)
            except Exception as error:
                self._reporter.error("wake", "A log is queued and will be sent later (%s)", _describe(error))

    def _read_rest(self, exchange: Exchange) -> None:
        """Reads what the app left of the request's body, if all of it is there and fits."""
        body, unread = exchange.request_body, exchange.unread_bytes
        is_wanted = self._config.capture_unread_body and unread + exchange.request_bytes <= self._max_body_bytes
        if is_wanted and body is not None:
            try:
                if arrived_bytes(exchange.environ, body.stream, is_tls=exchange.is_tls) >= unread:
                    body.read(unread)
            except Exception as error:
                self._reporter.warning("unread body", "Could not read the rest of a request's body: %s", error)

    def join(self) -> Flusher:
        """This process's flusher. A fork hook may not have run (uWSGI forks in C), so the pid decides.

        Requests need not ask for the pid: in a forked child, the parent's queue takes nothing and says so.
        """
        flusher = self.flusher
        if flusher is not None and flusher.pid == os.getpid():
            return flusher
        with registry.lock():
            flusher = self.flusher
            if flusher is None or flusher.pid != os.getpid():
                self.flusher = flusher = registry.join(self._config, self._reporter)
        return flusher

    def lost(self, reason: str, error: Exception) -> None:
        try:
            # The type alone: an exception's text may quote what a list forbids.
            self._reporter.error(reason, "A request was not logged (%s): %s", reason, _describe(error))
            self.join().queue.drop_one(reason)
        except Exception:  # noqa: S110 - nothing is left to count or report with
            pass

    def __del__(self) -> None:
        # A middleware that is no longer used; one whose construction failed has no flusher.
        flusher = getattr(self, "flusher", None)
        if flusher is not None:
            registry.leave(flusher, self._config.shutdown_timeout)

    def flush(self, timeout: float | None) -> int:
        flusher = self.flusher
        if flusher is None or flusher.pid != os.getpid():
            return 0
        return flusher.flush(self._config.shutdown_timeout if timeout is None else timeout)

    def stats(self) -> dict[str, object]:
        flusher = self.flusher
        if flusher is None or flusher.pid != os.getpid():
            flusher = registry.find(self._config)
        if flusher is None:
            zeros: dict[str, object] = {"made": 0, "sent": 0, "queued": 0, "dropped": dict.fromkeys(CAUSES, 0)}
            return {"pid": os.getpid(), **zeros, "retries": 0, "directory": None, "host": None}
        return registry.stats(flusher)


def _nobody(_: object) -> None:
    """The grouping function of a middleware that logs nothing."""


def _describe(error: Exception) -> str:
    return str(error) if isinstance(error, (UnusableGroup, _core.InternalError)) else type(error).__name__
