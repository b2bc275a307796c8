"""`Client`: one keep-alive connection. Each exchange has one deadline; after a failed one, everything is made anew."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from readme_metrics import _core
from readme_metrics._process.import_lock import loading

if TYPE_CHECKING:
    import requests

    from readme_metrics.delivery.senders.deadline import Deadline


class Route(NamedTuple):
    """What all exchanges with one URL have in common. To prepare it takes a third as long as an exchange."""

    request: requests.PreparedRequest
    #: The proxies and certificates of the environment.
    settings: dict[str, Any]


class Client:
    """Not for several threads at once, nor for a forked child. `requests` is imported with the first exchange.

    Args:
        api_key: The user name of every request; its password is empty.
        headers: Sent with each POST.
    """

    def __init__(self, api_key: str, headers: dict[str, str]) -> None:
        self._auth = (api_key, "")
        self._headers = headers
        self._session: requests.Session | None = None
        self._deadline: Deadline | None = None
        self._routes: dict[str, Route] = {}
        #: Whether the last exchange went through a proxy.
        self.uses_proxy = False

    def exchange(self, url: str, timeout_s: float, body: bytes | None = None) -> requests.Response:
        """POSTs `body`, or makes a GET if there is none; reads the head of the answer and a part of its body.

        If a connection that was used before turns out to be cut, the exchange is repeated once on a new one: servers
        and load balancers close idle connections at any time, also at the moment of a request.

        Args:
            url: Redirects are not followed: they would carry the key elsewhere.
            timeout_s: Seconds that the whole exchange may take.
            body: The body, encoded as the headers say.

        Raises:
            Exception: An exception of requests, or another one (a broken proxy setting raises ValueError). The text may
                show credentials of a proxy.
        """
        until_s = _core.monotonic() + timeout_s
        try:
            return self._send(url, until_s, body)
        except Exception as error:
            was_reused = self._deadline is not None and not self._deadline.has_connected
            # The cause may be something that was kept: a connection, a proxy, or a class that a recorder of HTTP
            # traffic had put in the place of urllib3's for a while.
            self.close()
            if not (was_reused and _is_cut(error)):
                raise
        try:
            return self._send(url, until_s, body)
        except Exception:
            self.close()
            raise

    def _send(self, url: str, until_s: float, body: bytes | None) -> requests.Response:
        session, deadline = self._open()
        deadline.begin(until_s)
        route = self._routes.get(url) or self._route(session, url, is_post=body is not None)
        request = route.request
        if body is not None:
            request.body = body
            request.headers["Content-Length"] = str(len(body))
        try:
            response = session.send(request, timeout=deadline.left_s(), allow_redirects=False, **route.settings)
        finally:
            request.body = None  # up to a megabyte
        self._routes[url] = route
        return response

    def _open(self) -> tuple[requests.Session, Deadline]:
        if self._session is not None and self._deadline is not None:
            return self._session, self._deadline
        with loading():  # loaded here, on the flusher's thread: it takes longer to load than all other modules
            import requests

            from readme_metrics.delivery.senders.deadline import Adapter, Deadline

            "localhost".encode("idna")  # loads the codec that the first DNS query needs
        self._deadline = deadline = Deadline()
        self._session = session = requests.Session()
        session.auth = self._auth
        session.headers["User-Agent"] = f"readme-metrics-python@{_core.__version__}"
        for scheme in ("http://", "https://"):
            session.mount(scheme, Adapter(deadline))
        return session, deadline

    def _route(self, session: requests.Session, url: str, *, is_post: bool) -> Route:
        from requests import Request
        from requests.utils import select_proxy

        request = Request("POST", url, headers=self._headers) if is_post else Request("GET", url)
        settings = session.merge_environment_settings(url, {}, True, None, None)
        self.uses_proxy = select_proxy(url, settings["proxies"]) is not None
        return Route(session.prepare_request(request), dict(settings))

    def close(self) -> None:
        """Closes the connection and forgets everything that was prepared; the next exchange prepares it again."""
        session, self._session, self._deadline = self._session, None, None
        self._routes.clear()
        if session is not None:
            session.close()


def is_own_trouble(error: Exception) -> bool:
    """Whether an exchange failed because of this process's own settings: proxy, host names, certificates.

    Refused and cut connections and timeouts are the server's: they concern every process of the host.
    """
    import socket

    import requests

    if isinstance(error, (requests.exceptions.ProxyError, requests.exceptions.SSLError)):
        return True
    if not isinstance(error, requests.exceptions.RequestException):
        return True  # a certificate file that does not exist, a proxy setting that cannot be read
    if not isinstance(error, (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)):
        return True  # the URL is wrong: InvalidURL, InvalidSchema, InvalidProxyURL
    return any(isinstance(cause, socket.gaierror) for cause in _causes(error))


def _is_cut(error: Exception) -> bool:
    import requests

    own = (requests.exceptions.ProxyError, requests.exceptions.SSLError, requests.Timeout)
    return isinstance(error, requests.ConnectionError) and not isinstance(error, own)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """`error` and all its causes, which urllib3 and requests also pass as arguments of exceptions."""
    left, seen = [error], set()
    while left:
        cause = left.pop()
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        handed_on = (cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args)
        left.extend(item for item in handed_on if isinstance(item, BaseException))
