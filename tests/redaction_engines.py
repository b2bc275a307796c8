"""Two redactions that must agree: that of the slow reference, and that of the compiled core, read from a queued log.

Both take a case as the files in `cases/` have it, except that `query` and `body` are bytes here. Both return a
string, or for forms and queries a list of `[name, value]` or `[name, value, file name, content type]`.
"""

from __future__ import annotations

import functools
import json
import zlib
from typing import Any

from readme_metrics import _core
from reference.body.captured_body import Body
from reference.body.content import request_body, response_body
from reference.header.value import request_header, response_header
from reference.mask import mask
from reference.param import Param
from reference.rules import Rules
from reference.url.query import query_params, query_text

Case = dict[str, Any]

MAX_BYTES = 4 << 20


def to_bytes(source: Any) -> bytes:
    """The bytes that a case file gives as text, as an object that says how to make them, or as an array of both."""
    if isinstance(source, str):
        return source.encode()
    if isinstance(source, list):
        return b"".join(map(to_bytes, source))
    how, inner = next(iter(source.items()))
    match how:
        case "hex":
            return bytes.fromhex(inner)
        case "latin1" | "utf-16-le" | "utf-16-be" | "utf-32-le" | "utf-32-be":
            return str(inner).encode(how)
        case "repeat":
            return to_bytes(inner) * int(source["times"])
        case "gzip" | "zlib" | "deflate":
            compressor = zlib.compressobj(wbits={"gzip": 31, "zlib": 15, "deflate": -15}[how])
            return compressor.compress(to_bytes(inner)) + compressor.flush()
    raise AssertionError(f"no way to make bytes: {how}")


def _params(found: list[Param]) -> list[list[str | None]]:
    return [
        [param.name, param.value]
        if param.file_name is None and param.content_type is None
        else [param.name, param.value, param.file_name, param.content_type]
        for param in found
    ]


def by_reference(case: Case) -> Any:
    rules = Rules(case.get("denylist", ()), case.get("allowlist"), case.get("nested", False))
    name, value, query = case.get("name", ""), case.get("value", ""), case.get("query", b"")
    body = Body(
        case.get("body", b""),
        case.get("content_type"),
        case.get("content_encoding"),
        case.get("size"),
        case.get("truncated", False),
        case.get("max_bytes", MAX_BYTES),
    )
    match case["call"]:
        case "mask":
            return mask(value)
        case "request_header":
            return request_header(rules, name, value)
        case "response_header":
            return response_header(rules, name, value)
        case "query_params":
            return _params(query_params(rules, query))
        case "query_text":
            return query_text(rules, query)
        case "request_body":
            content = request_body(rules, body)
            return content if isinstance(content, str) else _params(content)
        case "response_body":
            return response_body(rules, body)
    raise AssertionError(f"no such call: {case['call']}")


@functools.cache
def _queue() -> _core.Queue:
    return _core.Queue([], "redaction", 64 << 20)  # no directory: private memory


def log_entry(case: Case) -> Any:
    """The HAR entry of an exchange whose request and response both have what the case has."""
    body = case.get("body", b"")
    size = case.get("size", len(body))
    encoder = _core.Encoder(
        denylist=list(case.get("denylist", ())),
        allowlist=list(case["allowlist"]) if case.get("allowlist") is not None else None,
        redact_nested=case.get("nested", False),
        development=False,
        max_body_bytes=len(body) if size > len(body) else case.get("max_bytes", MAX_BYTES),
        trust_forwarded=False,
        platform="test",
    )
    environ = {"REQUEST_METHOD": "POST", "HTTP_HOST": "host", "QUERY_STRING": case.get("query", b"").decode("latin-1")}
    headers = []
    fields = {"Content-Type": case.get("content_type"), "Content-Encoding": case.get("content_encoding")}
    if "name" in case:
        fields[case["name"]] = case["value"]
    for name, value in fields.items():
        if value is not None:
            key = name.upper().replace("-", "_")
            environ[key if name == "Content-Type" else f"HTTP_{key}"] = value
            headers.append((name, value))
    capture = _core.Capture(encoder, environ)
    capture.set_caller(("caller", None, None))
    whole = body + bytes(size - len(body))  # the excess is cut off
    capture.add_request(whole)
    capture.add_response(whole)
    queue = _queue()
    assert queue.record(capture, None, "200 OK", headers) != 0, queue.stats()
    batch = queue.peek(1, 1)
    assert batch is not None
    queue.release(batch, True)
    [log] = json.loads(batch.json)
    return log["request"]["log"]["entries"][0]


def _header(headers: list[dict[str, str]], name: str) -> str:
    [value] = [header["value"] for header in headers if header["name"].lower() == name.lower()]
    return value


def _har_params(found: list[dict[str, str]]) -> list[list[str | None]]:
    return _params([Param(p["name"], p["value"], p.get("fileName"), p.get("contentType")) for p in found])


def by_extension(case: Case) -> Any:
    if case["call"] == "mask":
        return _core.mask(case["value"])
    entry = log_entry(case)
    request, response = entry["request"], entry["response"]
    match case["call"]:
        case "request_header":
            return _header(request["headers"], case["name"])
        case "response_header":
            return _header(response["headers"], case["name"])
        case "query_params":
            return _har_params(request["queryString"])
        case "query_text":
            assert entry["pageref"] == request["url"]
            return request["url"].partition("?")[2]
        case "request_body":
            post = request.get("postData", {"text": ""})
            return post["text"] if "text" in post else _har_params(post["params"])
        case "response_body":
            return response["content"]["text"]
    raise AssertionError(f"no such call: {case['call']}")
