"""Django reads a query in the charset that the request's content type names: fields denied there are not in the log."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import path

from apps import django_project  # noqa: F401 - its settings: a process has one set of them
from wsgi import call

SECRET = "made-up-7f3a9c"
Logged = Callable[..., Any]


def percent(text: str, charset: str) -> str:
    return urllib.parse.quote_from_bytes(text.encode(charset), safe="")


@pytest.fixture
def seen() -> Iterator[dict[str, str]]:
    found: dict[str, str] = {}

    def view(request: HttpRequest) -> HttpResponse:
        found.update(request.GET.items())
        return HttpResponse("ok")

    with override_settings(ROOT_URLCONF=(path("", view),), MIDDLEWARE=[]):
        yield found


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain; charset=utf-7",
        'application/x-www-form-urlencoded; charset="UTF-7"',
        "application/json;CHARSET=utf7",
        "text/plain; charset*=utf-8''utf-7",
        "text/plain; charset=utf-8; charset=utf-7",
    ],
)
def test_a_query_in_another_charset_is_denied_as_a_whole(
    logged: Logged, seen: dict[str, str], content_type: str
) -> None:
    middleware, logs = logged(WSGIHandler(), denylist=["password"])
    call(middleware, "/", query="+AHAAYQBzAHM-word=" + SECRET, CONTENT_TYPE=content_type)
    assert seen == {"password": SECRET}
    [log] = logs(1)
    assert SECRET not in json.dumps(log)
    entry = log["request"]["log"]["entries"][0]["request"]
    assert entry["queryString"] == [{"name": "[REDACTED 32]", "value": ""}]
    assert entry["url"].endswith("/?%5BREDACTED%2032%5D")


@pytest.mark.parametrize("charset", ["utf-16", "utf-16-le", "utf-32-be", "cp037", "utf-8-sig"])
def test_other_charsets(logged: Logged, seen: dict[str, str], charset: str) -> None:
    middleware, logs = logged(WSGIHandler(), denylist=["password"])
    query = f"{percent('password', charset)}={SECRET}"
    call(middleware, "/", query=query, CONTENT_TYPE=f"text/plain; charset={charset}")
    assert seen
    [log] = logs(1)
    assert SECRET not in json.dumps(log)


@pytest.mark.parametrize("charset", ["utf-8", "latin1", "ISO-8859-15", "us-ascii", "windows-1252"])
def test_a_query_in_a_charset_that_extends_ascii_is_judged(logged: Logged, seen: dict[str, str], charset: str) -> None:
    middleware, logs = logged(WSGIHandler(), denylist=["password", "m\u00f6de"])
    name = percent("m\u00f6de", "utf-8" if charset.startswith("u") else charset)
    query = f"a=1&password={SECRET}&{name}={SECRET}"
    call(middleware, "/", query=query, CONTENT_TYPE=f"text/plain; charset={charset}")
    assert seen["password"] == SECRET
    [log] = logs(1)
    assert SECRET not in json.dumps(log)
    assert {"name": "a", "value": "1"} in log["request"]["log"]["entries"][0]["request"]["queryString"]


def test_without_a_list_it_is_sent(logged: Logged, seen: dict[str, str]) -> None:
    middleware, logs = logged(WSGIHandler())
    call(middleware, "/", query="+AHAAYQBzAHM-word=" + SECRET, CONTENT_TYPE="text/plain; charset=utf-7")
    assert seen == {"password": SECRET}
    [log] = logs(1)
    assert SECRET in json.dumps(log)
