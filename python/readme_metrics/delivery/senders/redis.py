"""`RedisStream`: a sender that adds batches to a project's stream, from which a relay posts them to ReadMe."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

from readme_metrics._process.import_lock import loading
from readme_metrics.delivery.senders.outcome import Outcome, Result
from readme_metrics.relay import acl, address, layout, scripts

if TYPE_CHECKING:
    from readme_metrics.config import MetricsApiConfig
    from readme_metrics.relay.connection import Connection

#: The fastest level: a batch compresses to a tenth at any level, and this takes processor time from the app.
_GZIP_LEVEL = 1


class RedisStream:
    """Not for several threads at once, nor for a forked child. redis-py is imported with the first batch."""

    knows_base_url = True

    def __init__(self, config: MetricsApiConfig) -> None:
        self.server = server(config)
        self._keys = layout.Keys.of(config.project)
        self._url = config.relay or ""
        self._timeout_s = config.METRICS_API_TIMEOUT
        self._bound_bytes = config.relay_bytes
        self._compress = config.compress
        self._connection: Connection | None = None

    def load(self) -> None:
        """Imports redis-py, which cannot be imported any more once the interpreter has begun to end."""
        if self._connection is None:
            with loading():
                from readme_metrics.relay.connection import Connection

                "localhost".encode("idna")  # loads the codec that the first DNS query needs
            self._connection = Connection(self._url, self._timeout_s)

    def post(self, body: bytes, count: int, timeout_s: float | None = None) -> Result:
        """Adds a JSON array of logs to the stream, as one entry.

        Args:
            body: The array.
            count: How many logs the array has.
            timeout_s: Seconds that sending may take, if less than the config's `timeout`.
        """
        encoding = ""
        if self._compress:
            body, encoding = gzip.compress(body, _GZIP_LEVEL), "gzip"
        timeout_s = min(self._timeout_s, timeout_s or self._timeout_s)
        keys = [self._keys.stream, self._keys.totals]
        try:
            self.load()
            arguments = (count, self._bound_bytes, body, encoding)
            added = self._connected.run(scripts.ADD, keys, *arguments, timeout_s=timeout_s)
        except Exception as error:
            return diagnosis(error, self._url, self._keys)
        if added == 0:
            return Result(
                Outcome.RETRY, "the stream is full", hint="no relay takes from it, or relay_bytes is too small"
            )
        if added == -1:
            return Result(Outcome.TOO_LARGE, "larger than relay_bytes")
        return Result(Outcome.SENT, "added")

    @property
    def _connected(self) -> Connection:
        assert self._connection is not None  # noqa: S101 - `load` has been called
        return self._connection

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


def diagnosis(error: Exception, url: str, keys: layout.Keys) -> Result:
    """What an exception means for a batch, and the likely cause.

    The result names only the type of most exceptions, since their texts show addresses and names.
    """
    reason = type(error).__name__
    if reason == "NoPermissionError":
        command = acl.app_acl(address.user(url), keys)
        return Result(Outcome.DENIED, "NOPERM", hint=f"the Redis user may not add to the stream. Set: {command}")
    if reason.startswith("Authentication"):
        return Result(Outcome.DENIED, "WRONGPASS or NOAUTH", hint="the user or password in `relay` is wrong")
    if isinstance(error, (ImportError, RuntimeError)):
        return Result(Outcome.RETRY, reason, is_own_trouble=True)
    if isinstance(error, (TypeError, ValueError)):
        return Result(Outcome.DENIED, reason, hint="a parameter of the URL in `relay`", is_own_trouble=True)
    text = str(error).lower()
    if "certificate" in text or "ssl" in text:
        hint = "its certificate is not trusted: name the authority in the URL, ?ssl_ca_certs=FILE"
        return Result(Outcome.RETRY, f"{reason}: TLS", hint=hint, is_own_trouble=True)
    return Result(Outcome.RETRY, reason)


def project_base_url(config: MetricsApiConfig, timeout_s: float) -> str | None:
    """The address of this project's documentation, which a relay has written to Redis; None if none has.

    Raises:
        Exception: redis-py raises one.
    """
    with loading():
        from readme_metrics.relay.connection import Connection

    connection = Connection(config.relay or "", timeout_s)
    try:
        found: Any = connection("GET", layout.Keys.of(config.project).base_url)
        return found.decode() if isinstance(found, bytes) else None
    finally:
        connection.close()


def server(config: MetricsApiConfig) -> str:
    """The destination without secrets: Redis server and project."""
    return f"{address.masked(config.relay or '')} {config.project}"
