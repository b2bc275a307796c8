"""From the queue to the server, in every way in which that can go wrong."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from readme_metrics import MetricsMiddleware
from readme_metrics.collector import HANG, RESET, Answer, Collector, Post
from readme_metrics.delivery import flusher
from wsgi import call

Logged = Callable[..., Any]
#: Nothing is sent except by `flush`, which ignores pauses.
BY_HAND = {"buffer_length": 100_000, "flush_interval": 3600}


def check_sums(middleware: MetricsMiddleware) -> dict[str, Any]:
    stats: dict[str, Any] = middleware.stats()
    for sums in (stats, stats["host"]):
        assert sums["made"] == sums["sent"] + sums["queued"] + sum(sums["dropped"].values()), stats
    return stats


def log(middleware: MetricsMiddleware, count: int) -> None:
    for number in range(count):
        assert call(middleware, query=f"n={number}").status == "200 OK"


def number(entry: dict[str, Any]) -> int:
    return int(entry["request"]["log"]["entries"][0]["request"]["queryString"][0]["value"])


FAULTS: dict[str, Answer] = {
    "503": Answer(503),
    "500": Answer(500),
    "429": Answer(429, {"Retry-After": "1"}),
    "408": Answer(408),
    "401": Answer(401),
    "403": Answer(403),
    "404": Answer(404),
    "redirect": Answer(302, {"Location": "http://127.0.0.1:9/"}),
    "reset": RESET,
    "cut head": Answer(0, raw=b"HTTP/1.1 202 Acc"),
    "garbage": Answer(0, raw=b"\x00\xff garbage\r\n\r\n"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_costs_nothing(collector: Collector, logged: Logged, fault: str) -> None:
    middleware, logs = logged(**BY_HAND)
    collector.answer = lambda _: FAULTS[fault]
    log(middleware, 3)
    assert middleware.flush(10) == 3
    assert len(collector.posts) == 1, "one try, then a pause"
    stats = check_sums(middleware)
    assert stats["host"]["last_error"] is not None
    assert (stats["retries"], stats["host"]["failures"]) == (1, 1)

    collector.answer = lambda _: Answer()
    assert [number(entry) for entry in logs(3)] == [0, 1, 2]
    stats = check_sums(middleware)
    assert (stats["sent"], stats["host"]["failures"], stats["host"]["pause_until"]) == (3, 0, None)


def test_an_outage_is_made_good_without_anybody_asking(collector: Collector, logged: Logged) -> None:
    middleware, _ = logged(buffer_length=1)
    collector.answer = lambda _: Answer(503)
    log(middleware, 5)
    assert collector.wait_until(lambda: len(collector._posts) >= 2, timeout=30)
    collector.answer = lambda _: Answer()
    assert collector.wait_for(5, timeout=60)
    check_sums(middleware)


def test_a_lost_answer_sends_the_same_ids_again(collector: Collector, logged: Logged) -> None:
    stored: list[str] = []

    def answer(post: Post) -> Answer:
        stored.extend(entry["_id"] for entry in post.logs)
        return RESET if len(collector.posts) == 1 else Answer()

    collector.answer = answer
    middleware, _ = logged(**BY_HAND)
    log(middleware, 2)
    assert (middleware.flush(10), middleware.flush(10)) == (2, 0)
    assert set(Counter(stored).values()) == {2}


def refuse_odd(post: Post) -> Answer:
    return Answer(400) if any(number(entry) == 13 for entry in post.logs) else Answer()


def test_the_bad_log_alone_is_lost(collector: Collector, logged: Logged) -> None:
    collector.answer = refuse_odd
    middleware, _ = logged(**BY_HAND)
    log(middleware, 30)
    middleware.flush(10)
    assert sorted(number(entry) for entry in collector.logs) == [n for n in range(30) if n != 13]
    assert check_sums(middleware)["dropped"]["refused"] == 1
    assert len(collector.posts) < 20


def test_too_large_a_batch_is_halved_and_its_size_remembered(collector: Collector, logged: Logged) -> None:
    limit = 20_000
    collector.answer = lambda post: Answer(413) if len(post.raw) > limit else Answer()
    middleware, logs = logged(**BY_HAND)
    log(middleware, 100)
    logs(100)
    refused = sum(post.status == 413 for post in collector.posts)
    assert 0 < refused <= 5
    log(middleware, 100)
    logs(200)
    assert sum(post.status == 413 for post in collector.posts) == refused
    check_sums(middleware)


def test_a_flood_of_refusals_is_no_flood_of_posts(collector: Collector, logged: Logged) -> None:
    collector.answer = lambda _: Answer(422)
    middleware, _ = logged(**BY_HAND)
    log(middleware, 500)
    middleware.flush(20)
    assert len(collector.posts) <= 60
    stats = check_sums(middleware)
    assert stats["queued"] > 400, "the logs wait: where all are refused, the server is to blame"


def test_one_middleware_or_ten_need_one_thread(collector: Collector, logged: Logged) -> None:
    before = threading.active_count()
    made = [logged(**BY_HAND)[0] for _ in range(10)]
    for middleware in made:
        log(middleware, 2)
    threads = [thread for thread in threading.enumerate() if thread.name == "readme-metrics.Flusher"]
    assert threading.active_count() <= before + 1, threads
    assert made[0].flush(10) == 0
    assert len(collector.logs) == 20
    check_sums(made[3])


def test_losses_are_reported_when_they_begin_and_end(
    logged: Logged, caplog: pytest.LogCaptureFixture, collector: Collector
) -> None:
    collector.answer = lambda _: HANG
    middleware, _ = logged(queue_bytes=1024 * 1024, background_worker_mode=False, timeout=0.2, **BY_HAND)
    with caplog.at_level(logging.DEBUG, "readme_metrics"):
        for _ in range(60):
            call(middleware, "/echo", method="POST", body=b"x" * 100_000, content_type="text/plain")
    dropped = check_sums(middleware)["dropped"]["full"]
    assert dropped > 20
    lines = [record.getMessage() for record in caplog.records]
    assert sum("are being dropped: the queue is full" in line for line in lines) == 1
    assert len(lines) <= 3, lines


def test_a_hanging_server_costs_one_thread_and_no_request(collector: Collector, logged: Logged) -> None:
    collector.answer = lambda _: HANG
    before = threading.active_count()
    middleware, _ = logged(buffer_length=1, timeout=30)
    slowest_s = 0.0
    for _ in range(500):
        started_s = time.monotonic()
        log(middleware, 1)
        slowest_s = max(slowest_s, time.monotonic() - started_s)
        assert threading.active_count() <= before + 2  # the flusher, and the stand-in server's for its connection
    assert slowest_s < 5
    check_sums(middleware)


def test_the_random_numbers_of_the_app_are_its_own(logged: Logged, collector: Collector) -> None:
    collector.answer = lambda _: RESET
    middleware, _ = logged(**BY_HAND)
    random.seed(42)
    state = random.getstate()
    call(middleware)
    assert middleware.flush(10) == 1
    assert middleware.stats()["retries"] == 1
    assert random.getstate() == state


def test_batches_grow_between_two_posts(collector: Collector, monkeypatch: pytest.MonkeyPatch, logged: Logged) -> None:
    monkeypatch.setattr(flusher, "LINGER_S", 3600.0)
    monkeypatch.setattr(flusher, "LINGER_ENTRIES", 30)
    middleware, _ = logged(buffer_length=10, flush_interval=3600)
    log(middleware, 10)
    assert collector.wait_for(10, 60)
    for _ in range(3):
        log(middleware, 10)
    assert collector.wait_for(40, 60)
    assert [post.count for post in collector.posts] == [10, 30]
