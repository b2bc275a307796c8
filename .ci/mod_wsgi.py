"""Serves examples/plain_app.py with a built wheel by Apache and mod_wsgi, as examples/apache.conf says; awaits its log.

    python .ci/mod_wsgi.py dist/readme_metrics-*.whl

Needs Debian's or Ubuntu's packages apache2 and libapache2-mod-wsgi-py3, which embed the system's Python.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from smoke import ROOT, WAIT_S, running

MODULES = "/usr/lib/apache2/modules"


def configuration(directory: Path, port: int) -> str:
    lines = [f"ServerRoot {directory}", "ServerName localhost", f"Listen 127.0.0.1:{port}", f"PidFile {directory}/pid"]
    lines += ["ErrorLog /dev/stderr", "LogLevel info", f"WSGISocketPrefix {directory}/wsgi"]
    lines += [f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in ("mpm_event", "authz_core", "wsgi")]
    if os.geteuid() == 0:
        lines += ["User www-data", "Group www-data"]
    return "\n".join(lines) + "\n" + (ROOT / "examples" / "apache.conf").read_text().replace("/srv/api", str(directory))


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    wheel = Path(arguments[0]).resolve()
    with tempfile.TemporaryDirectory(prefix="readme-metrics-mod-wsgi-") as name:
        directory = Path(name)
        directory.chmod(0o755)  # Apache's workers run as another user
        subprocess.run(["/usr/bin/python3", "-m", "venv", "--without-pip", directory / "venv"], check=True)
        python = directory / "venv" / "bin" / "python"
        pip: list[str | Path] = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet"]
        subprocess.run([*pip, "--only-binary", ":all:", wheel], check=True)
        for example in ("plain_app.py", "caller.py"):
            shutil.copy(ROOT / "examples" / example, directory)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        (directory / "apache.conf").write_text(configuration(directory, port))
        logs = directory / "logs.jsonl"
        collect: list[str | Path] = [python.with_name("readme-metrics"), "collect", "--port", "0", "--jsonl", logs]
        queue = directory / "queue"
        queue.mkdir()
        queue.chmod(0o1777)
        environ = {**os.environ, "PYTHONUNBUFFERED": "1", "README_METRICS_QUEUE_DIR": str(queue)}
        with running(collect, r"README_METRICS_SERVER=(http://\S+)", env=environ) as server:
            environ["README_METRICS_SERVER"] = server
            apache: list[str | Path] = ["/usr/sbin/apache2", "-f", directory / "apache.conf", "-DFOREGROUND"]
            with running(apache, r"(resuming normal operations)", env=environ):
                order = urllib.request.Request(
                    f"http://127.0.0.1:{port}/orders", b'{"item": "owl"}', {"Content-Type": "application/json"}
                )
                with urllib.request.urlopen(order, timeout=WAIT_S) as response:
                    print(response.status, response.read().decode())
                deadline = time.monotonic() + WAIT_S
                while not (logs.exists() and logs.read_text().endswith("\n")):
                    assert time.monotonic() < deadline, "no log came"
                    time.sleep(0.02)
        log = json.loads(logs.read_text().splitlines()[0])
        print(log["request"]["log"]["creator"]["comment"], log["request"]["log"]["entries"][0]["request"]["postData"])
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
