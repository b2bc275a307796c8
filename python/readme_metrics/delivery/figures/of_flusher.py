"""The results of `stats()` and `metrics_text()`: the sums of this process and of its host."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from readme_metrics import _core
from readme_metrics.delivery.figures import sums

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from readme_metrics.delivery.delivery import Delivery


def stats(queue: _core.Queue, siblings: Sequence[_core.Queue], delivery: Delivery) -> dict[str, object]:
    """The public dict.

    Args:
        queue: The flusher's own queue.
        siblings: The queues of the other flushers of this process.
        delivery: Knows how the POSTs of this process went.
    """
    return sums.of_process(
        queue.stats(), delivery.retries, delivery.last_error, _directory(queue), _survey(queue, siblings)
    )


def metrics_text(queue: _core.Queue, siblings: Sequence[_core.Queue], delivery: Delivery) -> str:
    """The sums of the host as Prometheus text, with the times of this process's POSTs. The arguments are as in
    `stats`.
    """
    from readme_metrics.delivery.figures import prometheus
    from readme_metrics.delivery.figures.oldest import oldest_of

    survey, directory = _survey(queue, siblings), _directory(queue)
    made = []
    if directory is not None:
        waiting = [segment for segment in _core.survey(directory).segments if segment.counts.queued]
        made = [oldest for segment in waiting if (oldest := oldest_of(directory, segment)) is not None]
    samples = prometheus.of_survey(survey, directory, min(made, default=None), time.time())
    labels = prometheus.labels_of(survey, directory)
    samples += prometheus.of_posts(labels, os.getpid(), delivery.post_s, delivery.posts)
    return prometheus.text(samples)


def _survey(queue: _core.Queue, siblings: Sequence[_core.Queue]) -> _core.Survey:
    return queue.survey([sibling for sibling in siblings if sibling.directory == queue.directory is not None])


def _directory(queue: _core.Queue) -> Path | None:
    from pathlib import Path  # imported here, since it would double the import time of the package

    return None if queue.directory is None else Path(queue.directory)
