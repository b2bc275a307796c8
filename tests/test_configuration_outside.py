"""Configurations from environment variables and TOML files."""

from __future__ import annotations

import inspect
import logging
import re
from pathlib import Path
from typing import Any

import pytest

from readme_metrics import MetricsApiConfig, Rule
from readme_metrics.commands import main
from readme_metrics.configuration import outside
from wsgi import group

#: A text for each option, and what it becomes.
TEXTS: dict[str, tuple[str, object]] = {
    "base_log_url": ("https://docs.example.com", "https://docs.example.com"),
    "buffer_length": ("7", 7),
    "development_mode": ("TRUE", True),
    "background_worker_mode": ("no", False),
    "allowlist": ("a, b", ["a", "b"]),
    "denylist": ("token,,X-Key ", ["token", "X-Key"]),
    "blacklist": ("old", ["old"]),
    "whitelist": ("old", ["old"]),
    "allowed_http_hosts": ("example.com,localhost", ["example.com", "localhost"]),
    "timeout": ("2.5", 2.5),
    "flush_interval": ("9", 9.0),
    "shutdown_timeout": ("0", 0.0),
    "queue_bytes": ("2000000", 2_000_000),
    "orphan_days": ("0.5", 0.5),
    "label": ("shop", "shop"),
    "max_body_bytes": ("0", 0),
    "capture_unread_body": ("off", False),
    "trust_forwarded": ("on", True),
    "ignore_paths": ("/a,/b/*", ["/a", "/b/*"]),
    "before_send": ("wsgi.group", "wsgi.group"),
    "redact_nested": ("1", True),
    "compress": ("yes", True),
    "relay_bytes": ("2000000", 2_000_000),
}


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("README_API_KEY", raising=False)


def test_the_table_has_all_options() -> None:
    assert ["grouping_function", *outside.OPTIONS] == sorted(
        inspect.signature(MetricsApiConfig).parameters,
        key=["grouping_function", *outside.OPTIONS].index,
    )
    assert set(TEXTS) == set(outside.OPTIONS) - {"api_key", "rules"} - {
        name for name, option in outside.OPTIONS.items() if option.always
    }


@pytest.mark.parametrize("name", TEXTS)
def test_each_option_from_the_environment(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    text, value = TEXTS[name]
    monkeypatch.setenv("README_API_KEY", "key")
    monkeypatch.setenv(f"README_METRICS_{name.upper()}", text)
    config = MetricsApiConfig.from_env(group)
    assert config.README_API_KEY == "key" and config.GROUPING_FUNCTION is group
    assert getattr(config, outside.OPTIONS[name].attribute) == value
    shown = {option: origin for option, _, origin in outside.effective(config)}
    assert f"README_METRICS_{name.upper()}" in shown.values() and shown["api_key"] == "README_API_KEY"


def test_rules_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("README_METRICS_RULES", '[{"path": "/health", "log": false}, {"sample": 0.5}]')
    config = MetricsApiConfig.from_env(group, api_key="key")
    assert [repr(rule) for rule in config.rules] == [repr(Rule(path="/health", log=False)), repr(Rule(sample=0.5))]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("BUFFER_LENGTH", "many", "it takes a whole number, got 'many'"),
        ("BUFFER_LENGTH", "0", "buffer_length takes 1 or more, got 0"),
        ("TIMEOUT", "3s", "it takes a number of seconds, got '3s'"),
        ("TIMEOUT", "-1", "timeout takes seconds above 0"),
        ("COMPRESS", "maybe", "it takes 1 or 0, got 'maybe'"),
        ("BASE_LOG_URL", "b\u00fccher", "base_log_url takes a URL in printable ASCII"),
        ("RULES", "path=/x", "it takes a JSON list of objects"),
        ("RULES", '{"path": "/x"}', "rules takes a list of tables"),
        ("RULES", '[{"pth": "/x"}]', r"rules\[0\]: pth is no argument of a rule"),
        ("RULES", '[{"sample": 1}, {"sample": 7}]', r"rules\[1\]: Rule\(sample=7\): sample takes a number from 0 to 1"),
        ("RULES", '[{"sample": 0.5}, {"path": "/x"}]', r"rules\[1\], Rule\(path='/x'\), is never reached"),
    ],
)
def test_a_wrong_value_names_its_variable(monkeypatch: pytest.MonkeyPatch, name: str, text: str, message: str) -> None:
    monkeypatch.setenv(f"README_METRICS_{name}", text)
    with pytest.raises(ValueError, match=rf"^README_METRICS_{name}: {message}"):
        MetricsApiConfig.from_env(group)


def test_overrides_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("README_METRICS_BUFFER_LENGTH", "7")
    config = MetricsApiConfig.from_env(group, buffer_length=3)
    assert config.BUFFER_LENGTH == 3 and config.origins["buffer_length"] == "argument"
    with pytest.raises(ValueError, match=r"^buffer_length takes"):
        MetricsApiConfig.from_env(group, buffer_length=0)
    with pytest.raises(TypeError, match="bufferlength"):
        MetricsApiConfig.from_env(group, bufferlength=3)


def test_a_variable_that_is_no_option_is_named(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("README_METRICS_BUFER_LENGTH", "7")
    with caplog.at_level(logging.WARNING, "readme_metrics"):
        MetricsApiConfig.from_env(group)
    assert [record.getMessage() for record in caplog.records] == [
        "README_METRICS_BUFER_LENGTH is set, and is no option of readme-metrics"
    ]


def test_the_constructor_reads_no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("README_API_KEY", "key")
    monkeypatch.setenv("README_METRICS_BUFFER_LENGTH", "7")
    config = MetricsApiConfig(None, group)
    assert (config.README_API_KEY, config.BUFFER_LENGTH) == ("", 10)


def test_a_file_is_read_and_no_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("README_API_KEY", "key")
    monkeypatch.setenv("README_METRICS_BUFFER_LENGTH", "7")
    config = MetricsApiConfig.from_toml(written(tmp_path, "[tool.readme-metrics]\ncompress = true"))
    assert (config.README_API_KEY, config.BUFFER_LENGTH, config.missing_argument()) == ("", 10, "api_key")


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "pyproject.toml"
    path.write_text(text)
    return path


def test_a_table_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(
        tmp_path,
        """
        [tool.readme-metrics]
        grouping_function = "wsgi.group"
        buffer_length = 5
        denylist = ["token"]
        [[tool.readme-metrics.rules]]
        status = "4xx-5xx"
        [[tool.readme-metrics.rules]]
        sample = 0.1
        """,
    )
    monkeypatch.setenv("README_API_KEY", "key")
    config = MetricsApiConfig.from_toml(path, timeout=1, api_key="own")
    assert (config.README_API_KEY, config.GROUPING_FUNCTION) == ("own", "wsgi.group")
    assert (config.BUFFER_LENGTH, config.DENYLIST, config.METRICS_API_TIMEOUT) == (5, ["token"], 1)
    assert [repr(rule) for rule in config.rules] == ["Rule(status='4xx-5xx')", "Rule(sample=0.1)"]
    shown = {name: (value, origin) for name, value, origin in outside.effective(config)}
    assert shown["buffer_length"] == ("5", f"{path} [tool.readme-metrics]")
    assert shown["api_key"] == ("3 characters", "argument")
    assert shown["timeout"] == ("1", "argument") and shown["compress"] == ("False", "default")


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("[a]\nbuffer_length = 0", ValueError, r" \[a\]: buffer_length takes 1 or more"),
        ("[a]\nbuffer_length = '5'", TypeError, r" \[a\]: buffer_length takes a whole number"),
        ("[a]\nbufer_length = 5", ValueError, r" \[a\]: bufer_length is no option"),
        ("[a]\nrules = 5", TypeError, r" \[a\]: rules takes a list of tables"),
        ("[[a.rules]]\nlog = false\nbodies = false", ValueError, r" \[a\]: rules\[0\]: Rule\(.*\): bodies contradicts"),
        ("[b]", ValueError, r" has no table \[a\]"),
        ("[a", ValueError, ": "),
    ],
)
def test_what_is_wrong_in_a_file_names_it(tmp_path: Path, text: str, error: type[Exception], message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(error, match="^" + re.escape(str(path)) + message):
        MetricsApiConfig.from_toml(path, "a")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        MetricsApiConfig.from_toml(tmp_path / "missing.toml")


def test_doctor_shows_each_value_and_where_it_is_from(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("README_API_KEY", "rdme_5ecret_key")
    monkeypatch.setenv("README_METRICS_BUFFER_LENGTH", "7")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "configuration_of_a_project.py").write_text(
        "from readme_metrics import MetricsApiConfig\n"
        "config = MetricsApiConfig.from_env(lambda request: None, timeout=0.5)\n"
    )
    main(["doctor", "--config", "configuration_of_a_project:config"])
    output: Any = capsys.readouterr().out
    lines = [line.strip() for line in output.splitlines()]
    assert "buffer_length = 7 (README_METRICS_BUFFER_LENGTH)" in lines
    assert "timeout = 0.5 (argument)" in lines
    assert "compress = False (default)" in lines
    assert "queue_dir = None (README_METRICS_QUEUE_DIR)" in lines
    assert "5ecret" not in output
