"""Each program in examples/, started with the command that it names, answers a request and has it logged."""

from __future__ import annotations

import inspect
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from readme_metrics import MetricsApiConfig
from readme_metrics.collector import Collector

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
BIN = Path(sys.executable).parent
APPS = sorted(path.stem for path in EXAMPLES.glob("*_app.py"))


@pytest.fixture
def environ(collector: Collector, tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "README_METRICS_SERVER": collector.url}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(
    command: list[str], port: int, environ: dict[str, str], cwd: Path = EXAMPLES, stop: int = signal.SIGTERM
) -> Iterator[None]:
    """Runs a server until the block ends, and then waits for its last delivery."""
    process = subprocess.Popen(command, cwd=cwd, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < deadline, process.communicate()[0].decode()
                time.sleep(0.02)
        yield
    finally:
        process.send_signal(stop)
        output, _ = process.communicate(timeout=60)
    assert b"Traceback" not in output, output.decode()


def order(port: int) -> None:
    """The request of docs/quickstart.md."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/orders",
        data=json.dumps({"item": "owl", "password": "hunter2"}).encode(),
        headers={"Content-Type": "application/json", "X-User-Name": "Jane", "X-Api-Key": "abcdefgh"},
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        assert response.status == 201
        assert json.load(response) == {"id": 1, "item": "owl", "token": "t0ken"}


def check(collector: Collector) -> None:
    collector.wait_for(1, timeout=60)
    [log] = collector.logs
    entry: Any = log["request"]["log"]["entries"][0]
    assert json.loads(entry["request"]["postData"]["text"]) == {"item": "owl", "password": "[REDACTED 7]"}
    assert json.loads(entry["response"]["content"]["text"])["token"] == "[REDACTED 5]"
    assert log["group"]["label"] == "Jane"


@pytest.mark.parametrize("app", APPS)
def test_an_app_under_its_server(app: str, collector: Collector, environ: dict[str, str]) -> None:
    environ["README_API_KEY"] = "rdme_example"  # Django's has no key of its own
    command, *others = re.findall(r"`((?:gunicorn|uvicorn) .*?)`", (EXAMPLES / f"{app}.py").read_text())
    assert bool(others) == (app == "django_app")
    port = free_port()
    with served(_on_port(command, port), port, environ):
        order(port)
    check(collector)


def _on_port(command: str, port: int) -> list[str]:
    if command.startswith("uvicorn"):
        return [*command.split(), "--port", str(port)]
    return [*command.split(), "--no-control-socket", "-b", f"127.0.0.1:{port}"]


def test_django_under_uvicorn(collector: Collector, environ: dict[str, str]) -> None:
    environ["README_API_KEY"] = "rdme_example"
    [command] = re.findall(r"`(uvicorn .*?)`", (EXAMPLES / "django_app.py").read_text())
    port = free_port()
    with served(_on_port(command, port), port, environ):
        order(port)
    check(collector)


def test_gunicorn_with_its_configuration(collector: Collector, environ: dict[str, str]) -> None:
    [command] = re.findall(r'"""(gunicorn -c .*?)"""', (EXAMPLES / "gunicorn.conf.py").read_text())
    port = free_port()
    with served([*command.split(), "--no-control-socket", "-b", f"127.0.0.1:{port}"], port, environ):
        order(port)
    check(collector)


def test_uwsgi(collector: Collector, environ: dict[str, str], tmp_path: Path) -> None:
    text = (EXAMPLES / "uwsgi.ini").read_text()
    [command] = re.findall(r"; (uwsgi --ini uwsgi\.ini)", text)
    port = free_port()
    (tmp_path / "uwsgi.ini").write_text(text.replace(":8000", f":{port}"))
    environ["PYTHONPATH"] = str(EXAMPLES)
    # A uWSGI from a wheel has to be told where this environment is.
    with served([*command.split(), "--virtualenv", sys.prefix], port, environ, cwd=tmp_path):
        order(port)
        # Before the end: uWSGI ends a worker at any point of its work, and its other workers may still be starting.
        check(collector)


def test_waitress(collector: Collector, environ: dict[str, str]) -> None:
    port = free_port()
    # waitress has no handler for SIGTERM: the next start would have to deliver the logs that wait.
    with served([sys.executable, "waitress_server.py", str(port)], port, environ, stop=signal.SIGINT):
        order(port)
    check(collector)


def test_every_option_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """The example is type-checked too: `make types` covers examples/."""
    monkeypatch.syspath_prepend(EXAMPLES)
    text = (EXAMPLES / "every_option.py").read_text()
    shown = re.findall(r"^    (\w+)=", text, re.MULTILINE)
    parameters = list(inspect.signature(MetricsApiConfig).parameters)
    assert shown == parameters[2:]
    exec(compile(text, "every_option.py", "exec"), {})


@pytest.mark.parametrize(
    "name",
    ["flask_app:app", "fastapi_app:app", "plain_asgi_app:app", "django_app:application", "plain_app:application"],
)
def test_commands_find_the_configuration_of_each_door(name: str, environ: dict[str, str]) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "readme_metrics", "flush", "--config", name],
        cwd=EXAMPLES,
        env={**environ, "README_API_KEY": "rdme_example"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_doctor_finds_nothing(collector: Collector, environ: dict[str, str]) -> None:
    [command] = re.findall(
        r"^readme-metrics (doctor .*)$", (ROOT / "docs/troubleshooting.md").read_text(), re.MULTILINE
    )
    result = subprocess.run(
        [sys.executable, "-m", "readme_metrics", *command.split()],
        cwd=EXAMPLES,
        env={**environ, "PYTHONPATH": f"{EXAMPLES}:{environ.get('PYTHONPATH', '')}"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
