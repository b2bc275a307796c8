"""The flushers of this process: one for all middlewares that deliver alike, stopped together at its end."""

from __future__ import annotations

import atexit
import os
import threading
import time
from typing import TYPE_CHECKING

from readme_metrics import _core
from readme_metrics.delivery.flusher import Flusher
from readme_metrics.delivery.senders.http import server

if TYPE_CHECKING:
    from readme_metrics._process.reporter import Reporter
    from readme_metrics.config import MetricsApiConfig

_flushers: dict[tuple[object, ...], Flusher] = {}
# One lock per pid: a lock that some thread of the parent held at the fork is nobody's to release here.
_locks: dict[int, threading.Lock] = {}


def lock() -> threading.Lock:
    """What the caller of `join` holds."""
    return _locks.setdefault(os.getpid(), threading.Lock())


def _key(config: MetricsApiConfig) -> tuple[object, ...]:
    """What makes two configurations deliver alike. A fork hook may not have run (uWSGI forks in C): the pid is part."""
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
        config.dry_run,
        id(config.LOGGER),
    )


def join(config: MetricsApiConfig, reporter: Reporter) -> Flusher:
    """This process's flusher for `config`, started if it is the first to ask."""
    key = _key(config)
    flusher = _flushers.get(key)
    if flusher is None or flusher.is_stopping:
        _flushers[key] = flusher = Flusher(config, reporter)
    flusher.users += 1
    return flusher


def find(config: MetricsApiConfig) -> Flusher | None:
    """The same, if this process has it already."""
    return _flushers.get(_key(config))


def leave(flusher: Flusher, shutdown_timeout_s: float) -> None:
    """The last user's leaving ends it: it sends what is left, and nobody waits for that."""
    # Without the lock: a finaliser may run while this very thread holds it.
    flusher.users -= 1
    if flusher.users == 0 and flusher.pid == os.getpid():
        for key, known in list(_flushers.items()):
            if known is flusher:
                _flushers.pop(key, None)
        # Without a thread it would be this one that waits for the server.
        flusher.stop(time.monotonic() + (shutdown_timeout_s if flusher.has_thread else 0.0))


def stats(flusher: Flusher) -> dict[str, object]:
    """The sums of this process and of the host."""
    return flusher.stats(list(_flushers.values()))


def _stop_all() -> None:
    """One deadline over everything: all are asked to end, then each is waited for until its own."""
    flushers = list(_flushers.values())
    now_s = time.monotonic()
    # Those without a thread end here and now, one after the other: the others first.
    for flusher in sorted(flushers, key=lambda flusher: not flusher.has_thread):
        flusher.stop(now_s + flusher.shutdown_timeout_s)
    for flusher in flushers:
        flusher.join()
    _core.seal()


def _forget_all() -> None:
    """In a forked child: everything of the parent's is left to the parent."""
    _flushers.clear()
    _locks.clear()


# Once per interpreter: fork hooks cannot be unregistered.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
atexit.register(_stop_all)
