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
        self._is_selective = bool(config.is_disabled or self._hosts or config.ignore_paths)
        self._flusher: Flusher | None = None

    def begin(self, environ: Environ, start_response: StartResponse) -> Exchange | None:
        """Starts to watch a request; None where it is not to be logged."""
        try:
            if environ.get("REQUEST_METHOD") == "OPTIONS" or (self._is_selective and not self._is_selected(environ)):
                return None
            return Exchange(self, environ, start_response, self._max_bytes)
        except Exception as error:
            self._lost("internal", error)
            return None

    def _is_selected(self, environ: Environ) -> bool:
        if self._config.is_disabled:
            return False
        if self._hosts:
            host = environ.get("HTTP_HOST", "").lower()
            if host not in self._hosts and host.rpartition(":")[0] not in self._hosts:
                return False
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        return not (path in self._ignored_paths or path.startswith(self._ignored_prefixes))

    def response_started(self, exchange: Exchange, headers: Headers) -> Headers:
        """Asks who called; returns the headers to send, with the documentation URL where it is known."""
        try:
            if not exchange.is_identified:
                self._identify(exchange)
            if exchange.group is not None:
                base_url = (self._flusher or self._join()).docs_url.base_url
                if base_url:
                    return [*headers, ("x-documentation-url", exchange.capture.documentation_url(base_url))]
        except Exception as error:
            exchange.group = None
            self._lost("internal", error)
        return headers

    def _identify(self, exchange: Exchange) -> None:
        exchange.is_identified = True
        try:
            exchange.group = identify(self._function, exchange.environ, exchange.capture, self._reporter)
        except Exception as error:
            self._lost("grouping", error)
        if exchange.group is None:
            exchange.capture.forget_request()
            exchange.capture.forget_response()

    def record(self, exchange: Exchange) -> None:
        """Logs a finished exchange. Whatever goes wrong is counted and reported, never raised."""
        try:
            if not exchange.is_identified:  # the app raised before it called start_response
                self._identify(exchange)
            group = exchange.group
            if group is None:
                return
            capture = exchange.capture
            if capture.unread_bytes:
                self._read_rest(exchange)
            if failure := capture.failure:
                self._lost("internal", failure)
                return
            flusher = self._flusher or self._join()
            status = exchange.status or "500 Internal Server Error"
            headers, is_file = exchange.headers, exchange.is_file
            waiting = flusher.queue.record(self._encoder, capture, group, status, headers, is_file)
            if waiting is None:
                flusher = self._join()
                waiting = flusher.queue.record(self._encoder, capture, group, status, headers, is_file) or 0
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
        """Reads what the app left of the request's body, if all of it is there and fits."""
        body, unread = exchange.request_body, exchange.capture.unread_bytes
        is_wanted = self._config.capture_unread_body and unread + exchange.capture.request_bytes <= self._max_bytes
        if is_wanted and body is not None:
            try:
                if arrived_bytes(exchange.environ, body.stream, is_tls=exchange.capture.is_tls) >= unread:
                    body.read(unread)
            except Exception as error:
                self._reporter.warning("unread body", "Could not read the rest of a request's body: %s", error)

    def _join(self) -> Flusher:
        """This process's flusher. A fork hook may not have run (uWSGI forks in C), so the pid decides.

        Requests need not ask for the pid: in a forked child, the parent's queue takes nothing and says so.
        """
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
            self._join().queue.drop_one(reason)
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
