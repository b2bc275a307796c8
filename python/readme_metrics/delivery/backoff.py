"""How long to wait before the next try. Pure: callers pass the time and the random number."""

from __future__ import annotations

from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

#: The first pause, which doubles with each failure. Full jitter (the AWS Architecture Blog's "Exponential Backoff And
#: Jitter") spreads the clients.
FIRST_S = 0.5
#: The longest pause, which is that of the published SDKs: delivery resumes soon after the end of an outage.
LONGEST_S = 15.0
#: The pause after the server has refused the API key, which takes a person to correct.
DENIED_S = 60.0
#: The longest `Retry-After` that is honoured.
RETRY_AFTER_LONGEST_S = 300.0


def delay_s(attempt: int, retry_after_s: float | None, jitter: float) -> float:
    """Seconds to wait after failed attempt number `attempt` (1 is the first).

    Args:
        attempt: How many attempts in a row have failed.
        retry_after_s: The `Retry-After` of the server, if it sent one. It never makes the pause shorter.
        jitter: A random number from 0 to 1.
    """
    ceiling_s = min(LONGEST_S, FIRST_S * 2.0 ** min(max(attempt, 1) - 1, 16))
    return max(ceiling_s * jitter, min(retry_after_s or 0.0, RETRY_AFTER_LONGEST_S))


def parse_retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds that a `Retry-After` header asks for (RFC 9110, 10.2.3: seconds or a date); None if it is malformed."""
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        # Ten digits are more than any pause has, and converting thousands of digits is slow.
        return float(value[:10])
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=timezone.utc)
    return max((date - now).total_seconds(), 0.0)


class Budget:
    """The number of POSTs that a server's refusals may cause: `burst` at once, `per_s` in the long run.

    To find the one bad log of a batch takes a few POSTs; a flood of bad logs must not cause a flood of POSTs.
    """

    def __init__(self, burst: float, per_s: float) -> None:
        self._burst = burst
        self._per_s = per_s
        self._left = burst
        self._at_s: float | None = None

    def spend(self, now_s: float) -> bool:
        """Takes one POST at time `now_s` (seconds, monotonic); returns False if none is left."""
        if self._at_s is not None:
            self._left = min(self._burst, self._left + (now_s - self._at_s) * self._per_s)
        self._at_s = now_s
        if self._left < 1:
            return False
        self._left -= 1
        return True
