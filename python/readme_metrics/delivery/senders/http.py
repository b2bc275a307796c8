"""`Transport`: the sender that posts batches to ReadMe over HTTP."""

from __future__ import annotations

import gzip
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from readme_metrics._process import environment
from readme_metrics.delivery.backoff import parse_retry_after
from readme_metrics.delivery.senders.client import Client, is_own_trouble
from readme_metrics.delivery.senders.outcome import Outcome, Result

if TYPE_CHECKING:
    import requests

    from readme_metrics.config import MetricsApiConfig

#: The fastest level: a batch compresses to a tenth at any level, and this takes processor time from the app.
_GZIP_LEVEL = 1
#: The bytes of an answer that are read, so that its connection can be used again. Their content is ignored.
_ANSWER_BYTES = 64 * 1024


#: Statuses after which the same POST may succeed later (RFC 9110, RFC 8470, RFC 6585), in addition to every 5xx.
_RETRYABLE = frozenset({408, 425, 429})
#: The likely cause, by status.
HINTS = {
    401: "the API key is wrong",
    403: "the API key is not allowed to send logs",
    404: "README_METRICS_SERVER points to something else",
    405: "README_METRICS_SERVER points to something else",
    407: "the proxy wants a user name and password in HTTPS_PROXY",
}


class Transport:
    """Not for several threads at once, nor for a forked child."""

    knows_base_url = True

    def __init__(self, config: MetricsApiConfig) -> None:
        self._timeout_s = config.METRICS_API_TIMEOUT
        self._compress = config.compress
        headers = {"Content-Type": "application/json"}
        if config.compress:
            headers["Content-Encoding"] = "gzip"
        self._client = Client(config.README_API_KEY, headers)
        self._url = server(config) + "/v1/request"
        self.server = without_credentials(server(config))

    def load(self) -> None:
        """Imports nothing: `requests` can be imported at any time."""

    def post(self, body: bytes, count: int, timeout_s: float | None = None) -> Result:  # noqa: ARG002 - the body says it
        """POSTs a JSON array of logs, within the configuration's `timeout` from the first byte to the last."""
        if self._compress:
            body = gzip.compress(body, _GZIP_LEVEL)
        try:
            response = self._client.exchange(self._url, min(self._timeout_s, timeout_s or self._timeout_s), body)
        except Exception as error:
            # Only the exception's type is reported: its text may show credentials of a proxy. With a proxy, a failure
            # before an answer is a problem between this process and its proxy.
            is_own = self._client.uses_proxy or is_own_trouble(error)
            return Result(Outcome.RETRY, type(error).__name__, is_own_trouble=is_own)
        _read(response)
        status = response.status_code
        return Result(
            outcome(status),
            f"HTTP {status}",
            parse_retry_after(response.headers.get("Retry-After"), datetime.now(timezone.utc)),
            HINTS.get(status, "README_METRICS_SERVER answers with a redirect" if 300 <= status < 400 else ""),
            is_own_trouble=status == 407,
        )

    def close(self) -> None:
        self._client.close()


def project_base_url(config: MetricsApiConfig, timeout_s: float) -> str | None:
    """Asks ReadMe for the address of the project's documentation. None if ReadMe has none.

    Raises:
        Exception: As `Client.exchange` does.
    """
    client = Client(config.README_API_KEY, {})
    try:
        response = client.exchange(config.README_API_URL.rstrip("/") + "/v1", timeout_s)
        base_url = response.json().get("baseUrl") if response.ok else None
        return base_url if isinstance(base_url, str) else None
    finally:
        client.close()


def server(config: MetricsApiConfig) -> str:
    """The server that gets the logs: a URL without path and without a trailing slash."""
    return (environment.server() or config.METRICS_API).rstrip("/")


def without_credentials(url: str) -> str:
    """`url` without user name and password, as it may be shown."""
    scheme, separator, rest = url.rpartition("://")
    return scheme + separator + rest.rpartition("@")[2]


def _read(response: requests.Response) -> None:
    # The status was received, so an error in the rest of the answer does not matter.
    try:
        response.raw.read(_ANSWER_BYTES, decode_content=False)
        if response.raw.read(1, decode_content=False):
            response.raw.close()
    except Exception:  # noqa: S110
        pass
    response.close()


def outcome(status: int) -> Outcome:
    """What became of a batch, by the HTTP status of the answer."""
    if 200 <= status < 300:
        return Outcome.SENT
    if status in _RETRYABLE or status >= 500:
        return Outcome.RETRY
    if status in HINTS or status < 400:
        return Outcome.DENIED
    if status == 413:
        return Outcome.TOO_LARGE
    return Outcome.REFUSED
