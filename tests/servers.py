"""Real WSGI servers as processes of their own, and a client that shows what they send byte by byte."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from readme_metrics import _core

HERE = Path(__file__).parent
#: How long a test waits for what should come at once.
PATIENCE_S = 30.0


class Server(NamedTuple):
    """How to start a server with `wsgi:make()`, on a port that the operating system chooses."""

    name: str
    command: list[str]
    #: What the server writes once it listens: one text, or one for each worker.
    ready: str | tuple[str, ...]
    #: Paths whose start_response the server ignores: granian does not wait for a generator to call it, and has no
    #: write(); eventlet holds back a small first chunk and answers with its own 500.
    deaf_to: tuple[str, ...] = ()


def _gunicorn(name: str, *options: str) -> Server:
    # A gevent worker that is told to stop while it is starting ignores that, with or without an app of ours.
    command = ["-m", "gunicorn", "--no-control-socket", "--bind", "127.0.0.1:0", "--graceful-timeout", "5"]
    command += ["--workers", "2", *options]
    return Server(f"gunicorn {name}", [sys.executable, *command, "wsgi:make()"], "Listening at")


def _uwsgi(*options: str) -> Server:
    command = ["--http-socket", "127.0.0.1:0", "--master", "--processes", "2", "--die-on-term", "--need-app"]
    return Server(
        " ".join(["uWSGI", *options]),
        [str(Path(sys.executable).with_name("uwsgi")), *command, *options, "--module", "wsgi:make()"],
        "spawned uWSGI worker 1",
    )


def _one_process(name: str, deaf_to: tuple[str, ...] = ()) -> Server:
    return Server(name, [sys.executable, str(HERE / "apps" / "serve.py"), name], "listening at", deaf_to)


SERVERS = [
    _gunicorn("sync"),
    _gunicorn("sync --preload", "--preload"),
    _gunicorn("sync --max-requests", "--max-requests", "7"),
    _gunicorn("gthread", "--threads", "4"),
    _gunicorn("gevent", "--worker-class", "gevent"),
    _gunicorn("gevent --preload", "--worker-class", "gevent", "--preload"),
    _gunicorn("gevent_pywsgi", "--worker-class", "gevent_pywsgi"),
    _uwsgi(),
    _uwsgi("--lazy-apps"),
    _uwsgi("--enable-threads"),
    _uwsgi("--enable-threads", "--lazy-apps"),
    _uwsgi("--enable-threads", "--py-call-uwsgi-fork-hooks"),
    _uwsgi("--py-call-uwsgi-fork-hooks"),
    _uwsgi("--threads", "4"),
    _one_process("waitress"),
    _one_process("cheroot"),
    _one_process("wsgiref"),
    _one_process("gevent"),
    _one_process("eventlet", deaf_to=("/raise-late",)),
    Server(
        "granian",
        [
            *(sys.executable, "-m", "granian", "--interface", "wsgi", "--port", "0", "--workers", "2"),
            *("--blocking-threads", "4", "--backpressure", "4", "--factory", "wsgi:make"),
        ],
        ("Started worker-1", "Started worker-2"),  # a worker that is told to stop before that ignores it
        deaf_to=("/stream", "/raise-late", "/write"),
    ),
]
BY_NAME = {server.name: server for server in SERVERS}


class Running:
    """A running server, with all processes that it has started. As a context manager, it kills them all at the end."""

    def __init__(self, server: Server, config: dict[str, Any] | None, environ: dict[str, str], *options: str) -> None:
        self._process = subprocess.Popen(
            [*server.command, *options],
            cwd=HERE,
            env={**os.environ, "PYTHONPATH": str(HERE), "TEST_CONFIG": json.dumps(config), **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # one process group, so that all of its processes can be killed
        )
        self._server = server
        self.output = ""
        try:
            self.port = self._listening_port()
        except BaseException:
            self.__exit__()
            raise

    def _listening_port(self) -> int:
        assert self._process.stdout is not None
        ready = self._server.ready
        wanted = (ready,) if isinstance(ready, str) else ready
        for line in self._process.stdout:
            self.output += line
            if all(text in self.output for text in wanted):
                break
        ports: list[int] = []

        def is_listening() -> bool:
            connections = [one for process in self.processes() for one in process.net_connections("tcp")]
            ports.extend(int(one.laddr.port) for one in connections if one.status == psutil.CONN_LISTEN)
            return bool(ports)

        # Some servers say that they are ready shortly before they are.
        wait_until(is_listening, f"{self._server.name} does not listen:\n{self.output}")
        return ports[0]

    @property
    def pid(self) -> int:
        return self._process.pid

    def processes(self) -> list[psutil.Process]:
        parent = psutil.Process(self.pid)
        return [parent, *parent.children(recursive=True)]

    def stop(self, signal_number: int = signal.SIGTERM) -> str:
        """Sends a signal, waits until all processes are gone and returns their output."""
        children = self.processes()[1:]
        self._process.send_signal(signal_number)
        self.output += self._process.communicate(timeout=PATIENCE_S)[0]
        _, alive = psutil.wait_procs(children, timeout=PATIENCE_S)
        assert not alive, f"{self._server.name} left processes behind: {alive}"
        return self.output

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._process.communicate()


class Client:
    """One connection, and the bytes that came back on it."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def receive(self) -> bytes:
        """The bytes that have arrived, or the next ones that arrive."""
        data = self._socket.recv(65536)
        assert data, "the server hung up"
        return data

    def receive_until(self, needle: bytes) -> bytes:
        received = b""
        while needle not in received:
            data = self._socket.recv(65536)
            assert data, f"the server hung up before {needle!r}: {received!r}"
            received += data
        return received

    def receive_at_least(self, size: int) -> None:
        """Receives `size` bytes or more and keeps none of them."""
        while size > 0:
            data = self._socket.recv(1 << 20)
            assert data, "the server hung up"
            size -= len(data)

    def receive_all(self) -> bytes:
        received = bytearray()
        while data := self._socket.recv(65536):
            received += data
        return bytes(received)

    def hang_up(self) -> None:
        self._socket.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


def request(method: str, path: str, *, body: bytes = b"", headers: Iterable[str] = (), chunked: bool = False) -> bytes:
    """The bytes of an HTTP/1.1 request that closes its connection."""
    lines = [f"{method} {path} HTTP/1.1", "Host: api.example.com", "Connection: close", *headers]
    if chunked:
        lines.append("Transfer-Encoding: chunked")
        middle = len(body) // 2
        body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:middle], body[middle:], b""))
    elif body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def exchange(port: int, data: bytes) -> bytes:
    """All that the server sends in answer to `data`."""
    with Client(port) as client:
        client.send(data)
        return client.receive_all()


class Comparable(NamedTuple):
    """A response without the headers that differ from one response to the next."""

    response: bytes
    documentation_headers: int


def without_ours(response: bytes) -> Comparable:
    head, separator, body = response.partition(b"\r\n\r\n")
    head = re.sub(rb"(?mi)^date:[^\n]*\n?", b"", head + b"\r\n")
    head, count = re.subn(rb"(?mi)^x-documentation-url:[^\n]*\n", b"", head)
    return Comparable(head + separator + body, count)


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Waits for something that other processes do without announcing it; fails after PATIENCE_S."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s, what
        time.sleep(0.01)


def wait_until_logged(queue_dir: Path, count: int, buffer_length: int | None = None) -> None:
    """Waits until `count` requests are logged: a server that ends at once may end between a response and its log.

    With `buffer_length`, waits also until no full buffer is being sent: what a process was posting when it was killed
    is sent again by the process that adopts its queue.
    """

    def is_logged() -> bool:
        apps = [_core.survey(app) for app in queue_dir.glob("readme-metrics-*")]
        waiting = [segment.counts.queued for app in apps for segment in app.segments]
        made: int = sum(app.counts.made for app in apps)
        return made >= count and (buffer_length is None or max(waiting, default=0) < buffer_length)

    wait_until(is_logged, f"not all of {count} requests were logged")
