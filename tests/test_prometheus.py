"""The counters as Prometheus text, from the command and from the middleware."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from readme_metrics import MetricsMiddleware, Rule
from readme_metrics.delivery.figures import prometheus
from wsgi import call

Logged = Callable[..., tuple[MetricsMiddleware, Callable[[int], list[dict[str, Any]]]]]

#: A line of the text format: https://prometheus.io/docs/instrumenting/exposition_formats/
LINE = re.compile(
    r"# HELP ([a-z_]+) .+|# TYPE ([a-z_]+) (counter|gauge|summary)"
    r'|([a-z_]+)\{((?:[a-z]+="(?:[^"\\\n]|\\.)*",?)*)\} (-?[0-9.e+-]+)'
)


def parsed(text: str, directory: str = "") -> dict[str, float]:
    """Each sample of the queue at `directory`, by its name and its labels other than those of queue and process."""
    samples: dict[str, float] = {}
    family = ""
    for line in text.splitlines():
        found = LINE.fullmatch(line)
        assert found, line
        if found[2]:
            family = found[2]
            assert family.endswith("_total") == (found[3] == "counter")
        elif found[4]:
            assert found[4] in (family, f"{family}_sum", f"{family}_count")  # all samples of a metric stand together
            if directory not in found[5]:
                continue
            labels = re.sub(r'(?:^|,)(?:app|directory|pid)="[^"]*"', "", found[5]).strip(",")
            key = f"{found[4]}{{{labels}}}" if labels else found[4]
            assert key not in samples
            samples[key] = float(found[6])
    assert text.endswith("\n")
    return samples


def test_what_the_middleware_and_the_command_tell(logged: Logged) -> None:
    middleware, logs = logged(rules=[Rule(path="/sampled", sample=0.0)])
    assert middleware.metrics_text() == ""
    call(middleware)
    logs(1)
    call(middleware, "/sampled")
    failing, _ = logged(group=lambda _: {})
    call(failing)
    command = [sys.executable, "-m", "readme_metrics", "status", "--prometheus"]
    output = subprocess.run(command, capture_output=True, text=True, timeout=60).stdout
    directory = str(middleware.stats()["directory"])
    samples, told = parsed(middleware.metrics_text()), parsed(output, directory)
    assert samples["readme_metrics_made_total"] == 3
    assert samples["readme_metrics_sent_total"] == 1
    assert samples["readme_metrics_sampled_total"] == 1
    assert samples['readme_metrics_dropped_total{reason="grouping"}'] == 1
    assert samples['readme_metrics_dropped_total{reason="full"}'] == 0
    assert samples["readme_metrics_queued"] == samples["readme_metrics_oldest_age_seconds"] == 0
    assert samples["readme_metrics_last_success_timestamp_seconds"] > 1.7e9
    assert samples.pop("readme_metrics_post_seconds_count") == 1
    assert 0 < samples.pop("readme_metrics_post_seconds_sum") < 60
    assert told == samples


def test_what_waits_has_an_age(logged: Logged) -> None:
    middleware, _ = logged(buffer_length=100, flush_interval=3600)
    call(middleware)
    samples = parsed(middleware.metrics_text())
    assert samples["readme_metrics_queued"] == 1
    assert 0 <= samples["readme_metrics_oldest_age_seconds"] < 60


#: https://prometheus.io/docs/practices/naming/: what `promtool check metrics` refuses in names.
NOT_BASE_UNITS = {"milliseconds", "ms", "minutes", "hours", "days", "kilobytes", "kb", "mb", "megabytes", "percent"}


def test_the_parser_of_prometheus_reads_the_text_and_the_names_keep_its_conventions(logged: Logged) -> None:
    middleware, logs = logged()
    call(middleware)
    logs(1)
    families = list(text_string_to_metric_families(middleware.metrics_text()))
    assert len(families) >= 10
    for family in families:
        name = family.name  # for a counter without `_total`, which the parser removes
        words = name.split("_")
        assert words[:2] == ["readme", "metrics"] and family.documentation.endswith(".")
        assert not NOT_BASE_UNITS & set(words) and not {"gauge", "counter", "summary"} & set(words)
        assert not re.search("total|count|sum|bucket|info$", "_".join(words[2:]))
        for sample in family.samples:
            assert (sample.name == f"{name}_total") == (family.type == "counter")
            assert not {"le", "quantile", "job", "instance", name} & set(sample.labels)


def test_labels_are_escaped() -> None:
    text = prometheus.text([prometheus.Sample("queued", {"app": 'a"b\\c\nd'}, 1)])
    assert text.splitlines()[-1] == 'readme_metrics_queued{app="a\\"b\\\\c\\nd"} 1'
