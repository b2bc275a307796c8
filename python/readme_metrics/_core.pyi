"""The compiled core: redaction, HAR encoding and the shared-memory queue. The binding is in `rust/python/`.

Every function here may raise `InternalError`, which is a bug of ours; the callers count it and go on.
"""

from pathlib import Path
from typing import Any, final

from typing_extensions import Self, disjoint_base

from readme_metrics.capture.wsgi_types import Environ, Headers

__all__ = [
    "FORKED",
    "QUIET",
    "UNREAD",
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

QUIET: int
"""`Queue.record`: the log is queued, and nobody needs to hear of it."""

UNREAD: int
"""`Queue.record`: nothing is queued yet, the client has declared more of the request than was read."""

FORKED: int
"""`Queue.record`: nothing is queued, the queue belongs to the process that this one was forked from."""

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

@disjoint_base
class Capture:
    """What is kept of one request and its response while they pass: the environ as it is now, the first bytes of each
    body, the sizes, the times, the caller, and the log's id.

    Nothing of it calls Python code, which would not survive the end of an interpreter in a daemon thread.
    """

    def __new__(cls, encoder: Encoder, environ: Environ) -> Self: ...
    def add_request(self, data: object) -> None:
        """Notes a piece of the request's body. Never raises: what cannot be noted makes `Queue.record` raise."""

    def add_response(self, data: object) -> None:
        """The same of the response's."""

    def end(self, chunks: list[bytes] | None = None) -> None:
        """Notes that the response has ended, with `chunks` as its last pieces; when, is what the first call says."""

    def fail(self, error: Exception) -> None:
        """Notes why this is not what passed."""

    def sent_by_server(self) -> None:
        """Notes that the server sends the response by itself: it is not seen, and its size is what the app says."""

    def identify(self, answer: object) -> bool:
        """Notes who made the call.

        Returns:
            False where `answer`, the grouping function's, is not a dict of three strings and needs a second look.
        """

    def set_caller(self, caller: tuple[str, str | None, str | None]) -> None:
        """Notes who made the call: id, label and email. The id is in clear; the core masks it."""

    def announced(self, headers: Headers, base_url: str) -> Headers:
        """The headers of the response and `x-documentation-url`, which begins with `base_url`."""

    def forget_request(self) -> None:
        """Keeps no bytes of the request from here on; the size is still counted."""

    def forget_response(self) -> None:
        """The same of the response."""

    def captured_request(self) -> bytes:
        """What is kept of the request's body so far."""

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
        capture: Capture,
        chunks: list[bytes] | None,
        status: str | None,
        headers: Headers,
        is_read: bool = False,
    ) -> int:
        """Redacts, encodes and queues what was captured.

        Args:
            capture: Of an exchange whose caller is known.
            chunks: The last pieces of the response.
            status: The response's, for instance `200 OK`; None where the app raised.
            headers: The response's.
            is_read: Records even if some of the request is unread.

        Returns:
            How many entries wait, where the flusher has asked to hear of that many, 0 where this one was dropped (and
            counted); or one of `QUIET`, `UNREAD` and `FORKED`.

        Raises:
            InternalError: What was captured is not what passed.
        """

    def drop_one(self, reason: str) -> None:
        """Counts a request that should have been logged and was not.

        Raises:
            ValueError: `reason` is not a key of `stats()["dropped"]`.
        """

    def peek(self, max_entries: int, max_bytes: int) -> Batch | None:
        """The oldest entries as one JSON array, or None where nothing waits. They stay queued until released.

        The array has at most `max_bytes` bytes, unless a single entry takes more.
        """

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

    call_at_entries: int
    """How many entries wait when a request tells the flusher; 0: each one does. The first one always does."""

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
