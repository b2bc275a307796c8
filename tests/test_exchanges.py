"""Whole exchanges whose log must hide, show or equal something. They were found by trying stock frameworks."""

from __future__ import annotations

import base64
import html
import io
import json
import logging
import re
import urllib.parse
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import flask
import pytest

from asgi_driver import body_messages, call, http_scope
from readme_metrics import SAFE_DEFAULTS, MetricsApiConfig, MetricsMiddleware, asgi
from readme_metrics.flask_readme import ReadMeMetrics

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


def spellings(secret: str) -> set[str]:
    quoted = urllib.parse.quote(secret, safe="")
    return {
        secret,
        quoted,
        html.escape(secret),
        *(base64.b64encode(b" " * i + secret.encode()).decode()[4:-4] for i in range(3)),
    }


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


def at(entry: Any, path: str) -> Any:
    for name in path.split("."):
        entry = entry[name]
    return entry


@pytest.mark.parametrize("case", [case for case in CASES if "request" in case], ids=lambda case: case["id"])
def test_exchange(case: dict[str, Any], log_of: LogOf) -> None:
    log = log_of(case)
    entry = log["request"]["log"]["entries"][0]
    expected = case["log"]
    for secret in expected.get("hides", ()):
        for text in strings(log):
            assert not [spelling for spelling in spellings(secret) if spelling in text], text
    for shown in expected.get("shows", ()):
        assert shown in json.dumps(log), entry
    for path, value in expected.get("equals", {}).items():
        assert at(entry, path) == value
    if "header" in expected:
        header = expected["header"]
        assert {"name": header["name"], "value": header["value"]} in entry[header["side"]]["headers"]
    if "param" in expected:
        assert expected["param"] in entry["request"]["postData"]["params"]


@pytest.mark.parametrize("case", [case for case in CASES if "warnings" in case], ids=lambda case: case["id"])
def test_warnings(case: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "readme_metrics"):
        MetricsApiConfig("key", lambda _: None, **lists(case["config"]))
    assert len(caplog.records) == len(case["warnings"])
    for entry, record in zip(case["warnings"], caplog.records, strict=True):
        assert entry in record.getMessage()


ENTRIES = ["X_API_KEY", "HTTP_X_API_KEY", "Authorization:", "token ", " token", "a,b", "*_token", "user.card"]


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("name", ["denylist", "allowlist", "blacklist", "whitelist"])
def test_an_entry_that_can_match_nothing_is_reported_once(
    entry: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    lists: dict[str, Any] = {name: ["fine", entry, entry]}
    MetricsApiConfig("key", lambda _: None, **lists)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert repr(entry) in caplog.text


def test_paths_and_stars_match_with_nested_lists(caplog: pytest.LogCaptureFixture) -> None:
    MetricsApiConfig("key", lambda _: None, denylist=["*_token", "user.card", *SAFE_DEFAULTS], redact_nested=True)
    MetricsApiConfig("key", lambda _: None, denylist=SAFE_DEFAULTS)
    assert caplog.records == []


#: `ticket=S` in the spellings of stock frameworks, templates and serializers, S being a value with awkward characters.
SECRET = "S 7/é&<\"'"
QUOTED = urllib.parse.quote(SECRET, safe="")
SPELLINGS = {
    "raw": f"ticket={QUOTED}",
    "decoded": f"ticket={SECRET}",
    "plus": f"ticket={urllib.parse.quote_plus(SECRET)}",
    "slash": f"ticket={urllib.parse.quote(SECRET)}",
    "lower case": f"ticket={QUOTED.lower().replace('s', 'S', 1)}",
    "encoded": urllib.parse.quote(f"ticket={QUOTED}", safe=""),
    "encoded twice": urllib.parse.quote(urllib.parse.quote(f"ticket={QUOTED}", safe=""), safe=""),
    "html": html.escape(f"ticket={SECRET}"),
    "html, numeric": "".join(f"&#{ord(c)};" for c in f"ticket={SECRET}"),
    "html, hexadecimal": "".join(f"&#x{ord(c):X};" for c in f"ticket={SECRET}"),
    "json": json.dumps(f"ticket={SECRET}")[1:-1],
    "json in a script": json.dumps(f"ticket={SECRET}")[1:-1].replace("<", "\\u003C").replace("&", "\\u0026"),
    "json, everything escaped": "".join(f"\\u{ord(c):04x}" for c in f"ticket={SECRET}"),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("place", ["response", "request", "header", "request header"])
def test_a_denied_parameter_is_hidden_wherever_it_is_repeated(spelling: str, place: str, log_of: LogOf) -> None:
    text = f"before {SPELLINGS[spelling]} after"
    header = text.encode().decode("latin-1")
    log = log_of(
        {
            "config": {"denylist": ["ticket"]},
            "request": {
                "method": "POST",
                "query": f"a=1&ticket={QUOTED}",
                "content_type": "text/plain",
                "body": text if place == "request" else "",
                "headers": {"X-Note": header} if place == "request header" else {},
            },
            "response": {
                "status": "200 OK",
                "headers": [["Content-Type", "text/html"], *([["X-Note", header]] if place == "header" else [])],
                "body": text if place == "response" else "",
            },
        }
    )
    found = [text for text in strings(log) if text.startswith("before ")]
    assert len(found) == 1, log
    assert found[0].endswith(f"[REDACTED {len(SECRET)}] after")


def test_an_edited_location_is_hidden_in_the_page_that_repeats_it(log_of: LogOf) -> None:
    log = log_of(
        {
            "config": {"denylist": ["token"]},
            "request": {"path": "/invite"},
            "response": {
                "status": "302 Found",
                "headers": [["Content-Type", "text/html"], ["Location", "/login/?next=/invite/%3Ftoken%3Dmade-up"]],
                "body": '<a href="/login/?next=/invite/%3Ftoken%3Dmade-up">/invite/?token=made-up</a>',
            },
        }
    )
    assert "made-up" not in json.dumps(log)
    assert log["request"]["log"]["entries"][0]["response"]["content"]["text"].startswith(
        '<a href="/login/?next=/invite/'
    )


def test_more_denied_parameters_than_can_be_looked_for_withhold_the_texts(log_of: LogOf) -> None:
    query = "&".join(f"ticket=made-up-{i}" for i in range(2000))
    log = log_of(
        {
            "config": {"denylist": ["ticket"]},
            "request": {"query": query},
            "response": {"status": "200 OK", "headers": [["Content-Type", "text/plain"]], "body": f"{query} " * 2},
        }
    )
    assert "made-up" not in json.dumps(log)
    text = log["request"]["log"]["entries"][0]["response"]["content"]["text"]
    assert re.fullmatch(r"\[WITHHELD \d+ bytes: too many denied parameters\]", text)
