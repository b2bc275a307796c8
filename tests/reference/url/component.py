"""Components of a URL or of an urlencoded form, as `rust/redact/url/component.rs`."""

from __future__ import annotations

import re
import urllib.parse

from reference.rules import is_surrogate


def decode(component: str) -> str:
    """A component of a query or a form, decoded once."""
    return urllib.parse.unquote_to_bytes(component.replace("+", " ")).decode("utf-8", "replace")


def decode_with_places(text: str) -> tuple[str, list[int]]:
    """Decode once, and list where each character was written and the text ends. Bytes that are not UTF-8 become `?`."""
    raw, starts = b"", []
    for match in re.finditer("%([0-9a-fA-F]{2})|(.)", text, re.DOTALL):
        written = bytes.fromhex(match[1]) if match[1] else match[2].replace("+", " ").encode()
        raw += written
        starts += [match.start()] * len(written)
    characters, places, at = [], [], 0
    for character in raw.decode(errors="surrogateescape"):
        places.append(starts[at])
        at += len(character.encode(errors="surrogateescape"))
        characters.append("?" if is_surrogate(character) else character)
    return "".join(characters), [*places, len(text)]


def decode_all(text: str) -> str:
    """Decode until nothing is encoded, four times at most."""
    text = decode(text)
    for _ in range(3):
        if "%" not in text:
            break
        text = decode(text)
    return text
