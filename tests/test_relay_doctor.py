"""`readme-metrics doctor` for an app that logs to a Redis stream."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from readme_metrics.collector import Collector
from readme_metrics.commands import main
from readme_metrics.relay import acl
from redis_server import RedisServer
from relaying import KEYS, RelayProcess

pytestmark = pytest.mark.usefixtures("no_process_is_left")


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
