"""Interpreters that are not the usual one: several in a process, and one that gevent has patched."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import wsgi
from readme_metrics import MetricsApiConfig, MetricsMiddleware
from readme_metrics.collector import HANG, Collector

APPS = Path(__file__).parent / "apps"


def environ(collector: Collector, **config: Any) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(APPS.parent),
        "README_METRICS_SERVER": collector.url,
        "TEST_CONFIG": json.dumps(config),
    }


@pytest.mark.skipif(sys.version_info >= (3, 15), reason="the private module of sub-interpreters has no stable name")
def test_each_sub_interpreter_logs(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    run = subprocess.run(
        [sys.executable, str(APPS / "subinterpreter.py")],
        env=environ(collector),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    told = Counter(run.stdout.split())
    assert told.total() == len(told) == 2
    monkeypatch.setenv("README_METRICS_SERVER", collector.url)
    MetricsMiddleware(wsgi.app, MetricsApiConfig(wsgi.API_KEY, wsgi.group)).stats()
    assert collector.wait_for(2, timeout=60)
    assert Counter(log["_id"] for log in collector.logs) == told


@pytest.mark.parametrize("patched", ["early", "late"])
def test_a_hub_is_never_blocked_whenever_gevent_patches(collector: Collector, patched: str) -> None:
    collector.answer = lambda _: HANG
    process = subprocess.Popen(
        [sys.executable, str(APPS / "gevent_patch.py"), patched],
        env=environ(collector, buffer_length=1, timeout=3600, shutdown_timeout=0.1),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    with process:
        try:
            process.stdin.write("0\n")
            process.stdin.flush()
            assert process.stdout.readline() == "200 OK 0\n"
            assert collector.wait_until(lambda: bool(collector.posts), timeout=30)
            for number in range(20):
                process.stdin.write(f"{number}\n")
                process.stdin.flush()
                assert process.stdout.readline() == f"200 OK {number}\n"
            assert [post.status for post in collector.posts if post.status] == []
        finally:
            process.kill()
