"""`InlineTurns`: how much of the requests' time may be spent on sending if the flusher has no thread."""

from __future__ import annotations

from readme_metrics import _core

#: If a thread is wanted and cannot be started, one POST on a request's thread takes at most this long.
LONGEST_S = 0.5
#: Each second that a POST took is followed by this many seconds without one: sending takes at most a twentieth of the
#: time.
REST = 19.0


class InlineTurns:
    """Decides whether a request may send. One caller at a time.

    Args:
        timeout_s: The configuration's `timeout`.
        is_wanted: Whether requests are meant to send (`background_worker_mode=False`): then each may take the whole
            timeout.
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
