"""Who may look at the inspector's page: every rule, tried over raw sockets as an attacker's program would."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from inspector_logs import log
from readme_metrics.inspector.logs.store import Store
from readme_metrics.inspector.web.server import Inspector
from readme_metrics.inspector.web.sessions import HEADERS

READS = [
    "/", "/app.js", "/app.css", "/icon.svg", "/logs/1", "/api/logs", "/api/logs/1", "/api/logs/1/curl",
    "/api/logs/1/har", "/api/logs/1/draft", "/api/events", "/api/stats", "/api/status", "/api/export.har",
    "/nothing", "/api/nothing",
]  # fmt: skip
WRITES = ["/api/preview", "/api/replay", "/api/clear"]


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


@pytest.fixture
def inspector() -> Iterator[Inspector]:
    store = Store()
    store.add([log(log_id="1", path="/secret")])
    with Inspector(0, store) as inspector:
        yield inspector


def ask(inspector: Inspector, request: str, body: bytes = b"") -> Reply:
    """Sends exactly these lines, with the server's port for `{port}`, and reads the whole answer."""
    head = request.replace("{port}", str(inspector.port)).replace("\n", "\r\n") + "\r\n\r\n"
    with socket.create_connection(("127.0.0.1", inspector.port), 30) as connection:
        connection.sendall(head.encode("latin-1") + body)
        received = b""
        while b"\r\n\r\n" not in received:
            chunk = connection.recv(65536)
            if not chunk:
                break
            received += chunk
        start, _, rest = received.partition(b"\r\n\r\n")
        first, *lines = start.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = 0 if request.startswith("HEAD") else int(headers.get("content-length", 0))
        while len(rest) < length and (chunk := connection.recv(65536)):
            rest += chunk
    return Reply(int(first.split()[1]), headers, rest)


def cookie(inspector: Inspector) -> str:
    reply = ask(inspector, f"GET /?token={inspector.sessions.token} HTTP/1.1\nHost: 127.0.0.1:{{port}}")
    assert reply.status == 303
    return reply.headers["set-cookie"].partition(";")[0]


def get(
    inspector: Inspector, path: str, *headers: str, host: str = "127.0.0.1:{port}", with_cookie: bool = True
) -> Reply:
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", *headers]
    return ask(inspector, "\n".join(lines + ([f"Cookie: {cookie(inspector)}"] if with_cookie else [])))


def post(inspector: Inspector, path: str, *headers: str, body: bytes = b"{}", with_cookie: bool = True) -> Reply:
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1:{port}", f"Content-Length: {len(body)}", *headers]
    return ask(inspector, "\n".join(lines + ([f"Cookie: {cookie(inspector)}"] if with_cookie else [])), body)


def test_the_token_is_answered_by_a_cookie_and_a_clean_address(inspector: Inspector) -> None:
    reply = ask(inspector, f"GET /?token={inspector.sessions.token} HTTP/1.1\nHost: localhost:{{port}}")
    assert (reply.status, reply.headers["location"]) == (303, "/")
    name, *attributes = reply.headers["set-cookie"].split("; ")
    assert name.startswith(f"rm_{inspector.port}=")
    assert set(attributes) == {"Path=/", "HttpOnly", "SameSite=Strict"}
    # The cookie does not reveal the token.
    assert inspector.sessions.token not in reply.headers["set-cookie"]


@pytest.mark.parametrize("token", ["", "x", "%C3%A4", "%ED%A0%80", "a" * 5000])
def test_another_token_opens_nothing(inspector: Inspector, token: str) -> None:
    reply = ask(inspector, f"GET /?token={token} HTTP/1.1\nHost: 127.0.0.1:{{port}}")
    assert reply.status == 403
    assert "set-cookie" not in reply.headers


@pytest.mark.parametrize("path", READS)
def test_nothing_is_read_without_the_cookie(inspector: Inspector, path: str) -> None:
    reply = get(inspector, path, with_cookie=False)
    assert reply.status == 403
    assert b"secret" not in reply.body
    stranger = f"Cookie: rm_{inspector.port}={'x' * 43}; rm_{inspector.port + 1}=y"
    assert get(inspector, path, stranger, with_cookie=False).status == 403


@pytest.mark.parametrize("path", [*READS, "/v1"])
@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "127.0.0.1.evil.example:{port}",
        "localhost.evil.example:{port}", "0.0.0.0:{port}", "127.0.0.1:{port}@evil.example", "127.0.0.1:{port}, evil",
        "", "2130706433:{port}",
    ],
)  # fmt: skip
def test_a_foreign_host_is_refused_even_with_the_cookie(inspector: Inspector, path: str, host: str) -> None:
    reply = get(inspector, path, "Authorization: Basic a2V5Og==", host=host)
    assert reply.status == 421
    assert b"secret" not in reply.body


@pytest.mark.parametrize("second", ["127.0.0.1:{port}", "evil.example"])
def test_a_doubled_host_is_refused(inspector: Inspector, second: str) -> None:
    assert get(inspector, "/api/logs", f"Host: {second}").status == 421


def test_no_host_is_refused(inspector: Inspector) -> None:
    assert ask(inspector, f"GET /api/logs HTTP/1.0\nCookie: {cookie(inspector)}").status == 421


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "localhost:{port}", "LOCALHOST:{port}", "[::1]:{port}"])
def test_its_own_names_are_let_in(inspector: Inspector, host: str) -> None:
    assert get(inspector, "/api/logs", host=host).status == 200


@pytest.mark.parametrize("target", ["http://evil.example/api/logs", "//evil.example/api/logs", "/api/../api/logs", "*"])
def test_no_other_spelling_of_a_target_reaches_the_logs(inspector: Inspector, target: str) -> None:
    assert get(inspector, target).status in (400, 404)


@pytest.mark.parametrize("path", WRITES)
@pytest.mark.parametrize(
    "headers",
    [
        (),
        ("X-Readme-Metrics: 0",),
        ("X-Readme-Metrics: 1", "X-Readme-Metrics: 1"),
        ("X-Readme-Metrics: 1", "Origin: http://evil.example"),
        ("X-Readme-Metrics: 1", "Origin: null"),
        ("X-Readme-Metrics: 1", "Origin: http://127.0.0.1:1"),
        ("X-Readme-Metrics: 1", "Origin: https://127.0.0.1:{port}"),
        ("X-Readme-Metrics: 1", "Origin: http://localhost:{port}"),
        ("X-Readme-Metrics: 1", "Origin: http://127.0.0.1:{port}", "Origin: http://evil.example"),
        ("X-Readme-Metrics: 1", "Sec-Fetch-Site: cross-site"),
        ("X-Readme-Metrics: 1", "Sec-Fetch-Site: same-site"),
        ("X-Readme-Metrics: 1", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: cross-site"),
    ],
)
def test_a_write_from_elsewhere_is_refused(inspector: Inspector, path: str, headers: tuple[str, ...]) -> None:
    assert post(inspector, path, *headers).status == 403
    assert len(inspector.store) == 1


@pytest.mark.parametrize("path", WRITES)
def test_a_write_without_the_cookie_is_refused(inspector: Inspector, path: str) -> None:
    assert post(inspector, path, "X-Readme-Metrics: 1", with_cookie=False).status == 403


@pytest.mark.parametrize("path", WRITES)
def test_a_write_is_never_a_get(inspector: Inspector, path: str) -> None:
    assert get(inspector, path, "X-Readme-Metrics: 1").status == 404
    assert len(inspector.store) == 1


def test_the_page_itself_may_write(inspector: Inspector) -> None:
    own = ("X-Readme-Metrics: 1", "Origin: http://127.0.0.1:{port}", "Sec-Fetch-Site: same-origin")
    assert post(inspector, "/api/clear", *own).status == 200
    assert len(inspector.store) == 0


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_site_cannot_read_with_the_readers_cookie(inspector: Inspector, site: str) -> None:
    """A page on another port of this machine belongs to the same site: the browser sends the cookie for it."""
    for path in (path for path in READS if path.startswith("/api/")):
        assert get(inspector, path, f"Sec-Fetch-Site: {site}").status == 403


@pytest.mark.parametrize(
    "request_line",
    ["OPTIONS /api/logs", "OPTIONS /api/clear", "TRACE /", "PUT /api/clear", "DELETE /api/logs", "HEAD /"],
)
def test_other_methods_do_nothing_and_allow_no_other_origin(inspector: Inspector, request_line: str) -> None:
    headers = "Origin: http://evil.example\nAccess-Control-Request-Method: POST"
    reply = ask(inspector, f"{request_line} HTTP/1.1\nHost: 127.0.0.1:{{port}}\n{headers}\nContent-Length: 0")
    assert reply.status == 501
    assert not [name for name in reply.headers if name.startswith("access-control-")]
    assert len(inspector.store) == 1


@pytest.mark.parametrize("path", [*(path for path in READS if path != "/api/events"), "/?token=x"])
def test_every_answer_carries_the_rules_for_browsers(inspector: Inspector, path: str) -> None:
    reply = get(inspector, path)
    if reply.status < 400:
        for name, value in HEADERS.items():
            assert reply.headers[name.lower()] == value
    assert not [name for name in reply.headers if name.startswith("access-control-")]


def test_the_content_security_policy_allows_nothing_unsafe() -> None:
    policy = HEADERS["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert {"frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"} <= set(policy.split("; "))


def test_the_stream_of_events_carries_them_too(inspector: Inspector) -> None:
    reply = get(inspector, "/api/events")
    assert (reply.status, reply.headers["content-type"]) == (200, "text/event-stream")
    assert reply.headers["content-security-policy"] == HEADERS["Content-Security-Policy"]


@pytest.mark.parametrize(
    "headers",
    [
        ("Origin: http://evil.example",),
        ("Sec-Fetch-Site: cross-site",),
        ("Sec-Fetch-Site: same-site",),
    ],
)
def test_no_web_page_posts_logs(inspector: Inspector, headers: tuple[str, ...]) -> None:
    body = json.dumps([log()]).encode()
    reply = post(inspector, "/v1/request", "Authorization: Basic a2V5Og==", *headers, body=body, with_cookie=False)
    assert reply.status == 403
    assert len(inspector.store) == 1


def test_an_app_posts_logs_without_a_cookie(inspector: Inspector) -> None:
    body = json.dumps([log(), log()]).encode()
    reply = post(inspector, "/v1/request", "Authorization: Basic a2V5Og==", body=body, with_cookie=False)
    assert reply.status == 202
    assert len(inspector.store) == 3


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (("Content-Length: 2", "Content-Length: 2"), 400),
        (("Content-Length: 2", "Content-Length: 200"), 400),
        (("Content-Length: -1",), 400),
        (("Content-Length: 9999999",), 413),
        (("Transfer-Encoding: chunked",), 411),
    ],
)
def test_a_body_of_doubtful_length_ends_the_connection(
    inspector: Inspector, headers: tuple[str, ...], status: int
) -> None:
    lines = [
        "POST /api/preview HTTP/1.1",
        "Host: 127.0.0.1:{port}",
        f"Cookie: {cookie(inspector)}",
        "X-Readme-Metrics: 1",
    ]
    reply = ask(inspector, "\n".join([*lines, *headers]), b"{}")
    assert (reply.status, reply.headers["connection"]) == (status, "close")


@pytest.mark.parametrize(
    "path", ["/../pyproject.toml", "/%2e%2e/server.py", "/page/app.js", "/app.js%00", "/index.html/..", "/server.py"]
)
def test_only_the_files_of_the_page_are_served(inspector: Inspector, path: str) -> None:
    assert get(inspector, path).status == 404


def test_it_listens_on_loopback_alone(inspector: Inspector) -> None:
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", inspector.url)
    with socket.socket() as other:  # the port is free on every other address
        other.bind(("127.0.0.2", inspector.port))


def test_two_pages_do_not_take_each_others_cookie(inspector: Inspector) -> None:
    with Inspector(0, Store()) as other:
        both = f"Cookie: {cookie(inspector)}; {cookie(other)}"
        for page in (inspector, other):
            assert get(page, "/api/logs", both, with_cookie=False).status == 200
        assert get(other, "/api/logs", f"Cookie: {cookie(inspector)}", with_cookie=False).status == 403


def test_a_refusal_shows_nothing_of_the_address_as_html(inspector: Inspector) -> None:
    reply = get(inspector, '/logs/"><script>alert(1)</script>', with_cookie=False)
    assert reply.status in (400, 403)
    assert b"<script" not in reply.body
