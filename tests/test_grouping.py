"""Who made the call: what the grouping function gets, and what becomes of its answer."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from werkzeug import Request

from readme_metrics.capture import caller
from wsgi import call

Logged = Callable[..., Any]


def test_it_gets_a_werkzeug_request_with_what_the_app_added(logged: Logged) -> None:
    seen: list[Any] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        environ["app.user"] = "alice"
        environ["wsgi.input"].read()
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"ok"]

    def group(request: Any) -> Any:
        seen.append((isinstance(request, Request), request.environ["app.user"], request.get_json(), request.args["q"]))
        return {"api_key": "k", "label": "l", "email": "e"}

    middleware, logs = logged(app=app, group=group)
    call(middleware, "/", method="POST", body=b'{"a": 1}', content_type="application/json", query="q=1")
    logs(1)
    assert seen == [(True, "alice", {"a": 1}, "1")]


def test_a_request_that_nobody_looks_at_is_not_parsed(logged: Logged) -> None:
    middleware, logs = logged(group=lambda _: {"api_key": "k", "label": "l", "email": "e"})
    call(middleware, query="not latin-1: \u20ac")  # Werkzeug refuses it
    assert len(logs(1)) == 1


def test_what_is_set_on_the_request_stays_and_what_it_lacks_is_an_attribute_error(logged: Logged) -> None:
    kept: list[Any] = []

    def group(request: Any) -> Any:
        request.path = "/mine"
        kept.append((request.path, request.method, request.path, hasattr(request, "no_such_thing")))
        return {"api_key": "k", "label": "l", "email": "e"}

    middleware, logs = logged(group=group)
    call(middleware, "/theirs", method="PUT")
    logs(1)
    assert kept == [("/mine", "PUT", "/mine", False)]


@pytest.mark.parametrize(("slow_s", "is_reported"), [(0, True), (3600, False)])
def test_a_slow_function_is_reported_once(
    slow_s: float, is_reported: bool, logged: Logged, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caller, "SLOW_S", slow_s)
    middleware, logs = logged(group=lambda _: {"api_key": "k", "label": "l", "email": "e"})
    for number in range(caller.TIMED_CALLS + 2):
        call(middleware, f"/{number}")
    assert len(logs(caller.TIMED_CALLS + 2)) == caller.TIMED_CALLS + 2
    reports = [record.getMessage() for record in caplog.records if "took more than" in record.getMessage()]
    expected = "The grouping function took more than 0 ms in 3 of 3 calls; each response waits for it"
    assert reports == [expected] * is_reported


def test_the_id_is_masked_and_the_dict_is_left_alone(logged: Logged) -> None:
    answer = {"api_key": "deadbeef", "label": "Label", "email": "a@example.com"}
    middleware, logs = logged(group=lambda _: answer)
    call(middleware)
    call(middleware)
    masked = "sha512-ETo7x4PYUfwDcyFLGep76fo95UHsuf4CbVLGA+jqGcF0zA6XBfi5DTEiEsDDpthFPd+z4xQUCc9L7cjvAzWQtA==?beef"
    for log in logs(2):
        assert log["group"] == {"id": masked, "label": "Label", "email": "a@example.com"}
    assert answer == {"api_key": "deadbeef", "label": "Label", "email": "a@example.com"}


def test_a_number_as_id_and_the_old_key(logged: Logged) -> None:
    middleware, logs = logged(group=lambda _: {"id": 123456})
    call(middleware)
    [log] = logs(1)
    assert log["group"].keys() == {"id"}
    assert log["group"]["id"].endswith("?3456")


def test_none_means_not_logged_and_no_header(logged: Logged) -> None:
    middleware, logs = logged(group=lambda _: None)
    assert call(middleware).header("x-documentation-url") is None
    logs(0)
    assert middleware.stats()["made"] == 0


@pytest.mark.parametrize("answer", [{}, {"label": "x"}, "alice", {"api_key": None}, ValueError("boom s3cret")])
def test_an_unusable_answer_is_counted_and_reported_once(
    logged: Logged, caplog: pytest.LogCaptureFixture, answer: Any
) -> None:
    def group(_: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    middleware, logs = logged(group=group)
    with caplog.at_level(logging.DEBUG, "readme_metrics"):
        for _ in range(3):
            assert call(middleware).status == "200 OK"
    logs(0)
    stats = middleware.stats()
    assert (stats["made"], stats["dropped"]["grouping"]) == (3, 3)
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 1
    assert "s3cret" not in caplog.text


def test_missing_and_unknown_fields_warn(logged: Logged, caplog: pytest.LogCaptureFixture) -> None:
    middleware, logs = logged(group=lambda _: {"api_key": "k", "plan": "gold"})
    call(middleware)
    [log] = logs(1)
    assert log["group"].keys() == {"id"}
    about_it = [record for record in caplog.records if "grouping function gave" in record.getMessage()]
    assert [record.levelname for record in about_it] == ["WARNING"] * 3  # label, email, plan


def test_a_broken_logger_never_reaches_the_app(logged: Logged) -> None:
    class Broken(logging.Logger):
        def handle(self, record: logging.LogRecord) -> None:
            raise RuntimeError("logger")

    middleware, logs = logged(group=lambda _: {})
    middleware.config.LOGGER = Broken("broken")
    assert call(middleware).status == "200 OK"
    logs(0)
