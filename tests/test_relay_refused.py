"""Logs that ReadMe refuses, and entries that no relay can read."""

from __future__ import annotations

import gzip
import time

import pytest

from readme_metrics.collector import Answer, Collector
from readme_metrics.relay import layout, stream_reader
from readme_metrics.relay.connection import Connection
from readme_metrics.relay.stream_queue import StreamQueue
from redis_server import RedisServer
from relay_in_process import MakeRelay, add
from relaying import KEYS, check_fleet, eventually


def test_every_log_refused(redis_server: RedisServer, collector: Collector, relay: MakeRelay) -> None:
    collector.answer = lambda _: Answer(422)
    add(redis_server, 12)
    relay()
    eventually(lambda: redis_server.length() == 0)
    assert {fields[b"status"] for fields in redis_server.refused()} == {b"422"}
    assert len(redis_server.refused()) == 12
    check_fleet(redis_server, collector, 12)


GARBAGE: dict[str, list[str | bytes]] = {
    "no fields of ours": ["hello", "world"],
    "no body": ["v", "1", "n", "3"],
    "bytes": ["v", "1", "n", "3", "b", b"\xff\xfe\x00garbage"],
    "not JSON": ["v", "1", "n", "3", "b", "[{]"],
    "cut": ["v", "1", "n", "1", "b", '[{"_id": "a"'],
    "more than one array": ["v", "1", "n", "1", "b", '[{"_id": "a"}], [{"_id": "b"}]'],
    "no array": ["v", "1", "n", "1", "b", '{"_id": "a"}'],
    "no objects": ["v", "1", "n", "1", "b", "[1, 2]"],
    "an empty array": ["v", "1", "n", "0", "b", "[]"],
    "deep": ["v", "1", "n", "1", "b", '[{"a":' + "[" * 100_000],
    "not gzip": ["v", "1", "n", "1", "z", "gzip", "b", "[]"],
    "another encoding": ["v", "1", "n", "1", "z", "zstd", "b", "[]"],
    "a strange version": ["v", "one", "n", "1", "b", "[]"],
    "a strange count": ["v", "1", "n", "-99999999999999999999", "b", "garbage"],
}


@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_is_refused_and_counted(
    redis_server: RedisServer, collector: Collector, relay: MakeRelay, garbage: str
) -> None:
    add(redis_server, 5)
    redis_server("XADD", KEYS.stream, "*", *GARBAGE[garbage])
    add(redis_server, 5, 100)
    relay()
    assert collector.wait_for(10, 60)
    eventually(lambda: redis_server.length() == 0)
    [refused] = redis_server.refused()
    assert refused[b"reason"].startswith(b"malformed")
    eventually(lambda: redis_server.sums().entries == 0 and redis_server.sums().queued == 0)
    sums = redis_server.sums()
    assert sums.added == sums.delivered + sums.refused + sums.lost, sums
    assert (sums.delivered, sums.refused) == (10, 1)
    assert collector.duplicates == 0


def test_a_gzip_bomb_is_refused(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch, relay: MakeRelay) -> None:
    monkeypatch.setattr("readme_metrics.relay.entry.MAX_BODY_BYTES", 1_000_000)
    redis_server("XADD", KEYS.stream, "*", "v", "1", "n", "1", "z", "gzip", "b", gzip.compress(b"[" + b" " * 2_000_000))
    relay()
    eventually(lambda: redis_server.length() == 0 and len(redis_server.refused()) == 1)


def test_an_entry_of_a_later_release_waits_a_day(
    redis_server: RedisServer, collector: Collector, relay: MakeRelay
) -> None:
    now_ms = int(time.time() * 1000)
    old_ms = now_ms - stream_reader.OTHER_VERSION_MS - 60_000
    redis_server("XADD", KEYS.stream, f"{old_ms}-0", "v", "2", "n", "4", "b", "later")
    redis_server("XADD", KEYS.stream, f"{now_ms - 60_000}-0", "v", "2", "n", "4", "b", "later")
    add(redis_server, 5)
    relay()
    assert collector.wait_for(5, 60)
    eventually(lambda: redis_server.length() == 1)
    [refused] = redis_server.refused()
    assert refused[b"reason"] == b"version 2 for a day"
    # Neither this relay nor another asks for the entry again and again.
    relay()
    calls_before = redis_server.sums()
    eventually(lambda: redis_server("XPENDING", KEYS.stream, layout.GROUP)[0] == 1)
    assert redis_server.length() == 1 and calls_before.queued == 4


def test_an_entry_that_kills_relays_is_put_aside_alone(redis_server: RedisServer) -> None:
    for start in (0, 10, 20):
        add(redis_server, 10, start)
    posted_with: list[int] = []
    for turn in range(100):
        queue = StreamQueue(Connection(redis_server.url, 30), "shop", f"relay-{turn}", 30.0)
        queue.make_group()
        pending = redis_server("XPENDING", KEYS.stream, layout.GROUP, "-", "+", 100)
        for entry_id, consumer, _, deliveries in pending:
            older = ("IDLE", 60_000, "RETRYCOUNT", deliveries, "JUSTID")
            redis_server("XCLAIM", KEYS.stream, layout.GROUP, consumer, 0, entry_id, *older)
        queue.fill(0)
        queue.settle()
        batch = queue.peek(1000, 2**20)
        if batch is None:
            if redis_server.length() == 0:
                break
            continue
        if any(b"n=13" in log for entry, _ in batch.shares for log in entry.logs):
            posted_with.append(batch.count)
            continue  # the entry has killed this relay
        queue.release(batch, True)
        queue.succeeded()
        queue.settle()
    assert redis_server.length() == 0
    assert posted_with[-1] == 10, "in the end the entry is posted alone"
    assert len(posted_with) <= stream_reader.DELIVERIES_BOUND + 2
    refused = redis_server.refused()
    assert len(refused) == 10, "the other entries have been delivered"
    assert all(b"without an answer" in fields[b"reason"] for fields in refused)
    sums = redis_server.sums()
    assert (sums.added, sums.delivered, sums.refused, sums.queued) == (30, 20, 10, 0)


def test_refused_logs_are_bounded(
    redis_server: RedisServer, collector: Collector, relay: MakeRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "REFUSED_LOGS", 5)
    collector.answer = lambda _: Answer(400)
    add(redis_server, 9)
    relay()
    eventually(lambda: redis_server.length() == 0)
    assert len(redis_server.refused()) == 5
    assert redis_server.sums().refused == 9
