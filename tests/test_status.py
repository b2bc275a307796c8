"""What can be seen from outside: the sums over all processes, dead and alive, and the commands that show them."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

import wsgi
from readme_metrics import MetricsApiConfig
from readme_metrics.collector import Answer, Collector
from readme_metrics.commands import main
from readme_metrics.commands.console.terminal import Terminal
from readme_metrics.delivery import drop_notices, queue_dirs
from test_multiprocess import get, load
from wsgi import call

Logged = Callable[..., Any]
BY_HAND = {"buffer_length": 100_000, "flush_interval": 3600}


def status(capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    code = main(["status", "--json"])
    surveys = list(json.loads(capsys.readouterr().out).values())
    mine = [survey for survey in surveys if survey["made"]]
    assert len(mine) <= 1
    return code, mine[0] if mine else {}


@pytest.fixture(autouse=True)
def nothing_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The other rungs of this machine may hold queues of other apps."""
    monkeypatch.setattr("readme_metrics.delivery.queue_dirs.rungs", lambda queue_dir: [str(queue_dir or tmp_path)])
    monkeypatch.setenv("README_API_KEY", wsgi.API_KEY)


def check(sums: dict[str, Any]) -> None:
    assert sums["made"] == sums["sent"] + sums["queued"] + sum(sums["dropped"].values()), sums


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


def wait_for(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


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


def test_discard_leaves_the_living_alone(logged: Logged, capsys: pytest.CaptureFixture[str]) -> None:
    middleware, logs = logged(**BY_HAND)
    call(middleware)
    assert main(["flush", "--discard"]) == 0
    assert "0 discarded" in capsys.readouterr().out
    logs(1)


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


def test_a_million_drops_are_three_lines() -> None:
    lines: list[str] = []

    class Reporter:
        def loss(self, message: str, *args: object) -> None:
            lines.append(message % args)

    now_s = 0.0
    told = drop_notices.DropNotices(Reporter(), lambda: now_s)  # type: ignore[arg-type]
    for count in range(0, 1_000_001, 1000):
        told.update({"full": count, "refused": 0})
        now_s += 1
    assert len(lines) == 1
    now_s += drop_notices.QUIET_S
    told.update({"full": 1_000_000, "refused": 0})
    assert len(lines) == 2
    assert lines[1].startswith("1000000 logs were dropped: the queue is full")
    told.close()
    assert len(lines) == 2


def test_the_package_is_imported_without_the_commands() -> None:
    code = "import sys, readme_metrics; sys.exit('readme_metrics.commands' in sys.modules or 'requests' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env=dict(os.environ), check=False).returncode == 0
