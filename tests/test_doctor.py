"""`readme-metrics doctor` against each way in which logs can fail to show up."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

import wsgi
from readme_metrics.collector import HANG, Answer, Collector
from readme_metrics.commands import main


@pytest.fixture(autouse=True)
def nothing_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The other rungs of this machine may hold other apps."""
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
    "strange key": ({"README_API_KEY": "key "}, None, "configuration", "copy it anew"),
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
