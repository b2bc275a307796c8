"""How long to wait before the next try. Pure: no clock, no randomness of its own."""

from __future__ import annotations

from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

#: Doubles from here. Full jitter (the AWS Architecture Blog's "Exponential Backoff And Jitter") spreads the clients.
FIRST_S = 0.5
#: What the published SDKs pause; no wait of our own is longer, so a short outage is made good soon after its end.
LONGEST_S = 15.0
#: A wrong API key will not heal in seconds; a probe every minute notices when it does.
DENIED_S = 60.0
#: A server's `Retry-After` is honoured up to here.
RETRY_AFTER_LONGEST_S = 300.0


def delay_s(attempt: int, retry_after_s: float | None, jitter: float) -> float:
    """Seconds to wait after failed attempt number `attempt` (1 is the first).

    Args:
        attempt: How many attempts in a row have failed.
        retry_after_s: What the server asked for, if it did. Never a reason to come earlier than without it.
        jitter: A random number from 0 to 1.
    """
    ceiling_s = min(LONGEST_S, FIRST_S * 2.0 ** min(max(attempt, 1) - 1, 16))
    return max(ceiling_s * jitter, min(retry_after_s or 0.0, RETRY_AFTER_LONGEST_S))


def parse_retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds that a `Retry-After` header asks for (RFC 9110, 10.2.3: seconds or a date), if it says anything."""
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        # More digits than any pause has: int() of thousands of them is slow.
        return float(value[:10])
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=timezone.utc)
    return max((date - now).total_seconds(), 0.0)


class Budget:
    """What a server's refusals may cost it: `burst` POSTs at once, `per_s` in the long run.

    Finding the one bad log of a batch takes a few POSTs; a flood of bad ones must not become a flood of POSTs.
    """

    def __init__(self, burst: float, per_s: float) -> None:
        self._burst = burst
        self._per_s = per_s
        self._left = burst
        self._at_s: float | None = None

    def spend(self, now_s: float) -> bool:
        """Takes one at time `now_s` (seconds, monotonic); False where there is none left."""
        if self._at_s is not None:
            self._left = min(self._burst, self._left + (now_s - self._at_s) * self._per_s)
        self._at_s = now_s
        if self._left < 1:
            return False
        self._left -= 1
        return True
