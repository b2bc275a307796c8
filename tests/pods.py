"""Processes that run as somebody else and see their own file systems, as in a container."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
#: What a pod runs, mounted at paths that any user can read: this Python may be in root's home.
BINDS = {
    "/mnt/python": sys.base_prefix,
    "/mnt/site": sysconfig.get_path("purelib"),
    "/mnt/package": str(HERE.parent / "python"),
    "/mnt/tests": str(HERE),
}
PYTHON = Path("/mnt/python", Path(sys.executable).resolve().relative_to(Path(sys.base_prefix).resolve()))
#: Shared memory as container runtimes mount it, without the files of this machine.
SHM = "mount -t tmpfs -o mode=1777,size=64m none /dev/shm"
APP = 1000


class Pod(NamedTuple):
    """A process that runs as somebody else, and sees its own file systems."""

    uid: int = APP
    gid: int = APP
    groups: str = ""
    #: Shell commands that root runs in the pod's namespace.
    mounts: str = SHM
    #: Arguments of the configuration.
    options: str = ""

    def start(self, body: str, environ: dict[str, str]) -> subprocess.Popen[str]:
        """Starts a program with `body`, which can use `log(count)` and `middleware`."""
        program = f"""
import os, signal, sys, wsgi
from readme_metrics import MetricsApiConfig, MetricsMiddleware
middleware = MetricsMiddleware(wsgi.app, MetricsApiConfig(
    wsgi.API_KEY, wsgi.group, "https://d.example", shutdown_timeout=20, {self.options}
))
def log(count):
    for _ in range(count): wsgi.call(middleware)
def say_where():
    print(middleware.stats()["directory"], flush=True)
{body}
"""
        return self.run("-c", program, environ=environ)

    def run(self, *arguments: str, environ: dict[str, str]) -> subprocess.Popen[str]:
        """Starts Python with these arguments. No variable of this process is handed on: see `environ`."""
        binds = "".join(f"mkdir -p {to} && mount --bind {shlex.quote(path)} {to}\n" for to, path in BINDS.items())
        groups = ["--groups", self.groups] if self.groups else ["--clear-groups"]
        identity = ["--reuid", str(self.uid), "--regid", str(self.gid), *groups, "--no-new-privs"]
        variables = {"PYTHONPATH": "/mnt/site:/mnt/package:/mnt/tests", "PYTHONDONTWRITEBYTECODE": "1", **environ}
        command = ["setpriv", *identity, "env", "-i", *(f"{name}={value}" for name, value in variables.items())]
        script = f"mount -t tmpfs none /mnt\n{binds}{self.mounts}\ncd /\n"
        script += f"exec {shlex.join([*command, str(PYTHON), *arguments])}"
        return subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


class Ended(NamedTuple):
    code: int
    out: str
    err: str


def finished(process: subprocess.Popen[str]) -> Ended:
    out, err = process.communicate(timeout=60)
    return Ended(process.returncode, out.strip(), err)


def bind(volume: Path, target: str) -> str:
    return f"mkdir -p {target} && mount --bind {shlex.quote(str(volume))} {target}"


class Service:
    """A running app: it logs when it is told to, and says where its queue is."""

    def __init__(self, pod: Pod, environ: dict[str, str], request: str = "log(int(line)); say_where()") -> None:
        self._process = pod.start(f"for line in sys.stdin:\n    {request}", environ)
        #: How many logs it has made.
        self.made = 0

    def log(self, count: int = 1) -> str:
        process = self._process
        assert process.stdin and process.stdout
        process.stdin.write(f"{count}\n")
        process.stdin.flush()
        self.made += count
        answer = process.stdout.readline().strip()
        assert answer, process.communicate()
        return answer

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def end(self) -> None:
        """Ends the app in an orderly way, as its server does when it is stopped."""
        assert finished(self._process).code == 0

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
