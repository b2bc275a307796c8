"""The inspector's store: which logs it keeps, and what its readers get."""

from __future__ import annotations

import json
import os
import time
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector_logs import log
from readme_metrics.inspector import replay
from readme_metrics.inspector.curl import curl
from readme_metrics.inspector.explanation import explain
from readme_metrics.inspector.logs import har
from readme_metrics.inspector.logs.stats import stats
from readme_metrics.inspector.logs.store import Store

#: Any JSON, as a log may hold it where something else is expected.
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def test_the_store_keeps_the_newest_up_to_a_number_of_logs() -> None:
    store = Store(max_logs=3)
    store.add(log(log_id=str(number)) for number in range(10))
    assert [kept.summary["_id"] for kept in store.newest_first()] == ["9", "8", "7"]
    assert (store.received, store.get("0")) == (10, None)


def test_the_store_keeps_the_newest_up_to_a_number_of_bytes() -> None:
    store = Store(max_bytes=200_000)
    for number in range(100):
        store.add([log(log_id=str(number), answer=os.urandom(5000).hex())])
        assert store.bytes <= 200_000
    assert 5 < len(store) < 20
    assert store.newest_first()[0].summary["_id"] == "99"


def test_a_log_that_would_push_out_all_others_is_kept_without_its_bodies() -> None:
    store = Store(max_bytes=400_000)
    store.add([log(log_id="small"), log(log_id="large", answer=os.urandom(200_000).hex())])
    kept = store.get("large")
    assert kept is not None and store.get("small") is not None
    assert "TOO LARGE" in json.dumps(kept.log())


def test_memory_stays_flat_however_many_logs_come() -> None:
    store = Store(max_logs=200)
    store.add(log() for _ in range(400))
    tracemalloc.start()
    store.add(log() for _ in range(200))
    before = tracemalloc.get_traced_memory()[0]
    store.add(log() for _ in range(1000))
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 100_000
    assert len(store) == 200


def test_a_repeated_log_is_one_row_and_a_new_answer_changes_it() -> None:
    store = Store()
    one = log(log_id="1")
    store.add([one, one, log(log_id="2")])
    store.add([one], 500)
    store.add([one], 202)
    assert (len(store), store.duplicates) == (2, 3)
    kept = store.get("1")
    assert kept is not None and kept.summary["answer"] == 202


@settings(deadline=None)
@given(JSON, JSON)
def test_a_log_of_any_shape_is_kept_and_shown(group: Any, request: Any) -> None:
    store = Store()
    store.add([{"_id": "x", "group": group, "request": request}])
    store.add([{"_id": "y", "request": {"log": {"entries": [{"request": request, "response": group, "time": group}]}}}])
    for kept in store.newest_first():
        json.dumps(kept.summary, allow_nan=False)
        json.dumps(kept.log(), allow_nan=False)
        curl(kept.log())
        explain(kept.log(), None)
        har.har([kept.log()])
        replay.draft(kept.log())
    stats([kept.summary for kept in store.newest_first()], 60, time.time())


def test_a_reader_gets_the_logs_after_its_place_and_is_told_of_a_gap() -> None:
    store = Store(max_logs=5)
    store.add(log(log_id=str(number)) for number in range(3))
    news = store.wait(store.last - 1, 0, 0)
    assert ([kept.summary["_id"] for kept in news.logs], news.has_gap) == (["2"], False)
    behind = store.last
    store.add(log(log_id=str(number)) for number in range(3, 20))
    news = store.wait(behind, 0, 0)
    assert ([kept.summary["_id"] for kept in news.logs], news.has_gap) == (["15", "16", "17", "18", "19"], True)
    assert store.wait(news.position, 0, 0).logs == []


@pytest.mark.parametrize("place", [0, 5, 10**17])
def test_a_reader_with_a_place_from_another_run_is_told_of_a_gap_and_gets_all_logs(place: int) -> None:
    store = Store()
    store.add([log(log_id="1")])
    news = store.wait(place, 0, 0)
    assert news.has_gap
    assert [kept.summary["_id"] for kept in news.logs] == ["1"]


def test_a_later_run_counts_on_from_a_higher_place() -> None:
    first = Store()
    first.add([log() for _ in range(100)])
    assert Store().last > first.last
