"""Starts a redis-server and relays, for the scripts beside this file."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from readme_metrics.relay.connection import Connection

PROJECT = "shop"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Redis:
    """On a free port; its append-only file, if it has one, is in `directory`."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        binary = shutil.which("redis-server")
        if binary is None:
            sys.exit("redis-server is missing: make debian-packages")
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._command = [binary, "--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(directory), *arguments]
        self._log = directory / "redis.log"

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([*self._command, "--save", ""], stdout=log, stderr=log)
        while True:
            try:
                self.ask("PING")
                return
            except Exception:
                if self._process.poll() is not None:
                    sys.exit(self._log.read_text())
                time.sleep(0.05)

    def ask(self, *command: str | bytes | int) -> object:
        connection = Connection(self.url, 10)
        try:
            return connection(*command)
        finally:
            connection.close()

    def facts(self) -> dict[str, str]:
        """What INFO says."""
        text = self.ask("INFO")
        assert isinstance(text, bytes)
        return dict(line.split(":", 1) for line in text.decode().splitlines() if ":" in line)

    @property
    def pid(self) -> int:
        return self._process.pid

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


class Relay:
    """A `readme-metrics relay` for PROJECT."""

    def __init__(self, redis: Redis, server: str, *arguments: str) -> None:
        environ = {
            **os.environ,
            "README_METRICS_RELAY": redis.url,
            "README_METRICS_SERVER": server,
            "SHOP_KEY": "rdme_x",
        }
        command = [sys.executable, "-m", "readme_metrics", "relay", "--project", f"{PROJECT}=SHOP_KEY", *arguments]
        self._process = subprocess.Popen(command, env={**environ, "NO_PROXY": "*"}, stderr=subprocess.DEVNULL)

    @property
    def pid(self) -> int:
        return self._process.pid

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait()
