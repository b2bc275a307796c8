"""The sums over all processes of this host, as `readme-metrics status` shows them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import wsgi
from readme_metrics.commands import main

BY_HAND = {"buffer_length": 100_000, "flush_interval": 3600}


def status(capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    code = main(["status", "--json"])
    surveys = list(json.loads(capsys.readouterr().out).values())
    mine = [survey for survey in surveys if survey["made"]]
    assert len(mine) <= 1
    return code, mine[0] if mine else {}


@pytest.fixture
def nothing_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The other rungs of this machine may hold queues of other apps."""
    monkeypatch.setattr("readme_metrics.delivery.queue_dirs.rungs", lambda queue_dir: [str(queue_dir or tmp_path)])
    monkeypatch.setenv("README_API_KEY", wsgi.API_KEY)


def check(sums: dict[str, Any]) -> None:
    assert sums["made"] == sums["sent"] + sums["queued"] + sum(sums["dropped"].values()), sums


def wait_for(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
