"""The command that is started with the page: the reader's own server, pointed here."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from readme_metrics._process.interrupts import interrupts_deferred

#: An app without a key logs nothing. This one goes to the page alone.
STAND_IN_KEY = "inspect"
#: Seconds that the command has to end: after Ctrl-C, which the terminal sends to it as well, and after SIGTERM.
_INTERRUPTED_S = 0.5
_TERMINATED_S = 5.0


class Command:
    """`arguments` as a process of its own; none at all where they are empty."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self._arguments = list(arguments)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def state(self) -> str:
        """What became of it, in words; empty where there is none."""
        if self._process is None:
            return ""
        status = self._process.poll()
        return f"{self._arguments[0]} " + ("is running" if status is None else f"has ended with status {status}")

    @contextmanager
    def running(self, url: str, *, is_forwarded: bool) -> Iterator[None]:
        """Start it, with its logs going to `url`, and stop it at the end. Raises OSError where it cannot be started.

        `is_forwarded`: What arrives there goes on to ReadMe. The command gets no key then that it has not, and its
        logs no route.
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
        """Until it ends by itself; at once where there is none."""
        if self._process is not None:
            self._process.wait()

    def _stop(self, process: subprocess.Popen[bytes]) -> None:
        with suppress(subprocess.TimeoutExpired):
            process.wait(_INTERRUPTED_S)
            return
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            # It delivers its last logs meanwhile.
            process.wait(_TERMINATED_S)
            return
        process.kill()
        process.wait()


def _environment(url: str, *, is_forwarded: bool) -> Mapping[str, str]:
    environment = {**os.environ, "README_METRICS_SERVER": url}
    if not is_forwarded:
        environment["README_METRICS_ROUTES"] = "1"
    # The middleware honours proxies, which cannot reach a loopback address of this host.
    for name in ("NO_PROXY", "no_proxy"):
        environment[name] = ",".join(filter(None, [os.environ.get(name), "127.0.0.1"]))
    if not is_forwarded and not environment.get("README_API_KEY"):
        environment["README_API_KEY"] = STAND_IN_KEY
    return environment
