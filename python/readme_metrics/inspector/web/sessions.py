"""`Sessions`: lets in the user who was shown the token, from a page of this address, and nobody else.

Other web pages can reach a loopback port from the user's own browser: directly, or under a name of theirs that resolves
to 127.0.0.1 (DNS rebinding). Therefore the page needs a token that only the terminal shows, one of its own host names,
a cookie that other sites cannot send and, for changes, a header that a form cannot set.
"""

from __future__ import annotations

import hmac
import secrets
from email.message import Message
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie

from readme_metrics.collector.post import Answer, Refused

WRITE_HEADER = "X-Readme-Metrics"

#: Sent with every answer to a browser. `img-src` allows the icon of the tab.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class Sessions:
    """The token and the cookie of one server on `port`."""

    def __init__(self, port: int) -> None:
        self.token = secrets.token_urlsafe(32)
        # A secret other than the token, so that a leaked cookie opens no further sessions.
        self._session = secrets.token_urlsafe(32)
        # The cookie's name has the port, since browsers send a cookie to every port of a host: two pages would
        # otherwise overwrite each other's cookie.
        self._cookie = f"rm_{port}"
        self._hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")}
        if port == 80:
            self._hosts |= {"127.0.0.1", "localhost", "[::1]"}

    def check_host(self, headers: Message) -> None:
        """Raises Refused unless the request names this server by one of its own host names."""
        hosts = headers.get_all("Host", [])
        if len(hosts) != 1 or hosts[0].strip().lower() not in self._hosts:
            raise Refused(HTTPStatus.MISDIRECTED_REQUEST, "this server answers to its own address only")

    def check_origin(self, headers: Message) -> None:
        """Raises Refused if the browser says that a page of another origin asks; another port is another origin."""
        sites = headers.get_all("Sec-Fetch-Site", [])
        origins = headers.get_all("Origin", [])
        host = str(headers.get("Host", "")).strip().lower()
        if any(site.strip().lower() not in ("same-origin", "none") for site in sites) or any(
            origin.strip().lower() != f"http://{host}" for origin in origins
        ):
            raise Refused(HTTPStatus.FORBIDDEN, "this comes from another site")

    def check_reader(self, headers: Message) -> None:
        """Raises Refused unless the request has this server's cookie."""
        for header in headers.get_all("Cookie", []):
            try:
                morsel = SimpleCookie(header).get(self._cookie)
            except CookieError:
                continue
            if morsel is not None and _is_same(morsel.value, self._session):
                return
        raise Refused(HTTPStatus.FORBIDDEN, "open the address, with its token, that readme-metrics inspect has printed")

    def check_write(self, headers: Message) -> None:
        """Raises Refused unless the page itself asks for a change: no form and no link can set `WRITE_HEADER`."""
        self.check_reader(headers)
        self.check_origin(headers)
        if headers.get_all(WRITE_HEADER) != ["1"]:
            raise Refused(HTTPStatus.FORBIDDEN, f"the header {WRITE_HEADER}: 1 is missing")

    def enter(self, token: str) -> Answer:
        """Answers a good token with the cookie and a redirect to the address without the token. Raises Refused."""
        if not _is_same(token, self.token):
            raise Refused(HTTPStatus.FORBIDDEN, "this is not the token that readme-metrics inspect has printed")
        cookie = f"{self._cookie}={self._session}; Path=/; HttpOnly; SameSite=Strict"
        return Answer(HTTPStatus.SEE_OTHER, {"Location": "/", "Set-Cookie": cookie})


def _is_same(given: str, secret: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), secret.encode())
