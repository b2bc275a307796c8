"""When a relay takes over the entries that another one holds."""

from __future__ import annotations

import pytest

from readme_metrics.relay import layout
from readme_metrics.relay.connection import Connection
from readme_metrics.relay.stream_queue import StreamQueue
from redis_server import RedisServer
from relay_in_process import MakeRelay, add
from relaying import KEYS, eventually


class FakeClock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def pass_time(redis_server: RedisServer, clock: FakeClock, seconds: float) -> None:
    """Lets time pass here and in Redis. Its clock cannot be set, so each pending entry is made idle for longer."""
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
    assert len(posted) == 1, "the first that reads has room for both entries"
    # The first relay dies: the other takes over everything.
    first = next(iter(posted))
    heir = queues[1 - first]
    pass_time(redis_server, clock, 31.0)
    heir.fill(0)
    batch = heir.peek(1000, 2**20)
    assert batch is not None and batch.count == 100
    heir.release(batch, True)
    heir.settle()
    assert redis_server.length() == 0


def test_a_relay_that_stood_still_drops_its_hold_on_entries_that_were_taken_over(redis_server: RedisServer) -> None:
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
