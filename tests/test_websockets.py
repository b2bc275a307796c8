"""WebSockets that an app serves over WSGI, on real servers: they work, and only HTTP is logged."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import wsgi
from readme_metrics.collector import Collector
from servers import HERE, PATIENCE_S, Client, Running, Server, exchange, request, wait_until_logged

Start = Callable[[Server], Running]


def _gunicorn(library: str, *options: str) -> Server:
    command = ["-m", "gunicorn", "--no-control-socket", "--bind", "127.0.0.1:0", "--graceful-timeout", "1", *options]
    return Server(
        f"{library} on gunicorn {options[1]}",
        [sys.executable, *command, f"apps.websockets:make('{library}')"],
        "Booting worker",
    )


def _one_process(library: str, name: str) -> Server:
    command = [sys.executable, str(HERE / "apps" / "websockets.py"), library, name]
    return Server(f"{library} on {name}", command, "listening at")


SERVERS = [
    _gunicorn("flask_sock", "--worker-class", "gthread", "--threads", "4"),
    _gunicorn("flask_sock", "--worker-class", "gevent"),
    _one_process("flask_sock", "werkzeug"),
    _one_process("flask_sock", "gevent.pywsgi"),
    _one_process("flask_sock", "eventlet"),
    _gunicorn("flask_socketio", "--worker-class", "gthread", "--threads", "4"),
    _one_process("flask_socketio", "werkzeug"),
    _one_process("gevent_websocket", "gevent-websocket"),
]


@pytest.fixture
def start(collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("README_METRICS_SERVER", collector.url)
    running: list[Running] = []
    environ = {"README_METRICS_SERVER": collector.url, "README_METRICS_QUEUE_DIR": str(tmp_path)}

    def start_server(server: Server) -> Running:
        running.append(Running(server, {"buffer_length": 1}, environ))
        return running[-1]

    yield start_server
    for server in running:
        server.__exit__()


HANDSHAKE = [
    "GET {path} HTTP/1.1",
    "Host: api.example.com",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
]
#: The server's answer to that key, by RFC 6455 (section 1.3).
ACCEPTED = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


class WebSocket:
    """The client's side: short texts, each in one frame."""

    def __init__(self, client: Client, path: str) -> None:
        self._client = client
        client.send("\r\n".join([*HANDSHAKE, "", ""]).format(path=path).encode())
        received = client.receive_until(b"\r\n\r\n")
        head, _, self._received = received.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")
        assert ACCEPTED in head

    def send(self, text: bytes, kind: int = 1) -> None:
        mask = b"\x01\x02\x03\x04"
        masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(text))
        self._client.send(bytes([0x80 | kind, 0x80 | len(text)]) + mask + masked)

    def receive(self) -> tuple[int, bytes]:
        kind, size = self._take(2)
        if size == 126:
            size = int.from_bytes(self._take(2), "big")
        return kind & 0x0F, self._take(size)

    def _take(self, size: int) -> bytes:
        while len(self._received) < size:
            self._received += self._client.receive()
        taken, self._received = self._received[:size], self._received[size:]
        return taken

    def close(self) -> None:
        # This does not wait for the answer: simple-websocket may close the connection before it has sent one.
        self.send(b"\x03\xe8", kind=8)


def converse(library: str, client: Client) -> None:
    if library == "flask_socketio":
        socket = WebSocket(client, "/echo/?EIO=4&transport=websocket")
        assert socket.receive()[1].startswith(b"0{")
        socket.send(b"40")
        assert socket.receive()[1].startswith(b"40{")
        socket.send(b'42["message","hello"]')
        assert socket.receive() == (1, b'42["message","hello"]')
    else:
        socket = WebSocket(client, "/echo")
        for text in (b"hello", b"again"):
            socket.send(text)
            assert socket.receive() == (1, text)
    socket.close()


@pytest.mark.parametrize("server", SERVERS, ids=lambda server: server.name)
def test_a_websocket_works_and_is_not_logged(
    start: Start, collector: Collector, tmp_path: Path, server: Server
) -> None:
    running = start(server)
    plain = request("GET", "/plain")
    assert b"plain" in exchange(running.port, plain)
    with Client(running.port) as client:
        converse(server.name.partition(" ")[0], client)
    assert b"plain" in exchange(running.port, plain)
    expected = ["/plain", "/plain"]
    if server.name == "flask_sock on werkzeug":
        expected.insert(0, "/echo")  # in the end, Flask-Sock answers 200 on Werkzeug's server
    wait_until_logged(tmp_path, len(expected))
    output = running.stop()
    assert paths(collector) == expected
    assert "Traceback" not in output, output


def test_what_the_app_has_answered_itself_is_left_to_gunicorn(
    start: Start, collector: Collector, tmp_path: Path
) -> None:
    running = start(_gunicorn("already_handled", "--worker-class", "gevent"))
    assert exchange(running.port, request("GET", "/")) == b"HTTP/1.1 299 Mine\r\nContent-Length: 4\r\n\r\nmine"
    assert b"plain" in exchange(running.port, request("GET", "/plain"))
    wait_until_logged(tmp_path, 1)
    running.stop()
    assert paths(collector) == ["/plain"]


def paths(collector: Collector) -> list[str]:
    """The paths of the requests that were logged. What a server left behind is sent by a later start."""
    heir = wsgi.heir()
    assert heir.flush(PATIENCE_S) == 0
    urls = [log["request"]["log"]["entries"][0]["request"]["url"] for log in collector.logs]
    return sorted(url.partition("example.com")[2] for url in urls)
