"""`readme-metrics inspect`, run as a person runs it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from inspecting import COMMAND, Page, inspecting
from inspector_logs import lines, log
from readme_metrics.collector import RESET, Answer, Collector

APP = """
import os
from wsgiref.simple_server import make_server
from readme_metrics import MetricsApiConfig, MetricsMiddleware

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]

config = MetricsApiConfig(
    os.environ["README_API_KEY"], lambda request: {"api_key": "a", "label": "Jane", "email": "j@example.com"},
    "https://docs.example.com", buffer_length=1, denylist=["token"],
)
if __name__ == "__main__":
    server = make_server("127.0.0.1", 0, MetricsMiddleware(app, config))
    print(server.server_port, flush=True)
    server.serve_forever()
"""


def fails(*arguments: str, **environment: str) -> tuple[int, str]:
    result = subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
        check=False,
    )
    return result.returncode, result.stderr


def test_an_app_that_posts_logs_shows_up() -> None:
    with inspecting() as page:
        assert page.logs() == []
        assert page.post(log("/a", log_id="1"), log("/b", log_id="2")).status_code == 202
        assert [row["_id"] for row in page.logs()] == ["2", "1"]
        assert [row["path"] for row in page.logs("filter=path:/a")] == ["/a"]
        whole = page.session.get(f"{page.url}/api/logs/1", timeout=30).json()
        assert whole["request"]["log"]["entries"][0]["request"]["url"].endswith("/a")


def test_a_port_that_is_taken_leads_to_the_next_free_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with inspecting("--port", str(port)) as page:
            assert int(page.url.rpartition(":")[2]) > port


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_at_once_with_tabs_open(number: int) -> None:
    with inspecting() as page:
        streams = [page.session.get(f"{page.url}/api/events", stream=True, timeout=30) for _ in range(3)]
        assert all(stream.status_code == 200 for stream in streams)
        page.process.send_signal(number)
        output, errors = page.process.communicate(timeout=30)
        assert (page.process.returncode, errors) == (0, "")
        assert "Traceback" not in output
        for stream in streams:
            stream.close()


def test_the_lines_of_a_file_are_shown_also_those_added_later(tmp_path: Path) -> None:
    path = tmp_path / "logs.jsonl"
    path.write_text(lines([log(log_id="1")]))
    with inspecting("--jsonl", str(path)) as page:
        assert [row["_id"] for row in page.logs()] == ["1"]
        with path.open("a") as file:
            file.write(lines([log(log_id="2")]))
        page.wait_for(lambda: [row["_id"] for row in page.logs()] == ["2", "1"])


def test_a_har_file_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "file.har"
    path.write_text(json.dumps(log("/from-har")["request"]))
    with inspecting("--har", str(path)) as page:
        assert [row["path"] for row in page.logs()] == ["/from-har"]
        exported = page.session.get(f"{page.url}/api/export.har?filter=path:/from*", timeout=30).json()
        assert len(exported["log"]["entries"]) == 1


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--jsonl", "/nowhere/logs.jsonl"], 1, "/nowhere/logs.jsonl"),
        (["--har", "/nowhere/file.har"], 1, "/nowhere/file.har"),
        (["--har", __file__], 1, "is no HAR file"),
        (["--config", "nowhere:config"], 2, "nowhere"),
        (["--port", "65536"], 2, "--port"),
        (["--port", "0", "--", "/nowhere/command"], 1, "/nowhere/command"),
    ],
)
def test_what_cannot_be_shown_is_named(arguments: list[str], status: int, message: str) -> None:
    returncode, errors = fails(*arguments)
    assert returncode == status
    assert message in errors
    assert "Traceback" not in errors


def test_a_command_is_started_sends_its_logs_here_and_is_stopped(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    environment = {"README_API_KEY": "", "PYTHONPATH": str(tmp_path)}
    with inspecting("--config", "app:config", "--", sys.executable, "app.py", cwd=tmp_path, **environment) as page:
        assert page.process.stdout is not None
        port = int(page.process.stdout.readline())
        assert requests.get(f"http://127.0.0.1:{port}/hello?token=abc", timeout=30).text == "hello"
        [row] = page.wait_for(page.logs)
        assert (row["path"], row["caller"], row["status"]) == ("/hello", "Jane", 200)
        whole = page.session.get(f"{page.url}/api/logs/{row['_id']}", timeout=30).json()
        assert [item["rule"] for item in whole["inspector"]["redacted"]] == ['denylist: "token"']
        assert "is running" in page.status()["command"]
        # The repeated request is logged too, as a replay.
        question = {"id": row["_id"], "confirm": True, "url": f"http://127.0.0.1:{port}/hello?token=x"}
        answer = page.session.post(
            f"{page.url}/api/replay", json=question, headers={"X-Readme-Metrics": "1"}, timeout=30
        )
        assert answer.json()["body"] == "hello"
        page.wait_for(lambda: [row["replay"] for row in page.logs()] == [True, False])
        page.process.send_signal(signal.SIGINT)
        assert page.process.wait(30) == 0
        with pytest.raises(requests.ConnectionError):
            requests.get(f"http://127.0.0.1:{port}/", timeout=30)


def test_a_command_that_ends_is_reported_and_the_page_stays() -> None:
    with inspecting("--", sys.executable, "-c", "import sys; sys.exit(3)") as page:
        page.wait_for(lambda: page.status()["command"].endswith("has ended with status 3"))
        assert page.logs() == []


def test_forwarding_passes_on_the_apps_own_key_and_gives_the_answer_back(collector: Collector) -> None:
    with inspecting("--forward", README_METRICS_SERVER=collector.url) as page:
        answer = page.post(log(log_id="1"))
        assert answer.status_code == 202
        assert collector.ids() == {"1"}
        assert collector.posts[0].headers["Authorization"] == "Basic a2V5Og=="
        assert page.logs()[0]["answer"] == 202

        collector.answer = lambda _: Answer(429, {"Retry-After": "7"}, b"slow down")
        answer = page.post(log(log_id="2"))
        assert (answer.status_code, answer.headers["Retry-After"], answer.text) == (429, "7", "slow down")
        collector.answer = lambda _: RESET
        assert page.post(log(log_id="2")).status_code == 502
        collector.answer = lambda _: Answer()
        assert page.post(log(log_id="2")).status_code == 202
        assert [(row["_id"], row["answer"]) for row in page.logs()] == [("2", 202), ("1", 202)]
        # A redirect would carry the key elsewhere.
        collector.answer = lambda _: Answer(307, {"Location": "http://127.0.0.1:1/"})
        assert page.post(log()).status_code == 307


def test_forwarding_to_itself_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    status, errors = fails("--port", str(port), "--forward", README_METRICS_SERVER=f"http://127.0.0.1:{port}/")
    assert status == 2
    assert "back to this page" in errors


def test_tailing_shows_a_queue_and_consumes_nothing(
    logged: Callable[..., Any], collector: Collector, environment: Path
) -> None:
    collector.answer = lambda _: Answer(503)
    middleware, _ = logged(buffer_length=1000, flush_interval=60)
    start = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/waits",
        "SERVER_NAME": "x",
        "SERVER_PORT": "80",
        "wsgi.url_scheme": "http",
    }
    list(middleware(start, lambda *_: lambda _: None))
    with inspecting("--tail", README_METRICS_QUEUE_DIR=str(environment)) as page:
        # Other apps of this user may have queues on this machine too.
        [row] = page.wait_for(lambda: page.logs("filter=path:/waits"))
    collector.answer = lambda _: Answer()
    middleware.flush(10)
    assert collector.ids() == {row["_id"]}


def test_if_nothing_arrives_the_status_says_what_to_do() -> None:
    with inspecting() as page:
        findings = {finding["link"]: finding for finding in page.status()["findings"]}
        assert not findings["server"]["is_ok"]
        assert f"README_METRICS_SERVER={page.url}" in findings["server"]["advice"]
        requests.post(f"{page.url}/v1/request", data="nonsense", auth=("key", ""), timeout=30)
        [finding] = [finding for finding in page.status()["findings"] if finding["link"] == "server"]
        assert "not JSON" in finding["detail"]


def test_the_demo_shows_its_logs_on_a_page_and_ends_by_itself() -> None:
    command = [sys.executable, "-m", "readme_metrics", "demo", "--inspect", "--workers", "2", "--requests", "40"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        demo.stdout.readline()
        [address] = re.findall(r"http://127\.0\.0\.1:\d+/\?token=[\w-]+", demo.stdout.readline())
        page = Page(demo, address)
        with page.session:
            page.wait_for(page.logs)
        output = demo.communicate(timeout=100)[0]
    assert demo.returncode == 0
    assert "OK: nothing lost, nothing leaked" in output
