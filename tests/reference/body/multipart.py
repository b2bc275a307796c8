"""Redacts `multipart/form-data`, as `rust/redact/body/multipart.rs`."""

from __future__ import annotations

import re

from reference.body.content_type import parse_content_type
from reference.body.disposition import disposition
from reference.body.parameters import SPACE, TOKEN
from reference.json_redaction import redact_json
from reference.marker import NOT_UTF8, Malformed, redacted, withheld
from reference.param import Param
from reference.rules import Rules
from reference.url.denied import Search, search
from reference.url.query import redact_parameters, rewrite


def multipart_params(rules: Rules, boundary: str, body: bytes, is_usual_type: bool) -> list[Param]:
    """The fields and files of a body that every parser splits in the same way."""
    preamble, *pieces = body.split(b"--" + boundary.encode())
    if preamble and not preamble.endswith(b"\n"):
        raise Malformed("not valid multipart")
    found: list[Param] = []
    line_end = None
    for i, piece in enumerate(pieces):
        if re.match(rb"--\r?\n", piece) or (piece == b"--" and i + 1 == len(pieces)):
            return found
        this_end = re.match(rb"\r?\n", piece)
        if this_end is None or i + 1 == len(pieces):
            raise Malformed("not valid multipart")
        line_end = line_end or this_end[0]
        part = piece[len(line_end) :]
        is_mixed = line_end == b"\n" and part.endswith(b"\r\n")
        if this_end[0] != line_end or is_mixed or not part.endswith(line_end):
            raise Malformed("not valid multipart")
        found.append(multipart_param(rules, part[: -len(line_end)], line_end, is_usual_type))
    raise Malformed("not valid multipart")


def multipart_param(rules: Rules, part: bytes, line_end: bytes, is_usual_type: bool) -> Param:
    """One part: a field, or a file, whose content is never sent."""
    header, blank_line, content = (line_end + part).partition(line_end + line_end)
    if not blank_line:
        raise Malformed("not valid multipart")
    fields = header_fields(header, line_end)
    content_type = fields.get("content-type")
    name, readings, file_name = disposition(fields.get("content-disposition", ""))
    has_one_reading = is_usual_type and is_usual_header(header, line_end, fields.get("content-disposition", ""))
    # A parser that cannot read the header gives the app a field without a name.
    is_denied = (rules.denies("") and not has_one_reading) or (
        rules.is_active and (not readings or any(rules.denies(reading) or "=?" in reading for reading in readings))
    )
    if file_name is not None and is_denied:
        return Param(name, "[REDACTED]", redacted(file_name), None)
    if file_name is not None:
        return Param(name, "", file_name, content_type)
    try:
        text = content.decode()
    except UnicodeDecodeError:
        shown_type = content_type if not is_denied or (content_type or "").lower() == "text/plain" else None
        return Param(name, "[REDACTED]" if is_denied else NOT_UTF8, None, shown_type)
    shown_type = content_type if not is_denied or (content_type or "").lower() == "text/plain" else None
    return Param(name, redacted(text) if is_denied else part_text(rules, content_type, text), None, shown_type)


def part_text(rules: Rules, content_type: str | None, text: str) -> str:
    """A field may be a document of its own."""
    parsed = parse_content_type(content_type or "")
    kind = parsed.kind
    if not rules.is_active:
        return text
    if kind in ("json", "form") and not parsed.is_certain:
        return withheld(len(text.encode()), "ambiguous content type")
    if kind in ("json", "form") and not parsed.is_utf8(text.encode()):
        return withheld(len(text.encode()), "unknown charset")
    try:
        if kind == "json":
            return redact_json(rules, text)
    except Malformed:
        return withheld(len(text.encode()), "not valid JSON")
    if kind == "form":
        return redact_parameters(rules, text)
    if kind == "multipart":
        return withheld(len(text.encode()), "not valid multipart")
    return rewrite(text, search(rules, text, Search.anything), str, str)


def is_usual_header(block: bytes, line_end: bytes, disposition: str) -> bool:
    """Whether a part's header is written as clients write it, so that all parsers agree on it."""
    quoted = r'"[^"\\;=]*"'
    parameter = rf"; (?:(?:name|filename)=(?:{quoted}|{TOKEN})|filename\*=[^; \"]*)"
    if not re.fullmatch(f"form-data(?:{parameter})*", disposition):
        return False
    for line in filter(None, block.decode().split(line_end.decode())):
        name, colon, value = line.partition(": ")
        if not colon or not re.fullmatch("[0-9A-Za-z-]+", name) or value != value.strip(" \t\n\f\r"):
            return False
    return True


def header_fields(block: bytes, line_end: bytes) -> dict[str, str]:
    """The header fields of a part, with a line feed at each fold. The two fields that matter must not be repeated."""
    try:
        text = block.decode()
    except UnicodeDecodeError:
        raise Malformed("not valid multipart") from None
    lines = [line for line in text.split(line_end.decode()) if line]
    fields: list[list[str]] = []
    for line in lines:
        if re.search("[\x00-\x08\x0a-\x1f\x7f-\x9f]", line):
            raise Malformed("not valid multipart")
        match = re.fullmatch(f"{SPACE}({TOKEN}){SPACE}:(.*)", line)
        if line[0] in " \t" and fields:
            fields[-1][1] += "\n" + line
        elif line[0] not in " \t" and match:
            fields.append([match[1].lower(), match[2].strip(" \t")])
        else:
            raise Malformed("not valid multipart")
    known = [name for name, _ in fields if name in ("content-disposition", "content-type")]
    if len(known) != len(set(known)):
        raise Malformed("not valid multipart")
    return {name: value for name, value in fields}
