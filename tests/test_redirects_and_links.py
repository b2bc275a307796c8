"""Stock frameworks repeat a URL: in the redirect to a login, in the page of a 308, in the links of a paginated answer.

A denied parameter of that URL is nowhere in what is posted, however it is encoded.
"""

from __future__ import annotations

import base64
import html
import json
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from readme_metrics.collector import Collector
from wsgi import Response, call

#: Each has characters that have to be encoded somewhere; all of them end in the same letters.
SECRETS = (
    "made-up-7f3a9c",
    "made+up/7f3a9c",
    "made up=7f3a9c",
    'm"d&<up>7f3a9c',
    "m\u00e4de-up-7f3a9c",
    "made%2Bup;7f3a9c",
)
CANARY = "7f3a9c"
Logged = Callable[..., Any]


def flask() -> Any:
    from flask import Flask, jsonify, redirect, request, url_for

    app = Flask("redirects")

    @app.get("/invite/")
    def invite() -> Any:
        return redirect(url_for("login", next=request.full_path))

    @app.get("/login/")
    def login() -> Any:
        back = html.escape(request.args.get("next", ""))
        return f'<form method=post><input name=next value="{back}"><a href="{back}">back</a></form>'

    @app.get("/orders/")
    def orders() -> Any:
        following = request.base_url + "?" + urllib.parse.urlencode({**request.args, "page": 2})
        return jsonify({"total": 2, "next": following, "previous": None, "self": request.url})

    @app.post("/orders/")
    def order() -> Any:
        return jsonify(ordered=True)

    return app


def django() -> Iterator[Any]:
    from django.contrib.auth.decorators import login_required
    from django.core.handlers.wsgi import WSGIHandler
    from django.core.paginator import Paginator
    from django.http import HttpRequest, HttpResponse, JsonResponse
    from django.shortcuts import redirect
    from django.test import override_settings
    from django.urls import path
    from django.utils.html import escape

    from apps import django_project  # noqa: F401 - its settings: a process has one set of them

    def login(request: HttpRequest) -> HttpResponse:
        back = escape(request.GET.get("next", ""))
        return HttpResponse(f'<form method=post><input name=next value="{back}"><a href="{back}">back</a></form>')

    def orders(request: HttpRequest) -> HttpResponse:
        page = Paginator(range(4), 2).page(1)
        query = request.GET.copy()
        query["page"] = page.next_page_number()
        following = request.build_absolute_uri(f"{request.path}?{query.urlencode()}")
        return JsonResponse({"total": 4, "next": following, "self": request.build_absolute_uri()})

    urls = (
        path("invite/", login_required(lambda _: HttpResponse("welcome"))),
        path("login/", login),
        path("moved/", lambda request: redirect(f"/orders/?{request.GET.urlencode()}", preserve_request=True)),
        path("orders/", orders),
    )
    with override_settings(
        ROOT_URLCONF=urls,
        LOGIN_URL="/login/",
        SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ],
    ):
        yield WSGIHandler()


@pytest.fixture(params=["flask", "django"])
def app(request: pytest.FixtureRequest) -> Iterator[Any]:
    if request.param == "flask":
        yield flask()
    else:
        yield from django()


def follow(app: Any, response: Response, referer: str) -> Response:
    """Follows a redirect as a browser does."""
    location = response.header("Location")
    assert location is not None
    url = urllib.parse.urlsplit(location)
    return call(app, urllib.parse.unquote(url.path), query=url.query, HTTP_REFERER=referer)


def readings(text: str) -> Iterator[str]:
    """The text as it is and with each kind of escape undone, in any order, some layers deep."""
    seen = {text}
    for _ in range(3):
        undone = {way(known) for known in seen for way in (urllib.parse.unquote_plus, html.unescape, without_escapes)}
        seen |= undone
    yield from seen


def without_escapes(text: str) -> str:
    return json.dumps(text)[1:-1].replace("\\\\", "\\").encode().decode("unicode_escape") if "\\u" in text else text


def assert_hidden(collector: Collector, count: int, secret: str) -> None:
    raws = [post.raw.decode() for post in collector.posts]
    assert len(collector.logs) == count
    for raw in raws:
        for reading in readings(raw):
            at = reading.find(CANARY)
            assert at < 0, reading[max(0, at - 300) : at + 20]
        for shift in range(3):
            assert base64.b64encode(b" " * shift + secret.encode()).decode()[4:-4] not in raw


@pytest.mark.parametrize("secret", SECRETS)
def test_a_redirect_to_a_login_and_the_page_it_leads_to(
    app: Any, logged: Logged, collector: Collector, secret: str
) -> None:
    middleware, logs = logged(app, denylist=["token"])
    query = urllib.parse.urlencode({"lang": "en", "token": secret})
    response = call(middleware, "/invite/", query=query)
    assert response.status.startswith("302")
    page = follow(middleware, response, f"http://127.0.0.1/invite/?{query}")
    assert CANARY in page.body.decode()

    logs(2)
    assert_hidden(collector, 2, secret)
    assert '"value": "en"' in json.dumps(collector.logs)


@pytest.mark.parametrize("secret", SECRETS)
def test_a_redirect_that_repeats_the_url_in_its_page(
    app: Any, logged: Logged, collector: Collector, secret: str
) -> None:
    middleware, logs = logged(app, denylist=["token"])
    query = urllib.parse.urlencode({"page": "1", "token": secret})
    # Flask and Django add a slash. Flask does so by a 308, which keeps the method and has the new URL in its page.
    response = call(middleware, "/orders", query=query)
    assert response.status[:3] in ("301", "308")
    assert CANARY in (response.header("Location") or "")

    logs(1)
    assert_hidden(collector, 1, secret)


@pytest.mark.parametrize("secret", SECRETS)
def test_a_paginated_answer(app: Any, logged: Logged, collector: Collector, secret: str) -> None:
    middleware, logs = logged(app, denylist=["token"])
    query = urllib.parse.urlencode({"page": "1", "token": secret})
    response = call(middleware, "/orders/", query=query)
    assert CANARY in response.body.decode()

    [log] = logs(1)
    assert_hidden(collector, 1, secret)
    answer = json.loads(log["request"]["log"]["entries"][0]["response"]["content"]["text"])
    assert "page=2" in answer["next"]
    assert answer["next"].startswith("http://127.0.0.1/orders/?")


def test_a_redirect_that_keeps_the_method(logged: Logged, collector: Collector) -> None:
    middleware, logs = logged(flask(), denylist=["token"])
    secret = SECRETS[0]
    response = call(middleware, "/orders", method="POST", query=f"token={secret}", body=b"{}")
    assert response.status.startswith("308")
    assert CANARY in response.body.decode()

    logs(1)
    assert_hidden(collector, 1, secret)
