"""The queue's files: MessagePack that any decoder reads, which only the user can read, without API key or secret."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack
import pytest

import wsgi
from readme_metrics import _core
from readme_metrics.delivery.expiry import expire
from wsgi import call

Logged = Callable[..., Any]


def waiting(middleware: Any) -> Path:
    """The one segment of a middleware that has logged requests and has sent nothing yet."""
    [segment] = [path for path in Path(middleware.stats()["directory"]).iterdir() if path.suffix == ".seg"]
    return Path(segment)


def test_an_independent_decoder_reads_the_entries(logged: Logged) -> None:
    middleware, logs = logged(buffer_length=1000, flush_interval=3600)
    call(
        middleware, "/echo", method="POST", body='{"a": "é\\u0000\U0001f600"}'.encode(), content_type="application/json"
    )
    call(middleware, "/repeated", query="x=1&x=2")
    raw = waiting(middleware).read_bytes()
    decoded = []
    # An entry is a map of six pairs, whose first key is `_id`.
    for position in find(raw, b"\x86\xa3_id"):
        unpacker = msgpack.Unpacker(raw=False)
        unpacker.feed(raw[position:])
        decoded.append(unpacker.unpack())
    assert decoded == json.loads(json.dumps(logs(2)))


def find(raw: bytes, needle: bytes) -> list[int]:
    positions = []
    position = raw.find(needle)
    while position >= 0:
        positions.append(position)
        position = raw.find(needle, position + 1)
    return positions


def test_files_are_private_and_hold_no_key_and_no_secret(logged: Logged) -> None:
    middleware, logs = logged(buffer_length=1000, flush_interval=3600, denylist=["password"])
    call(middleware, "/echo", method="POST", body=b'{"password": "hunter2"}', content_type="application/json")
    segment = waiting(middleware)
    assert stat.S_IMODE(segment.stat().st_mode) == 0o600
    assert stat.S_IMODE(segment.parent.stat().st_mode) == 0o700
    raw = segment.read_bytes()
    assert b"[REDACTED 7]" in raw
    for secret in (b"hunter2", wsgi.API_KEY.encode(), b"customer-0001"):
        assert secret not in raw
        assert secret.decode() not in str(segment)
    logs(1)


def test_logs_of_an_unused_key_expire_counted_and_their_directory_is_removed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = """
import os, wsgi
from readme_metrics import MetricsApiConfig, MetricsMiddleware
config = MetricsApiConfig("the old key", wsgi.group, "https://d.example", buffer_length=100, flush_interval=3600)
middleware = MetricsMiddleware(wsgi.app, config)
for _ in range(3):
    wsgi.call(middleware)
os.kill(os.getpid(), 9)
"""
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    subprocess.run([sys.executable, "-c", program], env=environ, check=False, timeout=60)
    [directory] = tmp_path.glob("readme-metrics-*")
    rungs, days_s = [str(tmp_path)], 24 * 60 * 60
    monkeypatch.setattr(time, "time", lambda now=time.time: now() + 6.9 * days_s)
    assert expire(rungs, "mine", 7) == 0, "not yet"
    monkeypatch.setattr(time, "time", lambda now=time.time: now() + 0.2 * days_s)
    assert expire(rungs, directory.name, 7) == 0, "in use by the caller"
    assert expire(rungs, "mine", 7) == 3
    survey = _core.survey(directory)
    assert (survey.counts.made, survey.counts.dropped["expired"], survey.segments) == (3, 3, [])
    os.utime(directory)
    assert expire(rungs, "mine", 7) == 0
    assert not directory.exists(), list(directory.iterdir())


def test_the_queue_of_a_living_process_never_expires(
    logged: Logged, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = "import wsgi, time; from readme_metrics import *\n"
    program += (
        "m = MetricsMiddleware(wsgi.app, MetricsApiConfig('another', wsgi.group, 'https://d.example')); wsgi.call(m)\n"
    )
    program += "print('logged', flush=True); time.sleep(60)"
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    with subprocess.Popen([sys.executable, "-c", program], env=environ, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        monkeypatch.setattr(time, "time", lambda now=time.time: now() + 1e8)
        assert expire([str(tmp_path)], "mine", 7) == 0
        process.kill()
    [directory] = tmp_path.glob("readme-metrics-*")
    assert directory.exists()
