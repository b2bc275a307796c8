"""The arguments that a rule and a list of rules refuse."""

from __future__ import annotations

from typing import Any

import pytest

from readme_metrics import PROBES, MetricsApiConfig, Rule
from wsgi import group


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, ValueError, r"^Rule\(\): it has neither"),
        ({"path": "health"}, ValueError, r"^Rule\(path='health'\): path takes a text that starts with / or \*"),
        ({"path": 7}, TypeError, r"path takes a list of strings, got int: 7"),
        ({"path": []}, ValueError, "path takes a text or some, got an empty list"),
        ({"path": ["/a", None]}, TypeError, "path takes"),
        ({"method": " "}, ValueError, "method is blank"),
        ({"host": "https://example.com"}, ValueError, "host takes a text without /"),
        ({"user_agent": b"x"}, TypeError, "user_agent takes"),
        ({"status": "6xx"}, ValueError, "status takes a status such as"),
        ({"status": "5xx-4xx"}, ValueError, "status takes a status such as"),
        ({"status": 99}, ValueError, "status takes"),
        ({"status": True}, TypeError, "status takes"),
        ({"status": 2.5}, TypeError, "status takes"),
        ({"status": []}, ValueError, "status takes"),
        ({"slower_than_ms": "1"}, TypeError, "slower_than_ms takes a number of milliseconds"),
        ({"slower_than_ms": -1}, ValueError, "slower_than_ms takes"),
        ({"slower_than_ms": float("nan")}, ValueError, "slower_than_ms takes"),
        ({"log": "no"}, TypeError, "log takes True or False"),
        ({"bodies": "both"}, TypeError, "bodies takes True, False, 'request' or 'response'"),
        ({"sample": 10}, ValueError, "sample takes a number from 0 to 1"),
        ({"sample": "0.1"}, TypeError, "sample takes"),
        ({"denylist": "token"}, TypeError, "denylist takes a list of strings"),
        ({"log": False, "bodies": False}, ValueError, "bodies contradicts log=False"),
        ({"log": False, "sample": 0.5}, ValueError, "sample contradicts log=False"),
        ({"log": False, "denylist": []}, ValueError, "denylist contradicts log=False"),
        ({"denylist": ["a"], "allowlist": ["b"]}, ValueError, "allowlist contradicts denylist"),
        ({"pth": "/x"}, TypeError, "'pth'"),
    ],
)
def test_what_a_rule_refuses(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Rule(**arguments)


@pytest.mark.parametrize(
    ("rules", "error", "message"),
    [
        ("x", TypeError, "^rules takes a list of Rule"),
        ([PROBES], TypeError, r"^rules\[0\] takes a Rule"),
        ([Rule(status=404), {"path": "/"}], TypeError, r"^rules\[1\] takes a Rule"),
        (
            [Rule(sample=0.1), Rule(path="/x")],
            ValueError,
            r"^rules\[1\], Rule\(path='/x'\), is never reached: rules\[0\]",
        ),
        ([Rule(path="/x", log=False), Rule(path="/x", bodies=False)], ValueError, r"^rules\[1\].*never reached"),
    ],
)
def test_what_a_configuration_refuses(rules: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        MetricsApiConfig("key", group, rules=rules)
