"""docs/operations.md and docs/troubleshooting.md say what the code does."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import wsgi
from doc_pages import ROOT, page, rust, table
from readme_metrics import MetricsApiConfig, MetricsMiddleware
from readme_metrics.collector import Collector
from readme_metrics.delivery import backoff
from readme_metrics.delivery.senders import http
from wsgi import call


def test_the_messages_are_those_of_the_code() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "python" / "readme_metrics").rglob("*.py"))
    messages = table(page("troubleshooting.md"), "| message | cause and remedy |")
    assert len(messages) > 5
    for message in messages:
        text = message.strip("`")
        reason = re.search(r" \((\w+)\)$", text)
        if reason:
            assert reason[1] in _stats()["dropped"]
            text = text.removesuffix(reason[0])
        assert text in sources, message


def test_the_request_by_hand(collector: Collector) -> None:
    if not shutil.which("curl"):
        pytest.skip("needs curl")
    [command] = re.findall(r"^(curl .*)$", page("troubleshooting.md"), re.MULTILINE)
    command = command.replace("https://metrics.readme.io", collector.url)
    environ = {"README_API_KEY": "rdme_key", "NO_PROXY": "*", "PATH": "/usr/local/bin:/usr/bin:/bin"}
    result = subprocess.run(["/bin/sh", "-c", command], env=environ, capture_output=True, text=True, check=True)
    assert result.stdout == "202\n"


def _stats() -> dict[str, Any]:
    middleware = MetricsMiddleware(wsgi.app, MetricsApiConfig("key", wsgi.group))
    call(middleware)
    return middleware.stats()


def test_the_counters_are_those_of_the_code() -> None:
    stats = _stats()
    counters = table(page("operations.md"), "| counter | what it counts |")
    assert {name.strip("`") for name in counters} == set(stats)
    reasons = table(page("operations.md"), "| dropped for | because | what to do |")
    assert [name.strip("`") for name in reasons] == list(stats["dropped"])
    [example] = re.findall(r"```python\n(\{.*?\})\n```", page("troubleshooting.md"), re.DOTALL)
    shown = eval(example.replace("{...}", "{}"), {"PosixPath": Path})
    assert set(shown) == set(stats)
    assert shown["made"] == shown["sent"] + shown["queued"] + shown["sampled"] + sum(shown["dropped"].values())
    assert set(shown["dropped"]) == set(stats["dropped"])


def test_the_answers_are_judged_as_documented() -> None:
    rows = list(table(page("operations.md"), "| the answer | what happens |"))
    for row, outcome in zip(rows, ("SENT", "RETRY", "DENIED", "TOO_LARGE", "REFUSED"), strict=True):
        statuses = [int(status) for status in re.findall(r"\b\d{3}\b", row)]
        statuses += [int(hundred) * 100 + 1 for hundred in re.findall(r"(\d)xx", row) if hundred != "4"]
        for status in statuses or [400, 422]:
            assert http.outcome(status).name == outcome, status
    assert (backoff.FIRST_S, backoff.LONGEST_S, backoff.RETRY_AFTER_LONGEST_S, backoff.DENIED_S) == (0.5, 15, 300, 60)


@pytest.mark.parametrize(("kind", "documented_bytes"), [("GET", 1000), ("POST", 3700)])
def test_the_size_of_a_log(kind: str, documented_bytes: int, logged: Callable[..., Any]) -> None:
    assert "takes 1 KB" in page("operations.md") and "3.7 KB" in page("operations.md")
    middleware, _ = logged(flush_interval=3600, denylist=["x"], buffer_length=1000)
    headers = {f"HTTP_X_HEADER_{number}": "value-of-a-header" for number in range(14 if kind == "POST" else 0)}
    body = json.dumps({"k": "v" * 1000}).encode() if kind == "POST" else b""
    for _ in range(10):
        call(middleware, "/echo" if body else "/", method=kind, body=body, content_type="application/json", **headers)
    queue = middleware._intake.flusher.queue
    assert queue.waiting_bytes / queue.waiting == pytest.approx(documented_bytes, rel=0.1)


def test_the_sizes_of_the_queue_are_those_of_the_code() -> None:
    text = page("operations.md")
    assert "64 KiB when idle" in text and "FIRST_BYTES: u64 = 64 << 10" in rust("queue/growth.rs")
    assert "64 MiB" in text and "BOUND_BYTES: u64 = 64 << 20" in rust("queue/orphans.rs")


def test_the_serverless_configuration(collector: Collector, logged: Callable[..., Any]) -> None:
    [options] = re.findall(r"MetricsApiConfig\(\.\.\., (.*?)\)", page("operations.md"))
    middleware, _ = logged(**eval(f"dict({options})"))
    call(middleware)
    assert len(collector.logs) == 1  # when the call returned


@pytest.mark.parametrize("recipe", [r"ExecStopPost=(readme-metrics .*)", r"\* \* \* \* \* (readme-metrics .*)"])
def test_the_recipes_that_deliver_what_dead_processes_left(recipe: str, collector: Collector) -> None:
    [command] = re.findall(recipe, page("operations.md"))
    program = (
        "import os, wsgi; from readme_metrics import *\n"
        "wsgi.call(MetricsMiddleware(wsgi.app, MetricsApiConfig(wsgi.API_KEY, wsgi.group, 'https://d.example')))\n"
        "os._exit(1)"
    )
    environ = {
        **os.environ,
        "README_METRICS_SERVER": collector.url,
        "README_API_KEY": wsgi.API_KEY,
        "PYTHONPATH": str(Path(__file__).parent),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    subprocess.run([sys.executable, "-c", program], env=environ, check=False, timeout=60)
    assert collector.received == 0
    subprocess.run(["/bin/sh", "-c", command], env=environ, check=True, timeout=60, capture_output=True)
    assert len(collector.logs) == 1
