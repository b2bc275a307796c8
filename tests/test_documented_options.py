"""Every option of the user documentation, through the front door: request in, POST out."""

from __future__ import annotations

import base64
import sys
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest

import wsgi
from readme_metrics import MetricsApiConfig, MetricsMiddleware
from readme_metrics.collector import HANG, Collector
from servers import wait_until
from wsgi import call

Logged = Callable[..., Any]

SECRETS = {
    "header": "header-5ecret", "query": "query-5ecret", "form": "form-5ecret", "json": "json-5ecret",
    "response": "response-5ecret",
}  # fmt: skip


def app(environ: Any, start_response: Any) -> list[bytes]:
    environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    start_response("200 OK", [("Content-Type", "application/json"), ("X-Token", SECRETS["response"])])
    return [b'{"token": "response-5ecret", "kept": 1.50, "nested": {"token": "inner"}}']


def exchange(middleware: Any) -> None:
    """One JSON and one form request, with a secret in every place that the documentation names."""
    request: dict[str, Any] = {
        "method": "POST",
        "query": urlencode({"token": SECRETS["query"], "page": "2"}),
        "HTTP_X_TOKEN": SECRETS["header"],
        "HTTP_X_KEPT": "kept",
    }
    call(middleware, content_type="application/json", body=b'{"token": "json-5ecret", "kept": "x"}', **request)
    call(middleware, content_type="application/x-www-form-urlencoded", body=b"token=form-5ecret&kept=", **request)


def entries(logs: list[dict[str, Any]]) -> list[Any]:
    return [log["request"]["log"]["entries"][0] for log in logs]


def values(pairs: list[dict[str, str]]) -> dict[str, str]:
    return {pair["name"].lower(): pair["value"] for pair in pairs}


@pytest.mark.parametrize(
    "lists",
    [
        {"denylist": ["token", "x-token"]},
        {"blacklist": ["token", "X-TOKEN"]},
        {"denylist": ["token", "X-Token"], "allowlist": ["token", "x-token"]},  # the denylist overrides
        {"allowlist": ["kept", "x-kept", "page", "nested"]},
        {"whitelist": ["kept", "X-Kept", "page", "nested"]},
    ],
    ids=str,
)
def test_lists(logged: Logged, collector: Collector, lists: dict[str, list[str]]) -> None:
    middleware, logs = logged(app=app, **lists)
    exchange(middleware)

    for log, body_text in zip(entries(logs(2)), ['{"token": "[REDACTED 11]", "kept": "x"}', None], strict=True):
        request, response = log["request"], log["response"]
        headers = values(request["headers"])
        assert (headers["x-token"], headers["x-kept"]) == ("[REDACTED 13]", "kept")
        assert values(request["queryString"]) == {"token": "[REDACTED 12]", "page": "2"}
        assert request["url"] == log["pageref"]
        assert request["url"].endswith("/?token=%5BREDACTED%2012%5D&page=2")
        if body_text:
            assert request["postData"]["text"] == body_text
        else:
            assert values(request["postData"]["params"]) == {"token": "[REDACTED 11]", "kept": ""}
        assert values(response["headers"])["x-token"] == "[REDACTED 15]"
        # Kept values are verbatim, and a nested key is not checked.
        expected = '{"token": "[REDACTED 15]", "kept": 1.50, "nested": {"token": "inner"}}'
        assert response["content"]["text"] == expected
    for post in collector.posts:
        for secret in SECRETS.values():
            assert secret.encode() not in post.body


def test_without_lists_everything_is_sent_but_the_authorization(logged: Logged, collector: Collector) -> None:
    middleware, logs = logged(app=app)
    exchange(middleware)
    call(middleware, HTTP_AUTHORIZATION="Bearer abcdefgh1234")
    *_, last = entries(logs(3))
    sent = b"".join(post.body for post in collector.posts)
    assert all(secret.encode() in sent for secret in SECRETS.values())
    assert b"abcdefgh" not in sent
    assert values(last["request"]["headers"])["authorization"].endswith("?1234")


def test_buffer_length_is_the_threshold(collector: Collector, logged: Logged) -> None:
    middleware, _ = logged(buffer_length=3, flush_interval=3600)
    call(middleware)
    call(middleware)
    assert middleware.stats()["queued"] == 2
    call(middleware)
    collector.wait_for(3, timeout=60)
    assert [post.count for post in collector.posts] == [3]


def test_flush_interval_sends_a_partial_buffer(collector: Collector, logged: Logged) -> None:
    middleware, _ = logged(buffer_length=1000, flush_interval=0.05)
    call(middleware)
    collector.wait_for(1, timeout=60)


@pytest.mark.parametrize("development", [True, False])
def test_development_mode(logged: Logged, development: bool) -> None:
    middleware, logs = logged(development_mode=development)
    call(middleware)
    assert logs(1)[0]["development"] is development


def test_without_a_background_worker_the_post_is_made_by_the_request(collector: Collector, logged: Logged) -> None:
    middleware, _ = logged(background_worker_mode=False, buffer_length=2, flush_interval=3600)
    before = flusher_threads()
    call(middleware)
    assert collector.logs == []
    call(middleware)
    # No waiting: the logs had arrived when the call returned.
    assert len(collector.logs) == 2
    assert flusher_threads() <= before


def flusher_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "readme-metrics.Flusher"}


def test_allowed_http_hosts(logged: Logged) -> None:
    middleware, logs = logged(allowed_http_hosts=["api.example.com"])
    call(middleware, HTTP_HOST="api.example.com")
    call(middleware, HTTP_HOST="internal.example.com")
    assert entries(logs(1))[0]["request"]["url"] == "http://api.example.com/"


def test_timeout_bounds_a_call(collector: Collector, logged: Logged) -> None:
    collector.answer = lambda post: HANG
    middleware, _ = logged(background_worker_mode=False, buffer_length=1, timeout=0.2)
    assert call(middleware).status == "200 OK"  # returns although the server never answers
    assert middleware.stats()["queued"] == 1


def test_the_post_is_what_the_wire_format_says(logged: Logged, collector: Collector) -> None:
    middleware, logs = logged()
    call(middleware)
    logs(1)
    [post] = collector.posts
    assert post.headers["Content-Type"] == "application/json"
    assert post.headers["User-Agent"].startswith("readme-metrics-python@4.")
    assert post.headers["Authorization"] == "Basic " + base64.b64encode(f"{wsgi.API_KEY}:".encode()).decode()


def test_documentation_url_is_fetched_when_it_is_not_configured(logged: Logged, collector: Collector) -> None:
    middleware, _ = logged(base_log_url=None, buffer_length=1)
    middleware.config.README_API_URL = f"{collector.url}/api"
    assert call(middleware).header("x-documentation-url") is None  # never waited for
    assert collector.wait_for(1, timeout=30)
    wait_until(lambda: middleware._intake.flusher.docs_url.base_url, "no answer came")
    response = call(middleware)
    assert collector.wait_for(2, timeout=30)
    assert response.header("x-documentation-url") == f"https://docs.example.com/logs/{collector.logs[1]['_id']}"


def test_the_documented_integration() -> None:
    flask = pytest.importorskip("flask")
    application = flask.Flask("documented")
    application.wsgi_app = MetricsMiddleware(
        application.wsgi_app,
        MetricsApiConfig(
            "<<user>>",
            lambda req: {
                "api_key": req.authorization and req.authorization.username,
                "label": req.headers.get("X-User"),
                "email": req.args.get("email"),
            },
        ),
    )
    application.add_url_rule("/", view_func=lambda: "hello")
    assert application.test_client().get("/", auth=("alice", "pw")).text == "hello"
    assert "readme_metrics" in sys.modules
