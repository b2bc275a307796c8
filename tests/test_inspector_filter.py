"""The inspector's filter: which logs a text picks."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector_logs import log
from readme_metrics.inspector.logs.filter import BadFilter, Filter, find
from readme_metrics.inspector.logs.store import Store


def ids(text: str, *logs: dict[str, Any]) -> list[str]:
    store = Store()
    store.add(logs)
    return [kept.summary["_id"] for kept in find(store.newest_first(), Filter(text), 100).logs][::-1]


MANY = [
    log(
        "/v1/users/7",
        "GET",
        200,
        log_id="a",
        caller="Jane",
        ms=10,
        route="/v1/users/{number}",
        headers={"Traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
    ),
    log("/v1/users", "POST", 201, log_id="b", caller="Ada", ms=600, body='{"name": "Zoë"}'),
    log("/v2/orders?page=2", "GET", 404, log_id="c", caller="Jane", ms=50, answer='{"error": "No such order"}'),
    log("/health", "GET", 503, log_id="d", caller="", ms=5000, answer="x" * 20_000, response_type="text/plain"),
]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "abcd"),
        ("status:5xx", "d"),
        ("status:4xx,5xx", "cd"),
        ("status:2xx-4xx", "abc"),
        ("status:404", "c"),
        ("status:>=400", "cd"),
        ("-status:2xx", "cd"),
        ("method:post", "b"),
        ("method:GET,POST status:201", "b"),
        ("path:/v1/*", "ab"),
        ("path:/v1/users", "b"),
        ("path:*users*", "ab"),
        ("path:/v2/orders?page=*", "c"),
        ("route:/v1/users/{number}", "a"),
        ("route:/v1/*", "a"),
        ("trace:4bf92f35", "a"),
        ("-trace:4bf92f35", "bcd"),
        ("caller:jane", "ac"),
        ("caller:jane -path:/v1/*", "c"),
        ("ms:>500", "bd"),
        ("ms:10-50", "ac"),
        ("ms:<=10", "a"),
        ("size:>10k", "d"),
        ("body:zoë", "b"),
        ("body:users", ""),
        ('"no such"', "c"),
        ('body:"No such order"', "c"),
        ("no such", "c"),
        ("-no", "abd"),
        ("type:text", "d"),
        ("is:error", "cd"),
        ("users", "ab"),
        ("http://127.0.0.1", "abcd"),
        ("[a-z]", ""),
        ("path:/v[12]/*", ""),
        ("id:c", "c"),
    ],
)
def test_the_filter_picks(text: str, found: str) -> None:
    assert "".join(ids(text, *MANY)) == found


@pytest.mark.parametrize(
    "text", ["status:abc", "ms:fast", "is:nice", "status:", "ms:>", "size:>>1", 'body:""', "ms:>5-7"]
)
def test_a_malformed_filter_names_what_is_wrong(text: str) -> None:
    with pytest.raises(BadFilter, match=text.partition(":")[0]):
        Filter(text)


def test_an_unknown_key_is_searched_as_text_and_named() -> None:
    wanted = Filter("stauts:500")
    assert "stauts" in wanted.notes[0] and "status" in wanted.notes[0]


@settings(deadline=None)
@given(st.text())
def test_any_text_is_a_filter_or_malformed(text: str) -> None:
    store = Store()
    store.add(MANY)
    try:
        wanted = Filter(text)
    except BadFilter:
        return
    found = find(store.newest_first(), wanted, 2)
    assert len(found.logs) <= found.matched <= 4


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["status:2xx", "method:GET", "caller:jane", "ms:>20", "users", "body:zoë"]), max_size=4)
)
def test_a_term_and_its_negation_share_out_all_logs(terms: list[str]) -> None:
    text = " ".join(terms)
    for term in terms:
        both = sorted(ids(f"{text} {term}", *MANY) + ids(f"{text} -{term}", *MANY))
        assert both == sorted(ids(text, *MANY))
