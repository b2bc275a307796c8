"""A denied parameter of the URL is hidden wherever its exchange repeats it, at each door."""

from __future__ import annotations

import html
import json
import re
import urllib.parse

import pytest

from exchange_doors import LogOf, strings

#: `ticket=S` in the spellings of stock frameworks, templates and serializers, S being a value with awkward characters.
SECRET = "S 7/é&<\"'"
QUOTED = urllib.parse.quote(SECRET, safe="")
SPELLINGS = {
    "raw": f"ticket={QUOTED}",
    "decoded": f"ticket={SECRET}",
    "plus": f"ticket={urllib.parse.quote_plus(SECRET)}",
    "slash": f"ticket={urllib.parse.quote(SECRET)}",
    "lower case": f"ticket={QUOTED.lower().replace('s', 'S', 1)}",
    "encoded": urllib.parse.quote(f"ticket={QUOTED}", safe=""),
    "encoded twice": urllib.parse.quote(urllib.parse.quote(f"ticket={QUOTED}", safe=""), safe=""),
    "html": html.escape(f"ticket={SECRET}"),
    "html, numeric": "".join(f"&#{ord(c)};" for c in f"ticket={SECRET}"),
    "html, hexadecimal": "".join(f"&#x{ord(c):X};" for c in f"ticket={SECRET}"),
    "json": json.dumps(f"ticket={SECRET}")[1:-1],
    "json in a script": json.dumps(f"ticket={SECRET}")[1:-1].replace("<", "\\u003C").replace("&", "\\u0026"),
    "json, everything escaped": "".join(f"\\u{ord(c):04x}" for c in f"ticket={SECRET}"),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("place", ["response", "request", "header", "request header"])
def test_a_denied_parameter_is_hidden_wherever_it_is_repeated(spelling: str, place: str, log_of: LogOf) -> None:
    text = f"before {SPELLINGS[spelling]} after"
    header = text.encode().decode("latin-1")
    log = log_of(
        {
            "config": {"denylist": ["ticket"]},
            "request": {
                "method": "POST",
                "query": f"a=1&ticket={QUOTED}",
                "content_type": "text/plain",
                "body": text if place == "request" else "",
                "headers": {"X-Note": header} if place == "request header" else {},
            },
            "response": {
                "status": "200 OK",
                "headers": [["Content-Type", "text/html"], *([["X-Note", header]] if place == "header" else [])],
                "body": text if place == "response" else "",
            },
        }
    )
    found = [text for text in strings(log) if text.startswith("before ")]
    assert len(found) == 1, log
    assert found[0].endswith(f"[REDACTED {len(SECRET)}] after")


def test_an_edited_location_is_hidden_in_the_page_that_repeats_it(log_of: LogOf) -> None:
    log = log_of(
        {
            "config": {"denylist": ["token"]},
            "request": {"path": "/invite"},
            "response": {
                "status": "302 Found",
                "headers": [["Content-Type", "text/html"], ["Location", "/login/?next=/invite/%3Ftoken%3Dmade-up"]],
                "body": '<a href="/login/?next=/invite/%3Ftoken%3Dmade-up">/invite/?token=made-up</a>',
            },
        }
    )
    assert "made-up" not in json.dumps(log)
    assert log["request"]["log"]["entries"][0]["response"]["content"]["text"].startswith(
        '<a href="/login/?next=/invite/'
    )


def test_more_denied_parameters_than_can_be_looked_for_withhold_the_texts(log_of: LogOf) -> None:
    query = "&".join(f"ticket=made-up-{i}" for i in range(2000))
    log = log_of(
        {
            "config": {"denylist": ["ticket"]},
            "request": {"query": query},
            "response": {"status": "200 OK", "headers": [["Content-Type", "text/plain"]], "body": f"{query} " * 2},
        }
    )
    assert "made-up" not in json.dumps(log)
    text = log["request"]["log"]["entries"][0]["response"]["content"]["text"]
    assert re.fullmatch(r"\[WITHHELD \d+ bytes: too many denied parameters\]", text)
