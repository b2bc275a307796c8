"""From a Redis stream to ReadMe: each log arrives once, even if Redis is full or another project's key is denied."""

from __future__ import annotations

import gzip
import json
import logging
import re

import pytest

import wsgi
from readme_metrics.collector import HANG, Answer, Collector
from readme_metrics.relay import layout
from readme_metrics.relay.connection import Connection
from redis_server import RedisServer
from relay_in_process import MakeRelay, add
from relaying import KEYS, app, check_fleet, eventually, log, number


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


# Redis is full


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


def test_an_eviction_policy_that_loses_streams_is_reported(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    from readme_metrics.relay.server_facts import warnings

    redis_server("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    redis_server("CONFIG", "SET", "maxmemory", "100mb")
    told = " ".join(warnings(Connection(redis_server.url, 30)))
    assert "allkeys-lru" in told and "noeviction" in told
    assert "aof_enabled is 0" in told


# Many projects


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
    # After a restart with a good key, the project's logs arrive.
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
