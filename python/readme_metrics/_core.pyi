"""The compiled core: redaction, HAR encoding and the shared-memory queue. The binding is in `rust/python/`.

Every function here may raise `InternalError`, which is a bug of ours; the callers count it and go on.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, final

__all__ = [
    "Batch",
    "Capture",
    "Encoder",
    "InternalError",
    "Queue",
    "__version__",
    "entries",
    "mask",
    "seal",
    "survey",
]

__version__: str

class InternalError(RuntimeError):
    """A bug in the compiled core. The middleware counts it, logs it once and goes on."""

def mask(value: str) -> str:
    """`sha512-<base64 digest>?<last four characters>`; no tail for a value of four characters or fewer."""

def seal() -> None:
    """Lets no thread work without the GIL any more; for the end of the exit handlers.

    A daemon thread that comes back for the GIL of an interpreter that is going would take the process down.
    """

def survey(directory: str | Path) -> dict[str, Any]:
    """What an app's directory holds of other processes: the sums, `segments`, and what is known of the server.

    Raises:
        OSError: The directory must not be used; the message says why.
    """

def entries(directory: str | Path, name: str, position: int) -> tuple[int, list[bytes]] | None:
    """Copies the entries of another process's segment from `position` on (0: the oldest that waits), without consuming.

    Returns:
        The position to go on from and the entries, as msgpack; None where the segment is gone.
    """

@final
class Capture:
    """What is kept of one request and its response while they pass: the environ's strings as they are now, the first
    `max_bytes` of each body, the sizes, the times, and the log's id.
    """

    def __new__(cls, environ: dict[str, Any], max_bytes: int) -> Capture: ...
    def add_request(self, data: object) -> None:
        """Notes a piece of the request's body. Never raises: `failure` tells what went wrong."""

    def add_response(self, data: object) -> None:
        """The same of the response's."""

    def end(self, chunks: list[bytes] | None = None) -> None:
        """Notes that the response has ended, with `chunks` as its last pieces. Never raises, either."""

    def fail(self, error: Exception) -> None:
        """Notes why this is not what passed."""

    def forget_request(self) -> None:
        """Keeps no bytes of the request from here on; the size is still counted."""

    def forget_response(self) -> None:
        """The same of the response."""

    def request_body(self) -> bytes:
        """What is kept of the request's body so far."""

    def documentation_url(self, base_url: str) -> str:
        """Where the log will be found on the documentation site at `base_url`."""

    @property
    def request_bytes(self) -> int:
        """How much of the request's body has passed."""

    @property
    def response_bytes(self) -> int:
        """How much of the response's body has passed."""

    @property
    def is_tls(self) -> bool:
        """Whether the server's `wsgi.url_scheme` was `https`."""

    @property
    def unread_bytes(self) -> int:
        """What the client has declared and nobody has read; 0 where it waits for a "100 Continue" to send it."""

    @property
    def failure(self) -> InternalError | None:
        """Why this is not what passed, if it is not: its log would not be true."""

@final
class Encoder:
    """What a configuration fixes about the logs: lists, limits, creator."""

    def __new__(
        cls,
        *,
        denylist: list[str],
        allowlist: list[str],
        redact_nested: bool,
        development: bool,
        max_body_bytes: int,
        trust_forwarded: bool,
        platform: str,
    ) -> Encoder: ...

@final
class Queue:
    """One process's end of the shared-memory queue. Of no use in a forked child."""

    def __new__(cls, directories: list[str], name: str, max_bytes: int) -> Queue: ...
    def record(
        self,
        encoder: Encoder,
        capture: Capture,
        group: tuple[str, str | None, str | None],
        status: str,
        headers: Iterable[tuple[str, str]],
        is_file: bool,
    ) -> int | None:
        """Redacts, encodes and queues one exchange.

        Returns:
            The entries waiting, 0 where it was dropped (and counted); None in a process forked from the queue's.
        """

    def drop_one(self, reason: str) -> None:
        """Counts a request that should have been logged and was not.

        Raises:
            ValueError: `reason` is not a key of `stats()["dropped"]`.
        """

    def peek(self, max_entries: int, max_bytes: int) -> Batch | None:
        """The oldest entries as one JSON array, or None where nothing waits. They stay queued until released."""

    def release(self, batch: Batch, sent: bool) -> None:
        """Lets go of a batch: the server has it (`sent`), or has refused it for good. Once; later calls do nothing."""

    def adopt(self) -> int:
        """Leases the segments of dead processes; returns how many entries they hold."""

    def close(self) -> None:
        """Removes what is drained and drops the leases; the rest is left to a sibling or the next start."""

    def claim(self, turn_s: float) -> float:
        """Seconds until a POST may be made. At 0 the caller may make one now.

        While the server fails, no other process of the host may make one for `turn_s` seconds.
        """

    def pause_s(self) -> float:
        """Seconds until `claim` is worth a try."""

    def succeeded(self) -> None:
        """Notes that the server has taken a batch."""

    def failed(self, delay_s: float, error: str) -> None:
        """Notes that it has not, and that no process of the host is to try again for `delay_s` seconds."""

    def stats(self) -> dict[str, Any]:
        """This process's counters: `made = sent + queued + sum(dropped)`; `adopted`: what it did for dead processes."""

    def host(self, siblings: list[Queue]) -> dict[str, Any]:
        """The same sums of all processes, dead or alive, that met in this queue's directory, and the server's state.

        Args:
            siblings: Other queues of this process in the same directory.
        """

    @property
    def failures(self) -> int: ...
    @property
    def waiting(self) -> int: ...
    @property
    def waiting_bytes(self) -> int: ...
    @property
    def directory(self) -> str | None: ...
    @property
    def refusals(self) -> list[str]: ...
    @property
    def owner_pid(self) -> int: ...

@final
class Batch:
    """Entries on their way: what one POST carries."""

    @property
    def json(self) -> bytes: ...
    @property
    def count(self) -> int: ...
    @property
    def malformed(self) -> int: ...
