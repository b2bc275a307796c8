"""`Command`: the user's own server, started with the page and set to send its logs to the page."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from readme_metrics._process.interrupts import interrupts_deferred

#: An app without an API key logs nothing, so the command gets this one. Only the page ever receives it.
STAND_IN_KEY = "inspect"
#: How many seconds the command may take to end after Ctrl-C, which the terminal sends to it too, and after SIGTERM.
_INTERRUPTED_S = 0.5
_TERMINATED_S = 5.0


class Command:
    """Runs `arguments` as a process; with no arguments, runs nothing."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self._arguments = list(arguments)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def state(self) -> str:
        """What became of the command, in words; empty if there is no command."""
        if self._process is None:
            return ""
        status = self._process.poll()
        return f"{self._arguments[0]} " + ("is running" if status is None else f"has ended with status {status}")

    @contextmanager
    def running(self, url: str, *, is_forwarded: bool) -> Iterator[None]:
        """Starts the command, whose logs go to `url`, and stops it at the end of the `with` block.

        Args:
            url: The address of the page.
            is_forwarded: Whether the page passes the logs on to ReadMe. Then the command runs with its own API key or
                none, and its logs have no route. Otherwise a command without a key gets `STAND_IN_KEY`.

        Raises:
            OSError: The command cannot be started.
        """
        if not self._arguments:
            yield
            return
        with interrupts_deferred():
            self._process = process = subprocess.Popen(
                self._arguments, env=_environment(url, is_forwarded=is_forwarded)
            )
        try:
            yield
        finally:
            self._stop(process)

    def wait(self) -> None:
        """Waits until the command ends by itself; returns at once if there is none."""
        if self._process is not None:
            self._process.wait()

    def _stop(self, process: subprocess.Popen[bytes]) -> None:
        with suppress(subprocess.TimeoutExpired):
            process.wait(_INTERRUPTED_S)
            return
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            # In this time the command delivers its last logs.
            process.wait(_TERMINATED_S)
            return
        process.kill()
        process.wait()


def _environment(url: str, *, is_forwarded: bool) -> Mapping[str, str]:
    environment = {**os.environ, "README_METRICS_SERVER": url}
    if not is_forwarded:
        environment["README_METRICS_ROUTES"] = "1"
    # The middleware would use the environment's proxy, which cannot reach a loopback address of this host.
    for name in ("NO_PROXY", "no_proxy"):
        environment[name] = ",".join(filter(None, [os.environ.get(name), "127.0.0.1"]))
    if not is_forwarded and not environment.get("README_API_KEY"):
        environment["README_API_KEY"] = STAND_IN_KEY
    return environment
