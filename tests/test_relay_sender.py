"""From an app to a Redis stream, through every way in which that can go wrong: real servers, real kills."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

import wsgi
from readme_metrics import MetricsApiConfig, MetricsMiddleware
from readme_metrics.collector import Collector
from readme_metrics.commands import main
from readme_metrics.relay import acl, layout
from redis_server import Between, RedisServer
from relaying import BY_HAND, HERE, RelayProcess, app, check_fleet, eventually, log, number

KEYS = layout.Keys.of("shop")


def host(middleware: MetricsMiddleware) -> Any:
    return middleware.stats()["host"]


def logs_in(redis_server: RedisServer, project: str = "shop") -> list[dict[str, Any]]:
    logs: list[dict[str, Any]] = []
    for _, flat in redis_server("XRANGE", layout.Keys.of(project).stream, "-", "+"):
        logs += json.loads(dict(zip(flat[::2], flat[1::2], strict=True))[b"b"])
    return logs


#: An app in a process of its own: logs requests, says so, and waits for the end.
SHORT_LIVED = """
import sys, wsgi
from relaying import app, log
middleware = app(sys.argv[1], **eval(sys.argv[3]))
log(middleware, range(int(sys.argv[2])))
print("logged", flush=True)
"""


def short_lived(url: str, count: int, rest: str = "", **options: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SHORT_LIVED + rest, url, str(count), repr(options)]
    return subprocess.Popen(command, cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


# 1: the app is killed


def test_an_app_killed_between_add_and_release(redis_server: RedisServer, tmp_path: Path) -> None:
    processes: list[subprocess.Popen[str]] = []

    def kill() -> bool:
        processes[0].kill()
        return False

    between = Between(redis_server.port, b"EVAL", kill)
    # The address is part of the queue's name: the heir has the same.
    processes.append(short_lived(between.url, 10, "middleware.flush(60)", **BY_HAND))
    processes[0].communicate(timeout=60)
    assert processes[0].returncode == -signal.SIGKILL
    assert len(logs_in(redis_server)) == 10, "added"
    between._on_answer = lambda: True
    heir = app(between.url)
    wsgi.call(heir, "/pid")
    log(heir, [99])
    eventually(lambda: heir.flush(60) == 0 and len(logs_in(redis_server)) == 21)
    ids = [entry["_id"] for entry in logs_in(redis_server)]
    assert len(set(ids)) == 11, "the ten of the killed one twice, with the same ids"
    between.close()


# 5, 6: Redis is away


def test_nobody_waits_for_a_redis_that_is_away(redis_server: RedisServer) -> None:
    middleware = app(redis_server.url, buffer_length=1, flush_interval=0.05, timeout=0.5)

    def call_ms() -> float:
        started_s = time.perf_counter()
        log(middleware, [0])
        return (time.perf_counter() - started_s) * 1000

    up = [call_ms() for _ in range(300)]
    eventually(lambda: middleware.stats()["queued"] == 0)
    redis_server.kill()
    down = [call_ms() for _ in range(600)]
    eventually(lambda: host(middleware)["failures"] > 1)
    down += [call_ms() for _ in range(600)]
    p99_up, p99_down = (statistics.quantiles(times, n=100)[98] for times in (up, down))
    assert p99_down < 10 * p99_up + 20, (p99_up, p99_down)
    stats: Any = middleware.stats()
    assert stats["made"] == 1500 and not any(stats["dropped"].values()), stats
    redis_server.start()
    eventually(lambda: middleware.flush(60) == 0)
    assert middleware.stats()["sent"] == 1500


class Silent:
    """Accepts connections; says nothing, or a byte now and then."""

    def __init__(self, is_dripping: bool) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"
        self._thread = threading.Thread(target=self._serve)
        self._is_dripping = is_dripping
        self._connections: list[socket.socket] = []
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            if self._is_dripping:
                threading.Thread(target=self._drip, args=[connection], daemon=True).start()

    def _drip(self, connection: socket.socket) -> None:
        try:
            while True:
                connection.sendall(b"+")
                time.sleep(0.05)
        except OSError:
            pass

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()
        for connection in self._connections:
            connection.close()


@pytest.fixture(params=[False, True], ids=["silent", "dripping"])
def silent(request: pytest.FixtureRequest) -> Iterator[Silent]:
    server = Silent(request.param)
    yield server
    server.close()


def test_the_timeout_holds(silent: Silent) -> None:
    middleware = app(silent.url, timeout=0.5, **BY_HAND)
    log(middleware, range(5))
    started_s = time.monotonic()
    assert middleware.flush(30) == 5
    assert 0.4 < time.monotonic() - started_s < 10, "once 0.5 s, and redis-py's import"
    assert host(middleware)["last_error"] == "TimeoutError"


def test_an_exit_keeps_its_deadline(silent: Silent) -> None:
    process = short_lived(silent.url, 5, timeout=30, shutdown_timeout=0.5, **BY_HAND)
    assert process.stdout is not None
    process.stdout.readline()
    started_s = time.monotonic()
    process.communicate(timeout=60)
    assert time.monotonic() - started_s < 15, "half a second, and not 30"
    assert process.returncode == 0


def test_a_process_that_ends_at_once_delivers(redis_server: RedisServer) -> None:
    """Its flusher has hardly begun to import redis-py when the interpreter begins to end."""
    for _ in range(5):
        process = short_lived(redis_server.url, 4, buffer_length=10, shutdown_timeout=30)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0 and "Traceback" not in errors, errors
    eventually(lambda: len(logs_in(redis_server)) == 20)


# 7: the stream is at its bound


def test_a_stream_at_its_bound_takes_no_more_and_the_app_counts(
    redis_server: RedisServer, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    bounds: dict[str, Any] = {"relay_bytes": 2**20, "queue_bytes": 2**20}
    middleware = app(redis_server.url, **bounds, **BY_HAND)
    total = 0
    while middleware.stats()["queued"] == 0 or total < 20:
        for _ in range(20):
            wsgi.call(middleware, "/echo", method="POST", body=b"x" * 20_000, content_type="text/plain")
        total += 20
        middleware.flush(60)
    assert host(middleware)["last_error"] == "the stream is full"
    sums = redis_server.sums()
    assert 2**19 < sums.bytes <= 2**20
    assert sums.bytes == sum(
        len(dict(zip(flat[::2], flat[1::2], strict=True))[b"b"])
        for _, flat in redis_server("XRANGE", KEYS.stream, "-", "+")
    )
    while not middleware.stats()["dropped"]["full"]:  # type: ignore[index]
        wsgi.call(middleware, "/echo", method="POST", body=b"x" * 20_000, content_type="text/plain")
        total += 1
    stats: Any = middleware.stats()
    assert stats["made"] == stats["sent"] + stats["queued"] + stats["dropped"]["full"] == total
    relay = RelayProcess(redis_server.url, collector.url)
    try:
        eventually(lambda: middleware.flush(60) == 0)
        stats = middleware.stats()
        eventually(lambda: redis_server.length() == 0)
        check_fleet(redis_server, collector, stats["sent"])
        assert len(collector.ids()) == stats["sent"] == total - stats["dropped"]["full"]
    finally:
        relay.kill()


def test_a_log_larger_than_the_bound_is_refused_alone(redis_server: RedisServer) -> None:
    middleware = app(redis_server.url, relay_bytes=2**20, max_body_bytes=2**22, queue_bytes=2**24, **BY_HAND)
    log(middleware, range(3))
    wsgi.call(middleware, "/echo", method="POST", body=b"x" * 2_000_000, content_type="text/plain")
    log(middleware, range(3, 6))
    assert middleware.flush(60) == 0
    stats: Any = middleware.stats()
    assert (stats["sent"], stats["dropped"]["refused"]) == (6, 1)
    assert sorted(number(entry) for entry in logs_in(redis_server)) == list(range(6))


# 17: permissions and passwords


def test_a_user_without_the_right_is_told_which_line_to_set(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    redis_server("ACL", "SETUSER", "app", "on", ">s3cret-password", "~*", "+get")
    url = redis_server.url.replace("redis://", "redis://app:s3cret-password@")
    middleware = app(url, **BY_HAND)
    log(middleware, range(3))
    assert middleware.flush(60) == 3
    [record] = [record for record in caplog.records if record.levelname == "ERROR"]
    message = record.getMessage()
    command = acl.app_acl("app", KEYS)
    assert "NOPERM" in message and command in message and "s3cret" not in caplog.text
    # The line as it was told; nothing else is needed, and nothing of this can be read with it.
    redis_server(*command.split())
    assert middleware.flush(60) == 0
    client = redis.Redis.from_url(url)
    for denied in (("XRANGE", KEYS.stream, "-", "+"), ("GET", "another"), ("DEL", KEYS.stream), ("FLUSHALL",)):
        with pytest.raises(redis.exceptions.NoPermissionError):
            client.execute_command(*denied)  # type: ignore[no-untyped-call]
    with pytest.raises(redis.exceptions.ResponseError):
        client.eval("return redis.call('XRANGE', KEYS[1], '-', '+')", 1, KEYS.stream)
    client.close()


def test_the_relays_line_is_all_it_needs(redis_server: RedisServer, collector: Collector) -> None:
    redis_server("ACL", "SETUSER", "relay", "on", ">pw")
    redis_server(*acl.relay_acl("relay").split())
    middleware = app(redis_server.url, **BY_HAND)
    log(middleware, range(5))
    assert middleware.flush(60) == 0
    url = redis_server.url.replace("redis://", "redis://relay:pw@")
    relay = RelayProcess(url, collector.url)
    assert collector.wait_for(5, 60)
    eventually(lambda: redis_server.length() == 0)
    assert relay.stop() == 0
    assert "denies" not in relay.output and "cannot be read" not in relay.output
    command = [sys.executable, "-m", "readme_metrics", "status", "--json", "--relay", url]
    status = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)
    assert (status["delivered"], status["refused"], status["in_stream"]) == (5, 0, 0)
    assert status["projects"]["shop"]["delivered"] == 5


@pytest.mark.parametrize("credentials", ["app:wrong@", ""], ids=["wrong", "none"])
def test_a_wrong_password_is_denied_and_not_shown(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, credentials: str
) -> None:
    server = RedisServer(tmp_path / "locked", "--save", "", "--requirepass", "right")
    server.start()
    middleware = app(server.url.replace("redis://", f"redis://{credentials}"), **BY_HAND)
    log(middleware, range(3))
    assert middleware.flush(60) == 3
    assert "WRONGPASS or NOAUTH" in caplog.text and "wrong@" not in caplog.text
    assert host(middleware)["pause_until"] - time.time() > 30, "one try a minute"
    server.kill()


# 18: secrets


def test_redis_sees_neither_key_nor_canary(redis_server: RedisServer, collector: Collector) -> None:
    monitor = redis.Redis.from_url(redis_server.url)
    seen: list[str] = []
    is_watching = threading.Event()

    def watch() -> None:
        with monitor.monitor() as commands:  # type: ignore[no-untyped-call]
            is_watching.set()
            try:
                seen.extend(str(command["command"]) for command in commands.listen())
            except Exception:
                pass

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    assert is_watching.wait(60)
    canary = "canary-4711"
    relay = RelayProcess(redis_server.url, collector.url, keys={"shop": "rdme_the_real_key"})
    middleware = app(redis_server.url, denylist=["token", "authorization", "card"], **BY_HAND)
    for index in range(5):
        wsgi.call(
            middleware,
            "/echo",
            method="POST",
            query=f"token={canary}&n={index}",
            body=json.dumps({"token": canary, "card": canary}).encode(),
            content_type="application/json",
            HTTP_AUTHORIZATION=f"Bearer {canary}",
        )
    assert middleware.flush(60) == 0
    assert collector.wait_for(5, 60)
    eventually(lambda: any("XACK" in command for command in seen))
    assert relay.stop() == 0
    redis_server.stop()
    watcher.join(60)
    monitor.close()
    everything = "\n".join(seen)
    assert "REDACTED" in everything
    assert canary not in everything and "rdme_the_real_key" not in everything


# 19: TLS


def certificate(
    directory: Path, name: str, alternative: str = "IP:127.0.0.1", until: str = "20991231235959Z"
) -> tuple[Path, Path]:
    """A self-signed certificate and its key."""
    (directory / f"{name}.index").touch()
    paths = {kind: directory / f"{name}.{kind}" for kind in ("cnf", "pem", "key", "csr", "index")}
    paths["cnf"].write_text(
        f"[ca]\ndefault_ca=own\n[own]\ndatabase={paths['index']}\nnew_certs_dir={directory}\ndefault_md=sha256\n"
        f"policy=any\nrand_serial=yes\nx509_extensions=names\n[any]\ncommonName=supplied\n"
        f"[names]\nsubjectAltName={alternative}\nbasicConstraints=CA:TRUE\n[req]\ndistinguished_name=dn\n[dn]\n"
    )
    new = f"req -config {paths['cnf']} -new -newkey rsa:2048 -nodes -subj /CN={name}"
    sign = f"ca -config {paths['cnf']} -batch -notext -selfsign -keyfile {paths['key']} -in {paths['csr']}"
    for command in (
        f"{new} -keyout {paths['key']} -out {paths['csr']}",
        f"{sign} -startdate 20200101000000Z -enddate {until} -out {paths['pem']}",
    ):
        subprocess.run(["openssl", *command.split()], check=True, capture_output=True)
    return paths["pem"], paths["key"]


@pytest.mark.skipif(not shutil.which("openssl"), reason="makes its certificates with openssl")
def test_tls_with_a_private_authority(tmp_path: Path, collector: Collector, caplog: pytest.LogCaptureFixture) -> None:
    right, key = certificate(tmp_path, "right")
    wrong, _ = certificate(tmp_path, "wrong")
    files = ("--tls-cert-file", str(right), "--tls-key-file", str(key), "--tls-ca-cert-file", str(right))
    server = RedisServer(tmp_path / "tls", "--save", "", *files, "--tls-auth-clients", "no", tls=True)
    server.start()
    plain = server.url.replace("redis://", "rediss://")
    for url in (plain, f"{plain}?ssl_ca_certs={wrong}"):
        middleware = app(url, **BY_HAND)
        log(middleware, range(3))
        assert middleware.flush(60) == 3
        assert middleware.stats()["retries"] == 1
    assert "ConnectionError: TLS" in caplog.text
    trusting = f"{plain}?ssl_ca_certs={right}"
    middleware = app(trusting, **BY_HAND)
    log(middleware, range(3))
    # What the other two have left is this one's as well: the address is the same, whatever its parameters.
    eventually(lambda: middleware.flush(60) == 0)
    relay = RelayProcess(trusting, collector.url)
    assert collector.wait_for(3, 60)
    assert relay.stop() == 0
    server.kill()


@pytest.mark.skipif(not shutil.which("openssl"), reason="makes its certificates with openssl")
def test_an_expired_certificate_and_another_hosts(tmp_path: Path) -> None:
    old, old_key = certificate(tmp_path, "old", until="20200201000000Z")
    other, other_key = certificate(tmp_path, "other", "DNS:elsewhere.example")
    for name, (path, key) in {"expired": (old, old_key), "name": (other, other_key)}.items():
        files = ("--tls-cert-file", str(path), "--tls-key-file", str(key), "--tls-ca-cert-file", str(path))
        server = RedisServer(tmp_path / name, "--save", "", *files, "--tls-auth-clients", "no", tls=True)
        server.start()
        url = server.url.replace("redis://", "rediss://") + f"?ssl_ca_certs={path}"
        middleware = app(url, **BY_HAND)
        log(middleware, range(3))
        assert middleware.flush(60) == 3, name
        server.kill()


# 20: fork, preload, gevent


def _child(middleware: MetricsMiddleware, start: int) -> None:
    log(middleware, range(start, start + 10))
    assert middleware.flush(60) == 0


def test_a_fork_with_a_warm_connection(redis_server: RedisServer) -> None:
    middleware = app(redis_server.url, **BY_HAND)
    log(middleware, range(10))
    assert middleware.flush(60) == 0
    children = [
        multiprocessing.get_context("fork").Process(target=_child, args=(middleware, start)) for start in (100, 200)
    ]
    for child in children:
        child.start()
    log(middleware, range(10, 20))
    assert middleware.flush(60) == 0
    for child in children:
        child.join(60)
        assert child.exitcode == 0
    # The connection that the children inherited is the parent's still.
    log(middleware, range(20, 30))
    assert middleware.flush(60) == 0
    assert sorted(number(entry) for entry in logs_in(redis_server)) == [*range(30), *range(100, 110), *range(200, 210)]


@pytest.mark.parametrize("worker", [["--preload"], ["-k", "gevent"]], ids=["preload", "gevent"])
def test_under_gunicorn(
    redis_server: RedisServer, gunicorn: Callable[..., Any], worker: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("README_METRICS_RELAY", redis_server.url)
    monkeypatch.setenv("README_METRICS_PROJECT", "shop")
    server = gunicorn("-w", "2", *worker, flush_interval=0.1)
    for index in range(20):
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as client:
            client.sendall(f"GET /?n={index} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
            while client.recv(65536):
                pass
    connections = redis_server("CLIENT", "LIST").count(b"\n") - 1
    assert connections <= 2, "one per process"
    output = server.stop()
    assert "Traceback" not in output, output
    arrived = [number(entry) for entry in logs_in(redis_server)]
    assert sorted(arrived) == list(range(20)), output


def test_without_a_thread(redis_server: RedisServer) -> None:
    middleware = app(redis_server.url, background_worker_mode=False, buffer_length=1)
    before = threading.active_count()
    log(middleware, range(5))
    assert threading.active_count() <= before  # those of earlier tests may end
    assert middleware.flush(60) == 0
    assert len(logs_in(redis_server)) == 5


def test_a_request_imports_nothing(redis_server: RedisServer) -> None:
    """redis-py takes a tenth of a second: the flusher's thread pays for it, not the first request."""
    code = (
        "import sys, threading, wsgi\n"
        "from readme_metrics import MetricsApiConfig, MetricsMiddleware\n"
        "main, importers = threading.get_ident(), []\n"
        "class Watch:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name.split('.')[0] == 'redis': importers.append(threading.get_ident())\n"
        "config = MetricsApiConfig(None, wsgi.group, 'https://d.example', 1, relay=sys.argv[1], project='shop')\n"
        "middleware = MetricsMiddleware(wsgi.app, config)\n"
        "sys.meta_path.insert(0, Watch())\n"
        "wsgi.call(middleware)\n"
        "assert middleware.flush(60) == 0\n"
        "assert importers and main not in importers, importers\n"
        "print('fine')\n"
    )
    command = [sys.executable, "-c", code, redis_server.url]
    result = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=60, env={**os.environ})
    assert result.stdout == "fine\n", result.stderr


# The configuration


@pytest.mark.parametrize(
    "url",
    [
        "http://user:s3cret@host:6379/0",
        "user:s3cret@host:6379",
        "redis://",
        "redis://:s3cret@",
        "redis://host:s3cret",
        "redis://host:6379/s3cret",
        "redis://host:6379/0/s3cret",
        "redis://user:s3#cret@host",
        "redis://user:s3/cret@host:6379",
        "redis://host:99999/s3cret",
        "s3cret",
        "",
        "redis://ho st/s3cret",
        "unix:///tmp/s3cret",
    ],
)
def test_what_is_no_redis_url(url: str) -> None:
    with pytest.raises(ValueError, match=r"^relay takes a URL") as error:
        MetricsApiConfig(None, wsgi.group, relay=url, project="shop")
    assert "s3cret" not in str(error.value) and "cret" not in str(error.value).replace("secret", "")


@pytest.mark.parametrize(
    "url", ["redis://h", "rediss://u:p@h:1/2?ssl_ca_certs=/x", "redis://[::1]:6379", "redis://:p@h/"]
)
def test_what_is_one(url: str) -> None:
    config = MetricsApiConfig(None, wsgi.group, relay=url, project="shop")
    assert (config.relay, config.project, config.relay_bytes) == (url, "shop", 256 * 2**20)


@pytest.mark.parametrize("project", ["a b", "", "{a}", "ü", "a" * 101, "a\n", "a/b"])
def test_what_is_no_project(project: str) -> None:
    with pytest.raises(ValueError, match=r"^project takes"):
        MetricsApiConfig(None, wsgi.group, relay="redis://host", project=project)


def test_other_wrong_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="relay needs project"):
        MetricsApiConfig(None, wsgi.group, relay="redis://host")
    with pytest.raises(ValueError, match=r"project is only used with relay"):
        MetricsApiConfig("key", wsgi.group, project="shop")
    with pytest.raises(TypeError, match=r"^relay takes a string, got bytes$"):
        MetricsApiConfig(None, wsgi.group, relay=b"redis://host", project="shop")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^project takes a string"):
        MetricsApiConfig(None, wsgi.group, relay="redis://host", project=1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^relay_bytes takes 1048576 or more"):
        MetricsApiConfig(None, wsgi.group, relay="redis://host", project="shop", relay_bytes=1000)
    monkeypatch.setenv("README_METRICS_RELAY", "s3cret")
    with pytest.raises(ValueError, match=r"^README_METRICS_RELAY takes a URL"):
        MetricsApiConfig(None, wsgi.group)
    monkeypatch.setenv("README_METRICS_RELAY", "redis://host")
    monkeypatch.setenv("README_METRICS_PROJECT", "a b")
    with pytest.raises(ValueError, match=r"^README_METRICS_PROJECT takes"):
        MetricsApiConfig(None, wsgi.group)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ImportError, match=r"readme-metrics\[redis\]"):
        MetricsApiConfig(None, wsgi.group, project="shop")


def test_the_environment_is_enough(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("README_METRICS_RELAY", redis_server.url)
    monkeypatch.setenv("README_METRICS_PROJECT", "from-environment")
    middleware = MetricsMiddleware(wsgi.app, MetricsApiConfig(None, wsgi.group, "https://d.example", **BY_HAND))
    log(middleware, range(2))
    assert middleware.flush(60) == 0
    assert len(logs_in(redis_server, "from-environment")) == 2


def test_a_parameter_that_redis_py_does_not_know(redis_server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    middleware = app(f"{redis_server.url}?no_such_parameter=s3cret", **BY_HAND)
    log(middleware, range(2))
    assert middleware.flush(60) == 2
    assert "a parameter of the URL" in caplog.text and "s3cret" not in caplog.text


def test_a_dry_run_goes_nowhere(redis_server: RedisServer, tmp_path: Path) -> None:
    middleware = app(redis_server.url, dry_run=tmp_path / "logs.jsonl", **BY_HAND)
    log(middleware, range(2))
    assert middleware.flush(60) == 0
    assert redis_server("DBSIZE") == 0
    assert len((tmp_path / "logs.jsonl").read_text().splitlines()) == 2


# The doctor


def doctor(capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    status = main(["doctor", "--json"])
    out = capsys.readouterr().out
    assert "s3cret" not in out
    return status, {finding["link"]: finding for finding in json.loads(out)}


def test_the_doctor_names_each_link(
    redis_server: RedisServer, collector: Collector, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    redis_server("ACL", "SETUSER", "app", "on", ">s3cret")
    redis_server(*acl.app_acl("app", KEYS).split())
    monkeypatch.setenv("README_METRICS_RELAY", redis_server.url.replace("redis://", "redis://app:s3cret@"))
    monkeypatch.setenv("README_METRICS_PROJECT", "shop")
    monkeypatch.setattr("readme_metrics.delivery.queue_dirs.rungs", lambda _: [os.environ["README_METRICS_QUEUE_DIR"]])
    status, found = doctor(capsys)
    assert status == 1 and [link for link in found if not found[link]["is_ok"]] == ["relay"]
    assert "none takes logs of project shop" in found["relay"]["detail"]
    assert "lacks +info" in found["redis"]["detail"]
    relay = RelayProcess(redis_server.url, collector.url)
    assert collector.wait_for(1, 60), "the test log"
    status, found = doctor(capsys)
    assert status == 0, found
    assert KEYS.stream in found["route"]["detail"]
    assert relay.stop() == 0
    redis_server("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    redis_server("CONFIG", "SET", "maxmemory", "100mb")
    redis_server("ACL", "SETUSER", "app", "+info")
    _, found = doctor(capsys)
    assert "allkeys-lru" in found["redis"]["detail"] and "aof_enabled is 0" in found["redis"]["detail"]
    redis_server("ACL", "SETUSER", "app", "-evalsha", "-eval")
    status, found = doctor(capsys)
    assert status == 1 and acl.app_acl("app", KEYS) in found["redis"]["advice"]
    redis_server("ACL", "SETUSER", "app", "resetpass", ">another")
    status, found = doctor(capsys)
    assert status == 1 and "password" in found["redis"]["advice"] and "test log" not in found
    redis_server.kill()
    status, found = doctor(capsys)
    assert status == 1 and "nothing answers" in found["redis"]["advice"]
    monkeypatch.setenv("README_METRICS_RELAY", "http://s3cret")
    assert main(["doctor", "--json"]) == 2
    assert "s3cret" not in capsys.readouterr().err
