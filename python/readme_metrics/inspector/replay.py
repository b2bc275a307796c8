"""Sends a logged request again, edited or not, to this machine and to no other."""

from __future__ import annotations

import http.client
import ipaddress
import re
import time
from http import HTTPStatus
from typing import Any
from urllib.parse import quote_plus, urlsplit

from readme_metrics.collector.fields import at, entry_of, pairs_at, text_at
from readme_metrics.collector.post import Log, Refused
from readme_metrics.inspector.curl import TOKEN
from readme_metrics.inspector.logs.summary import MARKER, REPLAY_HEADER

_TIMEOUT_S = 30
_SHOWN_BYTES = 256 * 1024
#: Headers that belong to one connection; the new connection gets its own.
_NOT_SENT = {"connection", "content-length", "host", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"}
_BODILESS = ("GET", "HEAD")


def draft(log: Log) -> dict[str, Any]:
    """The request as it can be edited: `method`, `url`, `headers` (pairs) and `body`."""
    entry = entry_of(log)
    headers = [
        [name, value]
        for name, value in pairs_at(entry, "request", "headers")
        # Without Accept-Encoding the answer comes uncompressed and can be shown.
        if TOKEN.fullmatch(name) and name.lower() not in {*_NOT_SENT, "accept-encoding", REPLAY_HEADER}
    ]
    body = text_at(entry, "request", "postData", "text")
    params = at(entry, "request", "postData", "params")
    if not body and isinstance(params, list):
        mime_type = text_at(entry, "request", "postData", "mimeType")
        if mime_type.lower().startswith("multipart/"):
            body = "[WITHHELD 0 bytes: not valid multipart]"  # a log holds the fields of a multipart body, not its text
        else:
            # Markers are not percent-encoded, so that the user can find and replace them.
            body = "&".join(
                f"{quote_plus(name)}={value if MARKER.fullmatch(value) else quote_plus(value)}"
                for name, value in pairs_at(entry, "request", "postData", "params")
            )
    return {
        "method": text_at(entry, "request", "method"),
        "url": text_at(entry, "request", "url"),
        "headers": headers,
        "body": body,
    }


def edited(log: Log, changes: dict[str, Any]) -> dict[str, Any]:
    """The draft of `log`, with the parts that `changes` has in place of the draft's. Raises Refused."""
    request = draft(log)
    for part in ("method", "url", "body"):
        if part in changes:
            if not isinstance(changes[part], str):
                raise Refused(HTTPStatus.BAD_REQUEST, f"{part} takes a string")
            request[part] = changes[part]
    if "headers" in changes:
        pairs = changes["headers"]
        if not isinstance(pairs, list) or not all(
            isinstance(pair, list) and len(pair) == 2 and all(isinstance(text, str) for text in pair) for pair in pairs
        ):
            raise Refused(HTTPStatus.BAD_REQUEST, "headers takes a list of pairs of strings")
        request["headers"] = pairs
    return request


def replay(request: dict[str, Any], own_port: int) -> dict[str, Any]:
    """Sends `request`, which `edited` has made, and returns the answer.

    Raises Refused if the request would leave this machine or come back to this server, or if it still holds a marker.
    """
    host, port, target = _target(request["url"], own_port)
    if not TOKEN.fullmatch(request["method"]) or request["method"].upper() == "CONNECT":
        raise Refused(HTTPStatus.BAD_REQUEST, "the method is not valid")
    if left := _redacted(request):
        raise Refused(HTTPStatus.CONFLICT, f"fill in what was redacted first: {', '.join(left)}")
    body = request["body"].encode("utf-8", "replace")
    connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)
    started_s = time.monotonic()
    try:
        connection.putrequest(request["method"], target, skip_accept_encoding=True)
        for name, value in request["headers"]:
            if not TOKEN.fullmatch(name):
                raise Refused(HTTPStatus.BAD_REQUEST, f"{name!r} is no name for a header")
            if name.lower() not in _NOT_SENT:
                connection.putheader(name, value.encode("utf-8", "replace"))
        connection.putheader(REPLAY_HEADER, "1")
        if body or request["method"].upper() not in _BODILESS:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body or None)
        # No redirect is followed: it could lead away from this machine.
        response = connection.getresponse()
        content = response.read(_SHOWN_BYTES)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Refused(HTTPStatus.BAD_GATEWAY, f"{host}:{port} does not answer: {error}") from None
    finally:
        connection.close()
    return {
        "status": response.status,
        "reason": response.reason,
        "ms": round((time.monotonic() - started_s) * 1000),
        "headers": [list(pair) for pair in response.getheaders()],
        "body": content.decode("utf-8", "replace"),
        "is_cut": len(content) == _SHOWN_BYTES,
    }


def _target(url: str, own_port: int) -> tuple[str, int, str]:
    if not url.isascii() or re.search(r"[\x00-\x20\x7f\\]", url):
        raise Refused(HTTPStatus.BAD_REQUEST, "the URL has characters that no URL has")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 80
    except ValueError as error:
        raise Refused(HTTPStatus.BAD_REQUEST, f"the URL is not valid: {error}") from None
    if parts.scheme != "http":
        raise Refused(HTTPStatus.FORBIDDEN, "a replay goes to http:// on this machine; edit the URL")
    if parts.username is not None or parts.password is not None:
        raise Refused(HTTPStatus.FORBIDDEN, "a replay takes no user name in its URL")
    # Loopback addresses and `localhost`, which must mean this machine (RFC 6761). DNS may resolve any other name
    # differently each time.
    address = "127.0.0.1" if host in ("localhost", "localhost.") else host
    try:
        is_loopback = ipaddress.ip_address(address).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise Refused(HTTPStatus.FORBIDDEN, f"a replay goes to this machine only, not to {host!r}; edit the URL")
    if port == own_port:
        raise Refused(HTTPStatus.FORBIDDEN, "a replay does not go to this page itself")
    return host, port, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _redacted(request: dict[str, Any]) -> list[str]:
    """The parts that still hold a marker."""
    found = ["the URL"] if MARKER.search(request["url"]) else []
    found += [f"the header {name}" for name, value in request["headers"] if MARKER.search(value)]
    return found + (["the body"] if MARKER.search(request["body"]) else [])
