"""Real redis-servers for the tests: started, killed, restarted; and a proxy between a server and its clients."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis

from readme_metrics.relay import layout
from readme_metrics.relay.connection import Connection
from readme_metrics.relay.sums import Sums, read_sums
from reverse_proxy import free_port

BINARY = os.environ.get("RELAY_SERVER") or shutil.which("redis-server") or shutil.which("valkey-server")
#: A server as its first user finds it: no password, nothing on disk.
IN_MEMORY = ("--save", "", "--appendonly", "no")
DURABLE = ("--save", "", "--appendonly", "yes", "--appendfsync", "always")


class RedisServer:
    """A server on a free port, in a directory of its own."""

    def __init__(self, directory: Path, *arguments: str, binary: str | None = None, tls: bool = False) -> None:
        directory.mkdir(exist_ok=True)
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._directory = directory
        self._arguments = [*(arguments or IN_MEMORY), "--tls-port" if tls else "--port", str(self.port)]
        self._arguments += ["--port", "0"] if tls else []
        self._binary = binary or BINARY
        self._process: subprocess.Popen[bytes] | None = None
        self._is_tls = tls

    def start(self) -> None:
        assert self._binary is not None
        command = [self._binary, "--bind", "127.0.0.1", "--dir", str(self._directory), *self._arguments]
        output = self._directory / "output.txt"
        with output.open("ab") as file:
            self._process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
        deadline_s = time.monotonic() + 60
        while not self._answers():
            assert self._process.poll() is None, output.read_text()
            assert time.monotonic() < deadline_s
            time.sleep(0.02)

    def _answers(self) -> bool:
        """Whether the server answers. It listens already while it loads its file."""
        try:
            if self._is_tls:
                socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
            else:
                self("PING")
        except redis.exceptions.AuthenticationError:
            return True
        except (OSError, redis.exceptions.RedisError):
            return False
        return True

    def __call__(self, *command: str | bytes | int) -> Any:
        """One command on a connection of its own."""
        connection = Connection(self.url, 30)
        try:
            return connection(*command)
        finally:
            connection.close()

    def sums(self, project: str = "shop") -> Sums:
        connection = Connection(self.url, 30)
        try:
            return read_sums(connection, layout.Keys.of(project))
        finally:
            connection.close()

    def length(self, project: str = "shop") -> int:
        return int(self("XLEN", layout.Keys.of(project).stream))

    def refused(self, project: str = "shop") -> list[dict[bytes, bytes]]:
        found = self("XRANGE", layout.Keys.of(project).refused, "-", "+")
        return [dict(zip(flat[::2], flat[1::2], strict=True)) for _, flat in found]

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(timeout=60)
            self._process = None

    def kill(self) -> None:
        self.stop(signal.SIGKILL)


class Between:
    """A proxy in front of a Redis server. `on_answer` is called for each answer to a request that contains `marker`.

    Where `on_answer` returns False, the answer is discarded and the connection is cut.
    """

    def __init__(self, port: int, marker: bytes, on_answer: Callable[[], bool]) -> None:
        self._upstream = port
        self._marker = marker
        self._on_answer = on_answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.url = f"redis://127.0.0.1:{self.port}/0"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._upstream)) as upstream:
            is_marked = threading.Event()

            def forward() -> None:
                try:
                    while data := client.recv(65536):
                        if self._marker in data:
                            is_marked.set()
                        upstream.sendall(data)
                    upstream.shutdown(socket.SHUT_WR)
                except OSError:
                    pass

            threading.Thread(target=forward, daemon=True).start()
            try:
                while data := upstream.recv(65536):
                    # NOSCRIPT is not the answer: the client sends the script next.
                    if is_marked.is_set() and not data.startswith(b"-") and not self._on_answer():
                        return
                    client.sendall(data)
            except OSError:
                pass

    def close(self) -> None:
        self._listener.close()
