"""A failure in any step of the SDK: the app's response is what it would have been, and the lost log is counted."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import wsgi
from readme_metrics import MetricsApiConfig, MetricsMiddleware
from readme_metrics.capture.caller import Grouping
from readme_metrics.capture.intake import Intake
from readme_metrics.capture.wsgi.exchange import WsgiExchange
from readme_metrics.collector import Collector
from readme_metrics.delivery.docs_url import DocsUrl
from readme_metrics.delivery.flusher import Flusher
from wsgi import call

PATHS = ["/", "/echo", "/stream", "/write", "/empty", "/file", "/unread"]


class Injected(Exception):
    """A bug of ours."""


def fails(*_: Any, **__: Any) -> Any:
    raise Injected("s3cret")


def make(collector: Collector, monkeypatch: pytest.MonkeyPatch, **options: Any) -> MetricsMiddleware:
    monkeypatch.setenv("README_METRICS_SERVER", collector.url)
    config = MetricsApiConfig(wsgi.API_KEY, options.pop("group", wsgi.group), **options)
    return MetricsMiddleware(wsgi.app, config)


def dropped(middleware: MetricsMiddleware) -> dict[str, int]:
    counts = middleware.stats()["dropped"]
    assert isinstance(counts, dict)
    return {reason: count for reason, count in counts.items() if count}


def served(middleware: MetricsMiddleware, environ: dict[str, Any]) -> bytes:
    result: Any = middleware(environ, lambda *_: print)
    body = b"".join(result)
    if hasattr(result, "close"):
        result.close()
    return body


class Broken:
    """Not what the core expects."""

    __str__ = fails


STEPS: dict[str, tuple[Any, str, Any]] = {
    "filter": (Intake, "is_selected", fails),
    "capture, at the beginning": (Intake, "encoder", property(lambda _: Broken(), lambda *_: None)),
    "capture of the response": (WsgiExchange, "is_server_file", fails),
    "grouping": (Grouping, "_narrow", fails),
    "documentation URL": (DocsUrl, "base_url", property(fails, lambda *_: None)),
    "unread body": (WsgiExchange, "read_rest", fails),
    "encode": (WsgiExchange, "status", property(lambda _: Broken(), lambda *_: None)),
}


@pytest.mark.parametrize("step", STEPS)
def test_a_step_that_fails(
    collector: Collector,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    step: str,
) -> None:
    owner, name, replacement = STEPS[step]
    # The grouping function's answer has to be checked.
    middleware = make(collector, monkeypatch, ignore_paths=["/not/asked/for"], group=lambda _: {"api_key": 1})
    monkeypatch.setattr(owner, name, replacement, raising=False)
    requests = 0
    for path in PATHS:
        request: dict[str, Any] = {"method": "POST", "body": b"abc"}
        response = call(middleware, path, **request)
        bare = call(wsgi.app, path, **request)
        assert (response.status, response.body) == (bare.status, bare.body), path
        assert response.headers == bare.headers, path
        # A list is not looked at again, and a body that was read is not read further: these steps cannot fail there.
        requests += {
            "capture of the response": path in ("/stream", "/file"),
            "unread body": path != "/echo",
        }.get(step, True)
    assert dropped(middleware) == {"grouping" if step == "grouping" else "internal": requests}
    assert "s3cret" not in caplog.text
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 1
    assert middleware.flush(10) == 0
    assert len(collector.logs) == len(PATHS) - requests


def test_a_body_that_cannot_be_noted(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    def app(environ: Any, start_response: Any) -> Iterator[Any]:
        start_response("200 OK", [])
        yield "not bytes"

    middleware = make(collector, monkeypatch)
    middleware.app = app
    result: Any = middleware({"REQUEST_METHOD": "GET"}, lambda *_: print)
    assert next(result) == "not bytes"
    result.close()
    assert dropped(middleware) == {}
    assert middleware.flush(10) == 0
    [log] = collector.logs
    assert "text" not in log["request"]["log"]["entries"][0]["response"]["content"]


def test_a_queue_that_fails(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    middleware = make(collector, monkeypatch)
    assert call(middleware, "/echo", method="POST", body=b"abc").body == b"abc"
    flusher: Any = middleware._intake.flusher
    queue, flusher.queue = flusher.queue, Broken()
    # The core refuses this queue with a TypeError, as it turns a panic into an InternalError. The real queue counts it.
    monkeypatch.setattr(middleware._intake, "join", lambda: SimpleNamespace(queue=queue))
    assert call(middleware, "/echo", method="POST", body=b"abc").body == b"abc"
    flusher.queue = queue
    assert dropped(middleware) == {"internal": 1}


def test_a_push_that_finds_no_room(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    middleware = make(
        collector,
        monkeypatch,
        queue_bytes=1024 * 1024,
        max_body_bytes=512 * 1024,
        buffer_length=100,
        flush_interval=3600,
    )
    body = b"x" * (300 * 1024)
    for _ in range(8):
        response = call(middleware, "/echo", method="POST", body=body, content_type="text/plain")
        assert (response.status, response.body) == ("200 OK", body)
    counts = dropped(middleware)
    assert counts.keys() == {"full"}
    middleware.flush(10)
    stats = middleware.stats()
    assert stats["made"] == 8 == len(collector.logs) + counts["full"]


def test_a_wake_that_fails_loses_nothing(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    middleware = make(collector, monkeypatch)
    monkeypatch.setattr(Flusher, "recorded", fails)
    for path in PATHS:
        assert call(middleware, path).status
    assert dropped(middleware) == {}
    middleware.flush(10)
    assert len(collector.logs) == len(PATHS)


def test_nothing_at_all_works(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    # There is not even a queue that could count the loss: it can only be reported.
    middleware = MetricsMiddleware(wsgi.app, MetricsApiConfig(wsgi.API_KEY, wsgi.group))
    monkeypatch.setattr("readme_metrics.delivery.registry.Flusher", fails)
    for path in PATHS:
        assert call(middleware, path).status
    assert "A request was not logged" in caplog.text


KEYS = [
    *("REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "CONTENT_TYPE", "CONTENT_LENGTH", "SERVER_NAME"),
    *("SERVER_PORT", "HTTP_HOST", "SERVER_PROTOCOL", "REMOTE_ADDR", "wsgi.version", "wsgi.url_scheme", "wsgi.input"),
    *("wsgi.errors", "wsgi.multithread", "wsgi.file_wrapper", "HTTP_EXPECT", "HTTP_X_FORWARDED_FOR"),
]
ODD = st.one_of(
    st.none(),
    st.integers(),
    st.binary(max_size=5),
    st.text(max_size=5),
    st.sampled_from(["\ud800", "é" * 1000, "1" * 5000, "0x1", " 5", "%", "[::1", "a b\r\nc"]),
    st.lists(st.none(), max_size=2),
    st.just(object()),
)


def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"answer"]


@given(missing=st.sets(st.sampled_from(KEYS), max_size=3), odd=st.dictionaries(st.sampled_from(KEYS), ODD, max_size=3))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_environ_gets_its_response_and_is_logged_or_counted(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, missing: set[str], odd: dict[str, Any]
) -> None:
    for group in (wsgi.group, lambda _: {"api_key": "k", "label": "l", "email": "e"}):
        middleware = make(collector, monkeypatch, group=group, ignore_paths=["/health*"], trust_forwarded=True)
        middleware.app = answer
        environ: dict[str, Any] = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "QUERY_STRING": "", "SERVER_NAME": "a"}
        environ = {key: value for key, value in {**environ, **odd}.items() if key not in missing}
        is_logged = environ.get("REQUEST_METHOD") != "OPTIONS"
        assert served(middleware, {"REQUEST_METHOD": "GET"}) == b"answer"
        # Middlewares that share a queue share their sums, which include those of earlier examples.
        before: Any = middleware.stats()["made"]
        assert served(middleware, environ) == b"answer"
        assert middleware.stats()["made"] == before + is_logged


@pytest.mark.parametrize("key", KEYS)
def test_each_key_may_be_missing(collector: Collector, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    middleware = make(collector, monkeypatch, group=lambda _: {"api_key": "k", "label": "l", "email": "e"})
    middleware.app = answer
    complete: dict[str, Any] = {}

    def keep(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        complete.update(environ)
        return answer(environ, start_response)

    call(keep, HTTP_X_FORWARDED_FOR="203.0.113.1")
    complete.pop(key, None)
    assert served(middleware, complete) == b"answer"
    assert middleware.flush(10) == 0
    assert len(collector.logs) == 1


def test_a_log_handler_that_calls_the_app_and_a_finaliser_that_logs(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    middleware = make(collector, monkeypatch, group=lambda _: {})  # an unusable answer is reported to the logger
    calls = []

    class Reentrant(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            calls.append(call(middleware).status)

    class Finalised:
        def __del__(self) -> None:
            calls.append(call(middleware).status)

    def app(environ: Any, start_response: Any) -> list[bytes]:
        response = wsgi.app(environ, start_response)
        if len(calls) < 3:
            Finalised()
        return list(response)

    handler = Reentrant()
    middleware.config.LOGGER.addHandler(handler)
    middleware.app = app
    try:
        assert call(middleware).status == "200 OK"
    finally:
        middleware.config.LOGGER.removeHandler(handler)
    assert len(calls) >= 3
    assert middleware.stats()["made"] == len(calls) + 1
