"""The published list of names: what it has, what it says of itself, and that it does what it is for."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from readme_metrics import SAFE_DEFAULTS, safe_defaults
from wsgi import call

ROOT = Path(__file__).parent.parent
#: Names that are as often harmless, which the list must leave alone.
EVERYDAY = ("id", "name", "email", "code", "key", "page", "status", "address", "card", "number", "author", "message")


def test_the_documentation_has_the_same_names() -> None:
    section = (ROOT / "docs" / "data.md").read_text().partition("## A list to start with")[2].partition("\n## ")[0]
    rows = section.partition("| what | names |\n|---|---|\n")[2].partition("\n\n")[0]
    assert re.findall("`(.*?)`", rows) == list(SAFE_DEFAULTS)
    assert f"Version {safe_defaults.VERSION} " in section


def test_the_changelog_has_its_version() -> None:
    assert f"`SAFE_DEFAULTS`, version {safe_defaults.VERSION}:" in (ROOT / "CHANGELOG.md").read_text()


def test_no_name_stands_twice() -> None:
    assert len(set(SAFE_DEFAULTS)) == len(SAFE_DEFAULTS)


def test_all_of_it_is_redacted_and_nothing_else(logged: Callable[..., Any]) -> None:
    middleware, logs = logged(denylist=[*SAFE_DEFAULTS, "mine"])
    names = [*SAFE_DEFAULTS, "mine", *EVERYDAY]
    headers = [name for name in names if re.fullmatch("[a-z-]+", name)]
    call(
        middleware,
        "/echo",
        method="POST",
        query="&".join(f"{quote(name)}=hidden!" for name in names),
        content_type="application/json",
        body=json.dumps(dict.fromkeys(names, "hidden!")).encode(),
        **{f"HTTP_{name.upper().replace('-', '_')}": "hidden!" for name in headers},
    )

    [log] = logs(1)
    entry = log["request"]["log"]["entries"][0]
    expected = {name: "hidden!" if name in EVERYDAY else "[REDACTED 7]" for name in names}
    assert json.loads(entry["request"]["postData"]["text"]) == expected
    assert json.loads(entry["response"]["content"]["text"]) == expected
    assert {param["name"]: param["value"] for param in entry["request"]["queryString"]} == expected
    sent = {header["name"].lower(): header["value"] for header in entry["request"]["headers"]}
    assert {name: sent[name] for name in headers} == {name: expected[name] for name in headers}
