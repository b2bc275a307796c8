"""The queue's directory vanishes under a running app."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import wsgi
from readme_metrics import MetricsApiConfig, MetricsMiddleware, _core
from readme_metrics._process.reporter import HeldReports, Reporter
from readme_metrics.collector import Collector
from readme_metrics.delivery.upkeep import Upkeep

#: An app whose server is away: each line on its standard input is a request, answered with a line.
_APP = """
import sys
import wsgi
from readme_metrics import MetricsApiConfig, MetricsMiddleware

middleware = MetricsMiddleware(wsgi.app, MetricsApiConfig(wsgi.API_KEY, wsgi.group, buffer_length=1))
for line in sys.stdin:
    wsgi.call(middleware)
    print("logged", flush=True)
"""


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline_s = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline_s, what
        time.sleep(0.02)


def _files(queue_dir: Path) -> list[Path]:
    return [file for app in queue_dir.glob("readme-metrics-*") for file in app.glob("*.seg")]


@pytest.mark.parametrize("is_moved", [False, True])
def test_what_waits_is_delivered_though_the_directory_vanished_and_the_process_was_killed(
    collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_moved: bool
) -> None:
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    with subprocess.Popen(
        [sys.executable, "-c", _APP], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ
    ) as app:
        assert app.stdin and app.stdout

        def log(count: int) -> None:
            assert app.stdin and app.stdout
            for _ in range(count):
                app.stdin.write("request\n")
                app.stdin.flush()
                assert app.stdout.readline() == "logged\n"

        log(20)
        wait_for(lambda: bool(_files(tmp_path)), "no segment was made")
        [directory] = tmp_path.glob("readme-metrics-*")
        if is_moved:
            directory.rename(tmp_path / "elsewhere")
        else:
            shutil.rmtree(directory)
        log(20)
        wait_for(lambda: len(_files(tmp_path)) > 1, "the directory and both segments are not there again")
        log(20)
        app.send_signal(signal.SIGKILL)
        app.wait()

    monkeypatch.setenv("README_METRICS_SERVER", "http://127.0.0.1:9")
    # From its start, the next flusher adopts what lies on any rung: only what this app has left counts here.
    monkeypatch.setattr("readme_metrics.delivery.queue_dirs.rungs", lambda _: [str(tmp_path)])
    # This run has a configuration of its own: middlewares that deliver alike share a flusher and its directory.
    heir = MetricsMiddleware(wsgi.app, MetricsApiConfig(wsgi.API_KEY, wsgi.group, flush_interval=3 + is_moved))
    wsgi.call(heir)
    host = heir.stats()["host"]
    assert isinstance(host, dict)
    assert (host["made"], host["queued"], sum(host["dropped"].values())) == (61, 61, 0)


def test_a_process_that_finds_no_other_directory_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rung = tmp_path / "run"
    rung.mkdir()
    monkeypatch.setattr("readme_metrics.delivery.queue_dirs.rungs", lambda _: [str(rung)])
    # A configuration that no other test has, and so a queue of its own.
    middleware = MetricsMiddleware(wsgi.app, MetricsApiConfig(wsgi.API_KEY, wsgi.group, flush_interval=2.5))
    wsgi.call(middleware)
    directory = middleware.stats()["directory"]
    assert isinstance(directory, Path) and directory.parent == rung
    shutil.rmtree(rung)
    rung.write_text("in the way")
    wait_for(lambda: middleware.stats()["directory"] is None, "the queue did not move")
    wait_for(lambda: "cannot be rescued" in caplog.text, "nothing was reported")
    wsgi.call(middleware)
    stats = middleware.stats()
    assert (stats["made"], stats["queued"]) == (2, 2)


def test_a_process_says_so_when_it_leaves_private_memory(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    """tests/queue_vanishing.rs tests that it leaves. It tries every half minute; here, it tries at once."""

    class Moving:
        """The part of a queue that `Upkeep` asks."""

        directory: str | None = None
        refusals = ("/dev/shm: No space left on device",)
        waiting = 0

        def __init__(self, queue: _core.Queue) -> None:
            self.stats = queue.stats

        def adopt(self) -> int:
            self.directory = "/dev/shm/readme-metrics-1000-0123456789abcdef"
            return 0

    config = MetricsApiConfig(wsgi.API_KEY, wsgi.group)
    queue: Any = Moving(_core.Queue([str(tmp_path)], "app", 65536))
    reports = HeldReports(Reporter(config))
    upkeep = Upkeep(config, queue, reports)
    for _ in range(2):
        upkeep._look_at_s = 0.0
        upkeep.look_round()
    reports.tell()
    told = [record.getMessage() for record in caplog.records]
    assert told == [
        "Logs of killed workers cannot be rescued: no shared directory (/dev/shm: No space left on device)",
        "Logs of killed workers can be rescued again: /dev/shm/readme-metrics-1000-0123456789abcdef",
    ]
