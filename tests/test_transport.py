"""One POST: its deadline, its encoding, proxies and private certificate authorities."""

from __future__ import annotations

import gzip
import http.server
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import wsgi
from readme_metrics import MetricsApiConfig, MetricsMiddleware
from readme_metrics.collector import Collector
from test_delivery import BY_HAND, Logged, log
from wsgi import call


class Dripping(http.server.BaseHTTPRequestHandler):
    """Sends a byte of its answer now and then, for ever, so that no single read takes long."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        try:
            self.wfile.write(b"HTTP/1.1 ")
            while True:
                self.wfile.write(b"2")
                time.sleep(0.05)
        except OSError:
            pass

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def dripping() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Dripping)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_deadline_is_for_the_whole_post(dripping: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("README_METRICS_SERVER", dripping)
    config = MetricsApiConfig(wsgi.API_KEY, wsgi.group, "https://d.example", timeout=0.5, **BY_HAND)  # type: ignore[arg-type]
    middleware = MetricsMiddleware(wsgi.app, config)
    log(middleware, 1)
    started_s = time.monotonic()
    assert middleware.flush(30) == 1
    assert time.monotonic() - started_s < 10  # without the deadline, it would take for ever


def test_a_server_that_does_not_read_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        monkeypatch.setenv("README_METRICS_SERVER", f"http://127.0.0.1:{listening.getsockname()[1]}")
        config = MetricsApiConfig(wsgi.API_KEY, wsgi.group, "https://d.example", timeout=0.5, **BY_HAND)  # type: ignore[arg-type]
        middleware = MetricsMiddleware(wsgi.app, config)
        for _ in range(2):  # each is more than the kernel keeps for a reader
            call(middleware, "/echo", method="POST", body=b"x" * 1_000_000, content_type="text/plain")
        started_s = time.monotonic()
        assert middleware.flush(30) == 2
        assert time.monotonic() - started_s < 10


def test_compress(collector: Collector, logged: Logged) -> None:
    middleware, logs = logged(compress=True)
    log(middleware, 3)
    logs(3)
    post = collector.posts[0]
    assert post.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(post.raw) == post.body


def test_a_proxy_from_the_environment_is_used(
    collector: Collector, logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"http_proxy": collector.url, "no_proxy": ""}.items():
        monkeypatch.setenv(name, value)
        monkeypatch.setenv(name.upper(), value)
    middleware, logs = logged(**BY_HAND)
    monkeypatch.setenv("README_METRICS_SERVER", "http://metrics.invalid")
    log(middleware, 1)
    logs(1)
    assert collector.posts[0].headers["Host"] == "metrics.invalid"


def test_a_private_authority_from_the_environment_is_trusted(
    logged: Logged, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("makes its certificate with openssl")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    arguments = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    subprocess.run(
        [openssl, *arguments.split(), "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    collector = Collector()
    collector._server.socket = context.wrap_socket(collector._server.socket, server_side=True)
    with collector:
        middleware, _ = logged(**BY_HAND)
        monkeypatch.setenv("README_METRICS_SERVER", f"https://localhost:{collector.port}")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", "")
        log(middleware, 1)
        assert middleware.flush(10) == 1, "the certificate is not trusted"
        # Which certificates this process trusts says nothing about the server: other processes go on sending.
        stats: Any = middleware.stats()
        assert (stats["last_error"], stats["host"]["failures"], stats["host"]["pause_until"]) == ("SSLError", 0, None)
        flusher: Any = middleware._intake.flusher
        assert flusher.queue.pause_s() == 0 < flusher._delivery.pause_s()
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        assert middleware.flush(10) == 0
        assert len(collector.logs) == 1
