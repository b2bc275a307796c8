"""A new user's walk with a built wheel, on every CPython >= 3.10 of this machine, timed.

    python .ci/smoke.py dist/readme_metrics-*.whl

Each interpreter gets a fresh virtual environment, in which nothing can be compiled: the wheel, Flask and gunicorn are
installed, the app of the README is served by four workers, and its first log is awaited at `readme-metrics collect`.
Interpreters are those on PATH, in ~/.pyenv and in $PYTHONS (paths, separated by the PATH separator).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
WAIT_S = 60.0


def interpreters() -> dict[str, Path]:
    """Version -> path of each CPython >= 3.10 with a GIL: what an abi3 wheel serves."""
    candidates = [Path(path) for path in os.environ.get("PYTHONS", "").split(os.pathsep) if path]
    candidates += [Path(sys.executable)]
    candidates += sorted(Path.home().glob(".pyenv/versions/3.*/bin/python"))
    candidates += [Path(path) for minor in range(10, 30) if (path := shutil.which(f"python3.{minor}"))]
    question = (
        "import sys, sysconfig, venv, ensurepip; assert sys.implementation.name == 'cpython' and sys.version_info >= "
        "(3, 10) and not sysconfig.get_config_var('Py_GIL_DISABLED'); print(sys.version.split()[0])"
    )
    found: dict[str, Path] = {}
    for candidate in candidates:
        try:
            answer = subprocess.run([candidate, "-c", question], capture_output=True, text=True, timeout=60)
        except OSError:
            continue
        if answer.returncode == 0:
            found.setdefault(answer.stdout.strip(), candidate)
    return dict(sorted(found.items(), key=lambda item: [int(part) for part in re.findall(r"\d+", item[0])]))


@contextmanager
def running(command: list[str | Path], ready: str, **options: Any) -> Iterator[str]:
    """Runs `command` until the block ends; yields what `ready` matched in its output."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    seen = ""
    try:
        assert process.stdout
        for line in process.stdout:
            seen += line
            if match := re.search(ready, line):
                yield match[1]
                return
        raise AssertionError(f"{command} ended:\n{seen}")
    finally:
        process.terminate()
        process.communicate(timeout=WAIT_S)


def walk(interpreter: Path, wheel: Path, directory: Path) -> dict[str, float]:
    """Seconds for each part of the walk."""
    seconds: dict[str, float] = {}
    clock = time.monotonic()

    def lap(name: str) -> None:
        nonlocal clock
        seconds[name] = time.monotonic() - clock
        clock = time.monotonic()

    binaries = directory / "venv" / "bin"
    environ = {**os.environ, "PATH": str(binaries), "PYTHONUNBUFFERED": "1", "README_METRICS_QUEUE_DIR": str(directory)}
    subprocess.run([interpreter, "-m", "venv", directory / "venv"], check=True)
    lap("venv")
    pip: list[str | Path] = [binaries / "python", "-m", "pip", "install", "--quiet", "--only-binary", ":all:"]
    subprocess.run([*pip, "--disable-pip-version-check", f"{wheel}[demo]"], check=True, env=environ)
    lap("install")

    [integration] = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    flask_app = "from flask import Flask\napp = Flask(__name__)\napp.add_url_rule('/', view_func=lambda: 'hello')\n"
    (directory / "module.py").write_text(flask_app + integration)
    file = directory / "logs.jsonl"
    collect: list[str | Path] = [binaries / "readme-metrics", "collect", "--port", "0", "--jsonl", file]
    with running(collect, r"README_METRICS_SERVER=(http://\S+)", cwd=directory, env=environ) as server:
        environ["README_METRICS_SERVER"] = server
        gunicorn: list[str | Path] = [binaries / "gunicorn", "-w", "4", "-b", "127.0.0.1:0", "module:app"]
        with running(gunicorn, r"Listening at: (http://127\.0\.0\.1:\d+)", cwd=directory, env=environ) as url:
            lap("server up")
            with urllib.request.urlopen(url, timeout=WAIT_S) as response:
                assert response.read() == b"hello"
            deadline = time.monotonic() + WAIT_S
            while not (file.exists() and file.read_text().endswith("\n")):
                assert time.monotonic() < deadline, "no log came"
                time.sleep(0.02)
            lap("first log")
    log = json.loads(file.read_text().splitlines()[0])
    assert log["request"]["log"]["entries"][0]["response"]["content"]["text"] == "hello", log
    return seconds


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    wheel = Path(arguments[0]).resolve()
    found = interpreters()
    print(f"{wheel.name} on {len(found)} interpreters; seconds\n")
    print("| CPython | venv | install | server up | first log |\n|---|---|---|---|---|", flush=True)
    for version, interpreter in found.items():
        with tempfile.TemporaryDirectory(prefix="readme-metrics-smoke-") as directory:
            seconds = walk(interpreter, wheel, Path(directory))
        print(f"| {version} | " + " | ".join(f"{value:.1f}" for value in seconds.values()) + " |", flush=True)
    return 0 if found else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
