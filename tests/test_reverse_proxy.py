"""An app without a key, behind a reverse proxy that adds it: nothing is lost while the proxy is away."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import wsgi
from readme_metrics import MetricsApiConfig, MetricsMiddleware
from readme_metrics.collector import Answer, Collector
from readme_metrics.commands import main
from reverse_proxy import ReverseProxy
from test_delivery import check_sums, log

pytestmark = pytest.mark.skipif(
    not shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"), reason="needs nginx"
)

REAL_KEY = "rdme_real_key_of_the_project"
PLACEHOLDER = "added-by-the-proxy"


@pytest.fixture
def proxy(collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ReverseProxy]:
    proxy = ReverseProxy(tmp_path / "nginx", collector.url, REAL_KEY)
    proxy.start()
    monkeypatch.setenv("README_METRICS_SERVER", proxy.url)
    monkeypatch.setenv("NO_PROXY", "*")
    yield proxy
    proxy.stop()


def keys(collector: Collector) -> set[str]:
    return {base64.b64decode(post.headers["Authorization"].split()[1]).decode() for post in collector.posts}


def make(**options: int) -> MetricsMiddleware:
    config = MetricsApiConfig(PLACEHOLDER, wsgi.group, "https://docs.example.com", **options)  # type: ignore[arg-type]
    return MetricsMiddleware(wsgi.app, config)


def test_the_proxy_goes_and_comes_back_and_nothing_is_lost(proxy: ReverseProxy, collector: Collector) -> None:
    middleware = make(buffer_length=100_000, flush_interval=3600)
    log(middleware, 50)
    assert middleware.flush(60) == 0
    assert len(collector.logs) == 50
    proxy.stop()
    log(middleware, 20)
    assert middleware.flush(60) == 20, "kept"
    assert check_sums(middleware)["host"]["failures"] == 1
    proxy.start()
    assert middleware.flush(60) == 0
    assert (len(collector.ids()), collector.duplicates) == (70, 0)
    assert keys(collector) == {f"{REAL_KEY}:"}
    assert check_sums(middleware)["sent"] == 70


def test_readme_is_away_behind_the_proxy(proxy: ReverseProxy, collector: Collector) -> None:
    middleware = make(buffer_length=100_000, flush_interval=3600)
    collector.answer = lambda _: Answer(503, {"Retry-After": "7"})
    log(middleware, 5)
    assert middleware.flush(60) == 5
    host = check_sums(middleware)["host"]
    assert (host["last_error"], host["pause_until"] - host["last_error_at"]) == ("HTTP 503", pytest.approx(7, abs=1))
    collector.answer = lambda _: Answer()
    assert middleware.flush(60) == 0
    assert (len(collector.ids()), collector.duplicates) == (5, 0)


def test_a_log_larger_than_the_proxys_own_limit_arrives(proxy: ReverseProxy, collector: Collector) -> None:
    middleware = make(max_body_bytes=4 * 2**20, queue_bytes=32 * 2**20)
    body = b"x" * (3 * 2**20)
    wsgi.call(middleware, "/echo", method="POST", body=body, content_type="text/plain")
    assert middleware.flush(60) == 0
    [arrived] = collector.logs
    assert len(arrived["request"]["log"]["entries"][0]["response"]["content"]["text"]) == len(body)


def test_the_doctor_names_the_proxy(
    proxy: ReverseProxy,
    collector: Collector,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    # The other rungs of this machine may hold queues of other apps.
    monkeypatch.setattr("readme_metrics.delivery.queue_dirs.rungs", lambda queue_dir: [str(queue_dir or tmp_path)])
    monkeypatch.setenv("README_API_KEY", PLACEHOLDER)
    assert main(["doctor", "--json"]) == 0
    [route] = [finding for finding in json.loads(capsys.readouterr().out) if finding["link"] == "route"]
    assert proxy.url in route["detail"] and "in place of https://metrics.readme.io" in route["detail"]
    collector.answer = lambda _: Answer(502)
    assert main(["doctor", "--json"]) == 1
    [broken] = [finding for finding in json.loads(capsys.readouterr().out) if not finding["is_ok"]]
    assert broken["link"] == "test log" and "cannot reach ReadMe" in broken["advice"]
    proxy.stop()
    assert main(["doctor", "--json"]) == 1
    [broken] = [finding for finding in json.loads(capsys.readouterr().out) if not finding["is_ok"]]
    assert broken["link"] == "test log" and proxy.url in broken["advice"]
