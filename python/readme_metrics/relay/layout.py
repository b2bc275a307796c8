"""What a project has in Redis: its keys and the fields of an entry.

readme-metrics:{PROJECT}            stream; an entry is a batch: v=1, n=logs, b=JSON array [, z=gzip]
readme-metrics:{PROJECT}:totals     hash; added = delivered + refused + lost + queued (logs), entries, bytes
readme-metrics:{PROJECT}:refused    stream; a log that was refused for good, and why
readme-metrics:{PROJECT}:relays     hash; the relays that take from it, and when each was last heard from (Unix time)
readme-metrics:{PROJECT}:base_url   string; where the project's documentation is
"""

from __future__ import annotations

from typing import NamedTuple

#: The version of an entry. Another version comes from another release.
VERSION = b"1"
GROUP = "relay"
#: `:refused` keeps this many of the newest refused logs, and this many bytes of each.
REFUSED_LOGS = 1000
REFUSED_LOG_BYTES = 16 * 1024
#: The pattern of all the keys of all projects.
ALL_KEYS = "readme-metrics:{*}*"


class Keys(NamedTuple):
    """The names of a project's keys. The braces put all of them on one node of a cluster."""

    stream: str
    totals: str
    refused: str
    relays: str
    base_url: str

    @classmethod
    def of(cls, project: str) -> Keys:
        stream = f"readme-metrics:{{{project}}}"
        return cls(stream, f"{stream}:totals", f"{stream}:refused", f"{stream}:relays", f"{stream}:base_url")
