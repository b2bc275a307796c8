"""The pure parts of delivery: how long to wait, and what a refusal may cost."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest

from readme_metrics.delivery import backoff

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("5", 5.0),
        (" 120 ", 120.0),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("٣", None),
        ("9" * 10_000, 9_999_999_999.0),
        (format_datetime(NOW + timedelta(seconds=30), usegmt=True), 30.0),
        (format_datetime(NOW - timedelta(seconds=30), usegmt=True), 0.0),
    ],
    ids=repr,
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert backoff.parse_retry_after(value, NOW) == seconds


def test_backoff_grows_to_a_cap_and_never_comes_early() -> None:
    ceilings = [backoff.delay_s(attempt, None, 1.0) for attempt in range(1, 40)]
    assert ceilings[:5] == [0.5, 1.0, 2.0, 4.0, 8.0]
    assert ceilings == sorted(ceilings)
    assert max(ceilings) == backoff.LONGEST_S
    assert backoff.delay_s(3, None, 0.5) == 1.0
    assert backoff.delay_s(1, 7.0, 0.5) == 7.0
    assert backoff.delay_s(5, 0.0, 0.5) == 4.0, "a Retry-After of 0 must not make a flood"
    assert backoff.delay_s(1, 1e9, 0.5) == backoff.RETRY_AFTER_LONGEST_S


def test_a_budget_is_a_burst_and_then_a_trickle() -> None:
    budget = backoff.Budget(burst=3, per_s=2)
    assert [budget.spend(0.0) for _ in range(4)] == [True, True, True, False]
    assert [budget.spend(0.5), budget.spend(0.5)] == [True, False]
    assert sum(budget.spend(1000.0) for _ in range(10)) == 3
