"""`Transport`: one keep-alive connection to the Metrics server; posts a batch and says what became of it."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from readme_metrics import _core
from readme_metrics.backoff import parse_retry_after

if TYPE_CHECKING:
    import requests

    from readme_metrics.config import MetricsApiConfig


class Verdict(Enum):
    SENT = "sent"
    RETRY = "retry"  # the server or the way to it has a problem that time may solve
    DENIED = "denied"  # key, address or permission: nothing will be accepted until somebody acts
    REFUSED = "refused"  # something in this batch


#: Time may solve these (RFC 9110, RFC 8470, RFC 6585); so may it every 5xx.
_RETRYABLE = frozenset({408, 425, 429})
_DENIED = frozenset({401, 403, 404, 405, 407})


class Result(NamedTuple):
    verdict: Verdict
    reason: str
    retry_after_s: float | None = None


class Transport:
    """Belongs to one process and one thread at a time; `requests` is imported by the first that needs it."""

    def __init__(self, config: MetricsApiConfig) -> None:
        self._auth = (config.README_API_KEY, "")
        self._timeout_s = config.METRICS_API_TIMEOUT
        self._session: requests.Session | None = None
        self.server = os.environ.get("README_METRICS_SERVER") or config.METRICS_API
        self._readme_api = config.README_API_URL

    def session(self) -> requests.Session:
        if self._session is None:
            import requests  # not at import, nor on a request's thread: it takes longer to load than all the rest

            self._session = requests.Session()
            self._session.auth = self._auth
            self._session.headers["User-Agent"] = f"readme-metrics-python@{_core.__version__}"
        return self._session

    def post(self, body: bytes, timeout_s: float | None = None) -> Result:
        """Posts a JSON array of logs.

        Args:
            body: The array.
            timeout_s: Seconds it may take, if less than the config's `timeout`.
        """
        try:
            response = self.session().post(
                self.server.rstrip("/") + "/v1/request",
                data=body,
                headers={"Content-Type": "application/json"},
                timeout=min(self._timeout_s, timeout_s or self._timeout_s),
                allow_redirects=False,
            )
        except Exception as error:
            # Not only requests' own: a broken proxy setting raises ValueError. The text may show proxy credentials.
            return Result(Verdict.RETRY, type(error).__name__)
        status = response.status_code
        return Result(
            _verdict(status),
            f"HTTP {status}",
            parse_retry_after(response.headers.get("Retry-After"), datetime.now(timezone.utc)),
        )

    def project_base_url(self) -> str | None:
        """Asks ReadMe where this project's documentation is; None where it does not say."""
        try:
            response = self.session().get(
                self._readme_api.rstrip("/") + "/v1", timeout=self._timeout_s, allow_redirects=False
            )
            base_url = response.json().get("baseUrl") if response.ok else None
        except Exception:
            return None
        return base_url if isinstance(base_url, str) and base_url else None

    def close(self) -> None:
        if self._session is not None:
            self._session.close()


def _verdict(status: int) -> Verdict:
    if 200 <= status < 300:
        return Verdict.SENT
    if status in _RETRYABLE or status >= 500:
        return Verdict.RETRY
    if status in _DENIED or status < 400:  # a redirect would carry the key elsewhere: not followed
        return Verdict.DENIED
    return Verdict.REFUSED
