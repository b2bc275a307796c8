"""The grouping function sees the request as it came, whatever frameworks and servers make of the path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from django.core.handlers.wsgi import WSGIHandler
from werkzeug.middleware.dispatcher import DispatcherMiddleware

import apps.django_project  # noqa: F401 - Django's settings
from test_capture import entry
from wsgi import TEXT, call

Logged = Callable[..., Any]
PATHS = ["/plain", "/привет", "/café", "/日本 語", "/a%20b", "/emoji-\U0001f600"]


def as_servers_hand_it_over(path: str) -> str:
    """PEP 3333: bytes, each as a character."""
    return path.encode().decode("latin-1")


class Asked:
    """A grouping function that keeps what it sees."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, ...]] = []

    def __call__(self, request: Any) -> dict[str, str]:
        self.seen.append((request.method, request.path, request.root_path, request.query_string.decode(), request.host))
        return {"api_key": "customer", "label": "Customer", "email": "c@example.com"}


def writes_back(path: str) -> Callable[..., Any]:
    """An app that leaves its own notion of the request in the environ."""

    def app(environ: Any, start_response: Any) -> list[bytes]:
        environ.update(PATH_INFO=path, SCRIPT_NAME="/elsewhere", QUERY_STRING="b=2", REQUEST_METHOD="PUT")
        environ["HTTP_HOST"] = "other.example"
        start_response("200 OK", [*TEXT])
        return [b"ok"]

    return app


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("app", ["Django", "writes back", "writes back decoded"])
def test_a_framework_that_writes_the_decoded_path_back(logged: Logged, path: str, app: str) -> None:
    apps = {
        "Django": WSGIHandler(),
        "writes back": writes_back("/other"),
        "writes back decoded": writes_back(path),
    }
    asked = Asked()
    middleware, logs = logged(app=apps[app], group=asked)
    call(middleware, as_servers_hand_it_over(path), query="a=1", HTTP_HOST="api.example.com")
    assert asked.seen == [("GET", path, "", "a=1", "api.example.com")]
    url = entry(logs(1)[0])["request"]["url"]
    assert url == f"http://api.example.com{quote(path)}?a=1"


@pytest.mark.parametrize("path", PATHS)
def test_behind_a_dispatcher_it_sees_the_whole_path(logged: Logged, path: str) -> None:
    seen_inside: list[str] = []

    def health(environ: Any, start_response: Any) -> list[bytes]:
        seen_inside.append(environ["SCRIPT_NAME"] + "|" + environ["PATH_INFO"])
        start_response("200 OK", [*TEXT])
        return [b"ok"]

    asked = Asked()
    middleware, logs = logged(app=DispatcherMiddleware(health, {"/api": health}), group=asked)
    call(middleware, "/api" + as_servers_hand_it_over(path), HTTP_HOST="api.example.com")
    assert asked.seen == [("GET", "/api" + path, "", "", "api.example.com")]
    assert seen_inside == ["/api|" + as_servers_hand_it_over(path)]
    assert entry(logs(1)[0])["request"]["url"] == f"http://api.example.com/api{quote(path)}"


@pytest.mark.parametrize("path", PATHS)
def test_inside_a_dispatcher_it_sees_the_mount(logged: Logged, path: str) -> None:
    asked = Asked()
    middleware, logs = logged(group=asked)
    mounted = DispatcherMiddleware(middleware, {"/api": middleware})
    call(mounted, "/api" + as_servers_hand_it_over(path), HTTP_HOST="api.example.com")
    assert asked.seen == [("GET", path, "/api", "", "api.example.com")]
    assert entry(logs(1)[0])["request"]["url"] == f"http://api.example.com/api{quote(path)}"


@pytest.mark.parametrize("path", [path for path in PATHS if not path.isascii()])
def test_a_server_that_hands_over_a_decoded_path_loses_no_log(logged: Logged, path: str) -> None:
    # Radicale's does: characters where PEP 3333 has bytes. Characters below 256 cannot be told from bytes.
    asked = Asked()
    middleware, logs = logged(group=asked)
    assert call(middleware, path, HTTP_HOST="api.example.com").status == "200 OK"
    url = entry(logs(1)[0])["request"]["url"]
    assert url.isascii()
    assert urlsplit(url).path in (quote(path), quote(path.encode("latin-1", "ignore")))
    if not path.isascii() and max(map(ord, path)) > 255:
        assert [seen[1] for seen in asked.seen] == [path]


@pytest.mark.parametrize("path", ["/%zz", "/a\udcff", "/\x00\x01", "//two", "", "no-slash", "/\xff\xfe", "*"])
def test_no_path_loses_a_log(logged: Logged, path: str) -> None:
    asked = Asked()
    middleware, logs = logged(group=asked)
    call(middleware, path, HTTP_HOST="api.example.com")
    url = entry(logs(1)[0])["request"]["url"]
    assert urlsplit(url).netloc == "api.example.com"
    assert url.isascii()
    assert len(asked.seen) == 1
