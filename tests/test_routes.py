"""A log has the framework's template of the path only where README_METRICS_ROUTES asks for it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import asgi_driver
from apps import django_project
from readme_metrics import MetricsApiConfig, MetricsMiddleware, Rule
from readme_metrics.asgi import MetricsMiddleware as AsgiMiddleware
from readme_metrics.collector import Collector
from readme_metrics.commands import inspect
from wsgi import API_KEY, call

Logged = Callable[..., tuple[MetricsMiddleware, Callable[[int], list[dict[str, Any]]]]]

WHO = {"api_key": "customer-0001"}


@pytest.fixture(autouse=True)
def asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("README_METRICS_ROUTES", "1")


def entry(log: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = log["request"]["log"]["entries"][0]
    return found


def flask_app() -> Any:
    flask = pytest.importorskip("flask")
    app = flask.Flask("test")
    app.add_url_rule("/users/<int:number>", view_func=lambda number: str(number))
    return app.wsgi_app


def test_flask(logged: Logged) -> None:
    middleware, logs = logged(app=flask_app())
    call(middleware, "/users/7")
    call(middleware, "/missing")
    known, unknown = map(entry, logs(2))
    assert known["_route"] == "/users/<int:number>" and "_route" not in unknown
    assert known["pageref"] == known["request"]["url"]


@pytest.mark.parametrize("rules", [[Rule(path="/other")], [Rule(status="2xx", bodies=False)]])
def test_beside_rules(logged: Logged, rules: list[Rule]) -> None:
    middleware, logs = logged(app=flask_app(), rules=rules)
    call(middleware, "/users/7")
    assert entry(logs(1)[0])["_route"] == "/users/<int:number>"


def test_before_send_keeps_it(logged: Logged) -> None:
    def rename(log: dict[str, Any]) -> dict[str, Any]:
        log["group"]["label"] = "renamed"
        return log

    middleware, logs = logged(app=flask_app(), before_send=rename, denylist=["_route"])
    call(middleware, "/users/7")
    assert entry(logs(1)[0])["_route"] == "/users/<int:number>"


@pytest.mark.parametrize("value", ["", "0"])
def test_not_unless_it_is_asked_for(logged: Logged, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("README_METRICS_ROUTES", value)
    middleware, logs = logged(app=flask_app())
    call(middleware, "/users/7")
    assert "_route" not in entry(logs(1)[0])


def test_fastapi(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    fastapi = pytest.importorskip("fastapi")
    monkeypatch.setenv("README_METRICS_SERVER", collector.url)
    app = fastapi.FastAPI()
    app.add_api_route("/users/{number}", lambda number: number)
    middleware = AsgiMiddleware(app, MetricsApiConfig(API_KEY, lambda _: WHO, "https://docs.example.com"))
    asgi_driver.call(middleware, asgi_driver.http_scope("/users/7"))
    middleware.flush(10)
    assert [entry(log)["_route"] for log in collector.logs] == ["/users/{number}"]


@pytest.fixture
def project() -> Iterator[None]:
    from django.test import override_settings

    config = MetricsApiConfig(API_KEY, django_project.group, "https://docs.example.com")
    middleware = ["readme_metrics.django.MetricsMiddleware"]
    with override_settings(ROOT_URLCONF="apps.django_project", MIDDLEWARE=middleware, README_METRICS_CONFIG=config):
        yield


def test_django(collector: Collector, monkeypatch: pytest.MonkeyPatch, project: None) -> None:
    from django.conf import settings
    from django.http import HttpResponse
    from django.test import AsyncClient, Client

    from readme_metrics.django import MetricsMiddleware as DjangoMiddleware

    monkeypatch.setenv("README_METRICS_SERVER", collector.url)
    Client().get("/items/7")
    asyncio.run(AsyncClient().get("/items/8"))
    DjangoMiddleware(lambda request: HttpResponse(), settings.README_METRICS_CONFIG).flush(10)
    collector.wait_for(2, timeout=30)
    assert [entry(log)["_route"] for log in collector.logs] == ["items/<int:number>"] * 2


@pytest.mark.parametrize(("is_forwarded", "routes"), [(False, 1), (True, 0)])
def test_what_the_inspector_starts_is_asked_unless_its_logs_go_on(
    monkeypatch: pytest.MonkeyPatch, is_forwarded: bool, routes: int
) -> None:
    monkeypatch.delenv("README_METRICS_ROUTES")
    shown = "import os, sys; sys.exit(os.environ.get('README_METRICS_ROUTES') == '1')"
    command = vars(inspect)["Command"]([sys.executable, "-c", shown])
    with command.running("http://127.0.0.1:8090", is_forwarded=is_forwarded):
        command.wait()
    assert command.state.endswith(f"status {routes}")
