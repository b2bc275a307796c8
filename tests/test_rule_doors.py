"""Rules behind the ASGI door, and the routes that Flask, FastAPI and Django give them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from logs import Logged, entry
from readme_metrics import MetricsApiConfig, Rule
from readme_metrics.asgi import MetricsMiddleware as AsgiMiddleware
from wsgi import call


def test_the_route_of_flask(logged: Logged) -> None:
    flask = pytest.importorskip("flask")
    app = flask.Flask("test")
    app.add_url_rule("/users/<int:number>", view_func=lambda number: str(number), endpoint="users")
    app.add_url_rule("/about", view_func=lambda: "about", endpoint="about")
    middleware, logs = logged(app=app.wsgi_app, rules=[Rule(route="/users/<int:number>", log=False)])
    call(middleware, "/users/7")
    call(middleware, "/users/8")
    call(middleware, "/about")
    assert entry(logs(1)[0])["request"]["url"].endswith("/about")


class Behind:
    """An ASGI app that leaves its route in the scope, as FastAPI and Starlette do, and answers with `status`."""

    def __init__(self, status: int, route: str | None = None) -> None:
        self.status = status
        self.route = route

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if self.route is not None:
            scope["route"] = SimpleNamespace(path=self.route)
        await receive()
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"token": "t0ken", "kept": 1}'})


def ask(middleware: AsgiMiddleware, path: str = "/", **headers: str) -> list[dict[str, Any]]:
    """One POST with the body `upload`; returns the messages that the server got."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"upload"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": b"",
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
    }
    asyncio.run(middleware(scope, receive, send))
    return sent


@pytest.mark.parametrize(
    ("rule", "sums"),
    [
        (Rule(path="/é", log=False), (0, 0)),
        (Rule(user_agent="kube-probe/*", log=False), (0, 0)),
        (Rule(host="example.com", log=False), (0, 0)),
        (Rule(status="2xx", log=False), (0, 0)),
        (Rule(route="/{name}", log=False), (0, 0)),
        (Rule(slower_than_ms=0, log=False), (0, 0)),
        (Rule(content_type="application/json", sample=0.0), (1, 1)),
        (Rule(sample=0.0), (1, 1)),
        (Rule(route="/{other}", log=False), (1, 0)),
        (Rule(slower_than_ms=3_600_000, log=False), (1, 0)),
    ],
    ids=repr,
)
def test_rules_behind_asgi(rule: Rule, sums: tuple[int, int]) -> None:
    who = {"api_key": "a"}
    config = MetricsApiConfig(repr(rule), lambda _: who, base_log_url="https://docs.example.com", rules=[rule])
    middleware = AsgiMiddleware(Behind(200, "/{name}"), config)
    [start, _] = ask(middleware, "/é", host="example.com:8000", user_agent="kube-probe/1")
    stats = middleware.stats()
    assert (stats["made"], stats["sampled"]) == sums
    has_page = any(name == b"x-documentation-url" for name, _ in start["headers"])
    assert has_page == (sums == (1, 0))


def test_the_route_of_fastapi() -> None:
    fastapi = pytest.importorskip("fastapi")
    app, router = fastapi.FastAPI(), fastapi.APIRouter()

    @router.post("/{number}")  # type: ignore[untyped-decorator]
    async def user(number: int) -> int:
        return number

    @app.post("/about")  # type: ignore[untyped-decorator]
    async def about() -> str:
        return "about"

    app.include_router(router, prefix="/users")
    mounted = fastapi.FastAPI()
    mounted.include_router(router, prefix="/users")
    app.mount("/v2", mounted)
    rules = [Rule(route=["/users/{number}", "/v2/users/{number}"], log=False)]
    middleware = AsgiMiddleware(app, MetricsApiConfig("fastapi", lambda _: {"api_key": "a"}, rules=rules))
    for path in ("/users/7", "/v2/users/7", "/about", "/missing"):
        ask(middleware, path)
    assert middleware.stats()["made"] == 2


def test_the_route_of_django() -> None:
    pytest.importorskip("django")
    code = """
import django, sys
from django.conf import settings
from django.http import HttpResponse
from django.urls import path
from readme_metrics import MetricsApiConfig, Rule
from readme_metrics.django import MetricsMiddleware
rules = [Rule(path="/early", log=False), Rule(route="users/<int:number>/", log=False), Rule(status=404, sample=0.0)]
settings.configure(
    ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, MIDDLEWARE=["readme_metrics.django.MetricsMiddleware"], SECRET_KEY="k",
    README_METRICS_CONFIG=MetricsApiConfig("django", lambda _: {"api_key": "a"}, rules=rules),
)
made = []
make = MetricsMiddleware.__init__
MetricsMiddleware.__init__ = lambda self, *args: (make(self, *args), made.append(self))[0]
urlpatterns = [path("users/<int:number>/", lambda request, number: HttpResponse("user"), name="user"),
               path("about/", lambda request: HttpResponse("about"))]
django.setup()
from django.test import Client
client = Client()
for url in ("/users/7/", "/early", "/about/", "/missing"):
    client.get(url)
stats = made[0].stats()
print(stats["made"], stats["sampled"])
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert result.stdout.split() == ["2", "1"], result.stderr
