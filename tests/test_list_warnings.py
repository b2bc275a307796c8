"""Entries of a denylist or an allowlist that can match nothing are reported."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from exchange_doors import CASES, lists
from readme_metrics import SAFE_DEFAULTS, MetricsApiConfig


@pytest.mark.parametrize("case", [case for case in CASES if "warnings" in case], ids=lambda case: case["id"])
def test_warnings(case: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "readme_metrics"):
        MetricsApiConfig("key", lambda _: None, **lists(case["config"]))
    assert len(caplog.records) == len(case["warnings"])
    for entry, record in zip(case["warnings"], caplog.records, strict=True):
        assert entry in record.getMessage()


ENTRIES = ["X_API_KEY", "HTTP_X_API_KEY", "Authorization:", "token ", " token", "a,b", "*_token", "user.card"]


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("name", ["denylist", "allowlist", "blacklist", "whitelist"])
def test_an_entry_that_can_match_nothing_is_reported_once(
    entry: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    lists: dict[str, Any] = {name: ["fine", entry, entry]}
    MetricsApiConfig("key", lambda _: None, **lists)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert repr(entry) in caplog.text


def test_paths_and_stars_match_with_nested_lists(caplog: pytest.LogCaptureFixture) -> None:
    MetricsApiConfig("key", lambda _: None, denylist=["*_token", "user.card", *SAFE_DEFAULTS], redact_nested=True)
    MetricsApiConfig("key", lambda _: None, denylist=SAFE_DEFAULTS)
    assert caplog.records == []
