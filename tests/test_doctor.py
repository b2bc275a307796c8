"""`readme-metrics doctor` against each way in which logs can fail to show up."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

import pytest

import wsgi
from readme_metrics import MetricsApiConfig, MetricsMiddleware
from readme_metrics.collector import HANG, Answer, Collector
from readme_metrics.commands import main
from readme_metrics.delivery import queue_dirs


@pytest.fixture(autouse=True)
def nothing_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The other rungs of this machine may hold queues of other apps."""
    monkeypatch.setattr("readme_metrics.delivery.queue_dirs.rungs", lambda queue_dir: [str(queue_dir or tmp_path)])
    monkeypatch.setenv("README_API_KEY", wsgi.API_KEY)


BROKEN: dict[str, tuple[dict[str, str], Any, str, str]] = {
    "nothing listens": (
        {"README_METRICS_SERVER": "http://127.0.0.1:9"},
        None,
        "test log",
        "check README_METRICS_SERVER",
    ),
    "not a URL": ({"README_METRICS_SERVER": "metrics"}, None, "configuration", "not a URL"),
    "strange key": ({"README_API_KEY": "key "}, None, "configuration", "copy it again"),
    "wrong key": ({}, Answer(401), "test log", "the API key is wrong"),
    "wrong address": ({}, Answer(404), "test log", "points to something else"),
    "redirect": ({}, Answer(301, {"Location": "/"}), "test log", "redirect"),
    "server broken": ({}, Answer(500), "test log", "the server has a problem"),
    "no answer": ({}, HANG, "test log", "no answer within"),
    "unknown name": ({"README_METRICS_SERVER": "http://nowhere.invalid"}, None, "name", "DNS"),
    "proxy": ({"HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": "", "no_proxy": ""}, None, "proxy", "HTTPS_PROXY"),
    "certificates": ({"REQUESTS_CA_BUNDLE": "/nowhere.pem"}, None, "certificates", "unset REQUESTS_CA_BUNDLE"),
    "disabled": ({"README_METRICS_DISABLED": "1"}, None, "switches", "unset"),
    "dry run": ({"README_METRICS_DRY_RUN": "1"}, None, "switches", "unset"),
    "no directory": ({"TEST_QUEUE_DIR": "/nowhere"}, None, "queue", "set README_METRICS_QUEUE_DIR"),
}


@pytest.mark.parametrize("broken", [*BROKEN, None])
def test_the_doctor_names_the_broken_link(
    collector: Collector, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, broken: str | None
) -> None:
    monkeypatch.setenv("README_METRICS_SERVER", collector.url)
    environ, answer, link, advice = BROKEN[broken] if broken else ({}, None, "", "")
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    if answer:
        collector.answer = lambda _: answer
    queue_dir = ["--queue-dir", environ["TEST_QUEUE_DIR"]] if "TEST_QUEUE_DIR" in environ else []
    assert main(["doctor", *queue_dir, "--json"]) == bool(broken)
    found = json.loads(capsys.readouterr().out)
    assert [finding["link"] for finding in found if not finding["is_ok"]] == ([link] if broken else [])
    assert all(advice in finding["advice"] for finding in found if not finding["is_ok"])
    assert main(["doctor", *queue_dir]) == bool(broken)
    out = capsys.readouterr().out
    assert ("BROKEN" in out) == bool(broken)
    assert wsgi.API_KEY not in out
    if not broken:
        [first, _] = collector.logs
        assert first["development"] is True


def test_the_doctor_reads_the_apps_own_configuration(
    collector: Collector, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("README_METRICS_SERVER", collector.url)
    (tmp_path / "their_app.py").write_text(
        "from readme_metrics import MetricsApiConfig, MetricsMiddleware\n"
        "config = MetricsApiConfig('their own key', lambda r: None, buffer_length=77)\n"
        "class App: wsgi_app = MetricsMiddleware(lambda e, s: [], config)\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name in ("config", "App", "App.wsgi_app"):
        assert main(["doctor", "--config", f"their_app:{name}"]) == 0
        assert "buffer_length 77" in capsys.readouterr().out
    for name in ("their_app:nothing", "no_such_module:config", "their_app"):
        assert main(["doctor", "--config", name]) == 2


@pytest.mark.parametrize("disables", [True, False])
def test_the_doctor_notices_a_logging_configuration_that_disables_our_logger(
    collector: Collector,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    disables: bool,
) -> None:
    monkeypatch.setenv("README_METRICS_SERVER", collector.url)
    (tmp_path / f"app_{disables}.py").write_text(
        "import logging.config\n"
        "from readme_metrics import MetricsApiConfig\n"
        "config = MetricsApiConfig('their own key', lambda r: None)\n"
        f"logging.config.dictConfig({{'version': 1, 'disable_existing_loggers': {disables}}})\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    try:
        assert main(["doctor", "--config", f"app_{disables}:config", "--json"]) == disables
    finally:
        for logger in logging.root.manager.loggerDict.values():
            if isinstance(logger, logging.Logger):
                logger.disabled = False
    [finding] = [finding for finding in json.loads(capsys.readouterr().out) if finding["link"] == "logging"]
    assert finding["is_ok"] != disables
    assert ("disable_existing_loggers" in finding["advice"]) == disables


def test_credentials_of_the_server_are_shown_nowhere(
    collector: Collector,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for answer in (Answer(), Answer(401), Answer(503)):
        collector.answer = lambda _, answer=answer: answer  # type: ignore[misc]
        monkeypatch.setenv("README_METRICS_SERVER", collector.url.replace("://", "://robot:made-up-7f3a9c@") + "/")
        middleware = MetricsMiddleware(wsgi.app, MetricsApiConfig(wsgi.API_KEY, wsgi.group, "https://d.example"))
        wsgi.call(middleware)
        middleware.flush(10)
        for command in (["doctor"], ["status"], ["flush"], ["doctor", "--json"], ["status", "--json"]):
            main(command)
    monkeypatch.setenv("README_METRICS_SERVER", "http://robot:made-up-7f3a9c@127.0.0.1:9")
    main(["doctor"])
    captured = capsys.readouterr()
    assert "127.0.0.1" in captured.out
    assert "made-up" not in captured.out + captured.err + caplog.text + str(middleware.stats())


def test_a_trailing_slash_names_the_same_server(monkeypatch: pytest.MonkeyPatch) -> None:
    config = MetricsApiConfig(wsgi.API_KEY, wsgi.group)
    names = set()
    for url in ("https://metrics.example.com", "https://metrics.example.com/", "https://robot:x@metrics.example.com"):
        monkeypatch.setenv("README_METRICS_SERVER", url)
        names.add(queue_dirs.name(config))
    assert len(names) == 1
