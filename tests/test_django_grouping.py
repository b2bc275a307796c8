"""The grouping function behind Django's door: its request, the user from the database, its failures."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.test import override_settings

import asgi_driver
import wsgi
from django_door import HANDLERS, OURS, Patient, by_asgi, configured
from readme_metrics import MetricsApiConfig
from readme_metrics import asgi as asgi_door
from readme_metrics.collector import Collector
from readme_metrics.django import MetricsMiddleware


def test_the_function_gets_the_request_after_the_view(collector: Collector, django_logs: Callable[[int], Any]) -> None:
    seen: list[Any] = []

    def function(request: Any) -> Any:
        seen.append((type(request).__name__, request.resolver_match.route, request.headers["X-A"]))
        return {"api_key": "a", "label": "b", "email": "c"}

    with configured(function):
        wsgi.call(WSGIHandler(), "/items/7", HTTP_X_A="1")
        scope = asgi_driver.http_scope("/items/7", headers=[(b"x-a", b"1")])
        asgi_driver.call(Patient(ASGIHandler()), scope)
        assert seen == [(name, "items/<int:number>", "1") for name in ("WSGIRequest", "ASGIRequest")]
        django_logs(2)


@pytest.fixture(scope="module")
def user() -> Any:
    """A user with a session, in a database that every thread sees."""
    from django.contrib.auth import get_user_model
    from django.contrib.sessions.backends.db import SessionStore
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    user = get_user_model().objects.create_user("jane", "jane@example.com")
    session = SessionStore()
    session["_auth_user_id"] = str(user.pk)
    session["_auth_user_backend"] = "django.contrib.auth.backends.ModelBackend"
    session["_auth_user_hash"] = user.get_session_auth_hash()
    session.save()
    return session.session_key


@pytest.mark.parametrize("path", ["/items/7", "/async_view"])
@pytest.mark.parametrize("door", ["inside", "twice", "outside"])
def test_request_user_works_although_it_needs_the_database(
    user: str, door: str, path: str, collector: Collector, django_logs: Callable[[int], Any]
) -> None:
    def function(request: Any) -> Any:
        return {"api_key": str(request.user.pk), "label": request.user.username, "email": request.user.email}

    chain = [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ]
    with configured(function), override_settings(MIDDLEWARE=[OURS, *chain]):
        app: Any = ASGIHandler()
        if door != "inside":
            config = settings.README_METRICS_CONFIG
            if door == "outside":
                config = MetricsApiConfig(wsgi.API_KEY, lambda request: None, "https://docs.example.com")
            app = asgi_door.MetricsMiddleware(app, config)
        for _ in range(2):  # the second time, the function is known to need a thread
            scope = asgi_driver.http_scope(path, headers=[(b"cookie", f"sessionid={user}".encode())])
            assert asgi_driver.call(Patient(app), scope).status == 200
        django_logs(2)
        assert [log["group"]["label"] for log in collector.logs] == ["jane", "jane"]


def test_the_function_may_be_async_in_an_async_chain(collector: Collector, django_logs: Callable[[int], Any]) -> None:
    async def function(request: Any) -> Any:
        await asyncio.sleep(0)
        return {"api_key": "a", "label": request.path, "email": "c"}

    with configured(function):
        by_asgi("/items/7")
        django_logs(1)
        assert collector.logs[0]["group"]["label"] == "/items/7"


@pytest.mark.parametrize("handler", HANDLERS)
@pytest.mark.parametrize("function", [lambda request: 1 / 0, lambda request: "nobody"])
def test_a_broken_function_is_counted(function: Any, handler: str, django_logs: Callable[[int], Any]) -> None:
    with configured(function):
        assert HANDLERS[handler]("/items/7").status == 200
        django_logs(0)
        stats: Any = MetricsMiddleware(lambda request: None).stats()
        assert stats["dropped"]["grouping"] == 1
