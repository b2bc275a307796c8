"""The whole exchanges of tests/exchanges, and a fixture that sends one through each door."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest

from asgi_driver import body_messages, call, http_scope
from readme_metrics import SAFE_DEFAULTS, MetricsApiConfig, MetricsMiddleware, asgi

CASES: list[dict[str, Any]] = json.loads((Path(__file__).parent / "exchanges" / "redaction.json").read_text())
Log = dict[str, Any]
LogOf = Callable[[dict[str, Any]], Log]


def lists(config: dict[str, Any]) -> dict[str, Any]:
    return {name: [*SAFE_DEFAULTS] if value == "SAFE_DEFAULTS" else value for name, value in config.items()}


def to_bytes(body: str | dict[str, str]) -> bytes:
    return body.encode() if isinstance(body, str) else bytes.fromhex(body["hex"])


def environ_of(request: dict[str, Any]) -> dict[str, Any]:
    body = request.get("body", "").encode()
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.get("method", "GET"),
        "PATH_INFO": request.get("path", "/"),
        "QUERY_STRING": request.get("query", ""),
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
    }
    if "content_type" in request:
        environ["CONTENT_TYPE"] = request["content_type"]
    for name, value in request.get("headers", {}).items():
        environ["HTTP_" + name.upper().replace("-", "_")] = value
    setup_testing_defaults(environ)
    return environ


def by_wsgi(case: dict[str, Any], config: MetricsApiConfig) -> tuple[Any, bytes]:
    response = case["response"]

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        environ["wsgi.input"].read()
        start_response(response["status"], [(name, value) for name, value in response["headers"]])
        return [to_bytes(response["body"])]

    middleware = MetricsMiddleware(app, config)
    return middleware, served(middleware, case)


def served(app: Any, case: dict[str, Any]) -> bytes:
    result = app(environ_of(case["request"]), lambda *_: lambda _: None)
    body = b"".join(result)
    result.close()
    return body


def by_flask(case: dict[str, Any], config: MetricsApiConfig) -> tuple[Any, bytes]:
    import flask

    from readme_metrics.flask_readme import ReadMeMetrics

    response = case["response"]
    app = flask.Flask("app")

    @app.before_request
    def answer() -> flask.Response:
        flask.request.stream.read()
        return flask.Response(
            to_bytes(response["body"]), response["status"], [tuple(one) for one in response["headers"]]
        )

    ReadMeMetrics(config, app)
    return app.wsgi_app, served(app, case)


def by_django(case: dict[str, Any], config: MetricsApiConfig) -> tuple[Any, bytes]:
    from django.core.handlers.wsgi import WSGIRequest
    from django.http import HttpResponse

    from apps import django_project  # noqa: F401 - its settings
    from readme_metrics.django import MetricsMiddleware as DjangoMiddleware

    response = case["response"]

    def view(request: Any) -> HttpResponse:
        request.read()
        status = int(response["status"][:3])
        return HttpResponse(to_bytes(response["body"]), status=status, headers=dict(response["headers"]))

    middleware: Any = DjangoMiddleware(view, config)
    answer = middleware(WSGIRequest(environ_of(case["request"])))
    answer.close()
    return middleware, answer.content


def by_asgi(case: dict[str, Any], config: MetricsApiConfig) -> tuple[Any, bytes]:
    request, response = case["request"], case["response"]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        headers = [(name.encode(), value.encode()) for name, value in response["headers"]]
        await send({"type": "http.response.start", "status": int(response["status"][:3]), "headers": headers})
        await send({"type": "http.response.body", "body": to_bytes(response["body"])})

    body = request.get("body", "").encode()
    headers = {"content-length": str(len(body)), **request.get("headers", {})}
    if "content_type" in request:
        headers["content-type"] = request["content_type"]
    scope = http_scope(
        request.get("path", "/"),
        method=request.get("method", "GET"),
        query=request.get("query", "").encode(),
        headers=[(name.lower().encode(), value.encode()) for name, value in headers.items()],
    )
    middleware = asgi.MetricsMiddleware(app, config)
    return middleware, call(middleware, scope, body_messages(body)).body


@pytest.fixture(params=[by_wsgi, by_flask, by_django, by_asgi])
def log_of(request: pytest.FixtureRequest, tmp_path: Path) -> LogOf:
    """Sends a case's exchange through a door, and returns the log as it would be sent."""

    def run(case: dict[str, Any]) -> Log:
        path = tmp_path / "logs.jsonl"
        config = MetricsApiConfig(
            "key",
            lambda _: {"api_key": "caller", "label": "l", "email": "e"},
            dry_run=path,
            queue_dir=tmp_path,
            **lists(case["config"]),
        )
        middleware, body = request.param(case, config)
        assert body == to_bytes(case["response"]["body"])
        assert middleware.flush(60) == 0
        [line] = path.read_text().splitlines()
        log: Log = json.loads(line)
        return log

    return run


def strings(value: Any) -> Iterable[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)
    elif isinstance(value, str):
        yield value
