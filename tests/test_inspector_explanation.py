"""Which rule redacted a value, and what the rules would do with a text that somebody pastes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector_logs import log
from readme_metrics import MetricsApiConfig
from readme_metrics.collector.post import Refused
from readme_metrics.inspector.explanation import explain
from readme_metrics.inspector.logs import har
from readme_metrics.inspector.preview import preview
from readme_metrics.redaction.redactor import Lists


def test_each_redaction_is_explained_by_its_rule() -> None:
    lists = Lists(denylist=("x-key", "token", "user.card.*", "*_secret"), redact_nested=True)
    original = log(
        "/x?token=%5BREDACTED%205%5D",
        "POST",
        query=[("token", "[REDACTED 5]")],
        headers={"X-Key": "[REDACTED 7]", "Authorization": f"sha512-{'A' * 86}==?beef"},
        body='{"user": {"card": {"number": "[REDACTED 4]"}, "my_secret": "[REDACTED 2]"}}',
    )
    rules = {item["path"]: item["rule"] for item in explain(original, lists)["redacted"]}
    assert rules == {
        "token": 'denylist: "token"',
        "X-Key": 'denylist: "x-key"',
        "Authorization": "always masked",
        "user.card.number": 'denylist: "user.card.*"',
        "user.my_secret": 'denylist: "*_secret"',
    }


def test_a_suspicious_value_that_is_still_sent_comes_with_the_rule_that_would_redact_it() -> None:
    original = log(
        method="POST",
        headers={"X-Api-Key": "abc"},
        body='{"password": "x", "user": {"password": "y"}, "note": "a 4111 1111 1111 1111", "n": "4111111111111112"}',
    )
    sent = {(item["where"], item["path"]): item for item in explain(original, Lists(denylist=("password",)))["sent"]}
    assert sent[("request header", "X-Api-Key")]["needed"] == 'denylist=["X-Api-Key"]'
    assert "redact_nested=True" in sent[("request body", "user.password")]["needed"]
    assert sent[("request body", "note")]["why"] == "looks like a card number"
    assert ("request body", "n") not in sent  # Luhn's checksum is wrong


def names(answer: dict[str, Any], kind: str) -> list[str]:
    return [item["path"] for item in answer[kind]]


def test_a_preview_of_json() -> None:
    question = {"content_type": "application/json", "body": '{"a": 1.50, "password": "x", "card": {"number": 1}}'}
    answer = preview(question, Lists(denylist=("password", "card")))
    assert (names(answer, "kept"), names(answer, "redacted")) == (["a"], ["password", "card"])
    assert [item["rule"] for item in answer["redacted"]] == ['denylist: "password"', 'denylist: "card"']
    assert answer["kept"][0]["value"] == "1.50"


def test_a_preview_of_a_text_that_cannot_be_read() -> None:
    answer = preview({"content_type": "application/json", "body": '{"password": '}, Lists(denylist=("password",)))
    assert [item["reason"] for item in answer["withheld"]] == ["not valid JSON"]
    assert answer["kept"] == answer["redacted"] == []


@pytest.mark.parametrize(
    "headers", [{"X-Key": "1", "Accept": "*/*"}, [["X-Key", "1"], ["Accept", "*/*"]], "X-Key: 1\r\nAccept: */*\n"]
)
def test_a_preview_of_headers(headers: Any) -> None:
    answer = preview({"headers": headers}, Lists(denylist=("x-key",)))
    assert (names(answer, "redacted"), names(answer, "kept")) == (["X-Key"], ["Accept"])


def test_a_preview_of_a_form_with_an_allowlist() -> None:
    question = {"content_type": "application/x-www-form-urlencoded", "body": "user=a&password=b", "allowlist": ["user"]}
    answer = preview(question, Lists())
    assert (names(answer, "kept"), names(answer, "redacted")) == (["user"], ["password"])
    assert answer["redacted"][0]["rule"] == 'allowlist: has no "password"'


def test_a_preview_of_a_har() -> None:
    document = har.har([log(method="POST", headers={"X-Key": "1"}, body='{"a": 1}', answer='{"b": 2}')])
    answer = preview({"har": json.dumps(document)}, Lists(denylist=("b", "X-Key")))
    assert names(answer, "redacted") == ["X-Key", "b"]


@pytest.mark.parametrize(
    "question",
    [
        {},
        {"body": 1},
        {"headers": 5, "body": ""},
        {"headers": [1]},
        {"har": "{"},
        {"har": {}},
        {"body": "x", "denylist": "y"},
    ],
)
def test_a_preview_of_nothing_says_what_it_takes(question: dict[str, Any]) -> None:
    with pytest.raises(Refused, match=r"take|give|har"):
        preview(question, Lists())


@settings(deadline=None)
@given(
    st.text(max_size=200), st.sampled_from(["application/json", "application/x-www-form-urlencoded", "text/plain", "x"])
)
def test_every_text_has_a_preview(body: str, content_type: str) -> None:
    try:
        answer = preview({"content_type": content_type, "body": body}, Lists(denylist=("a",)))
    except Refused:
        assert body == ""
        return
    json.dumps(answer)


def test_an_empty_allowlist_redacts_everything_and_no_list_redacts_nothing() -> None:
    question = {"content_type": "application/json", "body": '{"a": 1}'}
    assert names(preview(question, Lists(allowlist=())), "redacted") == ["a"]
    assert names(preview(question, Lists()), "kept") == ["a"]
    with_list = MetricsApiConfig("key", lambda _: None, allowlist=[])
    assert (Lists.of(with_list).allowlist, Lists.of(MetricsApiConfig("key", lambda _: None)).allowlist) == ((), None)
