"""The published list of names: its names, its documentation and its effect."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

from readme_metrics import SAFE_DEFAULTS, safe_defaults
from wsgi import call

ROOT = Path(__file__).parent.parent
#: Names of values that are harmless as often as not, which the list must leave alone.
EVERYDAY = ("id", "name", "email", "code", "key", "page", "status", "address", "card", "number", "author", "message")

#: How many names version 1 had, and a digest of them.
VERSION_1 = (127, "2f2cc8997b50f014")


def section() -> str:
    return (ROOT / "docs" / "data.md").read_text().partition("## A list to start with")[2].partition("\n## ")[0]


def table(heading: str) -> list[list[str]]:
    """The cells of each row of the section's table with this heading."""
    _, found, rest = section().partition(f"| {heading} |\n")
    assert found, heading
    rows = rest.partition("\n\n")[0].splitlines()[1:]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]


def test_the_documentation_has_the_same_names() -> None:
    rows = table("what | names") + table("used by | names since version 2 | where its names come from")
    assert [name for row in rows for name in re.findall("`(.*?)`", row[1])] == list(SAFE_DEFAULTS)
    assert f"Version {safe_defaults.VERSION} " in section()


def test_each_name_since_version_2_has_its_product_and_a_source() -> None:
    rows = table("used by | names since version 2 | where its names come from")
    assert len(rows) > 15
    for product, names, source in rows:
        assert product and source
        assert re.fullmatch("`[^`]+`(, `[^`]+`)*", names), names


def test_version_1_is_all_there() -> None:
    rows = table("what | names")
    names = [name for row in rows for name in re.findall("`(.*?)`", row[1])]
    # Only a major release removes names. The number and the digest are those of the version as it was published.
    assert (len(names), sha256("\n".join(names).encode()).hexdigest()[:16]) == VERSION_1


def test_the_changelog_has_its_version() -> None:
    assert f"`SAFE_DEFAULTS`, version {safe_defaults.VERSION}:" in (ROOT / "CHANGELOG.md").read_text()


def test_no_name_is_listed_twice() -> None:
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
