"""`Finding`: what `readme-metrics doctor` found out about one link of a log's way."""

from __future__ import annotations

from typing import NamedTuple


class Finding(NamedTuple):
    link: str
    is_ok: bool
    detail: str
    #: What to do, where it is not.
    advice: str = ""
