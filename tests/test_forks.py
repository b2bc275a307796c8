"""A child process delivers its own logs and none of its parent's, whoever forks whom."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import wsgi
from readme_metrics.collector import Collector

TESTS = Path(__file__).parent


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
def test_every_log_arrives_once(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, script: str, requests: int, buffer_length: int
) -> None:
    told = run(collector, script, buffer_length=buffer_length)
    assert told.total() == requests
    if buffer_length == 1:
        # If a child ends by `os._exit` while its flusher posts, its logs may be sent again, with the same ids.
        assert arrived(collector, monkeypatch, requests).keys() == told.keys()
    else:
        assert arrived(collector, monkeypatch, requests) == told


def test_no_child_hangs_on_a_lock_that_a_thread_of_its_parent_held(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = run(collector, "under load", "50")
    assert told.total() >= 50
    assert arrived(collector, monkeypatch, told.total()).keys() == told.keys()


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


def arrived(collector: Collector, monkeypatch: pytest.MonkeyPatch, count: int) -> Counter[str]:
    """The ids that the server has. A child that ended without its exit hooks leaves its logs to a later start."""
    monkeypatch.setenv("README_METRICS_SERVER", collector.url)
    heir = wsgi.heir()
    assert collector.wait_for(count, timeout=60), heir.stats()
    return Counter(log["_id"] for log in collector.logs)
