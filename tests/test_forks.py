"""A child inherits nothing, owes nothing and repeats nothing, whoever forks whom."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from readme_metrics.commands.collector import Collector

TESTS = Path(__file__).parent
Arrived = Callable[[int], list[dict[str, Any]]]


@pytest.mark.parametrize("buffer_length", [1, 1000])
@pytest.mark.parametrize(
    ("script", "requests"),
    [
        ("buffered before the fork", 5),
        ("three generations", 6),
        ("flushed in the child", 6),
        ("multiprocessing fork", 6),
        ("multiprocessing spawn", 6),
        ("multiprocessing forkserver", 6),
    ],
)
def test_every_log_arrives(
    collector: Collector, arrived: Arrived, script: str, requests: int, buffer_length: int
) -> None:
    told = run(collector, script, buffer_length=buffer_length)
    assert told.total() == requests
    check(arrived(requests), told, is_exact=buffer_length == 1000)


def test_no_child_hangs_on_a_lock_that_a_thread_of_its_parent_held(collector: Collector, arrived: Arrived) -> None:
    told = run(collector, "under load", "50")
    assert told.total() >= 50
    check(arrived(told.total()), told, is_exact=False)


def run(collector: Collector, *arguments: str, **config: object) -> Counter[str]:
    """Runs a script of `apps/forks.py`; returns the ids of all logs that its processes made."""
    process = subprocess.run(
        [sys.executable, "-W", "error", str(TESTS / "apps" / "forks.py"), *arguments],
        env={
            **os.environ,
            "PYTHONPATH": str(TESTS),
            "README_METRICS_SERVER": collector.url,
            "TEST_CONFIG": json.dumps({"flush_interval": 3600, **config}),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return Counter(process.stdout.split())


def check(logs: list[dict[str, Any]], told: Counter[str], *, is_exact: bool) -> None:
    """All have arrived. Once, unless a child may have left by `os._exit()` amid a POST: at least once."""
    ids = Counter(log["_id"] for log in logs)
    assert ids.keys() == told.keys()
    assert ids == told or not is_exact
