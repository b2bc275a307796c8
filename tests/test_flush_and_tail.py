"""`readme-metrics flush` and `readme-metrics tail`, beside apps that run or are dead."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from host_status import BY_HAND, check, status, wait_for
from readme_metrics.collector import Answer, Collector
from readme_metrics.commands import main
from test_multiprocess import load
from wsgi import call

pytestmark = pytest.mark.usefixtures("nothing_elsewhere")

Logged = Callable[..., Any]


def test_tail_shows_and_consumes_nothing(
    gunicorn: Callable[..., Any], collector: Collector, capsys: pytest.CaptureFixture[str]
) -> None:
    server = gunicorn("--workers", "2", **BY_HAND)
    told = load(server.port, requests=16)
    wait_for(lambda: status(capsys)[1].get("made") == 16)
    for _ in range(2):
        assert main(["tail", "--once", "--json"]) == 0
        shown = [json.loads(line)["_id"] for line in capsys.readouterr().out.splitlines()]
        assert sorted(shown) == sorted(told)
    assert main(["tail", "--once"]) == 0
    assert capsys.readouterr().out.count("POST") == 16
    # The owners still hold their files: nothing is adopted, nothing sent twice.
    server.stop(signal.SIGTERM)
    assert sorted(log["_id"] for log in collector.logs) == sorted(told)
    assert main(["tail", "--once"]) == 3


def test_flush_says_what_it_could_not_deliver(
    gunicorn: Callable[..., Any],
    collector: Collector,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("README_METRICS_SERVER", collector.url)
    server = gunicorn("--workers", "1", **BY_HAND)
    load(server.port, requests=8)
    wait_for(lambda: status(capsys)[1].get("made") == 8)
    server.kill()
    collector.answer = lambda _: Answer(503)
    assert main(["flush"]) == 1
    assert "8 left" in capsys.readouterr().out
    monkeypatch.delenv("README_API_KEY")
    assert main(["flush"]) == 2


def test_what_dead_processes_left_can_be_given_up(
    gunicorn: Callable[..., Any],
    collector: Collector,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """After a change of keys, no process delivers for the old key. Its directory, shown by `status`, is enough here."""
    server = gunicorn("--workers", "1", **BY_HAND)
    load(server.port, requests=8)
    wait_for(lambda: status(capsys)[1].get("made") == 8)
    server.kill()
    assert main(["status"]) == 1
    shown = capsys.readouterr().out
    [advice] = re.findall(r"flush --discard (\S+) gives them up", shown)
    assert re.search(r"8 waiting  oldest \d+ (s|min)", shown)
    monkeypatch.setenv("README_API_KEY", "another key")
    assert main(["flush", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["left"] == 0, "of the logs of this key"
    assert main(["flush", "--discard", str(tmp_path / "elsewhere")]) == 2
    assert main(["flush", "--discard", advice, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"discarded": 8, "left": 0}
    code, sums = status(capsys)
    assert (code, sums["queued"], sums["dropped"]["discarded"], sums["oldest"]) == (0, 0, 8, None)
    check(sums)
    assert collector.received == 0


def test_discard_leaves_the_living_alone(logged: Logged, capsys: pytest.CaptureFixture[str]) -> None:
    middleware, logs = logged(**BY_HAND)
    call(middleware)
    assert main(["flush", "--discard"]) == 0
    assert "0 discarded" in capsys.readouterr().out
    logs(1)
