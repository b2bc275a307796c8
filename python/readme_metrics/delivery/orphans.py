"""Delivers or discards the logs of dead processes, for a process at its exit or for `readme-metrics flush`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from readme_metrics import _core
from readme_metrics._process.reporter import HeldReports, Reporter
from readme_metrics.delivery import queue_dirs
from readme_metrics.delivery.before_send import before_send_of
from readme_metrics.delivery.delivery import MAX_BATCH_BYTES, MAX_BATCH_ENTRIES, Delivery
from readme_metrics.delivery.senders.choice import sender_for

if TYPE_CHECKING:
    from readme_metrics.config import MetricsApiConfig

#: Seconds until orphans are looked for again that could not be adopted, since another process was adopting them or had
#: only just died.
_LOOK_AGAIN_S = 0.1
#: The bound of a queue into which nothing is pushed.
_SMALLEST_QUEUE_BYTES = 1024 * 1024
#: The most batches that one call discards. Without a bound, a file that cannot be read would keep the call from ending.
_MOST_TURNS = 10_000


class Delivered(NamedTuple):
    """What became of the logs of dead processes, in logs."""

    sent: int = 0
    dropped: int = 0
    #: Logs of dead processes that still wait.
    left: int = 0
    #: An HTTP status or the name of an exception; None if no POST has failed.
    last_error: str | None = None


def count(rungs: list[str], name: str) -> int:
    """How many logs of dead processes wait, on all rungs.

    Args:
        rungs: The rungs to check.
        name: The name of the app's directory on a rung.
    """
    waiting = 0
    for rung in rungs:
        try:
            segments = _core.survey(f"{rung}/{name}").segments
        except OSError:  # the directory is missing, or must not be used
            continue
        waiting += sum(segment.counts.queued for segment in segments if segment.is_orphan)
    return waiting


def deliver(config: MetricsApiConfig, reporter: Reporter, deadline_s: float) -> Delivered:
    """Adopts and sends the logs of dead processes.

    Args:
        config: Only logs for its API key and server are sent.
        reporter: Gets the warnings.
        deadline_s: When to stop at the latest (seconds, `_core.monotonic`).
    """
    rungs, name = queue_dirs.directories(config), queue_dirs.name(config)
    if not count(rungs, name):
        return Delivered()
    sender = sender_for(config)
    held = HeldReports(reporter)
    queue = _core.Queue(rungs, name, config.queue_bytes)
    delivery = Delivery(queue, sender, held, config.METRICS_API_TIMEOUT, before_send_of(config, held))
    # Each call of `adopt` adopts a limited number of segments.
    while (left_s := deadline_s - _core.monotonic()) > 0:
        queue.adopt()
        if queue.waiting:
            if not delivery.post_next(left_s, is_last=True):
                break
        elif count(rungs, name):
            time.sleep(min(_LOOK_AGAIN_S, left_s))
        else:
            break
    queue.close()
    sender.close()
    held.tell()
    adopted = queue.stats().adopted
    return Delivered(adopted.sent, sum(adopted.dropped.values()), count(rungs, name), delivery.last_error)


def discard(rungs: list[str], name: str, reason: str) -> int:
    """Drops and counts the logs of dead processes; returns how many there were.

    Args:
        rungs: The rungs to check.
        name: The name of the app's directory on a rung.
        reason: A key of `stats()["dropped"]`.
    """
    if not count(rungs, name):
        return 0
    queue = _core.Queue(rungs, name, _SMALLEST_QUEUE_BYTES)
    try:
        for _ in range(_MOST_TURNS):
            queue.adopt()
            batch = queue.peek(MAX_BATCH_ENTRIES, MAX_BATCH_BYTES)
            if batch is not None:
                queue.release(batch, False, reason)
            elif count(rungs, name):
                time.sleep(_LOOK_AGAIN_S)
            else:
                break
    finally:
        queue.close()
    return queue.stats().adopted.dropped[reason]
