"""From a Redis stream to ReadMe, through every way in which that can go wrong: real servers, real kills."""

from __future__ import annotations

import functools
import gzip
import json
import logging
import os
import random
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import wsgi
from readme_metrics import MetricsApiConfig
from readme_metrics.collector import HANG, Answer, Collector, Post
from readme_metrics.delivery.delivery import MAX_BATCH_ENTRIES
from readme_metrics.relay import layout, stream_reader
from readme_metrics.relay.connection import Connection
from readme_metrics.relay.service import Options, Relay
from readme_metrics.relay.stream_queue import StreamQueue
from redis_server import RedisServer
from relaying import BY_HAND, TAKE_OVER_S, RelayProcess, app, check_fleet, eventually, log, number

KEYS = layout.Keys.of("shop")
MakeRelay = Callable[..., Relay]


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    yield
    while RelayProcess.started:
        RelayProcess.started.pop().kill()


@pytest.fixture
def relay(redis_server: RedisServer, collector: Collector, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeRelay]:
    """Starts relays in this process."""
    monkeypatch.setenv("README_METRICS_SERVER", collector.url)
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(MetricsApiConfig, "README_API_URL", collector.url)
    started: list[Relay] = []

    def start(url: str = "", **keys: str) -> Relay:
        relay = Relay(Options(url or redis_server.url, 1.0, TAKE_OVER_S), keys or {"shop": "rdme_shop"})
        started.append(relay)
        relay.start()
        return relay

    yield start
    for one in started:
        one.stop()


def add(redis_server: RedisServer, count: int, start: int = 0, **options: Any) -> None:
    """Logs requests in an app, and sends them to the stream as one entry."""
    middleware = app(redis_server.url, **{**BY_HAND, **options})
    log(middleware, range(start, start + count))
    assert middleware.flush(60) == 0


# What an app sends arrives, once


def test_logs_arrive_once_and_leave_the_stream(
    redis_server: RedisServer, collector: Collector, relay: MakeRelay
) -> None:
    add(redis_server, 300)
    relay()
    assert collector.wait_for(300, 60)
    eventually(lambda: redis_server.length() == 0)
    assert collector.duplicates == 0
    check_fleet(redis_server, collector, 300)
    assert {post.headers["Authorization"] for post in collector.posts} == {"Basic cmRtZV9zaG9wOg=="}


def test_the_app_learns_from_the_relay_where_the_documentation_is(
    redis_server: RedisServer, collector: Collector, relay: MakeRelay
) -> None:
    middleware = app(redis_server.url, base_log_url=None, buffer_length=1)
    log(middleware, [0])
    relay()
    eventually(lambda: redis_server("GET", KEYS.base_url) == b"https://docs.example.com")
    later = app(redis_server.url, base_log_url=None, buffer_length=1, flush_interval=0.1)
    log(later, [1])
    eventually(lambda: wsgi.call(later).header("x-documentation-url"))
    assert str(wsgi.call(later).header("x-documentation-url")).startswith("https://docs.example.com/logs/")


def test_compressed_entries(redis_server: RedisServer, collector: Collector, relay: MakeRelay) -> None:
    add(redis_server, 50, compress=True)
    [[_, flat]] = redis_server("XRANGE", KEYS.stream, "-", "+")
    fields = dict(zip(flat[::2], flat[1::2], strict=True))
    assert (fields[b"v"], fields[b"n"], fields[b"z"]) == (b"1", b"50", b"gzip")
    assert len(json.loads(gzip.decompress(fields[b"b"]))) == 50
    relay()
    assert collector.wait_for(50, 60)
    eventually(lambda: redis_server.length() == 0)
    check_fleet(redis_server, collector, 50)


def test_many_small_entries_share_a_post(redis_server: RedisServer, collector: Collector, relay: MakeRelay) -> None:
    for start in range(0, 120, 2):
        add(redis_server, 2, start)
    assert redis_server.length() == 60
    relay()
    assert collector.wait_for(120, 60)
    assert len(collector.posts) < 20
    eventually(lambda: redis_server.length() == 0)
    check_fleet(redis_server, collector, 120)


# 2, 3: a relay is killed


def test_a_relay_killed_between_post_and_acknowledgement(redis_server: RedisServer, collector: Collector) -> None:
    add(redis_server, 20)
    killed = RelayProcess(redis_server.url, collector.url)

    def answer(_: Post) -> Answer:
        if len(collector.posts) == 1:
            killed.kill()
        return Answer()

    collector.answer = answer
    killed.wait_until_dead()
    heir = RelayProcess(redis_server.url, collector.url)
    started_s = time.monotonic()
    eventually(lambda: redis_server.length() == 0)
    assert heir.stop() == 0
    assert (len(collector.ids()), collector.received) == (20, 40), "twice, with the same ids"
    check_fleet(redis_server, collector, 20)
    print(f"taken over after {time.monotonic() - started_s:.1f} s")


def test_a_relay_killed_while_it_looks_for_a_bad_log(redis_server: RedisServer, collector: Collector) -> None:
    add(redis_server, 64)
    killed = RelayProcess(redis_server.url, collector.url)

    def answer(post: Post) -> Answer:
        if len(collector.posts) == 4:
            killed.kill()
        return Answer(400) if any(number(entry) == 13 for entry in post.logs) else Answer()

    collector.answer = answer
    killed.wait_until_dead()
    assert len(collector.posts) >= 4
    heir = RelayProcess(redis_server.url, collector.url)
    eventually(lambda: redis_server.length() == 0)
    assert heir.stop() == 0
    assert {number(entry) for entry in collector.logs} == set(range(64)) - {13}
    [refused] = redis_server.refused()
    assert (refused[b"reason"], refused[b"status"]) == (b"HTTP 400", b"400")
    assert b"n=13" in refused[b"url"]
    check_fleet(redis_server, collector, 64)


# 4: Redis is killed


def test_redis_killed_in_mid_load_loses_nothing(
    collector: Collector, relay: MakeRelay, tmp_path: Any, redis_server: RedisServer
) -> None:
    durable = RedisServer(tmp_path / "durable", "--save", "", "--appendonly", "yes", "--appendfsync", "always")
    durable.start()
    try:
        middleware = app(durable.url, buffer_length=5, flush_interval=0.05)
        taker = relay(durable.url)
        log(middleware, range(100))
        assert collector.wait_for(20, 60)
        durable.kill()
        log(middleware, range(100, 200))
        durable.start()
        assert collector.wait_for(200, 60)
        eventually(lambda: durable.length() == 0)
        eventually(lambda: taker.workers[0].is_redis_up)
        eventually(lambda: middleware.stats()["sent"] == 200)
        # An answer that was lost with the server repeats an entry: `added` counts it twice.
        sums = durable.sums()
        assert sums.added == sums.delivered >= 200
        assert sums.lost == 0
    finally:
        durable.kill()


# 7, 8, 9: full


def test_a_full_redis_is_drained(redis_server: RedisServer, collector: Collector, relay: MakeRelay) -> None:
    """Neither the group nor a consumer exists yet when memory is full."""
    add(redis_server, 100)
    redis_server("CONFIG", "SET", "maxmemory-policy", "noeviction")
    redis_server("CONFIG", "SET", "maxmemory", "1mb")
    with pytest.raises(Exception, match="maxmemory"):
        redis_server("SET", "another-tenant", "x")
    relay()
    assert collector.wait_for(100, 60)
    eventually(lambda: redis_server.length() == 0)
    assert collector.duplicates == 0
    check_fleet(redis_server, collector, 100)


def test_a_refusal_while_redis_is_full(redis_server: RedisServer, collector: Collector, relay: MakeRelay) -> None:
    add(redis_server, 10)
    redis_server("CONFIG", "SET", "maxmemory", "1mb")
    collector.answer = lambda _: Answer(422)
    relay()
    eventually(lambda: redis_server.length() == 0)
    assert len(redis_server.refused()) == 10
    check_fleet(redis_server, collector, 10)


def test_an_eviction_policy_that_loses_streams_is_told(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    from readme_metrics.relay.server_facts import warnings

    redis_server("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    redis_server("CONFIG", "SET", "maxmemory", "100mb")
    told = " ".join(warnings(Connection(redis_server.url, 30)))
    assert "allkeys-lru" in told and "noeviction" in told
    assert "aof_enabled is 0" in told


# 10, 11: somebody else changes the stream


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
    """Redis hands them over to nobody: they have been read, and are pending for no consumer."""
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


# 12: failover


def test_failover_to_a_replica(
    redis_server: RedisServer, collector: Collector, relay: MakeRelay, tmp_path: Any
) -> None:
    """The address stays, as with a name or a virtual address that moves: first to a replica, which is then promoted."""
    replica = RedisServer(tmp_path / "replica", "--save", "", "--replicaof", "127.0.0.1", str(redis_server.port))
    replica.start()
    try:
        add(redis_server, 25)
        eventually(lambda: replica.length() == 1)
        redis_server.kill()
        # Now what the clients know is the replica.
        worker = relay(replica.url).workers[0]
        middleware = app(replica.url, **BY_HAND)
        log(middleware, range(100, 110))
        assert middleware.flush(60) == 10, "kept: READONLY"
        host: Any = middleware.stats()["host"]
        assert host["last_error"] == "ReadOnlyError"
        eventually(lambda: worker._redis_failures > 0)
        replica("REPLICAOF", "NO", "ONE")
        assert middleware.flush(60) == 0
        assert collector.wait_for(35, 60)
        eventually(lambda: replica.length() == 0)
        check_fleet(replica, collector, 35)
    finally:
        replica.kill()


# 13: kills in turn (`make relay-soak` runs many more)


def test_relays_killed_in_turn_lose_nothing(redis_server: RedisServer, collector: Collector) -> None:
    soak_rounds = int(os.environ.get("RELAY_KILL_ROUNDS", "0"))
    rounds = soak_rounds or 3
    middleware = app(redis_server.url, buffer_length=10, flush_interval=0.05)
    times = ("--timeout", "2", "--take-over-after", "6")
    relays = [RelayProcess(redis_server.url, collector.url, *times) for _ in range(2)]
    is_over = threading.Event()
    logged: list[int] = []

    def load() -> None:
        while not is_over.wait(0.02):
            log(middleware, range(len(logged), len(logged) + 10))
            logged.extend(range(10))

    def has_arrived(count: int) -> bool:
        return len(collector.ids()) > count

    loader = threading.Thread(target=load)
    loader.start()
    started_s = time.monotonic()
    try:
        for turn in range(rounds):
            # At no moment in particular, as kills come: not when a POST has just arrived.
            eventually(functools.partial(has_arrived, len(collector.ids()) + 200))
            time.sleep(random.uniform(0.5, 2.5) if soak_rounds else 0.05)
            relays[turn % 2].kill()
            relays[turn % 2] = RelayProcess(redis_server.url, collector.url, *times)
    finally:
        is_over.set()
        loader.join()
    try:
        eventually(lambda: middleware.flush(60) == 0)
        assert collector.wait_for(len(logged), 60)
        eventually(lambda: redis_server.length() == 0)
        check_fleet(redis_server, collector, len(logged))
    finally:
        for one in relays:
            one.kill()
    duplicates, took_s = collector.duplicates, time.monotonic() - started_s
    print(f"{rounds} kills, {len(logged)} logs, all delivered, {duplicates} duplicates, {took_s:.1f} s")
    # A kill may repeat the POST that was under way, and no more; a busy machine answers late, and so more often.
    assert duplicates <= rounds * MAX_BATCH_ENTRIES


# 14: a long outage


class FakeClock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def pass_time(redis_server: RedisServer, clock: FakeClock, seconds: float) -> None:
    """Lets time pass here and in Redis, whose clock a test cannot set: each pending entry has been idle for longer."""
    clock.now_s += seconds
    pending = redis_server("XPENDING", KEYS.stream, layout.GROUP, "-", "+", 1000)
    for entry_id, consumer, idle_ms, deliveries in pending:
        older = ("IDLE", int(idle_ms + seconds * 1000), "RETRYCOUNT", deliveries, "JUSTID")
        redis_server("XCLAIM", KEYS.stream, layout.GROUP, consumer, 0, entry_id, *older)


def test_siblings_post_nothing_twice_in_an_outage_of_an_hour(redis_server: RedisServer) -> None:
    add(redis_server, 50)
    add(redis_server, 50, 50)
    clock = FakeClock()
    queues = [
        StreamQueue(Connection(redis_server.url, 30), "shop", consumer, 30.0, clock) for consumer in ("one", "two")
    ]
    queues[0].make_group()
    posted: dict[int, int] = {}
    for _ in range(360):
        for index, queue in enumerate(queues):
            if queue.pause_s() == 0:
                queue.fill(0)
                batch = queue.peek(1000, 2**20)
                if batch is not None:
                    assert posted.setdefault(index, batch.count) == batch.count
                    queue.failed(15.0, "HTTP 503")
            queue.keep()
        pass_time(redis_server, clock, 10.0)
    assert sum(posted.values()) == 100, posted
    assert len(posted) == 1, "the first to read had room for both"
    # The owner dies: the other one has it all.
    owner = next(iter(posted))
    heir = queues[1 - owner]
    pass_time(redis_server, clock, 31.0)
    heir.fill(0)
    batch = heir.peek(1000, 2**20)
    assert batch is not None and batch.count == 100
    heir.release(batch, True)
    heir.settle()
    assert redis_server.length() == 0


def test_a_relay_that_stood_still_lets_go_of_what_was_taken_over(redis_server: RedisServer) -> None:
    add(redis_server, 10)
    clock = FakeClock()
    stopped, other = (StreamQueue(Connection(redis_server.url, 30), "shop", name, 30.0, clock) for name in "ab")
    stopped.make_group()
    stopped.fill(0)
    assert stopped.held == 1
    pass_time(redis_server, clock, 40.0)
    other.fill(0)
    assert other.held == 1
    stopped.keep()
    assert stopped.held == 0 and stopped.peek(10, 2**20) is None


# 15: many projects


def test_a_denied_project_holds_up_no_other(
    redis_server: RedisServer, collector: Collector, relay: MakeRelay, caplog: pytest.LogCaptureFixture
) -> None:
    add(redis_server, 10, project="bad")
    add(redis_server, 10, 100, project="good")
    is_bad = re.compile("Basic cmRtZV9iYWQ6")
    collector.answer = lambda post: Answer(401) if is_bad.match(post.headers["Authorization"]) else Answer()
    first = relay(bad="rdme_bad", good="rdme_good")
    assert collector.wait_for(10, 60)
    eventually(lambda: redis_server.length("good") == 0)
    assert {number(entry) for entry in collector.logs} == set(range(100, 110))
    assert redis_server.length("bad") == 1
    eventually(lambda: redis_server("HGET", layout.Keys.of("bad").totals, "last_error") == b"HTTP 401")
    [record] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.name.endswith(".bad") and "the API key is wrong" in record.getMessage()
    # A restart with a good key: it flows.
    first.stop()
    relay(bad="rdme_now_right", good="rdme_good")
    assert collector.wait_for(20, 60)
    check_fleet(redis_server, collector, 10, "bad")


def test_a_hanging_project_holds_up_no_other(redis_server: RedisServer, collector: Collector, relay: MakeRelay) -> None:
    add(redis_server, 10, project="slow")
    collector.answer = lambda post: HANG if post.headers["Authorization"] == "Basic cmRtZV9zbG93Og==" else Answer()
    relay(slow="rdme_slow", quick="rdme_quick")
    eventually(lambda: len(collector.posts) >= 1)
    for start in range(100, 150, 10):
        add(redis_server, 10, start, project="quick")
    assert collector.wait_for(50, 60)


# 16: poison


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


def test_a_bomb_is_refused(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch, relay: MakeRelay) -> None:
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
    # Neither this relay nor another asks for it again and again.
    relay()
    calls_before = redis_server.sums()
    eventually(lambda: redis_server("XPENDING", KEYS.stream, layout.GROUP)[0] == 1)
    assert redis_server.length() == 1 and calls_before.queued == 4


def test_an_entry_that_kills_relays_is_put_aside_and_takes_no_other_along(redis_server: RedisServer) -> None:
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
            continue  # and so it dies
        queue.release(batch, True)
        queue.succeeded()
        queue.settle()
    assert redis_server.length() == 0
    assert posted_with[-1] == 10, "alone in the end"
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


# The end of a relay


def test_sigterm_gives_back_at_once(redis_server: RedisServer, collector: Collector) -> None:
    collector.answer = lambda _: Answer(503)
    add(redis_server, 10)
    first = RelayProcess(redis_server.url, collector.url, "--take-over-after", "3600")
    eventually(lambda: len(collector.posts) >= 1)
    assert first.stop() == 0
    collector.answer = lambda _: Answer()
    heir = RelayProcess(redis_server.url, collector.url, "--take-over-after", "3600")
    assert collector.wait_for(10, 60)
    eventually(lambda: redis_server.length() == 0)
    assert heir.stop() == 0
    assert collector.duplicates == 0
    assert "what was held is given back" in first.output
    check_fleet(redis_server, collector, 10)


def test_sigterm_finishes_the_post_under_way(redis_server: RedisServer, collector: Collector) -> None:
    add(redis_server, 10)
    process: list[RelayProcess] = []

    def answer(_: Post) -> Answer:
        os.kill(process[0].pid, signal.SIGTERM)
        return Answer(delay=0.2)

    collector.answer = answer
    process.append(RelayProcess(redis_server.url, collector.url))
    process[0].wait_until_dead()
    assert redis_server.length() == 0
    assert (len(collector.ids()), collector.duplicates) == (10, 0)
    check_fleet(redis_server, collector, 10)
    process[0].kill()


def test_dead_relays_are_forgotten(
    redis_server: RedisServer, relay: MakeRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("readme_metrics.relay.project_worker.FORGET_AFTER_S", 0)
    add(redis_server, 1)
    redis_server("XGROUP", "CREATE", KEYS.stream, layout.GROUP, "0")
    for name in ("dead", "dead-and-holds"):
        redis_server("XGROUP", "CREATECONSUMER", KEYS.stream, layout.GROUP, name)
        redis_server("HSET", KEYS.relays, name, "1")
    redis_server("XREADGROUP", "GROUP", layout.GROUP, "dead-and-holds", "STREAMS", KEYS.stream, ">")

    def consumers() -> set[bytes]:
        return {flat[1] for flat in redis_server("XINFO", "CONSUMERS", KEYS.stream, layout.GROUP)}

    one = relay()
    one.workers[0]._forget_at_s = 0.0
    eventually(lambda: consumers().isdisjoint({b"dead"}))
    eventually(lambda: redis_server.length() == 0)
    one.workers[0]._forget_at_s = 0.0
    eventually(lambda: consumers().isdisjoint({b"dead-and-holds"}))
    one.stop()
    assert redis_server("HGETALL", KEYS.relays) == [] and not consumers()
