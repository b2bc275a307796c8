"""The built wheel, in a fresh virtual environment without a compiler, logs a Flask app under gunicorn."""

from __future__ import annotations

import os
import re
import subprocess
import venv
import zipfile
from pathlib import Path

import pytest

from conftest import listening_port
from readme_metrics.collector import Collector
from test_multiprocess import get

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()

pytestmark = pytest.mark.timeout(900)  # whichever test is the first builds the wheel


@pytest.fixture(scope="module")
def wheel() -> Path:
    """The wheel that `make wheel` builds from these sources."""
    subprocess.run(["make", "wheel"], cwd=ROOT, check=True, capture_output=True, timeout=1200)
    wheels = sorted((ROOT / "dist").glob("*.whl"), key=lambda path: path.stat().st_mtime)
    return wheels[-1]


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a fresh environment with the wheel, Flask and gunicorn, and no compiler to build with."""
    directory = tmp_path_factory.mktemp("venv")
    venv.create(directory, with_pip=True)
    interpreter = directory / "bin" / "python"
    subprocess.run(
        [interpreter, "-m", "pip", "install", "--quiet", "--only-binary", ":all:", f"{wheel}[demo]"],
        check=True,
        env={**os.environ, "PATH": str(directory / "bin")},
        timeout=600,
    )
    return interpreter


def test_the_wheel_serves_every_supported_python_and_holds_what_it_should(wheel: Path) -> None:
    assert re.fullmatch(r"readme_metrics-[\d.]+-cp310-abi3-\w+\.whl", wheel.name)
    names = zipfile.ZipFile(wheel).namelist()
    for expected in ("readme_metrics/py.typed", "readme_metrics/_core.pyi", "readme_metrics/MetricsApiConfig.py"):
        assert expected in names
    assert not [name for name in names if name.startswith(("tests/", "rust/", "benches/"))]


def test_two_lines_log_a_flask_app_under_gunicorn(python: Path, collector: Collector, tmp_path: Path) -> None:
    [integration] = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    flask_app = "from flask import Flask\napp = Flask(__name__)\napp.add_url_rule('/', view_func=lambda: 'hello')\n"
    (tmp_path / "module.py").write_text(flask_app + integration)
    server = subprocess.Popen(
        [python, "-m", "gunicorn", "-w", "4", "--no-control-socket", "-b", "127.0.0.1:0", "module:app"],
        cwd=tmp_path,
        env={"PATH": str(python.parent), "README_METRICS_SERVER": collector.url},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        port, _ = listening_port(server)
        for _ in range(20):
            assert get(port)[:2] == (200, b"hello")
    finally:
        server.terminate()
        server.communicate(timeout=60)
    assert len(collector.ids()) == len(collector.logs) == 20


def test_importing_starts_nothing_and_loads_nothing_heavy(python: Path) -> None:
    code = "import sys, threading, readme_metrics; print(threading.active_count(), *sorted(sys.modules))"
    output = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert output[0] == "1"
    loaded = {name.partition(".")[0] for name in output[1:]}
    assert not loaded & {
        "requests",
        "urllib3",
        "werkzeug",
        "msgpack",
        "flask",
        "http",
        "ssl",
        "socket",
        "email",
        "pathlib",
    }
    assert "readme_metrics.capture.intake" not in output  # nor anything that a middleware needs


def test_werkzeug_is_there_before_the_first_request(python: Path) -> None:
    code = """
import sys
from readme_metrics import MetricsApiConfig, MetricsMiddleware
config = MetricsApiConfig("key", lambda request: None)
before = "werkzeug" in sys.modules
MetricsMiddleware(lambda environ, start_response: [], config)
print(before, "werkzeug" in sys.modules, "requests" in sys.modules)
"""
    output = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert output == ["False", "True", "False"]


def test_the_versions_agree(python: Path) -> None:
    code = (
        "import readme_metrics, importlib.metadata as m; print(readme_metrics.__version__, m.version('readme-metrics'))"
    )
    imported, installed = subprocess.run(
        [python, "-c", code], check=True, capture_output=True, text=True
    ).stdout.split()
    assert imported == installed
