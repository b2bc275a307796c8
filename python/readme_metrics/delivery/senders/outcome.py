"""`Sender`: sends batches. `Result` and `Outcome`: what became of one."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple, Protocol


class Outcome(Enum):
    """What became of a batch, and so what `Delivery` does with it."""

    SENT = "sent"
    RETRY = "retry"  # the server, or the connection to it, has a problem that may be over later
    DENIED = "denied"  # key, address or permission is wrong: no batch will be accepted until a person corrects it
    TOO_LARGE = "too large"  # the batch is larger than the server accepts
    REFUSED = "refused"  # the server refuses a log in this batch


class Result(NamedTuple):
    outcome: Outcome
    #: An HTTP status, or the name of an exception.
    reason: str
    #: The pause in seconds that the server asked for.
    retry_after_s: float | None = None
    #: The likely cause; empty if it is not known.
    hint: str = ""
    #: Whether the cause is this process's own (its proxy, its DNS, its certificates), so that other processes of the
    #: host need not pause.
    is_own_trouble: bool = False


class Sender(Protocol):
    """Sends batches. Not for several threads at once, nor for a forked child."""

    #: The destination, for log lines and the queue's name: processes with the same key and destination share a queue.
    server: str
    #: Whether the destination knows the address of the project's documentation: see `choice.project_base_url`.
    knows_base_url: bool

    def load(self) -> None:
        """Imports modules that cannot be imported once the interpreter has begun to end. Call it before `post`."""

    def post(self, body: bytes, count: int, timeout_s: float | None = None) -> Result:
        """Sends a JSON array of logs. Never raises.

        Args:
            body: The array.
            count: How many logs the array has.
            timeout_s: Seconds that sending may take, if less than the configuration's `timeout`.
        """

    def close(self) -> None:
        """Closes the connection. A later `post` opens another one."""
