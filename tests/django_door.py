"""Django's handlers behind our middleware, called without a server."""

from __future__ import annotations

import asyncio
from typing import Any

from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpResponse
from django.test import override_settings

import asgi_driver
import wsgi
from apps import django_project
from har_schema import VALIDATOR
from readme_metrics import MetricsApiConfig
from readme_metrics.collector import Collector
from readme_metrics.django import MetricsMiddleware

OURS = "readme_metrics.django.MetricsMiddleware"


def configured(function: Any = django_project.group, **options: Any) -> Any:
    config = MetricsApiConfig(wsgi.API_KEY, function, "https://docs.example.com", **options)
    return override_settings(README_METRICS_CONFIG=config, MIDDLEWARE=[OURS])


def taken(collector: Collector, count: int) -> Any:
    probe = MetricsMiddleware(lambda request: HttpResponse(), settings.README_METRICS_CONFIG)
    probe.flush(10)
    # When the last middleware of a process goes, its thread sends the logs that are left.
    collector.wait_for(count, timeout=30)
    stats: Any = probe.stats()
    assert len(collector.logs) == count, stats
    assert stats["dropped"]["internal"] == 0
    for log in collector.logs:
        VALIDATOR.validate(log)
    return [log["request"]["log"]["entries"][0] for log in collector.logs]


class Answer:
    def __init__(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.status, self.body = status, body
        self.headers = sorted((name.lower(), value) for name, value in headers)

    def without_ours(self) -> Any:
        headers = [pair for pair in self.headers if pair[0] != "x-documentation-url"]
        return self.status, headers, self.body


def by_wsgi(path: str, method: str = "GET", body: bytes = b"", content_type: str = "") -> Answer:
    response = wsgi.call(WSGIHandler(), path, method=method, body=body, content_type=content_type)
    return Answer(int(response.status[:3]), response.headers, response.body)


def by_asgi(path: str, method: str = "GET", body: bytes = b"", content_type: str = "") -> Answer:
    scope = asgi_driver.http_scope(path, method=method)
    if body:
        scope = asgi_driver.post_scope(body, content_type.encode(), path)
    pieces = [body[start : start + 5000] for start in range(0, len(body), 5000)]
    call = asgi_driver.call(Patient(ASGIHandler()), scope, asgi_driver.body_messages(*pieces))
    assert call.error is None
    headers = [(name.decode(), value.decode("latin-1")) for name, value in call.headers]
    return Answer(call.status, headers, call.body)


class Patient:
    """Stands for a client that stays until it has its answer. Django gives up a request whose client is gone."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        done = asyncio.Event()

        async def receive_or_wait() -> Any:
            message = await receive()
            if message["type"] == "http.disconnect":
                await done.wait()
            return message

        async def send_and_end(message: Any) -> None:
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                done.set()

        await self._app(scope, receive_or_wait, send_and_end)


HANDLERS = {"wsgi": by_wsgi, "asgi": by_asgi}


JSON = b'{"password": "hunter2"}'
