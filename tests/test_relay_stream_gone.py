"""Somebody else deletes the stream or a part of it: lost logs are counted, and the others are delivered."""

from __future__ import annotations

import pytest

from readme_metrics.collector import Answer, Collector
from readme_metrics.relay import layout
from redis_server import RedisServer
from relay_in_process import MakeRelay, add
from relaying import KEYS, check_fleet, eventually, number


def test_flushall_is_counted_as_lost(
    redis_server: RedisServer, collector: Collector, relay: MakeRelay, caplog: pytest.LogCaptureFixture
) -> None:
    add(redis_server, 30)
    worker = relay().workers[0]
    eventually(lambda: redis_server.sums().delivered == 30)
    collector.answer = lambda _: Answer(503)
    add(redis_server, 40, 100)
    eventually(lambda: worker.seen.queued == 40)
    redis_server("FLUSHALL")
    eventually(lambda: redis_server.sums().lost == 40)
    assert "40 logs were in the stream and are gone" in caplog.text
    collector.answer = lambda _: Answer()
    add(redis_server, 5, 200)
    eventually(lambda: {number(entry) for entry in collector.logs} >= set(range(200, 205)))
    eventually(lambda: redis_server.length() == 0)
    eventually(lambda: redis_server.sums().queued == 0)
    sums = redis_server.sums()
    assert sums.added == sums.delivered + sums.refused + sums.lost + sums.queued == 75, sums


def test_a_deleted_stream_is_counted_as_lost_and_made_again(
    redis_server: RedisServer, collector: Collector, relay: MakeRelay
) -> None:
    relay()
    collector.answer = lambda _: Answer(503)
    add(redis_server, 10)
    eventually(lambda: len(collector.posts) >= 1)
    redis_server("DEL", KEYS.stream)
    eventually(lambda: redis_server.sums().lost == 10)
    collector.answer = lambda _: Answer()
    add(redis_server, 7, 100)
    eventually(lambda: redis_server.sums().queued == 0)
    assert {number(entry) for entry in collector.logs} >= set(range(100, 107))


def test_without_a_relay_the_app_notices_that_the_stream_is_gone(redis_server: RedisServer) -> None:
    add(redis_server, 10)
    redis_server("DEL", KEYS.stream)
    add(redis_server, 3)
    sums = redis_server.sums()
    assert (sums.added, sums.lost, sums.queued, sums.entries) == (13, 10, 3, 1)


def test_a_deleted_group_is_made_again(redis_server: RedisServer, collector: Collector, relay: MakeRelay) -> None:
    relay()
    add(redis_server, 10)
    assert collector.wait_for(10, 60)
    redis_server("XGROUP", "DESTROY", KEYS.stream, layout.GROUP)
    add(redis_server, 10, 100)
    assert collector.wait_for(20, 60)
    eventually(lambda: redis_server.length() == 0)
    check_fleet(redis_server, collector, 20)


def test_entries_of_a_deleted_consumer_are_found_again(
    redis_server: RedisServer, collector: Collector, relay: MakeRelay
) -> None:
    """Redis gives such entries to nobody: they have been read, and they are pending for no consumer."""
    add(redis_server, 10)
    redis_server("XGROUP", "CREATE", KEYS.stream, layout.GROUP, "0")
    redis_server("XREADGROUP", "GROUP", layout.GROUP, "gone", "STREAMS", KEYS.stream, ">")
    redis_server("XGROUP", "DELCONSUMER", KEYS.stream, layout.GROUP, "gone")
    relay()
    assert collector.wait_for(10, 60)
    eventually(lambda: redis_server.length() == 0)
    check_fleet(redis_server, collector, 10)


def test_entries_that_somebody_trimmed_are_counted_as_lost(
    redis_server: RedisServer, collector: Collector, relay: MakeRelay
) -> None:
    for start in range(3):
        add(redis_server, 10, start * 10)
    redis_server("XGROUP", "CREATE", KEYS.stream, layout.GROUP, "0")
    redis_server("XREADGROUP", "GROUP", layout.GROUP, "dead", "STREAMS", KEYS.stream, ">")
    redis_server("XTRIM", KEYS.stream, "MAXLEN", "1")
    relay()
    eventually(lambda: redis_server.length() == 0)
    eventually(lambda: redis_server("XPENDING", KEYS.stream, layout.GROUP)[0] == 0)
    eventually(lambda: redis_server.sums().lost == 20)
    assert {number(entry) for entry in collector.logs} == set(range(20, 30))
