"""Reads the `Content-Disposition` of one part of a multipart body, as `rust/redact/body/disposition.rs`."""

from __future__ import annotations

import re
import urllib.parse

from reference.body.parameters import Parameter, header_parameters, only, unescape
from reference.marker import Malformed


def disposition(value: str) -> tuple[str, list[str], str | None]:
    """The name of a part, every way in which a parser may read that name, and the name of the part's file."""
    try:
        parameters = header_parameters(value[len(value.split(";")[0]) :])
        name, file_name = only(parameters, "name"), only(parameters, "filename")
        extended_name, extended_file_name = only(parameters, "name*"), only(parameters, "filename*")
    except Malformed:
        raise Malformed("not valid multipart") from None
    if any(re.fullmatch(r"(file)?name\*.+", parameter.name) for parameter in parameters):
        raise Malformed("not valid multipart")
    names = [extended(extended_name.raw)] if extended_name else []
    file_names = [file_name.unescaped()] if file_name else []
    file_names += [extended(extended_file_name.raw)] if extended_file_name else []
    display = name.unescaped() if name else (names or [""])[0]
    return display, readings(name, extended_name), file_names[0] if file_names else None


def readings(name: Parameter | None, extended_name: Parameter | None) -> list[str]:
    """Every way in which a parser may read the name of a part."""
    found = []
    if extended_name:
        found.append(extended(extended_name.raw))
        try:
            found += [extended(extended_name.token() or "")]
        except Malformed:
            pass
    if name:
        found += [name.raw, *([] if name.token() is None else [str(name.token())])]
    for way in (unescape, urllib.parse.unquote, lambda text: re.sub(r"\A[\s']+|[\s']+\Z", "", text)):
        found += [way(each) for each in found]
    return found


def extended(raw: str) -> str:
    """Decode an extended value of RFC 5987."""
    match = re.fullmatch("utf-8'[^']*'(.*)", raw, re.IGNORECASE | re.DOTALL)
    if match is None:
        raise Malformed("not valid multipart")
    try:
        return urllib.parse.unquote_to_bytes(match[1]).decode()
    except UnicodeDecodeError:
        raise Malformed("not valid multipart") from None
