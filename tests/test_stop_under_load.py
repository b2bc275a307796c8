"""Servers that are told to stop while clients keep asking: when the last process is gone, nothing is left behind."""

from __future__ import annotations

import http.client
import re
import sys
import threading
from pathlib import Path

import pytest

import wsgi
from readme_metrics import _core
from readme_metrics.collector import Collector
from servers import BY_NAME, PATIENCE_S, Running

CLIENTS = 8
REQUESTS = 400
#: Stopped by SIGTERM like a container's first process. A uWSGI worker that is in a request runs no exit handler.
STOPPED = [
    "gunicorn sync",
    "gunicorn sync --preload",
    "gunicorn gthread",
    "uWSGI",
    "uWSGI --enable-threads",
    "uWSGI --threads 4",
    "uWSGI --enable-threads --py-call-uwsgi-fork-hooks",
    "uWSGI --enable-threads --lazy-apps",
]
EXAMPLES = Path(__file__).parent.parent / "examples"


class Clients:
    """Threads that send requests until the server is gone; `ids` are the ids of the logs that they were told."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.ids: list[str] = []
        self._enough = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def _ask(self) -> None:
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE_S)
            try:
                connection.request("GET", "/")
                response = connection.getresponse()
                response.read()
            except (OSError, http.client.HTTPException):
                if self._enough.is_set():
                    return  # the server is gone
                continue
            finally:
                connection.close()
            self.ids.append((response.getheader("x-documentation-url") or "").rpartition("/")[2])
            if len(self.ids) >= REQUESTS:
                self._enough.set()

    def wait_for_enough(self) -> None:
        assert self._enough.wait(PATIENCE_S), len(self.ids)

    def join(self) -> None:
        for thread in self._threads:
            thread.join(PATIENCE_S)


@pytest.mark.parametrize("name", STOPPED)
def test_nothing_is_left_when_a_server_is_stopped_under_load(name: str, collector: Collector, tmp_path: Path) -> None:
    environ = {
        "README_METRICS_SERVER": collector.url,
        "README_METRICS_QUEUE_DIR": str(tmp_path),
        "README_API_KEY": wsgi.API_KEY,
    }
    # Before the end, only full buffers are sent, and each process has one that is not full.
    config = {"buffer_length": 100, "flush_interval": 3600}
    # A line for each request would fill the pipe that nobody reads meanwhile.
    options = ["--disable-logging"] if name.startswith("uWSGI") else []
    if "--lazy-apps" in name:
        [command] = re.findall(r"^exec-as-user-atexit = readme-metrics (.*)$", _example("uwsgi-lazy.ini"), re.MULTILINE)
        # The example gives the command two seconds, which a busy machine may need for the start of Python alone.
        command = command.replace("--timeout 2", "--timeout 30")
        options += ["--exec-as-user-atexit", f"{sys.executable} -m readme_metrics {command}"]
    with Running(BY_NAME[name], config, environ, *options) as server:
        clients = Clients(server.port)
        clients.wait_for_enough()
        server.stop()
        clients.join()
    [app] = [_core.survey(path) for path in tmp_path.glob("readme-metrics-*")]
    assert (app.counts.queued, app.segments) == (0, []), server.output
    arrived = {log["_id"] for log in collector.logs}
    # A log follows its response: the log of the last request in each thread of a worker may not have been made.
    lost = [told for told in clients.ids if told not in arrived]
    # A log that is made after the last delivery of its process is counted as dropped, and reported.
    counted = sum(app.counts.dropped.values())
    assert len(lost) <= 8 + counted, f"{len(lost)} of {len(clients.ids)}, {counted} of them counted"
    assert app.counts.made == app.counts.sent + sum(app.counts.dropped.values())
    assert app.counts.sent >= len(arrived) >= REQUESTS - len(lost)


def _example(name: str) -> str:
    return (EXAMPLES / name).read_text()
