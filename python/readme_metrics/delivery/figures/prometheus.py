"""The counters as Prometheus text (exposition format, version 0.0.4), for `metrics_text` and `status --prometheus`.

Source of names and units: https://prometheus.io/docs/practices/naming/ (base units, `_total` for counters).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from readme_metrics import _core


class Sample(NamedTuple):
    """One value of a metric."""

    #: The metric's name without the prefix `readme_metrics_`.
    name: str
    labels: dict[str, str]
    value: float


#: The type and help of each metric, in the order of the output. A summary has two samples, `_sum` and `_count`.
_METRICS = {
    "made_total": ("counter", "Requests that were to be logged."),
    "sent_total": ("counter", "Logs that the server has confirmed."),
    "sampled_total": ("counter", "Requests that a rule's sample left out."),
    "dropped_total": ("counter", "Logs that will never be sent, by reason."),
    "bodies_dropped_total": ("counter", "Logs that lost their bodies to fit the queue."),
    "retries_total": ("counter", "POSTs that had to be repeated."),
    "queued": ("gauge", "Logs that wait."),
    "queued_bytes": ("gauge", "Bytes that the logs that wait take in segments."),
    "oldest_age_seconds": ("gauge", "How long the oldest log that waits has waited; 0 if none waits."),
    "failures": ("gauge", "POSTs in a row that have failed."),
    "last_success_timestamp_seconds": ("gauge", "When the server last took logs, in seconds since 1970; 0 for never."),
    "post_seconds": ("summary", "Seconds that the POSTs of this process took."),
}


def labels_of(survey: _core.Survey, directory: Path | None) -> dict[str, str]:
    """The labels of each sample, which tell the apps of a host apart."""
    return {"app": survey.label or "", "directory": "" if directory is None else str(directory)}


def of_survey(survey: _core.Survey, directory: Path | None, oldest: float | None, now: float) -> list[Sample]:
    """The sums of all processes of an app.

    Args:
        survey: The survey of the app's directory.
        directory: The queue's directory; None in private memory.
        oldest: When the oldest log that waits was made, in seconds since 1970; None if no log waits or it is not known.
        now: Seconds since 1970.
    """
    counts, server, labels = survey.counts, survey.server, labels_of(survey, directory)
    return [
        Sample("made_total", labels, counts.made),
        Sample("sent_total", labels, counts.sent),
        Sample("sampled_total", labels, counts.sampled),
        *(Sample("dropped_total", {**labels, "reason": why}, count) for why, count in counts.dropped.items()),
        Sample("bodies_dropped_total", labels, counts.bodies_dropped),
        Sample("retries_total", labels, server.retries),
        Sample("queued", labels, counts.queued),
        Sample("queued_bytes", labels, sum(segment.queued_bytes for segment in survey.segments)),
        Sample("oldest_age_seconds", labels, 0.0 if oldest is None else max(now - oldest, 0.0)),
        Sample("failures", labels, server.failures),
        Sample("last_success_timestamp_seconds", labels, server.last_success or 0.0),
    ]


def of_posts(labels: dict[str, str], pid: int, seconds: float, count: int) -> list[Sample]:
    """The times of the POSTs of one process."""
    labels = {**labels, "pid": str(pid)}
    return [Sample("post_seconds_sum", labels, seconds), Sample("post_seconds_count", labels, count)]


def text(samples: Iterable[Sample]) -> str:
    """The samples as text. The format requires that all samples of a metric follow its help and type."""
    lines: list[str] = []
    samples = list(samples)
    for name, (kind, meaning) in _METRICS.items():
        names = {f"{name}_sum", f"{name}_count"} if kind == "summary" else {name}
        found = [sample for sample in samples if sample.name in names]
        if found:
            lines += [f"# HELP readme_metrics_{name} {meaning}", f"# TYPE readme_metrics_{name} {kind}"]
            lines += [_line(sample) for sample in found]
    return "".join(f"{line}\n" for line in lines)


def _line(sample: Sample) -> str:
    labels = ",".join(f'{name}="{_escaped(value)}"' for name, value in sample.labels.items())
    return f"readme_metrics_{sample.name}{{{labels}}} {sample.value!r}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
