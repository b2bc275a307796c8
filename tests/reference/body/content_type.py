"""Reads the `Content-Type` of a body, as `rust/redact/body/content_type.rs`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from reference.body.parameters import header_parameters, only
from reference.marker import Malformed


@dataclass
class ContentType:
    """What the header says about a body."""

    kind: str
    boundary: str | None
    charset: str | None
    is_certain: bool

    def is_utf8(self, body: bytes) -> bool:
        """Whether the body's bytes mean the same in UTF-8."""
        charset = (self.charset or "utf-8").lower()
        if charset in ("utf-8", "utf8"):
            return True
        extends_ascii = charset in ("us-ascii", "ascii", "latin1") or charset.startswith(("iso-8859-", "windows-125"))
        return extends_ascii and body.isascii()


def parse_content_type(value: str) -> ContentType:
    """Read a header as a client sent it, leniently."""
    media_type = re.split("[;,]", value)[0]
    boundary, charset, is_certain = None, None, True
    try:
        parameters = header_parameters(value[len(media_type) :])
        boundary, charset = only(parameters, "boundary"), only(parameters, "charset")
        is_certain = not any(re.match(r"(charset|boundary)\*", parameter.name) for parameter in parameters)
    except Malformed:
        is_certain = False
    said = (media_type if is_certain else value).lower()
    kinds = {"multipart/": "multipart", "form-urlencoded": "form", "json": "json"}
    return ContentType(
        kind=next((kind for text, kind in kinds.items() if text in said), "other"),
        boundary=boundary.unescaped() if boundary and media_type.strip().lower() == "multipart/form-data" else None,
        charset=charset.raw if charset else None,
        is_certain=is_certain,
    )


TEXT_TYPES = set(
    [
        "csv",
        "dart",
        "graphql",
        "http",
        "ld",
        "n-quads",
        "n-triples",
        "sparql-query",
        "sql",
        "toml",
        "trig",
        "x-www-form-urlencoded",
    ]
)


def is_binary_type(content_type: str) -> bool:
    """Whether nothing says that a body of this type is text."""
    family, _, kind = re.split("[;,]", content_type)[0].strip(" \t\n\f\r").lower().partition("/")
    if family in ("audio", "font", "image", "model", "video"):
        return "xml" not in kind
    if family != "application" or kind in TEXT_TYPES:
        return False
    return "grpc" in kind or not any(part in kind for part in ("xml", "json", "yaml", "script", "text"))
