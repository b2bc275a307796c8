"""`Recorder`: filter, identify, encode, queue; the only caller of the core on the request's thread."""

from __future__ import annotations

import os
import platform
from typing import TYPE_CHECKING

from readme_metrics import _core, flushers
from readme_metrics._guard import Reporter
from readme_metrics.arrived import arrived_bytes
from readme_metrics.exchange import Exchange
from readme_metrics.grouping import UnusableGroup, identify
from readme_metrics.losses import CAUSES

if TYPE_CHECKING:
    from readme_metrics.config import MetricsApiConfig
    from readme_metrics.flusher import Flusher
    from readme_metrics.wsgi_types import Environ, Headers, StartResponse

#: More than an exabyte is nonsense, and would not fit the core's 64 bits.
MAX_LENGTH_DIGITS = 18


class Recorder:
    """One per middleware. What belongs to a process is in `Flusher`, made by the first log of each pid."""

    def __init__(self, config: MetricsApiConfig) -> None:
        self._config = config
        self._reporter = Reporter(config)
        self._function = config.GROUPING_FUNCTION
        self._max_bytes = config.max_body_bytes
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
        self._flusher: Flusher | None = None

    def begin(self, environ: Environ, start_response: StartResponse) -> Exchange | None:
        """Starts to watch a request; None where it is not to be logged."""
        try:
            if not self._is_logged(environ):
                return None
            return Exchange(self, environ, start_response, self._max_bytes)
        except Exception as error:
            self._lost("internal", error)
            return None

    def _is_logged(self, environ: Environ) -> bool:
        if self._config.is_disabled or environ.get("REQUEST_METHOD") == "OPTIONS":
            return False
        if self._hosts:
            host = environ.get("HTTP_HOST", "").lower()
            if host not in self._hosts and host.rpartition(":")[0] not in self._hosts:
                return False
        if self._ignored_paths or self._ignored_prefixes:
            path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
            if path in self._ignored_paths or path.startswith(self._ignored_prefixes):
                return False
        return True

    def response_started(self, exchange: Exchange, headers: Headers) -> Headers:
        """Asks who called; returns the headers to send, with the documentation URL where it is known."""
        try:
            if not exchange.is_identified:
                self._identify(exchange)
            if exchange.group is not None:
                base_url = self._local().docs_url.base_url
                if base_url:
                    exchange.log_id = exchange.log_id or _core.new_log_id()
                    return [*headers, ("x-documentation-url", f"{base_url}/logs/{exchange.log_id}")]
        except Exception as error:
            exchange.group = None
            self._lost("internal", error)
        return headers

    def _identify(self, exchange: Exchange) -> None:
        exchange.is_identified = True
        try:
            exchange.group = identify(
                self._function, exchange.environ, exchange.request.body.chunks, self._reporter
            )
        except Exception as error:
            self._lost("grouping", error)
        if exchange.group is None:
            exchange.request.body.forget()
            exchange.response.forget()

    def record(self, exchange: Exchange) -> None:
        """Logs a finished exchange. Whatever goes wrong is counted and reported, never raised."""
        try:
            if not exchange.is_identified:  # the app raised before it called start_response
                self._identify(exchange)
            if exchange.group is None:
                return
            flusher = self._local()
            self._read_rest(exchange)
            request, response = exchange.request.body, exchange.response
            if failure := request.failure or response.failure:
                self._lost("internal", failure)
                return
            waiting = flusher.queue.record(
                self._encoder,
                exchange.log_id or _core.new_log_id(),
                exchange.group,
                exchange.snapshot,
                request.chunks,
                max(request.size_bytes, _content_length(exchange.snapshot)),
                exchange.status or "500 Internal Server Error",
                exchange.headers,
                None if exchange.is_file else response.chunks,
                None if exchange.is_file else response.size_bytes,
                exchange.started_unix_s,
                exchange.duration_s,
            )
        except Exception as error:
            self._lost("internal", error)
            return
        try:
            # A file is still to be sent by the server: where requests send logs themselves, a later one does.
            if not exchange.is_file:
                flusher.recorded(waiting)
        except Exception as error:
            self._reporter.error("wake", "A log is queued and will be sent later (%s)", _describe(error))

    def lose(self, exchange: Exchange, error: Exception) -> None:
        """Counts an exchange that cannot be watched any further."""
        if exchange.group is not None or not exchange.is_identified:
            self._lost("internal", error)

    def _read_rest(self, exchange: Exchange) -> None:
        """Reads what the app left of the request's body, if all of it is there."""
        environ = exchange.snapshot
        length = _content_length(environ)
        unread = length - exchange.request.body.size_bytes
        if (
            unread > 0
            and length <= self._max_bytes
            and self._config.capture_unread_body
            and "HTTP_EXPECT" not in environ  # the client waits for a "100 Continue" that the app did not give
        ):
            try:
                if arrived_bytes(environ, environ["wsgi.input"]) >= unread:
                    exchange.request.read(unread)
            except Exception as error:
                self._reporter.warning("unread body", "Could not read the rest of a request's body: %s", error)

    def _local(self) -> Flusher:
        """This process's flusher. A fork hook may not have run (uWSGI forks in C), so the pid decides."""
        flusher = self._flusher
        if flusher is not None and flusher.pid == os.getpid():
            return flusher
        with flushers.lock():
            flusher = self._flusher
            if flusher is None or flusher.pid != os.getpid():
                self._flusher = flusher = flushers.join(self._config, self._reporter)
        return flusher

    def _lost(self, reason: str, error: Exception) -> None:
        try:
            # The type alone: an exception's text may quote what a list forbids.
            self._reporter.error(reason, "A request was not logged (%s): %s", reason, _describe(error))
            self._local().queue.drop_one(reason)
        except Exception:  # noqa: S110 - nothing is left to count or report with
            pass

    def __del__(self) -> None:
        # A middleware that is no longer used; one whose construction failed has no flusher.
        flusher = getattr(self, "_flusher", None)
        if flusher is not None:
            flushers.leave(flusher, self._config.shutdown_timeout)

    def flush(self, timeout: float | None) -> int:
        flusher = self._flusher
        if flusher is None or flusher.pid != os.getpid():
            return 0
        return flusher.flush(self._config.shutdown_timeout if timeout is None else timeout)

    def stats(self) -> dict[str, object]:
        flusher = self._flusher
        if flusher is None or flusher.pid != os.getpid():
            flusher = flushers.find(self._config)
        if flusher is None:
            zeros: dict[str, object] = {"made": 0, "sent": 0, "queued": 0, "dropped": dict.fromkeys(CAUSES, 0)}
            return {"pid": os.getpid(), **zeros, "retries": 0, "directory": None, "host": None}
        return flushers.stats(flusher)


def _describe(error: Exception) -> str:
    return str(error) if isinstance(error, (UnusableGroup, _core.InternalError)) else type(error).__name__


def _content_length(environ: Environ) -> int:
    """What the client declared; 0 where it declared nothing or nonsense."""
    declared = environ.get("CONTENT_LENGTH")
    if isinstance(declared, str) and declared.isascii() and declared.isdigit() and len(declared) <= MAX_LENGTH_DIGITS:
        return int(declared)
    return 0
