"""`Registry`: the flushers of this process. Middlewares with the same way of delivery share one; all stop at its
exit.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import weakref
from typing import TYPE_CHECKING

from readme_metrics import _core
from readme_metrics._process import asgi_server, reporter, wsgi_server
from readme_metrics._process.reporter import Reporter
from readme_metrics.delivery import orphans
from readme_metrics.delivery.flusher import Flusher
from readme_metrics.delivery.senders.http import server

if TYPE_CHECKING:
    from readme_metrics.config import MetricsApiConfig

#: The priority in `multiprocessing.util.Finalize`: below 0 is after the end of a process's own children, whose logs it
#: delivers.
_AFTER_CHILDREN = -100
#: Seconds that the first import of `requests` may take on a busy host, in addition to `shutdown_timeout`.
IMPORT_S = 2.0

#: A process that ends this soon after its server has shut down ends for the same reason.
_SOON_S = 10.0


class Registry:
    """Every method may be called from any thread, and from finalisers and signal handlers at any moment.

    Therefore the lock is re-entrant, nothing is reported while it is held, and `leave`, which finalisers call, does not
    take it.
    """

    def __init__(self) -> None:
        self._flushers: dict[tuple[object, ...], Flusher] = {}
        # One lock per pid: if a thread of the parent held a lock at the fork, no thread of the child can release it.
        self._locks: dict[int, threading.RLock] = {}
        # The configurations of all middlewares, also of those that have logged nothing.
        self._configs: weakref.WeakSet[MetricsApiConfig] = weakref.WeakSet()
        self._child_pid = 0
        #: `drain_all` took `_vain_s` seconds without sending everything, which count as part of the exit's time until
        #: `_vain_until_s` (seconds, `_core.monotonic`).
        self._vain_until_s = self._vain_s = 0.0

    def enrol(self, config: MetricsApiConfig) -> None:
        """Notes that a middleware was made, so that this process delivers the logs of dead siblings at its exit."""
        self._configs.add(config)
        longest_s = max(known.shutdown_timeout for known in list(self._configs))
        wsgi_server.at_end_of_uwsgi_master(self.stop_all, longest_s + IMPORT_S)

    def join(self, config: MetricsApiConfig, reports: Reporter, user: int) -> Flusher:
        """This process's flusher for `config`, started if it is the first to ask.

        Args:
            config: Says how to deliver.
            reports: Gets the flusher's warnings.
            user: The caller's id, which it later passes to `leave`. Joining again changes nothing.
        """
        key = _key(config)
        with self._lock():
            flusher = self._flushers.get(key)
            if flusher is None or flusher.is_stopping:
                made = Flusher(config, reports)
                # A finaliser that ran on this thread meanwhile may have made one.
                flusher = self._flushers.get(key)
                if flusher is None or flusher.is_stopping:
                    self._flushers[key] = flusher = made
                else:
                    made.stop(_core.monotonic())
            flusher.users.add(user)
            asgi_server.drain_before_exit(self.drain_all)
            self._stop_at_the_end_of_a_child()
        flusher.tell()
        return flusher

    def find(self, config: MetricsApiConfig) -> Flusher | None:
        """The flusher for `config`, if this process has one."""
        return self._flushers.get(_key(config))

    def leave(self, flusher: Flusher, user: int) -> None:
        """Notes that a user has left. When the last one leaves, the flusher sends what is left; nobody waits for
        that.
        """
        flusher.users.discard(user)
        if not flusher.users and flusher.pid == os.getpid():
            for key, known in list(self._flushers.items()):
                if known is flusher:
                    self._flushers.pop(key, None)
            # Without a thread, a last delivery would make the caller wait for the server: it is left out.
            flusher.stop(_core.monotonic() + (flusher.shutdown_timeout_s if flusher.has_thread else 0.0))

    def stats(self, flusher: Flusher) -> dict[str, object]:
        """The sums of this process and of the host."""
        return flusher.stats(list(self._flushers.values()))

    def metrics_text(self, flusher: Flusher) -> str:
        """The sums of the host as Prometheus text."""
        return flusher.metrics_text(list(self._flushers.values()))

    def flush_orphans(self, config: MetricsApiConfig, timeout_s: float) -> int:
        """Sends the logs of dead processes, for a process that has logged nothing. Returns how many logs are left."""
        return orphans.deliver(config, Reporter(config), _core.monotonic() + timeout_s).left

    def drain_all(self) -> None:
        """Sends the logs that wait, when a server has shut down and its process is about to end. Never raises.

        The exit tries again to send logs that are left, within the rest of the same deadline.
        """
        started_s = self._now_less_what_was_in_vain()
        left = 0
        for key, flusher in list(self._flushers.items()):
            if key[0] == os.getpid():
                left += flusher.flush(max(started_s + flusher.shutdown_timeout_s - _core.monotonic(), 0.0))
        if left:
            now_s = _core.monotonic()
            self._vain_s, self._vain_until_s = now_s - started_s, now_s + _SOON_S

    def _now_less_what_was_in_vain(self) -> float:
        now_s = _core.monotonic()
        return now_s - self._vain_s if now_s < self._vain_until_s else now_s

    def stop_all(self) -> None:
        """Stops all flushers: asks each of them to end, then waits for each until its deadline."""
        now_s = self._now_less_what_was_in_vain()
        flushers = [flusher for key, flusher in list(self._flushers.items()) if key[0] == os.getpid()]
        # Flushers with a thread come first, since one without a thread delivers on this thread.
        for flusher in sorted(flushers, key=lambda flusher: not flusher.has_thread):
            flusher.stop(now_s + flusher.shutdown_timeout_s)
        for flusher in flushers:
            flusher.join()
        self._pass_on(now_s)
        reporter.end()
        _core.seal()

    def _pass_on(self, now_s: float) -> None:
        """Delivers the logs of dead siblings, for the middlewares of this process that have logged nothing."""
        seen = set(self._flushers)
        for config in list(self._configs):
            try:
                key = _key(config)
                if key not in seen:
                    seen.add(key)
                    orphans.deliver(config, Reporter(config), now_s + config.shutdown_timeout)
            except Exception as error:
                Reporter(config).error("flusher", "Logs of dead processes could not be sent (%s)", type(error).__name__)

    def _stop_at_the_end_of_a_child(self) -> None:
        """In a child of `multiprocessing`, stops at its end: such a child skips `atexit` and runs only these
        finalisers.
        """
        process, util = sys.modules.get("multiprocessing.process"), sys.modules.get("multiprocessing.util")
        if process and util and self._child_pid != os.getpid() and process.parent_process() is not None:
            self._child_pid = os.getpid()
            util.Finalize(None, self.stop_all, exitpriority=_AFTER_CHILDREN)

    def _lock(self) -> threading.RLock:
        return self._locks.setdefault(os.getpid(), threading.RLock())

    def forget_all(self) -> None:
        """Called in a forked child, which leaves the flushers to its parent. The child keeps the middlewares."""
        self._flushers.clear()
        self._locks.clear()


def _key(config: MetricsApiConfig) -> tuple[object, ...]:
    """Configurations with the same key share a flusher. The key has the pid, since uWSGI forks without fork hooks."""
    return (
        os.getpid(),
        config.README_API_KEY,
        server(config),
        config.README_API_URL,
        config.BASE_LOG_URL,
        config.BUFFER_LENGTH,
        config.IS_BACKGROUND_MODE,
        config.METRICS_API_TIMEOUT,
        config.flush_interval,
        config.shutdown_timeout,
        config.queue_dir,
        config.queue_bytes,
        config.compress,
        config.relay,
        config.project,
        config.relay_bytes,
        config.dry_run,
        _last_look(config),
        id(config.LOGGER),
    )


def _last_look(config: MetricsApiConfig) -> tuple[object, ...]:
    """The part of the key that decides about a log after the queue: `before_send`, and the lists applied after it."""
    function = config.before_send
    if function is None:
        return ()
    lists = (tuple(config.DENYLIST), tuple(config.ALLOWLIST), config.redact_nested, repr(config.rules))
    return (function if isinstance(function, str) else id(function), *lists)


#: The registry of this process.
FLUSHERS = Registry()

# Once per interpreter: fork hooks cannot be unregistered.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=FLUSHERS.forget_all)
atexit.register(FLUSHERS.stop_all)
