"""Runs the tests of capture, redaction and delivery with the oldest or the newest run-time dependencies.

    python .ci/test_dependencies.py oldest   # exactly the versions that pyproject.toml declares as lower bounds
    python .ci/test_dependencies.py newest   # the newest of each and of urllib3, release candidates included

The package is the one that stands in this checkout; `make dev` has built its extension. The tests of frameworks and
servers are left out, since these bring bounds of their own.
"""

from __future__ import annotations

import re
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parent.parent
TOOLS = ("gunicorn", "hypothesis", "jsonschema", "psutil", "pytest", "pytest-timeout")
TESTS = (
    "backoff",
    "capture",
    "collector",
    "config",
    "delivery",
    "doctor",
    "faults",
    "grouping",
    "pep3333",
    "redaction",
    "request_body",
    "status",
    "switches",
    "transport",
)


def main() -> int:
    lane = sys.argv[1]
    # Not tomllib, which Python 3.10 does not have.
    declared = re.search(r"^dependencies = \[(.*?)^\]", (ROOT / "pyproject.toml").read_text(), re.M | re.S)
    assert declared, "pyproject.toml has no dependencies"
    bounds = re.findall(r'^\s*"([\w.-]+)>=([\d.]+)', declared[1], re.M)
    environment = ROOT / ".venv" / lane
    venv.create(environment, with_pip=True, clear=True)
    python = environment / "bin" / "python"
    if lane == "oldest":
        wanted = [f"{name}=={version}" for name, version in bounds]
    else:
        wanted = ["--pre", "--upgrade", "urllib3", *(name for name, _ in bounds)]
    subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", *TOOLS], check=True)
    packages = next((environment / "lib").glob("python3*/site-packages"))
    (packages / "readme_metrics.pth").write_text(str(ROOT / "python"))
    names = [name for name, _ in bounds]
    subprocess.run([python, "-m", "pip", "list", "--format", "freeze"], check=True)
    print(f"{lane}: {', '.join(names)}", flush=True)
    return subprocess.run(
        [python, "-m", "pytest", "-q", *(f"tests/test_{name}.py" for name in TESTS)], cwd=ROOT
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
