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
        retry_after_s: What the server asked for, if it did.
        jitter: A random number from 0 to 1.
    """
    if retry_after_s is not None:
        return min(max(retry_after_s, 0.0), RETRY_AFTER_LONGEST_S)
    ceiling_s = min(LONGEST_S, FIRST_S * 2.0 ** min(attempt - 1, 16))
    return ceiling_s * jitter


def parse_retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds that a `Retry-After` header asks for (RFC 9110, 10.2.3: seconds or a date), if it says anything."""
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=timezone.utc)
    return max((date - now).total_seconds(), 0.0)
