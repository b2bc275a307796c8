"""`GunicornServer`: runs the sample app under gunicorn."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import requests

from readme_metrics._process.interrupts import interrupts_deferred

#: By framework: the app, what else the command line of gunicorn has, and the packages that it takes.
APPS = {
    "flask": ("readme_metrics.demo.sample_app:app", [], ["flask"]),
    "django": ("readme_metrics.demo.sample_django:app", [], ["django"]),
    "fastapi": (
        "readme_metrics.demo.sample_fastapi:app",
        ["--worker-class", "uvicorn_worker.UvicornWorker"],
        ["fastapi", "uvicorn_worker"],
    ),
}
_CONFIG = "python:readme_metrics.demo.gunicorn_config"
_BOOT_SECONDS = 20
_STOP_SECONDS = 10
_READ_SECONDS = 10


class GunicornServer:
    """Serves the sample app of a `framework` (see `APPS`) on a loopback `port` (0: a free one); a context manager.

    Binds at once; raises OSError if the port is taken. `start` starts gunicorn with that many `workers` and with
    `environment` on top of this process's own, except for its settings of the middleware and of gunicorn. Connections
    made before the workers are up wait in the listen queue, so there is nothing to poll. What the processes print is
    appended to the file `output`. Nothing runs after the `with` block.
    """

    def __init__(
        self, workers: int, port: int, environment: Mapping[str, str], output: Path, framework: str = "flask"
    ) -> None:
        self._framework = framework
        self._workers = workers
        self._environment = environment
        self._output = output
        self._socket = socket.create_server(("127.0.0.1", port), backlog=512)
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> GunicornServer:
        return self

    def start(self) -> None:
        """Starts gunicorn. Call it inside the `with` block, from the main thread."""
        descriptor = self._socket.fileno()
        command = [sys.executable, "-m", "gunicorn", "--config", _CONFIG, "--bind", f"fd://{descriptor}"]
        app, options, _ = APPS[self._framework]
        command += ["--workers", str(self._workers), "--graceful-timeout", str(_STOP_SECONDS), *options, app]
        # Our copy of the socket is closed, so that clients are refused once gunicorn is gone. In a session of its own,
        # gunicorn does not get Ctrl-C: it has to be stopped after the clients.
        with self._socket, self._output.open("ab") as output, interrupts_deferred():
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._full_environment(),
                pass_fds=[descriptor],
                start_new_session=True,
            )

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        if self._process is None:
            return
        try:
            self.stop()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def stop(self) -> bool:
        """Sends SIGTERM and waits. Returns False if gunicorn is still running when its time is up."""
        if self._process is None:
            return True
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_SECONDS + 2)
        return self._process.returncode is not None

    def kill_busy_worker(self) -> int:
        """Kills a worker (SIGKILL) in the middle of a request and returns its process id.

        That request is not logged, and a worker handles one request at a time. So every request
        that the worker has answered is logged by then, and no other client's connection is cut.
        Raises requests.RequestException if no worker answers.
        """
        with requests.Session() as session:
            session.trust_env = False
            timeout = (_READ_SECONDS, _BOOT_SECONDS)
            with session.get(self.url + "/hold", stream=True, timeout=timeout) as response:
                response.raise_for_status()
                worker = int(next(response.iter_lines(chunk_size=1)))
                os.kill(worker, signal.SIGKILL)
        return worker

    def _full_environment(self) -> dict[str, str]:
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("README_METRICS_", "GUNICORN_"))
        }
        # The middleware would use the environment's proxy, which cannot reach a loopback address of this host.
        no_proxy = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
        return {**inherited, **no_proxy, **self._environment}
