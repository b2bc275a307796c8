"""`Sender`, `Result` and `Outcome`: what every way out takes, and what it says became of a batch."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple, Protocol


class Outcome(Enum):
    """What became of a batch, and so what `Delivery` does with it."""

    SENT = "sent"
    RETRY = "retry"  # the server or the way to it has a problem that time may solve
    DENIED = "denied"  # key, address or permission: nothing will be accepted until somebody acts
    TOO_LARGE = "too large"  # the batch as a whole
    REFUSED = "refused"  # something in this batch


class Result(NamedTuple):
    outcome: Outcome
    #: An HTTP status, or the name of an exception.
    reason: str
    #: Seconds that the server asked for.
    retry_after_s: float | None = None
    #: The likely cause, where the status tells.
    hint: str = ""
    #: The trouble is this process's own (its proxy, its DNS, its certificates) and says nothing about the server: the
    #: other processes of the host go on.
    is_own_trouble: bool = False


class Sender(Protocol):
    """Where batches go. Belongs to one process, and to one thread at a time."""

    #: The destination, for people and for the queue's name: processes with the same key and destination share a queue.
    server: str
    #: Whether it can be asked where the project's documentation is: see `choice.project_base_url`.
    knows_base_url: bool

    def load(self) -> None:
        """Imports what cannot be imported once the interpreter has begun to end. Before the first `post`."""

    def post(self, body: bytes, count: int, timeout_s: float | None = None) -> Result:
        """Sends a JSON array of logs. Never raises.

        Args:
            body: The array.
            count: How many logs it has.
            timeout_s: Seconds it may take, if less than the configuration's `timeout`.
        """

    def close(self) -> None:
        """Lets go of the connection. A later `post` opens another."""
