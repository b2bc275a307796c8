"""`Transport`: one keep-alive connection to the Metrics server; posts a batch and says what became of it."""

from __future__ import annotations

import gzip
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, NamedTuple

from readme_metrics import _core
from readme_metrics._process import environment
from readme_metrics._process.import_lock import loading
from readme_metrics.delivery.backoff import parse_retry_after
from readme_metrics.delivery.senders.outcome import Outcome, Result

if TYPE_CHECKING:
    import requests

    from readme_metrics.config import MetricsApiConfig

#: Fast: a batch compresses to a tenth at any level, and this runs beside the app.
_GZIP_LEVEL = 1
#: What is read of an answer, so that its connection can be used again. Nothing in it matters.
_ANSWER_BYTES = 64 * 1024


#: Time may solve these (RFC 9110, RFC 8470, RFC 6585); so may it every 5xx.
_RETRYABLE = frozenset({408, 425, 429})
#: What to look at, by status.
HINTS = {
    401: "the API key is wrong",
    403: "the API key is not allowed to send logs",
    404: "README_METRICS_SERVER points to something else",
    405: "README_METRICS_SERVER points to something else",
    407: "the proxy wants a user name and password in HTTPS_PROXY",
}


class Route(NamedTuple):
    """What exchanges with one address have in common. To find it out takes a third as long as an exchange."""

    request: requests.PreparedRequest
    #: Proxies and certificates, which the environment names.
    settings: dict[str, Any]


class Transport:
    """Belongs to one process and one thread at a time; `requests` is imported by the first that needs it."""

    def __init__(self, config: MetricsApiConfig) -> None:
        self._auth = (config.README_API_KEY, "")
        self._timeout_s = config.METRICS_API_TIMEOUT
        self._headers = {"Content-Type": "application/json"}
        self._compress = config.compress
        if config.compress:
            self._headers["Content-Encoding"] = "gzip"
        self._session: requests.Session | None = None
        self._routes: dict[str, Route] = {}
        self.server = server(config)
        self._readme_api = config.README_API_URL

    def _open(self) -> requests.Session:
        with loading():  # not at import, nor on a request's thread: it takes longer to load than all the rest
            import requests

            from readme_metrics.delivery.senders.deadline import Adapter, Deadline

            "localhost".encode("idna")  # what the first look-up of a host's name would load
        self._request = requests.Request
        self._deadline = Deadline()
        self._session = session = requests.Session()
        session.auth = self._auth
        session.headers["User-Agent"] = f"readme-metrics-python@{_core.__version__}"
        for scheme in ("http://", "https://"):
            session.mount(scheme, Adapter(self._deadline))
        return session

    def _exchange(self, url: str, timeout_s: float, body: bytes | None = None) -> requests.Response:
        """Sends, and reads the head of the answer and some of its body, all within `timeout_s` seconds."""
        session = self._session or self._open()
        # After a failure it is found out again.
        route = self._routes.pop(url, None) or self._route(session, url, is_post=body is not None)
        request = route.request
        if body is not None:
            request.body = body
            request.headers["Content-Length"] = str(len(body))
        self._deadline.at_s = time.monotonic() + timeout_s
        try:
            # A redirect would carry the key elsewhere.
            response = session.send(request, timeout=timeout_s, allow_redirects=False, **route.settings)
        finally:
            request.body = None  # a megabyte
        self._routes[url] = route
        return response

    def _route(self, session: requests.Session, url: str, *, is_post: bool) -> Route:
        request = self._request("POST", url, headers=self._headers) if is_post else self._request("GET", url)
        settings = session.merge_environment_settings(url, {}, True, None, None)
        return Route(session.prepare_request(request), dict(settings))

    def post(self, body: bytes, timeout_s: float | None = None) -> Result:
        """Posts a JSON array of logs.

        Args:
            body: The array.
            timeout_s: Seconds it may take from the first byte to the last, if less than the config's `timeout`.
        """
        if self._compress:
            body = gzip.compress(body, _GZIP_LEVEL)
        try:
            url = self.server.rstrip("/") + "/v1/request"
            response = self._exchange(url, min(self._timeout_s, timeout_s or self._timeout_s), body)
        except Exception as error:
            # Not only requests' own: a broken proxy setting raises ValueError. The text may show proxy credentials.
            return Result(Outcome.RETRY, type(error).__name__)
        _read(response)
        status = response.status_code
        return Result(
            outcome(status),
            f"HTTP {status}",
            parse_retry_after(response.headers.get("Retry-After"), datetime.now(timezone.utc)),
            HINTS.get(status, "README_METRICS_SERVER answers with a redirect" if 300 <= status < 400 else ""),
        )

    def project_base_url(self) -> str | None:
        """Asks ReadMe where this project's documentation is; None where it does not say."""
        try:
            response = self._exchange(self._readme_api.rstrip("/") + "/v1", self._timeout_s)
            base_url = response.json().get("baseUrl") if response.ok else None
            response.close()
        except Exception:
            return None
        return base_url if isinstance(base_url, str) and base_url else None

    def close(self) -> None:
        if self._session is not None:
            self._session.close()


def server(config: MetricsApiConfig) -> str:
    """Where the logs go: a URL without path."""
    return environment.server() or config.METRICS_API


def _read(response: requests.Response) -> None:
    # The status has been received: whatever happens to the rest changes nothing.
    try:
        response.raw.read(_ANSWER_BYTES, decode_content=False)
        if response.raw.read(1, decode_content=False):
            response.raw.close()
    except Exception:  # noqa: S110
        pass
    response.close()


def outcome(status: int) -> Outcome:
    """What an HTTP status says about a batch."""
    if 200 <= status < 300:
        return Outcome.SENT
    if status in _RETRYABLE or status >= 500:
        return Outcome.RETRY
    if status in HINTS or status < 400:
        return Outcome.DENIED
    if status == 413:
        return Outcome.TOO_LARGE
    return Outcome.REFUSED
