"""A denied parameter that a response repeats, in up to three encodings inside each other."""

from __future__ import annotations

import html
import itertools
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from wsgi import call

SECRET = "S3cr0000t"
#: With characters that each encoding writes in another way, and a text that is itself like an escape.
VALUE = f'"\\u0070<&\'{SECRET}"/\\x'


def percent(text: str) -> str:
    """All but letters and digits percent-encoded."""
    return "".join(c if c.isalnum() else "".join(f"%{byte:02X}" for byte in c.encode()) for c in text)


def numbers(text: str) -> str:
    """All but letters and digits as numeric entities."""
    return "".join(c if c.isalnum() else f"&#x{ord(c):x};" for c in text)


def in_json(text: str) -> str:
    return json.dumps(text)[1:-1]


def in_script(text: str) -> str:
    """As template engines write JSON into HTML."""
    text = in_json(text).replace("/", "\\/")
    return "".join(f"\\u{ord(c):04x}" if c in "<>&'=" else c for c in text)


ENCODINGS: tuple[Callable[[str], str], ...] = (percent, quote, html.escape, numbers, in_json, in_script)


def test_three_encodings_in_each_other(logged: Callable[..., Any]) -> None:
    texts = []
    for depth in range(4):
        for encodings in itertools.product(ENCODINGS, repeat=depth):
            text = f"password={VALUE}"
            for encode in encodings:
                text = encode(text)
            texts.append(text)

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [f"before {texts[int(environ['PATH_INFO'][1:])]} after".encode()]

    middleware, logs = logged(app=app, denylist=["password"])
    for number in range(len(texts)):
        call(middleware, f"/{number}", query=f"password={percent(VALUE)}")
    entries = [log["request"]["log"]["entries"][0] for log in logs(len(texts))]
    leaked = [entry["request"]["url"] for entry in entries if SECRET in json.dumps(entry)]
    assert [texts[int(url.split("/")[-1].partition("?")[0])] for url in leaked] == []
