"""Undoes the content coding of a body, as `rust/redact/body/decompress.rs`."""

from __future__ import annotations

import zlib

from reference.body.captured_body import Body


def decompress(body: Body) -> tuple[bytes, bool] | None:
    """The body without its content coding, and whether its end is missing. `None` if the coding cannot be undone."""
    is_cut = body.truncated or body.true_size > len(body.bytes)
    coding = (body.content_encoding or "").strip(" \t\n\f\r").lower()
    if coding in ("", "identity") or not body.bytes:
        return body.bytes, is_cut
    window_bits = {"gzip": [31], "x-gzip": [31], "deflate": [15, -15]}.get(coding, [])
    for bits in window_bits:
        try:
            content, is_whole = inflate(body.bytes, bits, body.max_bytes)
        except zlib.error:
            continue
        if len(content) > body.max_bytes:
            return content[: body.max_bytes], True
        return (content, is_cut) if is_whole or (is_cut and content) else None
    return None


def inflate(data: bytes, window_bits: int, max_bytes: int) -> tuple[bytes, bool]:
    """Decompress one byte more than `max_bytes` at most. Only gzip may have several members in a row."""
    content = b""
    while True:
        decompressor = zlib.decompressobj(window_bits)
        content += decompressor.decompress(data, max_bytes + 1 - len(content))
        data = decompressor.unused_data
        if len(content) > max_bytes or not decompressor.eof:
            return content, False
        if window_bits != 31 or not data:
            return content, True
