"""Masks a credential, as `rust/redact/mask.rs`."""

from __future__ import annotations

import base64
import hashlib


def mask(value: str) -> str:
    """Hash a credential, and keep its last four characters if there are more than four."""
    digest = base64.b64encode(hashlib.sha512(value.encode()).digest()).decode()
    return f"sha512-{digest}?{value[-4:] if len(value) > 4 else ''}"
