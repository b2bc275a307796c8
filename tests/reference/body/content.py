"""Redacts request and response bodies, as `rust/redact/body/mod.rs`."""

from __future__ import annotations

import re

from reference.body.captured_body import Body
from reference.body.content_type import is_binary_type, parse_content_type
from reference.body.decompress import decompress
from reference.body.multipart import multipart_params
from reference.json_redaction import looks_like_json, redact_json
from reference.marker import NOT_UTF8, Malformed, withheld
from reference.param import Param
from reference.rules import Rules
from reference.url.query import params, redact_parameters


def request_body(rules: Rules, body: Body) -> str | list[Param]:
    """What may be sent of a request body: forms as their fields, anything else as text."""
    return redact_body(rules, body, is_request=True)


def response_body(rules: Rules, body: Body) -> str:
    """What may be sent of a response body."""
    text = redact_body(rules, body, is_request=False)
    assert isinstance(text, str)
    return text


def redact_body(rules: Rules, body: Body, is_request: bool) -> str | list[Param]:
    """Find out what a body is and redact it, or withhold it."""
    plain = decompress(body)
    if plain is None:
        return NOT_UTF8
    content, is_cut = plain
    content_type = parse_content_type(body.content_type or "")

    def check(data: bytes) -> None:
        if is_cut:
            raise Malformed("cut off")
        if not content_type.is_utf8(data):
            raise Malformed("unknown charset")
        if not content_type.is_certain:
            raise Malformed("ambiguous content type")

    try:
        if content_type.kind == "multipart" and is_request:
            try:
                check(content)
                if not content_type.boundary:
                    raise Malformed("not valid multipart")
                # Some parsers compare the type case-sensitively.
                is_usual = re.match('multipart/form-data;(?:[^"]*;)? *boundary=', body.content_type or "") is not None
                return multipart_params(rules, content_type.boundary, content, is_usual)
            except Malformed:
                if rules.is_active:
                    raise
        text = decode_utf8(content, is_cut)
        if text is None:
            return NOT_UTF8
        text = text.removeprefix("\ufeff")
        kind = kind_of(content_type.kind, text)
        is_form = kind == content_type.kind == "form" and is_request
        if not is_form and (not rules.is_active or not text.strip(" \t\n\f\r")):
            return text
        if kind == "other" and is_binary_type(body.content_type or ""):
            raise Malformed("not a text type")
        if kind == "other" and re.search("[\x00-\x08\x0b\x0e-\x1f\x7f]", text):
            raise Malformed("not text")
        if kind == "other":
            return text
        if rules.is_active and kind != "multipart":
            check(text.encode())
        if kind == "json":
            return redact_json(rules, text)
        if kind == "multipart":
            raise Malformed("not valid multipart")
        if rules.is_active and "\0" in text:
            raise Malformed("not a valid form")
        return params(rules, text) if is_form else redact_parameters(rules, text)
    except Malformed as error:
        return withheld(body.true_size, str(error))


def decode_utf8(content: bytes, is_cut: bool) -> str | None:
    """The text of a body whose last character may be cut off."""
    for missing in range(4 if is_cut else 1):
        try:
            text = content[: len(content) - missing].decode()
        except UnicodeDecodeError as error:
            if error.reason != "unexpected end of data":
                return None
        else:
            return text
    return None


def kind_of(declared: str, text: str) -> str:
    """The kind that the beginning of a text shows beyond doubt, or else the declared kind."""
    text = re.sub("\\A[\\s\x00-\x1f\x7f-\x9f\ufeff]+", "", text)
    if text.startswith(("{", "[")) or (text.startswith('"') and looks_like_json(text)):
        return "json"
    if re.match("--[^\n]*\ncontent-", text, re.IGNORECASE):
        return "multipart"
    if declared == "other" and re.match("[^\\s\x00-\x1f\x7f-\x9f=<>(){}\"'`,:]*=", text):
        return "form"
    return declared
