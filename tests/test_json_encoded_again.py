"""JSON inside a JSON string, however often it was encoded: what is denied in it is not in the log."""

from __future__ import annotations

import json
from urllib.parse import quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redaction_engines import Case, by_extension, by_reference

CANARY = "canary"
#: Whole bodies, by content type, that carry a text.
CARRIERS = {
    "a body of its own type": ("application/json", lambda text: text),
    "a body of no type": ("", lambda text: text),
    "a plain text": ("text/plain", lambda text: text),
    "a form that it is not": ("application/x-www-form-urlencoded", lambda text: text),
    "an element": ("application/json", lambda text: f"[1,{text}]"),
    "a form field": ("application/x-www-form-urlencoded", lambda text: f"a=1&m={quote_plus(text)}"),
    "a multipart field": (
        "multipart/form-data; boundary=B",
        lambda text: f'--B\r\nContent-Disposition: form-data; name="m"\r\n\r\n{text}\r\n--B--\r\n',
    ),
}

documents = st.fixed_dictionaries({"password": st.just(CANARY)}, optional={"a": st.text(max_size=3)})
blanks = st.sampled_from(["", "", " ", "\n", "\r\n\t", "\u00a0", "\ufeff"])


@st.composite
def encoded(draw: st.DrawFn) -> str:
    """A document, or an array of it, encoded up to five times, with blanks before it and escapes in it."""
    document = draw(documents)
    text = draw(blanks) + json.dumps(draw(st.sampled_from([document, [document]])))
    for _ in range(draw(st.integers(1, 5))):
        text = json.dumps(draw(blanks) + text, ensure_ascii=draw(st.booleans()))
        if draw(st.booleans()):
            text = text.replace("{", "\\u007B").replace("[", "\\u005b")
    return text


@pytest.mark.parametrize("carrier", CARRIERS.values(), ids=CARRIERS)
@settings(max_examples=150, derandomize=True, database=None, deadline=None)
@given(text=encoded())
def test_what_is_denied_in_it_is_not_sent(carrier: tuple[str, object], text: str) -> None:
    content_type, carry = carrier
    assert callable(carry)
    body = carry(text).encode()
    for call in ("request_body", "response_body"):
        case: Case = {"denylist": ["password"], "content_type": content_type, "body": body, "call": call}
        sent = by_extension(case)
        assert CANARY not in json.dumps(sent)
        assert sent == by_reference(case)
