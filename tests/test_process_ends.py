"""Processes that end without running their exit handlers, and the processes after them: nothing is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from readme_metrics import _core
from readme_metrics.collector import HANG, Answer, Collector
from servers import Running as RunningServer
from servers import Server, exchange, request, wait_until_logged

HERE = Path(__file__).parent
#: Nothing has to be sent before the end.
PROGRAM = """
import multiprocessing, os, signal, sys, wsgi
from readme_metrics import MetricsApiConfig, MetricsMiddleware
middleware = MetricsMiddleware(wsgi.app, MetricsApiConfig(
    wsgi.API_KEY, wsgi.group, "https://d.example", buffer_length=1000, flush_interval=3600, shutdown_timeout={deadline}
))

def log(count=1):
    for _ in range(count):
        wsgi.call(middleware)

if __name__ == "__main__":
{body}
"""


class Programs:
    def __init__(self, environ: dict[str, str], directory: Path) -> None:
        self._environ = environ
        self._directory = directory

    def run(self, body: str, *, deadline_s: float = 30.0) -> int:
        """Runs a program with `body`, which can use `log(count)` and `middleware`; returns its exit code."""
        program = self._directory / "program.py"
        program.write_text(
            PROGRAM.format(deadline=deadline_s, body="".join(f"    {line}\n" for line in body.split("\n")))
        )
        done = subprocess.run(
            [sys.executable, str(program)],
            env={**os.environ, **self._environ},
            check=False,
            timeout=100,
            capture_output=True,
            text=True,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode


@pytest.fixture
def programs(collector: Collector, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Programs:
    environ = {
        "README_METRICS_SERVER": collector.url,
        "README_METRICS_QUEUE_DIR": str(tmp_path),
        "PYTHONPATH": str(HERE),
    }
    return Programs(environ, tmp_path_factory.mktemp("program"))


def waiting(queue_dir: Path) -> int:
    return sum(_core.survey(app).counts.queued for app in queue_dir.glob("readme-metrics-*"))


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_children_of_multiprocessing_deliver_at_their_end(
    programs: Programs, collector: Collector, tmp_path: Path, method: str
) -> None:
    """No other process can have delivered the logs: the parent is killed, and has logged nothing."""
    body = f"""
context = multiprocessing.get_context({method!r})
children = [context.Process(target=log, args=(3,)) for _ in range(2)]
for child in children: child.start()
for child in children: child.join()
os.kill(os.getpid(), signal.SIGKILL)"""
    assert programs.run(body) == -signal.SIGKILL
    assert len(collector.ids()) == 6
    assert waiting(tmp_path) == 0


SUDDEN = {
    "SIGKILL": "log(2); os.kill(os.getpid(), signal.SIGKILL)",
    "SIGTERM": "log(2); os.kill(os.getpid(), signal.SIGTERM)",
    "abort": "log(2); os.abort()",
    "os._exit": "log(2); os._exit(1)",
}


@pytest.mark.parametrize("end", SUDDEN)
def test_a_short_process_passes_on_what_dead_ones_left(programs: Programs, collector: Collector, end: str) -> None:
    for _ in range(3):
        programs.run(SUDDEN[end])
    assert collector.received == 0
    assert programs.run("log(1)") == 0
    assert len(collector.ids()) == 7


@pytest.mark.parametrize("body", ["pass", "assert middleware.flush(10) == 0; os._exit(0)"], ids=["exit", "flush"])
def test_a_process_that_has_logged_nothing_passes_on(programs: Programs, collector: Collector, body: str) -> None:
    programs.run(SUDDEN["SIGKILL"])
    assert programs.run(body) == 0
    assert len(collector.ids()) == 2


def test_the_parent_of_forks_passes_on_although_it_never_logged(programs: Programs, collector: Collector) -> None:
    body = """
for _ in range(20):
    pid = os.fork()
    if not pid:
        log(2)
        os._exit(0)
    os.waitpid(pid, 0)"""
    assert programs.run(body) == 0
    assert len(collector.ids()) == 40


def test_flush_delivers_the_logs_of_dead_processes_too(programs: Programs, collector: Collector) -> None:
    programs.run(SUDDEN["SIGKILL"])
    assert programs.run("log(1); assert middleware.flush(10) == 0; os._exit(0)") == 0
    assert len(collector.ids()) == 3


def test_the_deadline_holds_for_what_is_passed_on(programs: Programs, collector: Collector, tmp_path: Path) -> None:
    programs.run(SUDDEN["SIGKILL"])
    collector.answer = lambda _: HANG
    started_s = time.monotonic()
    assert programs.run("pass", deadline_s=1.0) == 0
    assert time.monotonic() - started_s < 15  # without the deadline, it would take for ever
    assert waiting(tmp_path) == 2
    started_s = time.monotonic()
    assert programs.run("pass", deadline_s=0) == 0
    assert len(collector.posts) == 1, "with a deadline of 0, everything is left to other processes"


def test_cgi_programs_in_an_outage(programs: Programs, collector: Collector) -> None:
    """A process for each request, and none of them lives for a second."""
    cgi = "from wsgiref.handlers import CGIHandler\nos.environ['PATH_INFO'] = '/'\nCGIHandler().run(middleware)"
    collector.answer = lambda _: Answer(503)
    for _ in range(4):
        assert programs.run(cgi) == 0
    collector.answer = lambda _: Answer()
    assert programs.run(cgi) == 0
    assert len(collector.ids()) == 5


FORKING = {
    "werkzeug": "from werkzeug.serving import run_simple; run_simple('127.0.0.1', 0, wsgi.make(), processes=4)",
    "ForkingMixIn": """
import socketserver
from wsgiref.simple_server import WSGIServer, make_server
class Forking(socketserver.ForkingMixIn, WSGIServer): pass
server = make_server('127.0.0.1', 0, wsgi.make(), server_class=Forking)
print('Running on port', file=sys.stderr, flush=True)
try:
    server.serve_forever(0.05)
except KeyboardInterrupt:
    pass
server.server_close()""",
}


@pytest.mark.parametrize("kind", FORKING)
def test_a_server_with_a_process_for_each_request(kind: str, collector: Collector, tmp_path: Path) -> None:
    server = Server(kind, [sys.executable, "-c", f"import sys, wsgi\n{FORKING[kind]}"], "Running on")
    environ = {"README_METRICS_SERVER": collector.url, "README_METRICS_QUEUE_DIR": str(tmp_path)}
    with RunningServer(server, {"buffer_length": 1000, "flush_interval": 3600}, environ) as running:
        for number in range(30):
            assert b"200" in exchange(running.port, request("GET", f"/?{number}"))
        wait_until_logged(tmp_path, 30)
        running.stop(signal.SIGINT)
    assert len(collector.ids()) == 30
    assert waiting(tmp_path) == 0


def test_the_master_of_gunicorn_passes_on_what_its_workers_left(
    gunicorn: Callable[..., Any], collector: Collector, tmp_path: Path
) -> None:
    server = gunicorn("--workers", "2", "--preload", buffer_length=1000, flush_interval=3600)
    for number in range(20):
        assert b"200" in exchange(server.port, request("GET", f"/?{number}"))
    wait_until_logged(tmp_path, 20)
    workers = server.workers()
    os.kill(server.pid, signal.SIGSTOP)  # or it would start other workers, which could pass the logs on too
    for worker in workers:
        worker.kill()
    os.kill(server.pid, signal.SIGTERM)
    os.kill(server.pid, signal.SIGCONT)
    server.stop()
    assert len(collector.ids()) == 20


def test_logs_after_the_exit_handler_say_so(programs: Programs, collector: Collector) -> None:
    body = """
import atexit
errors = []
middleware.config.LOGGER = type("Logger", (), {"warning": lambda self, message, *a: errors.append(message % a)})()
# The second log is that of an app's exit handler that runs after ours.
log(1)
atexit._run_exitfuncs()
log(1)
os._exit(not any("after the last delivery" in error for error in errors))"""
    assert programs.run(body) == 0
    assert len(collector.ids()) == 1
