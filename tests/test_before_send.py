"""`before_send`: the last look at a log, between the queue and the server."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from readme_metrics import MetricsApiConfig, MetricsMiddleware, Rule
from readme_metrics.collector import Collector
from servers import wait_until
from wsgi import API_KEY, app, call, group

Logged = Callable[..., tuple[MetricsMiddleware, Callable[[int], list[dict[str, Any]]]]]


def entry(log: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = log["request"]["log"]["entries"][0]
    return found


def echoed(middleware: MetricsMiddleware, body: str = '{"token": "t0ken", "kept": 1}', **environ: Any) -> None:
    call(middleware, "/echo", method="POST", body=body.encode(), content_type="application/json", **environ)


def test_what_it_returns_is_sent_and_what_it_drops_is_counted(logged: Logged) -> None:
    threads = set()

    def before_send(log: dict[str, Any]) -> dict[str, Any] | None:
        threads.add(threading.current_thread())
        if "drop" in entry(log)["request"]["url"]:
            return None
        log["group"]["label"] = "changed"
        return log

    middleware, logs = logged(before_send=before_send, buffer_length=100, flush_interval=60)
    for path in ("/a", "/drop/1", "/b", "/drop/2", "/c"):
        call(middleware, path)
    found = logs(3)
    assert [entry(log)["request"]["url"][-2:] for log in found] == ["/a", "/b", "/c"]
    assert {log["group"]["label"] for log in found} == {"changed"}
    stats = middleware.stats()
    dropped: Any = stats["dropped"]
    assert (stats["made"], stats["sent"], stats["queued"], dropped["before_send"]) == (5, 3, 0, 2)


def test_all_dropped_is_no_post(logged: Logged, collector: Collector) -> None:
    middleware, _ = logged(before_send=lambda _: None)
    call(middleware)
    middleware.flush(10)
    dropped: Any = middleware.stats()["dropped"]
    assert dropped["before_send"] == 1 and collector.logs == []


@pytest.mark.parametrize(
    "answer",
    [lambda log: 1 / 0, lambda log: "no log", lambda log: {}, lambda log: {**log, "x": object()},
     lambda log: {**log, "x": float("nan")}, lambda log: {**log, "x": "\ud800"}, lambda log: {**log, "request": 1}],
)  # fmt: skip
def test_what_is_no_log_is_dropped_and_counted(logged: Logged, answer: Any, caplog: pytest.LogCaptureFixture) -> None:
    middleware, _ = logged(before_send=answer)
    call(middleware)
    middleware.flush(10)
    stats = middleware.stats()
    dropped: Any = stats["dropped"]
    assert (dropped["before_send"], stats["sent"], stats["queued"]) == (1, 0, 0)
    # The report is written once no lock is held, by whichever thread has called the function.
    wait_until(lambda: "before_send failed, and its log is dropped" in caplog.text, "nothing was reported")


def _put_back(log: dict[str, Any]) -> dict[str, Any]:
    now = entry(log)
    request, response = now["request"], now["response"]
    request["headers"].append({"name": "x-token", "value": "5ecret-a"})
    response["headers"].append({"name": "X-Token", "value": "5ecret-b"})
    request["queryString"].append({"name": "token", "value": "5ecret-c"})
    request["url"] = now["pageref"] = "http://127.0.0.1/echo?token=5ecret-d&page=2"
    request["postData"]["text"] = '{"token": "5ecret-e", "mine": [1]}'
    response["content"]["text"] = '{"token": "5ecret-f", "mine": [1]}'
    request["token"] = log["token"] = "5ecret-g"
    log["added"] = {"deep": [{"token": "5ecret-h", "fine": "here"}]}
    log["group"]["id"] = "5ecret-i"
    return log


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("rules", [[], [Rule(path="/echo", denylist=["other"])]])
def test_what_a_list_denies_cannot_be_put_back(logged: Logged, nested: bool, rules: list[Rule]) -> None:
    middleware, logs = logged(before_send=_put_back, denylist=["token", "X-Token"], redact_nested=nested, rules=rules)
    echoed(middleware, query="page=1")
    [log] = logs(1)
    text = json.dumps(log)
    assert "5ecret" not in text, text
    now = entry(log)
    assert now["request"]["postData"]["text"] == '{"token": "[REDACTED 8]", "mine": [1]}'
    assert now["request"]["url"].endswith("&page=2") and "here" in text
    assert {"name": "page", "value": "1"} in now["request"]["queryString"]


def test_what_it_leaves_alone_is_as_it_was(logged: Logged) -> None:
    plain, _ = logged(denylist=["token"])
    echoed(plain, HTTP_AUTHORIZATION="Bearer abcdefgh")
    plain.flush(10)
    shown, logs = logged(denylist=["token"], before_send=lambda log: log)
    echoed(shown, HTTP_AUTHORIZATION="Bearer abcdefgh")
    first, second = logs(2)
    for log in (first, second):
        for name in ("startedDateTime", "time", "timings"):
            del entry(log)[name]
        headers = entry(log)["response"]["headers"]
        headers[:] = [header for header in headers if header["name"] != "x-documentation-url"]
        del log["_id"]
    assert first == second


def test_markers_in_a_changed_body_keep_their_numbers(logged: Logged) -> None:
    def before_send(log: dict[str, Any]) -> dict[str, Any]:
        data = entry(log)["request"]["postData"]
        data["text"] = data["text"].replace('"kept": 1', '"kept": 2')
        return log

    middleware, logs = logged(denylist=["token"], before_send=before_send)
    echoed(middleware)
    assert entry(logs(1)[0])["request"]["postData"]["text"] == '{"token": "[REDACTED 5]", "kept": 2}'


def test_an_allowlist_holds_too(logged: Logged) -> None:
    middleware, logs = logged(allowlist=["kept"], before_send=lambda log: {**log, "new": "5ecret", "kept": "shown"})
    echoed(middleware)
    [log] = logs(1)
    assert (log["new"], log["kept"]) == ("[REDACTED 6]", "shown")


def test_a_log_that_waits_is_shown_once(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []

    def before_send(log: dict[str, Any]) -> dict[str, Any]:
        shown.append(log["_id"])
        return log

    monkeypatch.setenv("README_METRICS_SERVER", "http://127.0.0.1:9")
    config = MetricsApiConfig(API_KEY, group, before_send=before_send, flush_interval=60)
    middleware = MetricsMiddleware(app, config)
    call(middleware)
    for _ in range(3):
        assert middleware.flush(10) == 1
    assert len(shown) == 1


def test_an_app_without_the_function_has_another_queue() -> None:
    def before_send(log: dict[str, Any]) -> dict[str, Any]:
        return log

    seen = MetricsMiddleware(app, MetricsApiConfig(API_KEY, group, before_send=before_send))
    unseen = MetricsMiddleware(app, MetricsApiConfig(API_KEY, group))
    call(seen)
    call(unseen)
    assert seen.stats()["directory"] != unseen.stats()["directory"]


@pytest.mark.parametrize(("value", "error"), [(5, TypeError), ("no path", ValueError)])
def test_what_is_no_function_is_refused(value: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"^before_send takes a function"):
        MetricsApiConfig(API_KEY, group, before_send=value)


def test_a_path_that_leads_nowhere_is_refused_by_the_middleware() -> None:
    with pytest.raises(ValueError, match=r"^before_send takes a function"):
        MetricsMiddleware(app, MetricsApiConfig(API_KEY, group, before_send="wsgi.no_such_function"))
