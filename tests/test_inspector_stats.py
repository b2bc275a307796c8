"""The inspector's numbers for endpoints and callers, and the summaries behind them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector_logs import log
from readme_metrics.inspector.logs.stats import percentile, stats
from readme_metrics.inspector.logs.summary import endpoint, summarize


def test_numbers_per_endpoint_and_caller() -> None:
    now = time.time()
    rows = [
        summarize(log(f"/users/{number}", ms=number, caller="Jane", status=500 if number > 90 else 200))
        for number in range(1, 101)
    ]
    rows += [summarize(log("/old", started="2020-01-01T00:00:00Z"))]
    answer = stats(rows, 60, now + 1)
    [users] = answer["endpoints"]
    assert (users["method"], users["path"], users["count"]) == ("GET", "/users/{id}", 100)
    assert (users["p50"], users["p95"], users["p99"], users["error_share"]) == (50, 95, 99, 0.1)
    assert [(row["caller"], row["count"]) for row in answer["callers"]] == [("Jane", 100)]
    assert sum(bucket["count"] for bucket in answer["series"]) == 100


@settings(deadline=None)
@given(st.lists(st.integers(0, 1000), min_size=1), st.sampled_from([50, 95, 99]))
def test_a_percentile_is_the_smallest_number_that_enough_do_not_exceed(numbers: list[float], percent: int) -> None:
    numbers.sort()
    found = percentile(numbers, percent)
    assert found is not None
    assert sum(number <= found for number in numbers) * 100 >= percent * len(numbers)
    assert sum(number < found for number in numbers) * 100 < percent * len(numbers)


def test_an_endpoint_is_the_route_if_it_is_known() -> None:
    assert summarize(log("/users/jane", route="/users/<name>"))["endpoint"] == "/users/<name>"
    assert summarize(log("/users/jane"))["endpoint"] == "/users/jane"


@pytest.mark.parametrize(
    ("header", "trace"),
    [
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "4bf92f3577b34da6a3ce929d0e0e4736"),
        ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-later", "4bf92f3577b34da6a3ce929d0e0e4736"),
        ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", ""),
        ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", ""),
        ("[REDACTED 55]", ""),
    ],
)
def test_only_a_valid_traceparent_gives_a_trace(header: str, trace: str) -> None:
    assert summarize(log(headers={"traceparent": header}))["trace"] == trace


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/books/2", "/books/{id}"),
        ("/books/2/pages", "/books/{id}/pages"),
        ("/u/0b8f1c4e-7a52-4a0e-9f0e-1d2c3b4a5f60", "/u/{id}"),
        ("/v1/users", "/v1/users"),
        ("/files/deadbeefdeadbeefdeadbeef", "/files/{id}"),
        ("/a-long-name-without-any-number", "/a-long-name-without-any-number"),
    ],
)
def test_paths_with_ids_are_one_endpoint(path: str, template: str) -> None:
    assert endpoint(path) == template
