"""The end of a process: one deadline covers everything, and no log is lost that another process could still send."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

import wsgi
from readme_metrics.collector import HANG, RESET, Answer, Collector

HERE = Path(__file__).parent
DEADLINE_S = 1.0
#: For a machine that is busy with something else; without a deadline, the exits would take for ever or 3 s per POST.
MARGIN_S = 8.0

PROGRAM = """
import os, signal, sys, threading, wsgi
from readme_metrics import MetricsApiConfig, MetricsMiddleware
options = dict(buffer_length=100_000, flush_interval=3600, shutdown_timeout={deadline}, background_worker_mode={thread})
middleware = MetricsMiddleware(wsgi.app, MetricsApiConfig(wsgi.API_KEY, wsgi.group, "https://d.example", **options))
for _ in range({count}):
    wsgi.call(middleware)
print("logged", flush=True)
{end}
"""


def run(
    end: str, collector: Collector, queue_dir: Path, *, count: int = 1000, thread: bool = True
) -> tuple[int, float]:
    """The exit code, and the seconds from the last request to the end of the process."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(end=end, count=count, deadline=DEADLINE_S, thread=thread)],
        cwd=HERE,
        env={**os.environ, "README_METRICS_SERVER": collector.url, "README_METRICS_QUEUE_DIR": str(queue_dir)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "logged\n", process.stderr.read()
        started_s = time.monotonic()
        code = process.wait(60)
        return code, time.monotonic() - started_s


def flush(collector: Collector, queue_dir: Path) -> int:
    return subprocess.run(
        [sys.executable, "-m", "readme_metrics", "flush"],
        env={
            **os.environ,
            "README_API_KEY": "rdme_test_key",
            "README_METRICS_SERVER": collector.url,
            "README_METRICS_QUEUE_DIR": str(queue_dir),
        },
        check=False,
        timeout=60,
    ).returncode


ENDS = {
    "end": ("", 0),
    "sys.exit": ("sys.exit(5)", 5),
    "exception": ("raise ValueError('the app\\'s own')", 1),
    "in a thread": ("threading.Thread(target=lambda: wsgi.call(middleware)).start()", 0),
}


@pytest.mark.parametrize("thread", [True, False], ids=["background", "inline"])
@pytest.mark.parametrize("end", ENDS)
def test_an_orderly_end_delivers_and_keeps_the_exit_code(
    collector: Collector, tmp_path: Path, end: str, thread: bool
) -> None:
    code, _ = run(ENDS[end][0], collector, tmp_path, count=20, thread=thread)
    assert code == ENDS[end][1]
    assert len(collector.ids()) == 20 + (end == "in a thread")


KILLS = {
    "SIGKILL": "os.kill(os.getpid(), signal.SIGKILL)",
    "SIGTERM without a handler": "os.kill(os.getpid(), signal.SIGTERM)",
    "os._exit": "os._exit(0)",
}


@pytest.mark.parametrize("end", KILLS)
def test_a_sudden_end_leaves_the_logs_to_the_next_process(collector: Collector, tmp_path: Path, end: str) -> None:
    run(KILLS[end], collector, tmp_path, count=50)
    assert collector.posts == []
    assert flush(collector, tmp_path) == 0
    assert len(collector.ids()) == 50 == collector.received


def test_flush_and_then_a_sudden_end(collector: Collector, tmp_path: Path) -> None:
    run("assert middleware.flush(10) == 0; os._exit(0)", collector, tmp_path, count=50)
    assert len(collector.ids()) == 50


@pytest.mark.parametrize("thread", [True, False], ids=["background", "inline"])
@pytest.mark.parametrize("fault", ["hangs", "resets", "fails"])
def test_the_deadline_bounds_the_exit(collector: Collector, tmp_path: Path, fault: str, thread: bool) -> None:
    collector.answer = lambda _: {"hangs": HANG, "resets": RESET, "fails": Answer(500)}[fault]
    code, seconds = run("", collector, tmp_path, thread=thread)
    assert (code, len(collector.posts)) == (0, 1)
    assert seconds < DEADLINE_S + MARGIN_S
    collector.answer = lambda _: Answer()
    assert flush(collector, tmp_path) == 0
    assert len(collector.ids()) == 1000


@pytest.mark.parametrize("workers", [1, 8])
def test_gunicorn_ends_in_time_with_a_hanging_server(
    gunicorn: Callable[..., Any], collector: Collector, tmp_path: Path, workers: int
) -> None:
    collector.answer = lambda _: HANG
    server = gunicorn("--workers", str(workers), buffer_length=1, shutdown_timeout=DEADLINE_S)
    for _ in range(10 * workers):
        requests.get(f"http://127.0.0.1:{server.port}/", timeout=30)
    started_s = time.monotonic()
    output = server.stop(signal.SIGTERM)
    assert time.monotonic() - started_s < DEADLINE_S + MARGIN_S, output
    assert "Traceback" not in output
    assert "WORKER TIMEOUT" not in output
    collector.answer = lambda _: Answer()
    assert flush(collector, tmp_path) == 0
    assert len(collector.ids()) == 10 * workers


def test_many_exits_under_load(collector: Collector, tmp_path: Path) -> None:
    for _ in range(10):
        done = subprocess.run(
            [sys.executable, "exit_under_load.py"],
            cwd=HERE,
            env={**os.environ, "README_METRICS_SERVER": collector.url, "README_METRICS_QUEUE_DIR": str(tmp_path)},
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=60,
        )
        # Lost logs are reported, and nothing else is.
        lines = [line for line in done.stderr.splitlines() if not re.search("[Ll]ogs? |its log is dropped", line)]
        assert (done.returncode, lines) == (3, [])


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="masks are read from Linux's /proc")
def test_no_signal_of_the_process_is_delivered_to_the_flusher(logged: Callable[..., Any]) -> None:
    """A server's signal handler may call `exit` on any thread. On the flusher's, it would wait for the main thread."""
    middleware, _ = logged()
    wsgi.call(middleware)
    [flusher] = [thread for thread in threading.enumerate() if thread.name == "readme-metrics.Flusher"][-1:]
    status = Path(f"/proc/self/task/{flusher.native_id}/status").read_text()
    [blocked] = re.findall(r"^SigBlk:\s*([0-9a-f]+)$", status, re.MULTILINE)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM, signal.SIGUSR1, signal.SIGCHLD):
        assert int(blocked, 16) >> number - 1 & 1, number
    assert not int(blocked, 16) >> signal.SIGSEGV - 1 & 1
    assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


HELD = """
import builtins, gc, io, sys, wsgi
from readme_metrics import MetricsApiConfig, MetricsMiddleware

class Sized(tuple):
    pass

def app(environ, start_response):
    environ["wsgi.input"].read(1)
    start_response("200 OK", [])
    return environ["returns"]

def start():
    # The first request is logged, so that there is a flusher; the others are open when the interpreter ends.
    wsgi.call(middleware, returns=[])
    for returned in ([b"list"], (b"tuple",), Sized([b"sized"]), iter([b"iterator"]), (b"x" for _ in "x"), io.BytesIO()):
        environ = {"REQUEST_METHOD": "POST", "wsgi.input": io.BytesIO(b"body"), "returns": returned}
        result = middleware(environ, lambda *_: print)
        yield environ, result, iter(result)

middleware = MetricsMiddleware(app, MetricsApiConfig(wsgi.API_KEY, wsgi.group))
"""


@pytest.mark.parametrize(
    "holder",
    [
        "builtins.held, sys.held, io.held = ([middleware, *start()] for _ in range(3))",
        "held = [middleware, *start()]; del middleware; gc.disable(); held.append(held); del held",
    ],
    ids=["modules", "cycle"],
)
def test_what_outlives_our_modules_says_nothing(collector: Collector, tmp_path: Path, holder: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", HELD + holder],
        cwd=HERE,
        env={**os.environ, "README_METRICS_SERVER": collector.url, "README_METRICS_QUEUE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    assert "Exception ignored" not in run.stderr
    assert "Traceback" not in run.stderr
