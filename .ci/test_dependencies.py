"""Runs the tests with the oldest or the newest run-time dependencies, and those of each door with its framework's.

    python .ci/test_dependencies.py oldest          # exactly the versions that pyproject.toml declares as lower bounds
    python .ci/test_dependencies.py newest          # the newest of each and of urllib3, release candidates included
    python .ci/test_dependencies.py oldest Django   # one door alone; `package` is the code behind all of them

The package is that of this checkout; `make dev` has built its extension. A framework's newest release
may want a newer Python than this one: its tests then run on the newest CPython of this machine.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from smoke import interpreters

ROOT = Path(__file__).parent.parent
PYPROJECT = (ROOT / "pyproject.toml").read_text()
TOOLS = (
    "asgiref",
    "gunicorn",
    "uvicorn",
    "hypothesis",
    "jsonschema",
    "psutil",
    "pytest",
    "pytest-timeout",
    "redis",
    "trio",
)
PACKAGE_TESTS = (
    "backoff",
    "capture",
    "collector",
    "config",
    "configuration_outside",
    "delivery",
    "doctor",
    "faults",
    "flush_and_tail",
    "grouping",
    "pep3333",
    "redaction_cases",
    "redaction_clients",
    "redaction_generated",
    "request_body",
    "status",
    "switches",
    "transport",
)


class Door(NamedTuple):
    """What belongs to one door."""

    #: What is installed beside the framework, in versions that fit it; the framework declares no such bounds.
    oldest_beside: tuple[str, ...]
    newest_beside: tuple[str, ...]
    tests: tuple[str, ...]


DOORS = {
    # Flask 2.2 allows Werkzeug 3, with which it does not start; Werkzeug 2.2 is the oldest that it allows.
    "Flask": Door(("Werkzeug==2.2.2",), ("Werkzeug",), ("flask", "published_examples")),
    "Django": Door(
        (),
        ("djangorestframework",),
        ("django", "django_grouping", "django_responses", "django_rest", "published_examples"),
    ),
    # FastAPI 0.100 needs Starlette 0.27 or later. Its test client and its forms need two more packages.
    "FastAPI": Door(
        ("starlette==0.27.0", "httpx==0.24.1", "python-multipart==0.0.6"),
        ("starlette", "httpx", "python-multipart"),
        ("asgi", "asgi_endings", "asgi_grouping", "asgi_nesting", "asgi_scope", "published_examples"),
    ),
}


def declared(pattern: str) -> list[tuple[str, str]]:
    """The names and lower bounds of the list in pyproject.toml that begins like `pattern`."""
    # Not by tomllib, which Python 3.10 does not have.
    found = re.search(rf"^{pattern} = \[(.*?)\]$", PYPROJECT, re.MULTILINE | re.DOTALL)
    assert found, f"pyproject.toml has no {pattern}"
    return re.findall(r'"([\w.-]+)>=([\d.]+)', found[1])


def environment(name: str, python: Path, wanted: list[str]) -> Path:
    """A new environment with the package of this checkout and `wanted`; returns its interpreter."""
    directory = ROOT / ".venv" / name
    subprocess.run([python, "-m", "venv", "--clear", directory], check=True)
    made = directory / "bin" / "python"
    subprocess.run([made, "-m", "pip", "install", "--quiet", *wanted], check=True)
    subprocess.run([made, "-m", "pip", "install", "--quiet", *TOOLS], check=True)
    packages = next((directory / "lib").glob("python3*/site-packages"))
    (packages / "readme_metrics.pth").write_text(str(ROOT / "python"))
    return made


def run(lane: str, subject: str) -> int:
    bounds = declared("dependencies")
    python, names = Path(sys.executable), [name for name, _ in bounds]
    tests: tuple[str, ...] = PACKAGE_TESTS
    if lane == "oldest":
        wanted = [f"{name}=={version}" for name, version in bounds]
    else:
        wanted = ["--pre", "--upgrade", "urllib3", *names]
    if door := DOORS.get(subject):
        framework = declared(subject)
        tests, names = door.tests, [name for name, _ in framework]
        if lane == "oldest":
            pinned = [f"{name}=={version}" for name, version in framework]
            wanted = [*door.oldest_beside, *pinned, *(name for name, _ in bounds)]
        else:
            python = list(interpreters().values())[-1]
            wanted = ["--upgrade", *names, *door.newest_beside, *(name for name, _ in bounds)]
    made = environment(f"{lane}-{subject}", python, wanted)
    subprocess.run([made, "-m", "pip", "list", "--format", "freeze"], check=True)
    versions = subprocess.run([made, "--version"], capture_output=True, text=True).stdout.strip()
    print(f"{lane}: {', '.join(names)}, {versions}", flush=True)
    files = [f"tests/test_{name}.py" for name in tests]
    # A deprecation in an old release is no fault of ours, and we cannot mend it.
    ignored = ["-W", "ignore::DeprecationWarning", "-W", "ignore::PendingDeprecationWarning"]
    return subprocess.run([made, "-m", "pytest", "-q", *ignored, *files], cwd=ROOT).returncode


def main() -> int:
    lane, *subjects = sys.argv[1:]
    failed = [subject for subject in subjects or ["package", *DOORS] if run(lane, subject)]
    print(f"{lane}: {'failed: ' + ', '.join(failed) if failed else 'all passed'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
