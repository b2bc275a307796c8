"""Whole exchanges whose log must hide, show or equal something. They were found by trying stock frameworks."""

from __future__ import annotations

import base64
import html
import json
import urllib.parse
from typing import Any

import pytest

from exchange_doors import CASES, LogOf, strings


def spellings(secret: str) -> set[str]:
    quoted = urllib.parse.quote(secret, safe="")
    return {
        secret,
        quoted,
        html.escape(secret),
        *(base64.b64encode(b" " * i + secret.encode()).decode()[4:-4] for i in range(3)),
    }


def at(entry: Any, path: str) -> Any:
    for name in path.split("."):
        entry = entry[name]
    return entry


@pytest.mark.parametrize("case", [case for case in CASES if "request" in case], ids=lambda case: case["id"])
def test_exchange(case: dict[str, Any], log_of: LogOf) -> None:
    log = log_of(case)
    entry = log["request"]["log"]["entries"][0]
    expected = case["log"]
    for secret in expected.get("hides", ()):
        for text in strings(log):
            assert not [spelling for spelling in spellings(secret) if spelling in text], text
    for shown in expected.get("shows", ()):
        assert shown in json.dumps(log), entry
    for path, value in expected.get("equals", {}).items():
        assert at(entry, path) == value
    if "header" in expected:
        header = expected["header"]
        assert {"name": header["name"], "value": header["value"]} in entry[header["side"]]["headers"]
    if "param" in expected:
        assert expected["param"] in entry["request"]["postData"]["params"]
