"""The compiled core redacts generated exchanges as the reference does. The exchanges are the same in every run."""

from __future__ import annotations

import json
import random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from redaction_engines import MAX_BYTES, Case, by_extension, by_reference, to_bytes

differential = settings(
    max_examples=300, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
)

#: Few keys, so that lists and bodies have some in common. One key is the start of another.
KEYS = ("a", "b", "ab", "é", "a b", "password", 'x"y', "😀", "user.password", "")
LISTED = (*KEYS, "*", "user.*", "a.b", "*word", "A")

lists = st.fixed_dictionaries(
    {
        "denylist": st.lists(st.sampled_from(LISTED), max_size=3),
        "allowlist": st.lists(st.sampled_from(LISTED), max_size=3),
        "nested": st.booleans(),
    }
)


def soup(*fragments: str, size: int = 12) -> st.SearchStrategy[bytes]:
    """Fragments put together at random, now and then with other bytes among them."""
    fragment = st.sampled_from([fragment.encode() for fragment in fragments])
    any_bytes = st.binary(max_size=2)
    return st.lists(st.one_of(*[fragment] * 12, any_bytes), max_size=size).map(b"".join)


def cut_or_whole(bodies: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Most bodies stay whole."""
    return st.builds(lambda body, end: body if end > 60 else body[:end], bodies, st.integers(0, 600))


def write_json(value: Any, noise: random.Random) -> str:
    """JSON with white space here and there, and some characters escaped that need not be."""
    blank = noise.choice(["", "", "", " ", "\n\t", "\r\n  "])
    if isinstance(value, str):
        units = [noise.choice([json.dumps(c)[1:-1], json.dumps(c, ensure_ascii=False)[1:-1]]) for c in value]
        units = [f"\\u{ord(unit):04X}" if unit.isalpha() and noise.random() < 0.2 else unit for unit in units if unit]
        text = '"' + "".join(unit for unit in units) + '"'
    elif isinstance(value, list):
        text = "[" + ",".join(write_json(item, noise) for item in value) + blank + "]"
    elif isinstance(value, tuple):  # an object, with duplicate keys
        text = "{" + ",".join(f"{write_json(k, noise)}:{write_json(v, noise)}" for k, v in value) + blank + "}"
    else:
        text = json.dumps(value)
    return blank + text + noise.choice(["", "", " "])


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6)
members = st.sampled_from(KEYS) | st.sampled_from(["user", "name"])
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.lists(st.tuples(members, inner), max_size=5).map(tuple),
    max_leaves=15,
)
objects = st.lists(st.tuples(members, documents), max_size=6).map(tuple)
json_texts = st.builds(
    lambda value, seed: write_json(value, random.Random(seed)).encode("utf-8", "surrogatepass"),
    objects | documents,
    st.integers(0, 1 << 30),
)
json_soup = soup(
    "{", "}", "[", "]", ",", ":", '"a":', '"password":', '"\\u0061":', '"\\\\"', '"\\""', '"\\ud83d\\ude00"',
    '"\\ud800":', '"', "\\", "1", "-0.5e+1", "01", "true", "null", "NaN", "-Infinity", "1e999", " ", "\n", "\0",
    "\ufeff", "é", '{"a":', "[1,", "]}", '"x"', '"password":"hunter2"', " " * 61,
)  # fmt: skip
json_bodies = cut_or_whole(json_texts | json_soup)

form_bodies = soup(
    "a", "b", "password", "user.password", "p%61ssword", "p%2561ssword", "p%252561ssword", "%70assword", "+", "%20",
    "%", "%zz", "%e9", "%C3%A9", "é", "😀", "=", "=", "=x", "=hunter2", "&", "&", ";", "?", "#", "[]", '"', "\0",
)  # fmt: skip

multipart_parts = soup(
    "\r\n--B\r\n", "--B\r\n", "\n--B\n", "\r\n--B--\r\n", "--B--", "\r\n\r\n", "\r\n", "\n", "hunter2", "é",
    'Content-Disposition: form-data; name="password"', 'Content-Disposition: form-data; name="a"',
    "Content-Disposition: form-data; name=password", 'Content-Disposition: form-data;\r\n name="password"',
    "content-disposition:form-data;name*=UTF-8''password", 'Content-Disposition: form-data; name="a\\"b"',
    '; filename="f"', "; filename*=utf-8''%e2%82%ac", "; name=b",
    "\r\nContent-Type: application/json\r\n\r\n{\"password\":1}",
)  # fmt: skip


def write_multipart(fields: list[tuple[str, str, str]], line_end: str) -> bytes:
    lines = []
    for name, more, value in fields:
        lines += ["--B", f"Content-Disposition: form-data; {name}{more}", "", value]
    return line_end.join([*lines, "--B--", ""]).encode()


multipart_names = st.sampled_from(
    [
        *(f'name="{key}"' for key in ("a", "b", "password", "é", "a b", "pass%77ord", "'password'", "=?utf-8?q?a?=")),
        "name=password", "name*=utf-8''p%61ssword", "NAME=a", 'name="a"; name*=utf-8\'\'password',
        'name="a"; name="b"', "",
    ]
)  # fmt: skip
multipart_more = st.sampled_from(
    ["", "", "", '; filename="f.txt"', "\r\nContent-Type: application/json", "\r\nContent-Type: text/plain"]
)
multipart_values = st.sampled_from(["hunter2", '{"a":1,"password":2}', '{"a":', "", "é", "--B", "two\r\nlines"])
multipart_bodies = cut_or_whole(
    st.builds(
        write_multipart,
        st.lists(st.tuples(multipart_names, multipart_more, multipart_values), max_size=4),
        st.sampled_from(["\r\n", "\r\n", "\n"]),
    )
    | multipart_parts
)


def agree(case: Case) -> None:
    assert by_extension(case) == by_reference(case)


def agree_on_bodies(case: Case) -> None:
    agree({**case, "call": "response_body"})
    if case["body"]:
        agree({**case, "call": "request_body"})


@differential
@given(lists, json_bodies)
def test_json(case: Case, body: bytes) -> None:
    agree_on_bodies({**case, "body": body, "content_type": "application/json"})


@differential
@given(lists, form_bodies)
def test_forms(case: Case, body: bytes) -> None:
    agree_on_bodies({**case, "body": body, "content_type": "application/x-www-form-urlencoded"})


@differential
@given(lists, form_bodies)
def test_queries(case: Case, query: bytes) -> None:
    agree({**case, "query": query, "call": "query_params"})
    agree({**case, "query": query, "call": "query_text"})


@differential
@given(lists, multipart_bodies)
def test_multipart(case: Case, body: bytes) -> None:
    agree_on_bodies({**case, "body": body, "content_type": "multipart/form-data; boundary=B"})


HEADERS = (
    "A",
    "b",
    "Password",
    "Authorization",
    "PROXY-AUTHORIZATION",
    "Cookie",
    "Referer",
    "location",
    "Link",
    "Refresh",
)
header_values = st.builds(
    lambda start, query: start + query.decode("latin-1"),
    st.sampled_from(["", "/p?", "<https://a/?", "0; url=/#"]),
    form_bodies,
)


@differential
@given(lists, st.sampled_from(HEADERS), header_values)
def test_headers(case: Case, name: str, value: str) -> None:
    agree({**case, "name": name, "value": value, "call": "request_header"})
    agree({**case, "name": name, "value": value, "call": "response_header"})


cookie_soup = soup(
    "a=1", "password=hunter2", "password", "=", ";", "; ", ",", " ", '"', '\\"', "\\", "x", "\t", "é", "p%61ssword=1",
)  # fmt: skip


@differential
@given(lists, cookie_soup)
def test_cookies(case: Case, value: bytes) -> None:
    text = value.decode("latin-1")
    agree({**case, "name": "Cookie", "value": text, "call": "request_header"})
    agree({**case, "name": "Set-Cookie", "value": text, "call": "response_header"})


content_types = st.sampled_from(
    [
        "", "application/json", "Application/Problem+JSON ;Charset=\"UTF-8\"", "application/json; charset=utf-16",
        "application/json; charset=latin1", "text/plain, application/json",
        "application/x-www-form-urlencoded;charset=utf-8", "multipart/form-data; boundary=\"B\"",
        "multipart/form-data", "multipart/form-data; boundary=B; boundary=C", "multipart/mixed; boundary=B",
        "text/html", "application/octet-stream", ";;=", "text/plain; charset=\"a",
    ]
)  # fmt: skip
# The coding that the header names, and the one that is applied.
codings = st.sampled_from(
    [("", ""), ("identity", ""), ("gzip", "gzip"), (" X-GZip", "gzip"), ("deflate", "zlib"), ("deflate", "deflate"),
     ("br", ""), ("gzip", ""), ("gzip", "zlib")]
)  # fmt: skip


@differential
@given(
    lists,
    content_types,
    codings,
    json_bodies | form_bodies | multipart_bodies | st.binary(max_size=60),
    st.sampled_from([None, None, None, 0, 1, 9]),
)
def test_any_type_and_coding(
    case: Case, content_type: str, coding: tuple[str, str], text: bytes, missing: int | None
) -> None:
    """`missing` bytes of the body are cut off; the limit holds for a decompressed body, too."""
    said, done = coding
    body = to_bytes({done: {"hex": text.hex()}}) if done else text
    max_bytes = MAX_BYTES if missing is None else max(len(body) - missing, 0)
    captured = body[:max_bytes]
    kind = {"content_type": content_type, "content_encoding": said, "size": len(body), "max_bytes": max_bytes}
    agree_on_bodies({**case, **kind, "body": captured, "truncated": captured != body})
