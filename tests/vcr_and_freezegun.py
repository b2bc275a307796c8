"""Libraries with which apps replace the network and the clock in their tests: logs arrive meanwhile, and afterwards."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import freezegun
import pytest
import vcr

from readme_metrics.collector import Answer, Collector
from test_delivery import BY_HAND, Logged, check_sums, log


def test_vcr_that_records_the_first_post_and_plays_it_to_the_next(
    collector: Collector, logged: Logged, tmp_path: Path
) -> None:
    middleware, _ = logged(**BY_HAND)
    cassette = str(tmp_path / "cassette.yaml")
    log(middleware, 1)
    with vcr.use_cassette(cassette, record_mode="once", match_on=["method"]) as recorded:
        assert middleware.flush(10) == 0
        assert (len(collector.logs), len(recorded)) == (1, 1)
    log(middleware, 1)
    with vcr.use_cassette(cassette, record_mode="none", match_on=["method"]) as played:
        assert middleware.flush(10) == 0
        assert (len(collector.logs), played.play_count) == (1, 1), "the cassette has answered in the server's place"
    log(middleware, 1)
    assert middleware.flush(10) == 0
    assert len(collector.logs) == 2


def test_vcr_that_refuses_the_first_post(collector: Collector, logged: Logged, tmp_path: Path) -> None:
    middleware, _ = logged(**BY_HAND)
    log(middleware, 2)
    with vcr.use_cassette(str(tmp_path / "empty.yaml"), record_mode="none"):
        assert middleware.flush(10) == 2, "kept"
    assert middleware.flush(10) == 0
    assert len(collector.logs) == 2
    check_sums(middleware)


@pytest.mark.parametrize("frozen", ["2020-02-02", "2100-01-01"])
def test_freezegun_delays_no_partial_buffer(collector: Collector, logged: Logged, frozen: str) -> None:
    sent = threading.Event()

    def answer(_: object) -> Answer:
        sent.set()
        return Answer()

    collector.answer = answer
    with freezegun.freeze_time(frozen):
        stands_at_s = time.monotonic()
        middleware, _ = logged(buffer_length=1000, flush_interval=0.2)
        log(middleware, 1)
        assert sent.wait(30), "the partial buffer"
        assert time.monotonic() == stands_at_s
        log(middleware, 1)
        assert middleware.flush(10) == 0
    assert len(collector.logs) == 2
    check_sums(middleware)
