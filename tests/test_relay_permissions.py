"""What Redis lets an app and a relay do, and that Redis sees none of their secrets."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import redis

import wsgi
from readme_metrics.collector import Collector
from readme_metrics.relay import acl
from redis_server import RedisServer
from relaying import BY_HAND, KEYS, RelayProcess, app, eventually, host, log

pytestmark = pytest.mark.usefixtures("no_process_is_left")


def test_a_user_without_the_rights_is_told_which_command_sets_them(
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
    # The reported command is enough, and a user with these rights can read nothing.
    redis_server(*command.split())
    assert middleware.flush(60) == 0
    client = redis.Redis.from_url(url)
    for denied in (("XRANGE", KEYS.stream, "-", "+"), ("GET", "another"), ("DEL", KEYS.stream), ("FLUSHALL",)):
        with pytest.raises(redis.exceptions.NoPermissionError):
            client.execute_command(*denied)  # type: ignore[no-untyped-call]
    with pytest.raises(redis.exceptions.ResponseError):
        client.eval("return redis.call('XRANGE', KEYS[1], '-', '+')", 1, KEYS.stream)
    client.close()


def test_the_command_for_the_relays_user_gives_all_rights_that_it_needs(
    redis_server: RedisServer, collector: Collector
) -> None:
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
