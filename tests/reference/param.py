"""A URL parameter or a form field, as `Param` of `rust/redact/mod.rs`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Param:
    """A URL parameter or a form field."""

    name: str
    value: str
    file_name: str | None = None
    content_type: str | None = None
