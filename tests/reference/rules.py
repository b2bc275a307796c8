"""The deny or allow list, as `rust/rules`."""

from __future__ import annotations

import re
from collections.abc import Sequence


class Rules:
    """The deny or allow list. With both, the denylist alone applies. An allowlist may be empty: nothing is on it."""

    def __init__(
        self, denylist: Sequence[str] = (), allowlist: Sequence[str] | None = None, nested: bool = False
    ) -> None:
        self.is_allowlist = not denylist and allowlist is not None
        self.entries = list(denylist or allowlist or ())
        self.is_active = bool(denylist) or self.is_allowlist
        self.nested = nested

    def denies(self, key: str) -> bool:
        """Whether a member, field or parameter of this name is redacted."""
        return self.is_active and (key in self.entries) != self.is_allowlist

    def denies_header(self, name: str) -> bool:
        """Whether a header is redacted, in whatever case its name is written."""
        listed = name.encode().lower() in [entry.encode().lower() for entry in self.entries]
        return self.is_active and listed != self.is_allowlist

    def judge(self, path: Sequence[str]) -> str:
        """What happens to the JSON member at `path`: `keep`, `redact`, or `enter` to judge the members inside."""
        if any(is_surrogate(character) for character in path[-1]):
            return "redact"
        listed, started = path[-1] in self.entries, False
        for entry in self.entries if self.nested else ():
            segments = entry.split(".")
            if "." in entry or "*" in entry:
                listed = listed or ends_with(path, segments)
                started = started or any(ends_with(path, segments[:n]) for n in range(1, len(segments)))
        if listed != self.is_allowlist:
            return "enter" if self.is_allowlist and started else "redact"
        return "keep"


def ends_with(path: Sequence[str], segments: Sequence[str]) -> bool:
    """Whether the last keys of `path` match `segments`, in which `*` is any run of characters."""
    if len(path) < len(segments):
        return False
    patterns = [".*".join(map(re.escape, segment.split("*"))) for segment in segments]
    keys = path[len(path) - len(segments) :]
    return all(re.fullmatch(pattern, key, re.DOTALL) for pattern, key in zip(patterns, keys, strict=True))


def is_surrogate(character: str) -> bool:
    """Whether a character is half of a surrogate pair, without its other half."""
    return "\ud800" <= character <= "\udfff"
