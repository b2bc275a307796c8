"""docs/migration.md, "What differs on purpose"."""

from __future__ import annotations

import importlib
import json
import logging
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import wsgi
from logs import Logged, entry
from readme_metrics import MetricsApiConfig, MetricsMiddleware
from readme_metrics.collector import HANG, Collector
from wsgi import call, group

ROOT = Path(__file__).parent.parent


def test_buffer() -> None:
    config = MetricsApiConfig("key", group)
    assert (config.BUFFER_LENGTH, config.flush_interval) == (10, 5.0)
    assert MetricsApiConfig("key", group, buffer_length=1).BUFFER_LENGTH == 1


def test_bothlists(logged: Logged) -> None:
    middleware, logs = logged(denylist=["token"], allowlist=["nothing"])
    call(middleware)
    assert json.loads(entry(logs(1)[0])["response"]["content"]["text"]) == {"path": "/", "token": "[REDACTED 5]"}


def test_options(logged: Logged) -> None:
    middleware, logs = logged()
    call(middleware, method="OPTIONS")
    logs(0)


def test_checked() -> None:
    with pytest.raises(TypeError, match="buffer_length"):
        MetricsApiConfig("key", group, buffer_length="10")  # type: ignore[arg-type]
    config = MetricsApiConfig(
        123,  # type: ignore[arg-type]
        group,
        base_log_url="",
        development_mode=1,  # type: ignore[arg-type]
        background_worker_mode=0,  # type: ignore[arg-type]
    )
    assert (config.README_API_KEY, config.BASE_LOG_URL) == ("123", None)
    assert (config.IS_DEVELOPMENT_MODE, config.IS_BACKGROUND_MODE) == (True, False)


def test_endless() -> None:
    assert MetricsApiConfig("key", group, timeout=None).METRICS_API_TIMEOUT == 3
    assert MetricsApiConfig("key", group, timeout=86400).METRICS_API_TIMEOUT == 86400


def test_dotted() -> None:
    config = MetricsApiConfig("key", "no.such.function")
    assert config.GROUPING_FUNCTION == "no.such.function"
    with pytest.raises(ValueError, match=r"'no\.such\.function' leads nowhere"):
        MetricsMiddleware(wsgi.app, config)


def test_keyless(caplog: pytest.LogCaptureFixture) -> None:
    for arguments in ({"api_key": None}, {"grouping_function": None}):
        config = MetricsApiConfig(**{"api_key": "key", "grouping_function": group, **arguments})  # type: ignore[arg-type]
        assert call(MetricsMiddleware(wsgi.app, config)) == call(wsgi.app)
    assert len(caplog.records) == 2


def test_late(logged: Logged) -> None:
    middleware, logs = logged()
    middleware.config.DENYLIST = ["token"]
    call(middleware)
    assert json.loads(entry(logs(1)[0])["response"]["content"]["text"])["token"] == "t0ken"


def test_logger() -> None:
    logger = MetricsApiConfig("key", group).LOGGER
    MetricsApiConfig("key", group)
    assert logger is logging.getLogger("readme_metrics")
    assert logger.level == logging.NOTSET
    assert not [handler for handler in logger.handlers if "pytest" not in str(type(handler))]


def test_mask() -> None:
    mask = importlib.import_module("readme_metrics.util").mask
    assert mask("abcd").endswith("?")
    assert mask("abcde").endswith("?bcde")


def test_spacing(logged: Logged) -> None:
    middleware, logs = logged(denylist=["token"])
    text = b'{ "token":"t0ken",  "n": 1.50e0, "u": "\\u00e9" }'
    call(middleware, "/echo", method="POST", body=text, content_type="application/json")
    assert entry(logs(1)[0])["request"]["postData"]["text"] == text.decode().replace("t0ken", "[REDACTED 5]")


def test_exit(collector: Collector) -> None:
    assert MetricsApiConfig("key", group).shutdown_timeout == 2.0
    collector.answer = lambda post: HANG
    code = (
        "import wsgi; from readme_metrics import *;"
        "m = MetricsMiddleware(wsgi.app, MetricsApiConfig('k', wsgi.group, base_log_url='https://d.example.com',"
        "                                                 timeout=600, shutdown_timeout=0.5)); wsgi.call(m)"
    )
    started = time.monotonic()
    subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        cwd=ROOT / "tests",
        env={**os.environ, "README_METRICS_SERVER": collector.url},
    )
    assert time.monotonic() - started < 30  # far from 600, and room for a busy machine


def test_python() -> None:
    assert '\nrequires-python = ">=3.10"\n' in (ROOT / "pyproject.toml").read_text()
