"""`MetricsApiConfig` and `MetricsMiddleware` as the documentation and the published SDK know them."""

from __future__ import annotations

import importlib
import inspect
import logging
import sys
from pathlib import Path
from typing import Any

import pytest

import readme_metrics
from readme_metrics import MetricsApiConfig, MetricsMiddleware
from readme_metrics.collector import Collector
from wsgi import API_KEY, app, call, group


def test_positional_order_is_the_published_one() -> None:
    parameters = inspect.signature(MetricsApiConfig).parameters
    positional = [name for name, p in parameters.items() if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert positional == [
        "api_key", "grouping_function", "base_log_url", "buffer_length", "development_mode", "background_worker_mode",
        "allowlist", "denylist", "blacklist", "whitelist", "allowed_http_hosts", "timeout",
    ]  # fmt: skip


def test_published_attributes_are_readable() -> None:
    config = MetricsApiConfig(
        "key", group, "https://docs.example.com", 5, True, False, ["a"], ["d"], None, None, ["example.com"], 7
    )
    assert config.README_API_KEY == "key"
    assert config.GROUPING_FUNCTION is group
    assert config.BASE_LOG_URL == "https://docs.example.com"
    assert config.BUFFER_LENGTH == 5
    assert config.IS_DEVELOPMENT_MODE is True
    assert config.IS_BACKGROUND_MODE is False
    assert config.ALLOWLIST == ["a"]
    assert config.DENYLIST == ["d"]
    assert config.ALLOWED_HTTP_HOSTS == ["example.com"]
    assert config.METRICS_API_TIMEOUT == 7
    assert config.METRICS_API == "https://metrics.readme.io"
    assert config.README_API_URL == "https://dash.readme.com/api"
    assert isinstance(config.LOGGER, logging.Logger)


def test_defaults_are_the_documented_ones() -> None:
    config = MetricsApiConfig("key", group)
    assert (config.BUFFER_LENGTH, config.IS_DEVELOPMENT_MODE, config.IS_BACKGROUND_MODE) == (10, False, True)
    assert (config.ALLOWLIST, config.DENYLIST, config.ALLOWED_HTTP_HOSTS) == ([], [], [])
    assert config.METRICS_API_TIMEOUT == 3


def test_old_names_of_the_lists() -> None:
    config = MetricsApiConfig("key", group, blacklist=["b"], whitelist=["w"])
    assert (config.DENYLIST, config.ALLOWLIST) == (["b"], ["w"])


def test_a_dotted_path_is_imported_by_the_first_middleware(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "grouping_of_a_project.py").write_text("def who(request): return None\n")
    config = MetricsApiConfig("key", "grouping_of_a_project.who")
    monkeypatch.syspath_prepend(tmp_path)
    assert "grouping_of_a_project" not in sys.modules
    MetricsMiddleware(app, config)
    function = config.imported_grouping_function()
    assert function is not None and function.__module__ == "grouping_of_a_project"
    assert config.GROUPING_FUNCTION == "grouping_of_a_project.who"


@pytest.mark.parametrize(
    ("path", "error"),
    [("no.such.function", ValueError), ("wsgi.no_such_function", ValueError), ("wsgi.API_KEY", TypeError)],
)
def test_a_path_that_leads_nowhere_is_refused_by_the_middleware(path: str, error: type[Exception]) -> None:
    config = MetricsApiConfig("key", path)
    with pytest.raises(error, match=r"^grouping_function takes a function or the dotted path of one"):
        MetricsMiddleware(app, config)


@pytest.mark.parametrize(
    ("name", "value"), [("api_key", None), ("api_key", ""), ("api_key", " \n"), ("grouping_function", None)]
)
def test_without_a_key_or_a_function_nothing_is_logged_and_one_warning_says_so(
    name: str, value: Any, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    arguments = {"api_key": "key", "grouping_function": "no.such.function", name: value}
    bare = call(app)
    for _ in range(2):
        caplog.clear()
        middleware = MetricsMiddleware(app, MetricsApiConfig(**arguments))
        assert [call(middleware), call(middleware)] == [bare, bare]
        assert [record.getMessage() for record in caplog.records] == [f"Nothing is logged: {name} is None or blank"]
        assert caplog.records[0].levelno == logging.WARNING
        assert middleware.flush(10) == 0
        assert middleware.stats()["made"] == 0
    assert collector.logs == []


def test_a_disabled_middleware_warns_of_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("README_METRICS_DISABLED", "1")
    MetricsMiddleware(app, MetricsApiConfig(None, "no.such.function"))
    assert caplog.records == []


def test_what_the_published_sdk_took_works_as_it_did() -> None:
    config = MetricsApiConfig(
        12345,  # type: ignore[arg-type]
        group,
        "",
        development_mode=1,  # type: ignore[arg-type]
        background_worker_mode=0,  # type: ignore[arg-type]
        timeout=None,
    )
    assert (config.README_API_KEY, config.BASE_LOG_URL, config.METRICS_API_TIMEOUT) == ("12345", None, 3)
    assert (config.IS_DEVELOPMENT_MODE, config.IS_BACKGROUND_MODE) == (True, False)
    config = MetricsApiConfig("key", group, development_mode=None, background_worker_mode=1)  # type: ignore[arg-type]
    assert (config.IS_DEVELOPMENT_MODE, config.IS_BACKGROUND_MODE) == (False, True)


def test_old_import_paths() -> None:
    for name in ("MetricsApiConfig", "MetricsMiddleware"):
        module = importlib.import_module(f"readme_metrics.{name}")
        assert getattr(module, name) is getattr(readme_metrics, name)
    # Importing the module must not replace the class of the same name.
    assert inspect.isclass(readme_metrics.MetricsApiConfig)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("api_key", b"key"), ("api_key", True), ("api_key", 1.5),
        ("grouping_function", 5), ("grouping_function", ""), ("grouping_function", "nodots"),
        ("grouping_function", "two..dots"), ("grouping_function", ".relative"), ("grouping_function", "pkg:function"),
        ("base_log_url", 1), ("base_log_url", " "), ("base_log_url", "https://docs.example.com/\r\nSet-Cookie: a=b"),
        ("buffer_length", 0), ("buffer_length", "10"), ("buffer_length", True), ("buffer_length", 1.5),
        ("development_mode", "yes"), ("development_mode", 2), ("background_worker_mode", "0"),
        ("allowlist", "name"), ("denylist", 5), ("denylist", [1]), ("blacklist", b"x"), ("whitelist", object()),
        ("allowed_http_hosts", "example.com"),
        ("timeout", 0), ("timeout", "3"), ("timeout", float("nan")), ("timeout", True),
        ("flush_interval", 0), ("flush_interval", None), ("shutdown_timeout", -1),
        ("queue_dir", 3), ("queue_bytes", 10), ("orphan_days", 0), ("orphan_days", "7"), ("label", ""), ("label", 3),
        ("queue_bytes", "1M"),
        ("max_body_bytes", -1), ("max_body_bytes", 2**40),
        ("capture_unread_body", None), ("trust_forwarded", "1"), ("ignore_paths", "/health"), ("redact_nested", 1),
        ("compress", "gzip"), ("dry_run", 1),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_by_name(name: str, value: Any) -> None:
    arguments = {"api_key": "key", "grouping_function": group, name: value}
    with pytest.raises((TypeError, ValueError), match=rf"^{name} "):
        MetricsApiConfig(**arguments)


@pytest.mark.parametrize("key", ["rdme_xn8s9h4f2c", b"rdme_xn8s9h4f2c", "rdme-xn8s9h.4f2c", ["rdme_xn8s9h4f2c"]])
def test_an_api_key_in_the_place_of_the_function_is_not_quoted(key: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"^grouping_function takes a function") as refused:
        MetricsApiConfig("key", key)
    assert "xn8s9h" not in str(refused.value)


def test_a_path_that_leads_to_an_api_key_does_not_quote_it() -> None:
    config = MetricsApiConfig("key", "wsgi.API_KEY")
    with pytest.raises(TypeError, match=r"'wsgi\.API_KEY' leads to something else: str") as refused:
        MetricsMiddleware(app, config)
    assert API_KEY not in str(refused.value)


def test_a_refused_api_key_is_not_quoted() -> None:
    with pytest.raises(TypeError) as error:
        MetricsApiConfig(b"rdme_secret", group)  # type: ignore[arg-type]
    assert "rdme_secret" not in str(error.value)


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(TypeError, match="development"):
        MetricsApiConfig("key", group, development=True)  # type: ignore[call-arg]


def test_the_middleware_refuses_what_it_cannot_wrap() -> None:
    with pytest.raises(TypeError, match="wsgi_app_reference takes a WSGI app"):
        MetricsMiddleware("app", MetricsApiConfig("key", group))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="config takes a MetricsApiConfig"):
        MetricsMiddleware(app, {"api_key": "key"})  # type: ignore[arg-type]
