"""`Finding`: what `readme-metrics doctor` found out about one link between the app and ReadMe."""

from __future__ import annotations

from typing import NamedTuple


class Finding(NamedTuple):
    link: str
    is_ok: bool
    detail: str
    #: What to do if the link is not ok.
    advice: str = ""
