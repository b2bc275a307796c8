"""`Intake`: what every exchange of a middleware uses: selection, grouping function, encoder and this process's
queue.
"""

from __future__ import annotations

import copy
import os
import platform
from typing import TYPE_CHECKING

from readme_metrics import _core
from readme_metrics._process import environment
from readme_metrics._process.reporter import Reporter
from readme_metrics.capture.caller import Grouping, UnusableGroup
from readme_metrics.delivery.figures import sums
from readme_metrics.delivery.registry import FLUSHERS

if TYPE_CHECKING:
    from readme_metrics.config import MetricsApiConfig
    from readme_metrics.delivery.flusher import Flusher


class Intake:
    """One per middleware. `Flusher` has what belongs to a process, and is made by the first log of each process.

    Args:
        config: The configuration of the middleware.
        is_async: Whether its requests run on an event loop, which must not wait for the server. Then logs are sent from
            a thread, whatever `background_worker_mode` says.
    """

    def __init__(self, config: MetricsApiConfig, *, is_async: bool = False) -> None:
        self._is_async = is_async
        self._config = _with_thread(config) if is_async and not config.IS_BACKGROUND_MODE else config
        #: Doors with the same project make one log for a request.
        self.project = (config.README_API_KEY, config.project)
        self.reporter = Reporter(config)
        missing = config.missing_argument()
        self._is_disabled = config.is_disabled or missing is not None
        if missing and not config.is_disabled:
            self.reporter.warning("disabled", "Nothing is logged: %s is None or blank", missing)
        # A disabled middleware does not import the function, whose module may be missing.
        function = (None if self._is_disabled else config.imported_grouping_function()) or _nobody
        if not self._is_disabled:
            config.imported_before_send()  # raises now if the path is wrong
        self.grouping = Grouping(function, self.reporter, self.lost)
        #: A body that the app left unread is read up to this size.
        self.max_unread_bytes = config.max_body_bytes if config.capture_unread_body else -1
        self._hosts = frozenset(host.lower() for host in config.ALLOWED_HTTP_HOSTS)
        self._ignored_paths = frozenset(path for path in config.ignore_paths if not path.endswith("*"))
        self._ignored_prefixes = tuple(path[:-1] for path in config.ignore_paths if path.endswith("*"))
        shows_route = environment.shows_routes()
        self.encoder = _core.Encoder(
            denylist=config.DENYLIST,
            allowlist=config.effective_allowlist(),
            redact_nested=config.redact_nested,
            development=config.IS_DEVELOPMENT_MODE,
            max_body_bytes=config.max_body_bytes,
            trust_forwarded=config.trust_forwarded,
            platform=f"{platform.machine()}-{platform.system().lower()}{platform.release()}/{platform.python_version()}",
            rules=config.rules,
            shows_route=shows_route,
        )
        #: Whether `is_selected` needs to be asked at all.
        self.is_selective = bool(self._is_disabled or self._hosts or config.ignore_paths)
        #: Whether the encoder's `judge` needs to be asked at all.
        self.has_rules = bool(config.rules) or shows_route
        self.flusher: Flusher | None = None
        if not self._is_disabled:
            FLUSHERS.enrol(self._config)

    def is_selected(self, host: str, path: str) -> bool:
        """Whether a request to this host (with or without port) and path is to be logged."""
        if self._is_disabled:
            return False
        if self._hosts:
            host = host.lower()
            if host not in self._hosts and host.rpartition(":")[0] not in self._hosts:
                return False
        return not (path in self._ignored_paths or path.startswith(self._ignored_prefixes))

    def wake(self, waiting: int) -> None:
        """Tells the flusher how many entries wait, at a push at which it has asked for this: see `Queue.record`."""
        try:
            self.join().recorded(waiting, may_wait=not self._is_async)
        except Exception as error:
            self.reporter.error("wake", "A log is queued and will be sent later (%s)", _describe(error))

    def join(self) -> Flusher:
        """This process's flusher. The pid decides, since a fork hook may not have run (uWSGI forks in C).

        Requests need not compare the pid: in a forked child, `Queue.record` of the parent's queue raises `Forked`.
        """
        flusher = self.flusher
        if flusher is None or flusher.pid != os.getpid():
            self.flusher = flusher = FLUSHERS.join(self._config, self.reporter, id(self))
        return flusher

    def lost(self, reason: str, error: BaseException) -> None:
        try:
            # Only the exception's type is reported: its text may quote a denied value.
            self.reporter.error(reason, "A request was not logged (%s): %s", reason, _describe(error))
            self.join().queue.drop_one(reason)
        except Exception:  # noqa: S110 - nothing is left to count or report with
            pass

    def __del__(self) -> None:
        # The middleware is no longer used. If its construction failed, it has no flusher. At the end of the interpreter
        # our modules may be gone already; the exit handler has stopped the flusher by then.
        try:
            if self.flusher is not None:
                FLUSHERS.leave(self.flusher, id(self))
        except Exception:  # noqa: S110 - Python would print it, and nobody could do anything about it
            pass

    def flush(self, timeout: float | None) -> int:
        if self._is_disabled:
            return 0
        timeout_s = self._config.shutdown_timeout if timeout is None else timeout
        flusher = self.flusher
        if flusher is None or flusher.pid != os.getpid():
            # A door further outside may have logged for this one: see `nesting`.
            flusher = FLUSHERS.find(self._config)
        if flusher is None:
            return FLUSHERS.flush_orphans(self._config, timeout_s)
        return flusher.flush(timeout_s)

    def drain(self) -> None:
        """Sends what this process has logged so far through all its doors, since its server has shut down."""
        FLUSHERS.drain_all()

    def stats(self) -> dict[str, object]:
        flusher = self._running_flusher()
        return sums.nothing_yet() if flusher is None else FLUSHERS.stats(flusher)

    def metrics_text(self) -> str:
        flusher = self._running_flusher()
        return "" if flusher is None else FLUSHERS.metrics_text(flusher)

    def _running_flusher(self) -> Flusher | None:
        """This process's, without starting it."""
        flusher = self.flusher
        return FLUSHERS.find(self._config) if flusher is None or flusher.pid != os.getpid() else flusher


def _with_thread(config: MetricsApiConfig) -> MetricsApiConfig:
    config = copy.copy(config)
    config.IS_BACKGROUND_MODE = True
    return config


def _nobody(_: object) -> None:
    """The grouping function of a middleware that logs nothing."""


def _describe(error: BaseException) -> str:
    return str(error) if isinstance(error, (UnusableGroup, _core.InternalError)) else type(error).__name__
