"""The sums over all processes, dead and alive, as `readme-metrics status` and `stats()` show them."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

import wsgi
from host_status import BY_HAND, check, status, wait_for
from readme_metrics import MetricsApiConfig
from readme_metrics.collector import Answer, Collector
from readme_metrics.commands import main
from readme_metrics.commands.console.terminal import Terminal
from readme_metrics.delivery import queue_dirs
from test_multiprocess import get, load
from wsgi import call

pytestmark = pytest.mark.usefixtures("nothing_elsewhere")

Logged = Callable[..., Any]


def test_the_sum_over_four_workers_survives_a_kill(
    gunicorn: Callable[..., Any],
    collector: Collector,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("README_METRICS_SERVER", collector.url)
    server = gunicorn("--workers", "4", **BY_HAND)
    load(server.port, requests=400)
    wait_for(lambda: status(capsys)[1].get("made") == 400)  # a log follows its response
    code, sums = status(capsys)
    assert (code, sums["made"], sums["queued"]) == (0, 400, 400)
    check(sums)
    pids = {worker.pid for worker in server.workers()}
    assert {segment["owner_pid"] for segment in sums["segments"]} <= pids

    victim = psutil.Process(int(get(server.port, "/pid")[1]))
    victim.kill()
    psutil.wait_procs([victim], timeout=30)
    load(server.port, requests=40)
    wait_for(lambda: status(capsys)[1]["made"] == 440)
    server.kill()
    code, sums = status(capsys)
    assert code == 1, "no living process has the logs that wait"
    check(sums)

    assert main(["flush", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["left"] == 0
    assert len(collector.ids()) == 440
    code, sums = status(capsys)
    assert (code, sums["made"], sums["sent"], sums["segments"]) == (0, 440, 440, [])


def test_the_sums_add_up_under_kills_and_a_bad_server(
    gunicorn: Callable[..., Any],
    collector: Collector,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Half of the POSTs fail, and every now and then a worker is killed, whatever it is doing."""
    monkeypatch.setenv("README_METRICS_SERVER", collector.url)
    collector.answer = lambda _: Answer(503 if len(collector.posts) % 2 else 202)
    server = gunicorn("--workers", "3", buffer_length=1)
    answered = 0
    for number in range(300):
        if number % 60 == 30:
            victim = server.workers()[0]
            victim.kill()
            psutil.wait_procs([victim], timeout=30)
        try:
            get(server.port)
            answered += 1
        except OSError:
            continue
    server.kill()
    collector.answer = lambda _: Answer()
    _, sums = status(capsys)
    check(sums)
    assert main(["flush", "--json"]) == 0
    capsys.readouterr()
    _, sums = status(capsys)
    check(sums)
    assert sums["queued"] == 0
    # A log follows its response: each of the eight kills may have come in between.
    assert answered - 8 <= sums["made"] <= 300
    # A log was confirmed and counted. If its process was killed between the two, it was sent again, with the same id.
    assert sums["sent"] == len(collector.ids())


def test_stats_of_one_process_show_the_host(gunicorn: Callable[..., Any], logged: Logged) -> None:
    server = gunicorn("--workers", "2", **BY_HAND)
    load(server.port, requests=40)
    middleware, _ = logged(**BY_HAND)
    call(middleware)
    wait_for(lambda: middleware.stats()["host"]["made"] == 41)
    stats = middleware.stats()
    assert stats["made"] == 1
    check(stats["host"])
    server.stop(signal.SIGTERM)
    assert middleware.stats()["host"]["made"] == 41, "what the ended processes made still counts"
    check(middleware.stats()["host"])


def test_status_tells_why_nothing_is_sent(
    collector: Collector, gunicorn: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    collector.answer = lambda _: Answer(401)
    server = gunicorn("--workers", "2", buffer_length=1)
    load(server.port, requests=40)
    assert collector.wait_until(lambda: any(post.status == 401 for post in collector._posts), timeout=30)
    wait_for(lambda: status(capsys)[1]["failures"] > 0 and status(capsys)[1]["made"] == 40)
    assert main(["status"]) == 1
    out = capsys.readouterr().out
    assert "server does not take logs: HTTP 401" in out
    assert re.search(r"40 made = 0 sent \+ 40 queued \+ 0 dropped", out)
    assert len(collector.posts) <= 2, "one POST of each worker before it could know of the pause, and then none"
    output = server.stop(signal.SIGTERM)
    assert wsgi.API_KEY not in output + out


@pytest.mark.parametrize("label", ["shop", None])
def test_status_names_the_app(logged: Logged, capsys: pytest.CaptureFixture[str], label: str | None) -> None:
    middleware, logs = logged(label=label, **BY_HAND)
    call(middleware)
    logs(1)
    program = Path(sys.argv[0])
    expected = label or (program.parent.name if program.name == "__main__.py" else program.name)
    assert main(["status"]) == 0
    assert expected in capsys.readouterr().out
    assert f'"label": "{expected}"' in (main(["status", "--json"]), capsys.readouterr().out)[1]


@pytest.mark.root  # makes a directory that belongs to another user
@pytest.mark.parametrize("command", ["status", "flush", "doctor"])
def test_queues_of_other_users_are_named(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    collector: Collector,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
) -> None:
    monkeypatch.setenv("README_METRICS_SERVER", collector.url)
    name = queue_dirs.name(MetricsApiConfig(wsgi.API_KEY, wsgi.group)).replace(f"-{os.geteuid()}-", "-12345-")
    directory = tmp_path / name
    directory.mkdir(0o700)
    os.chown(directory, 12345, 12345)
    assert main([command]) == {"status": 3, "flush": 0, "doctor": 0}[command]
    captured = capsys.readouterr()
    assert f"{directory} belongs to uid 12345" in captured.out + captured.err


def test_columns_are_aligned_on_a_terminal_and_plain_in_a_pipe() -> None:
    rows = [[("a", str), ("bb", str)], [("ccc", str), ("", str)]]

    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert list(Terminal(Screen()).aligned(rows)) == ["a    bb", "ccc"]
    assert list(Terminal(io.StringIO()).aligned(rows)) == ["a  bb", "ccc"]


def test_status_without_any_app(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status"]) == 3
    assert "No app" in capsys.readouterr().out
