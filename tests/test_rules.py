"""Rules, through the front door: which requests are logged, how much of each, and what is counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from logs import Logged, entry
from readme_metrics import Rule
from rule_app import answering
from wsgi import call


def test_a_request_that_is_left_out_is_counted_nowhere_and_starts_nothing(logged: Logged) -> None:
    asked: list[object] = []
    middleware, _ = logged(app=answering, group=asked.append, rules=[Rule(path="/health", log=False)])
    response = call(middleware, "/health")
    assert response.header("x-documentation-url") is None and not asked
    assert middleware.stats()["made"] == 0 and middleware._intake.flusher is None


def test_the_first_rule_that_matches_decides(logged: Logged) -> None:
    rules = [Rule(path="/kept/*"), Rule(path="*", method=["get", "PUT"], log=False)]
    middleware, logs = logged(app=answering, rules=rules)
    call(middleware, "/kept/a")
    call(middleware, "/other")
    call(middleware, "/other", method="POST", body=b"x")
    assert [entry(log)["request"]["method"] for log in logs(2)] == ["GET", "POST"]


@pytest.mark.parametrize(
    ("bodies", "shown"),
    [(True, (True, True)), (False, (False, False)), ("request", (True, False)), ("response", (False, True))],
)
@pytest.mark.parametrize("condition", [{"path": "/up"}, {"status": "2xx"}, {"slower_than_ms": 0}])
def test_which_bodies_are_kept(
    logged: Logged, bodies: Any, shown: tuple[bool, bool], condition: dict[str, Any]
) -> None:
    middleware, logs = logged(app=answering, rules=[Rule(**condition, bodies=bodies)])
    call(middleware, "/up", method="POST", body=b"upload", content_type="text/plain")
    found = entry(logs(1)[0])
    request, content = found["request"]["postData"], found["response"]["content"]
    assert (bool(request["text"]), bool(content.get("text"))) == shown
    assert found["request"]["bodySize"] == 6 and content["size"] == 29


def test_an_unread_body_that_is_not_kept_is_not_read(logged: Logged) -> None:
    class Untouched:
        def __getattr__(self, name: str) -> Any:
            raise AssertionError(f"{name} was asked for")

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        start_response("403 Forbidden", [])
        return [b"no"]

    middleware, logs = logged(app=app, rules=[Rule(status=403, bodies=False)])
    environ: dict[str, Any] = {"wsgi.input": Untouched(), "CONTENT_LENGTH": "10"}
    call(middleware, "/", method="POST", **environ)
    assert entry(logs(1)[0])["request"]["postData"]["text"] == ""


@pytest.mark.parametrize("condition", [{"path": "/login"}, {"content_type": "application/json"}, {"status": 200}])
def test_the_lists_of_a_rule_replace_those_of_the_configuration(logged: Logged, condition: dict[str, Any]) -> None:
    middleware, logs = logged(app=answering, denylist=["kept"], rules=[Rule(**condition, denylist=["token"])])
    call(middleware, "/login")
    call(middleware, "/other", HTTP_X_STATUS="404 Not Found", HTTP_X_TYPE="text/json")
    texts = [entry(log)["response"]["content"]["text"] for log in logs(2)]
    assert texts == ['{"token": "[REDACTED 5]", "kept": 1}', '{"token": "t0ken", "kept": "[REDACTED]"}']


@pytest.mark.parametrize("rule", [Rule(sample=0.0), Rule(status="2xx", sample=0.0), Rule(slower_than_ms=0, sample=0)])
def test_a_request_that_is_sampled_out_is_counted(logged: Logged, rule: Rule) -> None:
    middleware, logs = logged(app=answering, rules=[Rule(status="5xx"), rule] if rule.status else [rule])
    for _ in range(3):
        call(middleware)
    assert logs(0) == []
    stats = middleware.stats()
    assert (stats["made"], stats["sampled"], stats["queued"]) == (3, 3, 0)
    host = stats["host"]
    assert isinstance(host, dict) and (host["made"], host["sampled"]) == (3, 3)


def test_errors_are_kept_while_successes_are_sampled(logged: Logged) -> None:
    middleware, logs = logged(app=answering, rules=[Rule(status="4xx-5xx"), Rule(sample=0.1)])
    for number in range(200):
        call(middleware, HTTP_X_STATUS="500 Oops" if number % 10 == 0 else "200 OK")
    middleware.flush(10)
    stats = middleware.stats()
    assert (stats["made"], stats["queued"]) == (200, 0)
    assert stats["sent"] + stats["sampled"] == 200  # type: ignore[operator]
    sent = logs(stats["sent"])  # type: ignore[arg-type]
    assert sum(entry(log)["response"]["status"] == 500 for log in sent) == 20
    # The id decides: the first 48 bits of a kept log's id, as a fraction, are below a tenth.
    for log in sent:
        if entry(log)["response"]["status"] == 200:
            assert int(log["_id"].replace("-", "")[:12], 16) < 0.1 * 2**48


def test_a_log_that_is_sampled_out_has_no_page(logged: Logged) -> None:
    middleware, _ = logged(app=answering, rules=[Rule(status="2xx", sample=0.0)])
    assert call(middleware).header("x-documentation-url") is None
    assert call(middleware, HTTP_X_STATUS="404 No").header("x-documentation-url") is not None


def test_two_middlewares_sample_a_request_once(logged: Logged) -> None:
    inner, _ = logged(app=answering, rules=[Rule(sample=0.5)])
    outer, _ = logged(app=inner, rules=[Rule(sample=0.5)])
    for _ in range(60):
        call(outer)
    outer.flush(10)
    stats = outer.stats()
    assert stats["made"] == 60 and stats["sent"] + stats["sampled"] == 60  # type: ignore[operator]


def test_a_request_whose_app_raises_is_judged_as_a_500(logged: Logged) -> None:
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        raise KeyError("of the app")

    middleware, logs = logged(app=app, rules=[Rule(status="5xx"), Rule(log=False)])
    with pytest.raises(KeyError, match="of the app"):
        call(middleware)
    assert entry(logs(1)[0])["response"]["status"] == 500
