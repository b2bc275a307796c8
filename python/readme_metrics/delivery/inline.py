"""`InlineTurns`: how much of the requests' time sending may take where it has no thread of its own."""

from __future__ import annotations

from readme_metrics import _core

#: Where a thread was wanted and cannot be had: one POST on a request's thread takes no longer.
LONGEST_S = 0.5
#: And a POST that took a second is followed by so many without one: at most a twentieth of the time goes into sending.
REST = 19.0


class InlineTurns:
    """Asked by one request at a time.

    Args:
        timeout_s: The configuration's `timeout`.
        is_wanted: `background_worker_mode=False`: requests send for themselves because they were told to, and may take
            the whole timeout each.
    """

    def __init__(self, timeout_s: float, *, is_wanted: bool) -> None:
        self.timeout_s = timeout_s if is_wanted else min(timeout_s, LONGEST_S)
        self._rest = 0.0 if is_wanted else REST
        self._next_at_s = 0.0

    def may_begin(self) -> bool:
        return _core.monotonic() >= self._next_at_s

    def ended(self, started_s: float) -> None:
        """Notes that a turn has ended which began at `started_s` (seconds, `_core.monotonic`)."""
        now_s = _core.monotonic()
        self._next_at_s = now_s + (now_s - started_s) * self._rest
