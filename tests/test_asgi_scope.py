"""What a log takes from the scope of an ASGI request: URL, headers, client address."""

from __future__ import annotations

from typing import Any

import pytest

from asgi_answers import LAST, app_of, start
from asgi_driver import call, http_scope
from asgi_logging import Logged
from logs import entry


@pytest.mark.parametrize(
    ("parts", "url"),
    [
        # With --root-path /api, both paths of uvicorn have the prefix. Those of hypercorn and daphne do not.
        ({"path": "/api/a b", "raw_path": b"/api/a%20b", "root_path": "/api"}, "http://api.example.com/api/a%20b"),
        ({"path": "/a b", "raw_path": b"/a%20b", "root_path": "/api"}, "http://api.example.com/api/a%20b"),
        ({"path": "/api", "raw_path": b"/api", "root_path": "/api"}, "http://api.example.com/api"),
        ({"path": "/apiary", "raw_path": b"/apiary", "root_path": "/api"}, "http://api.example.com/api/apiary"),
        ({"path": "/x", "raw_path": b"/x", "root_path": "/api/"}, "http://api.example.com/api/x"),
        ({"path": "/x", "raw_path": b"/x", "root_path": "/"}, "http://api.example.com/x"),
        ({"path": "/x", "raw_path": None}, "http://api.example.com/x"),
        ({"path": "/a/b", "raw_path": b"/a%2Fb"}, "http://api.example.com/a%2Fb"),
        ({"path": "/a/b", "raw_path": b"/a%2Fb?q=1", "query_string": b"q=1"}, "http://api.example.com/a%2Fb?q=1"),
        ({"path": "/é", "raw_path": b"/%C3%A9"}, "http://api.example.com/%C3%A9"),
        ({"path": "/é", "raw_path": b"/\xc3\xa9"}, "http://api.example.com/%C3%A9"),
        ({"path": "/é"}, "http://api.example.com/%C3%A9"),
        ({"path": "/100%", "raw_path": b"/100%"}, "http://api.example.com/100%25"),
        ({"path": "/x", "raw_path": b"http://other.example.com/x"}, "http://api.example.com/x"),
        ({"path": "/x", "query_string": "a=1&é"}, "http://api.example.com/x?a=1&%C3%A9"),
        ({"path": "/x", "scheme": "https"}, "https://api.example.com/x"),
    ],
)
def test_url(logged_asgi: Logged, parts: dict[str, Any], url: str) -> None:
    scope = {**http_scope(), "raw_path": None, **parts}
    middleware, logs = logged_asgi(app_of(start(), LAST))
    call(middleware, scope)
    assert entry(logs(1)[0])["request"]["url"] == url


def test_the_url_is_the_one_that_arrived(logged_asgi: Logged) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["root_path"] = "/v1"
        scope["path"] = "/elsewhere"
        scope["headers"].clear()
        await send(start())
        await send(LAST)

    middleware, logs = logged_asgi(app)
    call(middleware, http_scope("/v1/x"))
    request = entry(logs(1)[0])["request"]
    assert request["url"] == "http://api.example.com/v1/x"
    assert request["headers"] == [{"name": "Host", "value": "api.example.com"}]


def test_headers_of_http_2(logged_asgi: Logged) -> None:
    headers = [
        (b":method", b"GET"),
        (b":authority", b"h2.example.com"),
        (b"cookie", b"a=1"),
        (b"accept", b"one"),
        (b"cookie", b"b=2"),
        (b"accept", b"two"),
        (b"X-Latin", b"\xe9"),
    ]
    middleware, logs = logged_asgi(app_of(start(), LAST))
    call(middleware, {**http_scope(http_version="2"), "headers": headers})
    request = entry(logs(1)[0])["request"]
    assert request["httpVersion"] == "HTTP/2"
    assert request["url"] == "http://h2.example.com/"
    assert [(header["name"], header["value"]) for header in request["headers"]] == [
        ("Host", "h2.example.com"),
        ("Cookie", "a=1; b=2"),
        ("Accept", "one"),
        ("Accept", "two"),
        ("X-Latin", "é"),
    ]


@pytest.mark.parametrize(
    ("client", "address"),
    [(("203.0.113.9", 1), "203.0.113.9"), (["203.0.113.9", "1"], "203.0.113.9"), (None, ""), ((), ""), ("", "")],
)
def test_client_address(logged_asgi: Logged, client: Any, address: str) -> None:
    middleware, logs = logged_asgi(app_of(start(), LAST))
    call(middleware, http_scope(client=client))
    assert logs(1)[0]["clientIPAddress"] == address


@pytest.mark.parametrize(
    ("server", "host"),
    [
        (("10.0.0.1", 8000), "10.0.0.1:8000"),
        (["10.0.0.1", "80"], "10.0.0.1"),
        (("/run/app.sock", None), ""),
        (None, ""),
    ],
)
def test_without_a_host_header_the_url_names_the_server(logged_asgi: Logged, server: Any, host: str) -> None:
    middleware, logs = logged_asgi(app_of(start(), LAST))
    call(middleware, {**http_scope(server=server), "headers": []})
    assert entry(logs(1)[0])["request"]["url"] == f"http://{host}/"


def test_x_forwarded_for_that_the_server_has_applied_is_not_applied_again(logged_asgi: Logged) -> None:
    forwarded = [(b"x-forwarded-for", b"6.6.6.6, 198.51.100.7"), (b"x-forwarded-proto", b"https")]
    middleware, logs = logged_asgi(app_of(start(), LAST), trust_forwarded=True)
    # First from a proxy that the server does not trust, then as uvicorn passes it on from a proxy that it trusts.
    call(middleware, http_scope(headers=forwarded))
    call(middleware, http_scope(headers=forwarded, client=("198.51.100.7", 0), scheme="https"))
    assert [log["clientIPAddress"] for log in logs(2)] == ["6.6.6.6", "198.51.100.7"]
