"""The configuration of an app that logs to a Redis stream."""

from __future__ import annotations

from pathlib import Path

import pytest

import wsgi
from readme_metrics import MetricsApiConfig, MetricsMiddleware
from redis_server import RedisServer
from relaying import BY_HAND, app, log, logs_in


@pytest.mark.parametrize(
    "url",
    [
        "http://user:s3cret@host:6379/0",
        "user:s3cret@host:6379",
        "redis://",
        "redis://:s3cret@",
        "redis://host:s3cret",
        "redis://host:6379/s3cret",
        "redis://host:6379/0/s3cret",
        "redis://user:s3#cret@host",
        "redis://user:s3/cret@host:6379",
        "redis://host:99999/s3cret",
        "s3cret",
        "",
        "redis://ho st/s3cret",
        "unix:///tmp/s3cret",
    ],
)
def test_a_wrong_redis_url_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ValueError, match=r"^relay takes a URL") as error:
        MetricsApiConfig(None, wsgi.group, relay=url, project="shop")
    assert "s3cret" not in str(error.value) and "cret" not in str(error.value).replace("secret", "")


@pytest.mark.parametrize(
    "url", ["redis://h", "rediss://u:p@h:1/2?ssl_ca_certs=/x", "redis://[::1]:6379", "redis://:p@h/"]
)
def test_a_right_redis_url_is_kept(url: str) -> None:
    config = MetricsApiConfig(None, wsgi.group, relay=url, project="shop")
    assert (config.relay, config.project, config.relay_bytes) == (url, "shop", 256 * 2**20)


@pytest.mark.parametrize("project", ["a b", "", "{a}", "ü", "a" * 101, "a\n", "a/b"])
def test_a_wrong_project_is_refused(project: str) -> None:
    with pytest.raises(ValueError, match=r"^project takes"):
        MetricsApiConfig(None, wsgi.group, relay="redis://host", project=project)


def test_other_wrong_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="relay needs project"):
        MetricsApiConfig(None, wsgi.group, relay="redis://host")
    with pytest.raises(ValueError, match=r"project is only used with relay"):
        MetricsApiConfig("key", wsgi.group, project="shop")
    with pytest.raises(TypeError, match=r"^relay takes a string, got bytes$"):
        MetricsApiConfig(None, wsgi.group, relay=b"redis://host", project="shop")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^project takes a string"):
        MetricsApiConfig(None, wsgi.group, relay="redis://host", project=1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^relay_bytes takes 1048576 or more"):
        MetricsApiConfig(None, wsgi.group, relay="redis://host", project="shop", relay_bytes=1000)
    monkeypatch.setenv("README_METRICS_RELAY", "s3cret")
    with pytest.raises(ValueError, match=r"^README_METRICS_RELAY takes a URL"):
        MetricsApiConfig(None, wsgi.group)
    monkeypatch.setenv("README_METRICS_RELAY", "redis://host")
    monkeypatch.setenv("README_METRICS_PROJECT", "a b")
    with pytest.raises(ValueError, match=r"^README_METRICS_PROJECT takes"):
        MetricsApiConfig(None, wsgi.group)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ImportError, match=r"readme-metrics\[redis\]"):
        MetricsApiConfig(None, wsgi.group, project="shop")


def test_the_environment_is_enough(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("README_METRICS_RELAY", redis_server.url)
    monkeypatch.setenv("README_METRICS_PROJECT", "from-environment")
    middleware = MetricsMiddleware(wsgi.app, MetricsApiConfig(None, wsgi.group, "https://d.example", **BY_HAND))
    log(middleware, range(2))
    assert middleware.flush(60) == 0
    assert len(logs_in(redis_server, "from-environment")) == 2


def test_a_parameter_that_redis_py_does_not_know(redis_server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    middleware = app(f"{redis_server.url}?no_such_parameter=s3cret", **BY_HAND)
    log(middleware, range(2))
    assert middleware.flush(60) == 2
    assert "a parameter of the URL" in caplog.text and "s3cret" not in caplog.text


def test_a_dry_run_goes_nowhere(redis_server: RedisServer, tmp_path: Path) -> None:
    middleware = app(redis_server.url, dry_run=tmp_path / "logs.jsonl", **BY_HAND)
    log(middleware, range(2))
    assert middleware.flush(60) == 0
    assert redis_server("DBSIZE") == 0
    assert len((tmp_path / "logs.jsonl").read_text().splitlines()) == 2
