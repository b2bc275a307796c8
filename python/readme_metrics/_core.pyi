"""The compiled core: redaction, HAR encoding and the shared-memory queue. The binding is in `rust/python/`.

Every function here may raise `InternalError`, which is a bug of ours; the callers count it and go on.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, final

from typing_extensions import Self, disjoint_base

from readme_metrics.capture.wsgi.types import Headers
from readme_metrics.rule import Rule

__all__ = [
    "Batch",
    "Capture",
    "Counts",
    "Encoder",
    "Fate",
    "Forked",
    "InternalError",
    "Queue",
    "QueueStats",
    "SegmentInfo",
    "ServerState",
    "Survey",
    "Unread",
    "Verdict",
    "__version__",
    "call_at_last",
    "entries",
    "mask",
    "monotonic",
    "seal",
    "survey",
]

__version__: str

class InternalError(RuntimeError):
    """A bug in the compiled core. The middleware counts it, logs it once and goes on."""

class Unread(Exception):
    """Nothing is queued yet: the client declared more of the request's body than was read."""

class Forked(Exception):
    """Nothing is queued: the queue belongs to the process that this one was forked from."""

def mask(value: str) -> str:
    """`sha512-<base64 digest>?<last four characters>`; no tail for a value of four characters or fewer."""

def monotonic() -> float:
    """Seconds since some moment of this process or its ancestors, on a clock that no test of the app can stop.

    `time.monotonic` can be stopped: freezegun and similar tools replace it.
    """

def call_at_last(function: Callable[[], object], patience_s: float, holds_gil: bool) -> None:
    """Has `function` called when this very process (and no child of it) calls C's `exit` with its interpreter alive.

    Args:
        function: Called once, without arguments. Replaces the function of an earlier call.
        patience_s: Seconds that the exit waits for the function, where a new thread makes the call.
        holds_gil: Whether the thread that calls `exit` holds the GIL then; if not, a new thread makes the call.
    """

def seal() -> None:
    """Lets no thread work without the GIL any more; for the end of the exit handlers.

    A daemon thread that asks for the GIL of an interpreter that finalises would abort the process.
    """

def survey(directory: str | Path) -> Survey:
    """What an app's directory holds of other processes.

    Raises:
        OSError: The directory must not be used; the message says why.
    """

def entries(directory: str | Path, name: str, position: int) -> tuple[int, list[bytes]] | None:
    """Copies the entries of another process's segment from `position` on (0: the oldest that waits), without consuming.

    Returns:
        The position to go on from and the entries, as msgpack; None if the segment is gone.
    """

@disjoint_base
class Capture:
    """What is kept of one request and its response while they pass: the head of the request, the first bytes of each
    body, the sizes, the times, the caller, and the log's id.

    Args:
        encoder: The configuration's encoder.
        head: A WSGI environ or an ASGI scope; a copy of it is kept, since the app may change the original.
        is_scope: Whether `head` is an ASGI scope.

    No method calls Python code, since a daemon thread may be in the call when the interpreter ends.
    """

    def __new__(cls, encoder: Encoder, head: dict[str, Any], is_scope: bool = False) -> Self: ...
    def add_request(self, data: object) -> None:
        """Notes a piece of the request's body. Never raises: what cannot be noted makes the body unknown."""

    def add_response(self, data: object) -> None:
        """Notes a piece of the response's body. Never raises: what cannot be noted makes the body unknown."""

    def end(self, chunks: list[bytes] | None = None) -> None:
        """Notes that the response has ended, with `chunks` as its last pieces. The first call fixes the end time."""

    def lose_request(self) -> None:
        """Gives up the request's body: the log shows only its declared size."""

    def sent_by_server(self) -> None:
        """Notes that the server sends the response from a file by itself: its size is the one the app declares."""

    def set_plain_caller(self, answer: object) -> bool:
        """Notes who made the call, if `answer` (the grouping function's) is a dict of three strings, as nearly always.

        Returns:
            Whether it was.
        """

    def set_caller(self, caller: tuple[str, str | None, str | None]) -> None:
        """Notes who made the call: id, label and email. The id is in clear; the core masks it."""

    def documentation_url(self, base_url: str) -> str:
        """This log's page in the documentation, which begins with `base_url`."""

    def announced(self, headers: Headers, base_url: str) -> Headers:
        """A WSGI response's headers with `x-documentation-url` after them."""

    def restore_target(self, environ: dict[str, Any]) -> None:
        """Restores the method, target and host of `environ` to what the server passed."""

    def follow(self, verdict: Verdict) -> None:
        """Goes on from what the rules said of the request before the app was called."""

    def judge_start(self, status: str | bytes, headers: Iterable[tuple[Any, Any]], route: str | None = None) -> Fate:
        """Lets the rules decide when the response starts, as far as they can by then.

        Args:
            status: The response's status.
            headers: The response's headers; read once.
            route: The framework's template of the path, where the framework knows one.
        """

    def forget_request(self) -> None:
        """Keeps no bytes of the request's body from here on; the size is still counted."""

    def forget_response(self) -> None:
        """Keeps no bytes of the response's body from here on; the size is still counted."""

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
        """Whether the request came over TLS, as the server said."""

    @property
    def unread_bytes(self) -> int:
        """Bytes that the client declared and nobody has read; 0 if it sent `Expect: 100-continue`."""

@final
class Encoder:
    """What a configuration says about logs: lists, limits, rules, creator."""

    def __new__(
        cls,
        *,
        denylist: list[str],
        allowlist: list[str] | None,
        redact_nested: bool,
        development: bool,
        max_body_bytes: int,
        trust_forwarded: bool,
        platform: str,
        rules: Sequence[Rule] = ...,
        shows_route: bool = False,
    ) -> Encoder: ...
    def judge(self, method: str, host: str, path: str, user_agent: str, is_native: bool) -> Verdict:
        """What the rules say of a request before the app is called.

        Args:
            method: The request's method.
            host: The `Host` header; empty if there is none.
            path: Percent-decoded, the prefix of a mount included.
            user_agent: Empty if there is none.
            is_native: `path` is a WSGI string, whose characters each stand for one byte (PEP 3333).
        """

@final
class Fate:
    """What becomes of a request, as far as the rules have decided."""

    #: Logged, unless a rule that is still open says otherwise.
    LOGGED: ClassVar[Fate]
    #: Not logged, and counted nowhere.
    LEFT_OUT: ClassVar[Fate]
    #: Not logged, and counted as `sampled`.
    SAMPLED: ClassVar[Fate]

@final
class Verdict:
    """What the rules say of a request before the app is called; `Capture.follow` goes on from it."""

    @property
    def fate(self) -> Fate: ...
    @property
    def is_plain(self) -> bool:
        """Whether `judge_start` has nothing to do: no rule concerns the request, and no route is shown."""

@final
class Queue:
    """One process's end of the shared-memory queue. Of no use in a forked child."""

    def __new__(cls, directories: list[str], name: str, max_bytes: int, label: str = "") -> Queue:
        """Opens a queue in `name` on the first usable rung, which is made if missing, else in private memory.

        Args:
            directories: The rungs, best first.
            name: The app's directory inside a rung.
            max_bytes: Bound on this process's own segments together.
            label: What people call the app, for `status`; kept in the directory.
        """

    def record(
        self,
        capture: Capture,
        chunks: list[bytes] | None,
        status: str | bytes | None,
        headers: Iterable[tuple[str, str]] | Iterable[tuple[bytes, bytes]],
        is_read: bool = False,
    ) -> int | None:
        """Redacts, encodes and queues what was captured.

        Args:
            capture: The capture of an exchange whose caller is known.
            chunks: The last pieces of the response.
            status: The response's status, for instance `200 OK`; None if the app raised.
            headers: The response's headers.
            is_read: Records even if some of the request is unread.

        Returns:
            How many entries wait, if the flusher asked for a call at that number (`call_at_entries`); 0 if this entry
            was dropped (and counted); else None.

        Raises:
            Unread: See the class. `chunks` are noted; the second call comes without them.
            Forked: See the class. `chunks` are noted.
            InternalError: The capture has no caller.
        """

    def drop_one(self, reason: str) -> None:
        """Counts a request that should have been logged and was not.

        Raises:
            ValueError: `reason` is not a key of `stats()["dropped"]`.
        """

    def sample_one(self) -> None:
        """Counts a request that a rule's `sample` left out."""

    def peek(self, max_entries: int, max_bytes: int) -> Batch | None:
        """The oldest entries as one JSON array, or None if no entry waits. They stay queued until released.

        The array has at most `max_bytes` bytes, unless a single entry takes more.
        """

    def release(self, batch: Batch, sent: bool, reason: str = "refused", left_out: list[int] = ...) -> None:
        """Releases a batch, which the server has (`sent`) or which is dropped for `reason`. Later calls do nothing.

        Raises:
            ValueError: `reason` is not a key of `stats()["dropped"]`.
        """

    def adopt(self) -> int:
        """Looks after the queue, about once a second, on the thread that peeks; cheap.

        If the directory has vanished, makes it again, else takes the next rung, else private memory (`directory` and
        `refusals` say which), and writes the entries that wait into a file there. Takes over segments of dead
        processes, on every rung, as many as may be held at once; `peek` takes over the rest as these are delivered.

        Returns:
            How many entries of dead processes were taken over since the last call.
        """

    def close(self) -> None:
        """Removes drained segments. Gives the others, shrunk to what they hold, to a sibling or to the next start."""

    def claim(self, turn_s: float) -> float:
        """Seconds until a POST may be made. At 0 the caller may make one now.

        While the server fails, no other process of the host may make one for `turn_s` seconds.
        """

    def pause_s(self) -> float:
        """Seconds until `claim` is worth a try."""

    def succeeded(self) -> None:
        """Notes that the server has taken a batch."""

    def failed(self, delay_s: float, error: str) -> None:
        """Notes that a POST has failed, and that no process of the host is to try again for `delay_s` seconds."""

    def stats(self) -> QueueStats:
        """This process's sums."""

    def survey(self, siblings: list[Queue]) -> Survey:
        """The sums of all processes, dead or alive, that met in this queue's directory, and the server's state.

        `segments` are those of other processes; `counts` includes this process's.

        Args:
            siblings: Other queues of this process in the same directory.
        """

    call_at_entries: int
    """A request tells the flusher when this many entries wait; 0: each request does. The first one always does."""

    @property
    def failures(self) -> int: ...
    @property
    def waiting(self) -> int: ...
    @property
    def waiting_bytes(self) -> int: ...
    @property
    def directory(self) -> str | None:
        """Where the segments are; None in private memory. `adopt` may change it."""

    @property
    def refusals(self) -> list[str]:
        """Why each better rung was refused."""

    @property
    def owner_pid(self) -> int: ...

@final
class Counts:
    """What became of requests: `made = sent + queued + sum(dropped.values()) + sampled`. Read-only."""

    def __new__(cls) -> Self:
        """Nothing has happened yet."""

    @property
    def made(self) -> int:
        """Requests that were to be logged."""

    @property
    def sent(self) -> int:
        """Logs that the server has confirmed."""

    @property
    def queued(self) -> int:
        """Logs that wait."""

    @property
    def dropped(self) -> dict[str, int]:
        """By reason; every reason is a key."""

    @property
    def sampled(self) -> int:
        """Requests that a rule's `sample` left out."""

    @property
    def bodies_dropped(self) -> int:
        """Logs that lost their bodies to fit the queue; part of no sum."""

@final
class QueueStats:
    """One process's sums at one moment. Read-only."""

    @property
    def own(self) -> Counts:
        """The sums of the requests that this process has served."""

    @property
    def adopted(self) -> Counts:
        """What this process did with the logs of dead processes; `made` counts the logs that it took over."""

@final
class ServerState:
    """What the host's processes know about the server. Times are seconds since 1970. Read-only."""

    @property
    def failures(self) -> int:
        """POSTs that failed in a row, of all processes; 0 while the server takes logs."""

    @property
    def retries(self) -> int:
        """POSTs that had to be repeated, ever."""

    @property
    def last_success(self) -> float | None: ...
    @property
    def last_error(self) -> str | None:
        """An HTTP status or the name of an exception."""

    @property
    def last_error_at(self) -> float | None: ...
    @property
    def pause_until(self) -> float | None:
        """When the next POST may be made; None while the server takes logs."""

@final
class SegmentInfo:
    """One segment file of another process, dead or alive, at one moment. Read-only."""

    @property
    def name(self) -> str:
        """The file's name."""

    @property
    def is_orphan(self) -> bool:
        """Whether no living process holds it."""

    @property
    def owner_pid(self) -> int | None:
        """The process that holds the file; None if no process does, or if the holder is in another container."""

    @property
    def creator_pid(self) -> int:
        """The process that made the file, perhaps in another container; 0 if the file is damaged."""

    @property
    def created(self) -> float | None:
        """Seconds since 1970."""

    @property
    def file_bytes(self) -> int: ...
    @property
    def queued_bytes(self) -> int: ...
    @property
    def counts(self) -> Counts: ...
    @property
    def defect(self) -> str | None:
        """Why this version cannot read the file; None if it can."""

@final
class Survey:
    """An app's directory at one moment. Read-only."""

    @property
    def counts(self) -> Counts:
        """The sums of all processes, dead or alive, that have used this directory."""

    @property
    def server(self) -> ServerState: ...
    @property
    def label(self) -> str | None:
        """What people call the app; None if no process has said."""

    @property
    def segments(self) -> list[SegmentInfo]: ...

@final
class Batch:
    """Entries on their way: what one POST carries."""

    @property
    def json(self) -> bytes: ...
    @property
    def count(self) -> int: ...
    @property
    def malformed(self) -> int: ...
