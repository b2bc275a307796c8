"""docs/migration.md, "What is the same"; and the check that each statement of the page has a test."""

from __future__ import annotations

import importlib
import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest
from werkzeug import Request

import readme_metrics
import test_migration_better as better
import test_migration_differences as differences
import test_migration_frameworks as frameworks
import wsgi
from logs import Logged, entry
from readme_metrics import MetricsApiConfig, MetricsMiddleware
from readme_metrics.collector import Collector
from readme_metrics.VerifyWebhook import VerificationError, VerifyWebhook
from test_webhook import SECRET, signature
from wsgi import call, group

ROOT = Path(__file__).parent.parent


def test_every_statement_has_a_test() -> None:
    page = (ROOT / "docs" / "migration.md").read_text()
    anchors = re.findall(r'<a id="(\w+)"></a>', page)
    names = [name for module in (globals(), *map(vars, (better, differences, frameworks))) for name in module]
    tests = [name.removeprefix("test_") for name in names if name.startswith("test_")]
    assert [*anchors, "every_statement_has_a_test"] == [*tests[1:], tests[0]]
    # Rows without an anchor are headings or figures.
    rows = [row for row in page.partition("## What it weighs")[0].splitlines() if row.startswith("| ")]
    assert [row for row in rows if "<a id" not in row] == [
        "| | |",
        "| before | now |",
        "| before | now | the old way |",
        "| before | now | the old way |",
    ]


def test_imports() -> None:
    for name in ("MetricsApiConfig", "MetricsMiddleware"):
        assert getattr(importlib.import_module(f"readme_metrics.{name}"), name) is getattr(readme_metrics, name)
    assert importlib.import_module("readme_metrics.VerifyWebhook").VerifyWebhook is VerifyWebhook
    mask = importlib.import_module("readme_metrics.util").mask
    assert mask("deadbeef") == (
        "sha512-ETo7x4PYUfwDcyFLGep76fo95UHsuf4CbVLGA+jqGcF0zA6XBfi5DTEiEsDDpthFPd+z4xQUCc9L7cjvAzWQtA==?beef"
    )


def test_arguments() -> None:
    config = MetricsApiConfig(
        "key", "wsgi.group", "https://docs.example.com", 5, True, False, None, None, ["b"], ["w"], ["example.com"], 7
    )
    assert config.imported_grouping_function() is group
    assert (config.DENYLIST, config.ALLOWLIST, config.METRICS_API_TIMEOUT) == (["b"], ["w"], 7)


def test_attributes(logged: Logged, caplog: pytest.LogCaptureFixture) -> None:
    middleware, _ = logged(group=lambda request: {"api_key": "a"}, buffer_length=5)
    config = middleware.config
    assert middleware.app is wsgi.app
    assert (config.README_API_KEY, config.BUFFER_LENGTH) == (wsgi.API_KEY, 5)
    config.LOGGER = logging.getLogger("replaced")
    call(middleware)
    assert {record.name for record in caplog.records} == {"replaced"}


def test_grouping(logged: Logged) -> None:
    seen: list[object] = []
    answers: list[Any] = [{"api_key": "one"}, {"id": "two", "label": "L", "email": "E"}, None]

    def function(request: object) -> Any:
        seen.append(request)
        return answers.pop(0)

    middleware, logs = logged(group=function)
    for _ in range(3):
        call(middleware)
    groups = [log["group"] for log in logs(2)]
    assert all(isinstance(request, Request) for request in seen)
    assert groups[0]["id"].startswith("sha512-") and groups[1]["label"] == "L" and groups[1]["email"] == "E"


def test_wire(logged: Logged, collector: Collector) -> None:
    middleware, logs = logged(denylist=["token"])
    call(middleware, HTTP_HOST="api.example.com")
    [log] = logs(1)
    assert set(log) >= {"_id", "group", "clientIPAddress", "development", "request"}
    assert log["request"]["log"]["creator"]["name"] == "readme-metrics (python)"
    assert json.loads(entry(log)["response"]["content"]["text"])["token"] == "[REDACTED 5]"
    assert re.fullmatch(r"sha512-[\w+/]{86}==\?0001", log["group"]["id"])
    [post] = collector.posts
    assert post.headers["Authorization"].startswith("Basic ")
    assert MetricsApiConfig.METRICS_API == "https://metrics.readme.io"


def test_server(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    # The "proxy" answers for a host that does not exist.
    monkeypatch.setenv("README_METRICS_SERVER", "http://metrics.invalid")
    monkeypatch.setenv("HTTP_PROXY", collector.url)
    middleware = MetricsMiddleware(
        wsgi.app, MetricsApiConfig(wsgi.API_KEY, group, base_log_url="https://d.example.com")
    )
    call(middleware)
    middleware.flush(10)
    assert [post.headers["Host"] for post in collector.posts] == ["metrics.invalid"]


def test_webhooks() -> None:
    body = {"email": "owl@example.com", "n": 1}
    VerifyWebhook(body, signature(body), SECRET)
    with pytest.raises(VerificationError):
        VerifyWebhook(body, signature(body, secret="another"), SECRET)
