"""A real server under load: gunicorn with two workers, wrk with four connections, variant after variant, in rounds.

    python benches/middleware/served.py --published PATH/TO/PYTHON_WITH_3.4.0

Needs wrk, and gunicorn in both environments. Delivered/answered counts all rounds, after the workers have ended.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path
from statistics import median
from typing import NamedTuple

import variants
from columns import columns
from sink import Sink

HERE = Path(__file__).parent
ROUNDS = 5
SECONDS = 4
WORKERS = 2


class Load(NamedTuple):
    per_second: float
    p50_us: float
    p99_us: float
    answered: int
    failed: int


class Served:
    """One variant behind gunicorn."""

    def __init__(self, python: str, variant: str, server: str, directory: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        environment = {**os.environ, "README_METRICS_SERVER": server, "BENCH_VARIANT": variant}
        environment["README_METRICS_QUEUE_DIR"] = str(directory)
        command = [python, "-m", "gunicorn", "--workers", str(WORKERS), "--bind", f"127.0.0.1:{self.port}"]
        self._process = subprocess.Popen(
            [*command, "--no-control-socket", "--log-level", "warning", "wsgi_app:app"], cwd=HERE, env=environment
        )
        while socket.socket().connect_ex(("127.0.0.1", self.port)):
            time.sleep(0.05)

    def load(self, seconds: int, script: Path) -> Load:
        url = f"http://127.0.0.1:{self.port}/v1/things?page=2&sort=name"
        command = ["wrk", "-t1", "-c4", f"-d{seconds}s", "-s", str(script), url]
        fields = subprocess.check_output(command, text=True).rsplit("RESULT ", 1)[1].split()
        duration_us, requests, failed, p50_us, p99_us = map(float, fields)
        return Load(requests / duration_us * 1e6, p50_us, p99_us, int(requests), int(failed))

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(60)


def wrk_script(directory: Path) -> Path:
    body = directory / "body.json"
    body.write_bytes(variants.document(1_000))
    headers = {name.replace("_", "-"): value for name, value in variants.HEADERS.items() if name != "HOST"}
    lines = [f"wrk.headers[{name!r}] = {value!r}" for name, value in headers.items()]
    script = directory / "load.lua"
    script.write_text(
        "\n".join(
            [
                "wrk.method = 'POST'",
                "wrk.headers['Content-Type'] = 'application/json'",
                f"wrk.body = io.open({str(body)!r}):read('*a')",
                *lines,
                "done = function(summary, latency)",
                "  local failed = summary.errors.connect + summary.errors.read + summary.errors.write",
                "  failed = failed + summary.errors.status + summary.errors.timeout",
                "  io.write(string.format('RESULT %d %d %d %d %d', summary.duration, summary.requests, failed,",
                "    latency:percentile(50), latency:percentile(99)))",
                "end",
            ]
        )
    )
    return script


def main() -> None:
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed")
    compared = columns(__doc__)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as scratch, ExitStack() as stack:
        script = wrk_script(Path(scratch))
        sinks = {name: stack.enter_context(Sink()) for name in compared}
        loads: dict[str, list[Load]] = {name: [] for name in compared}
        with ExitStack() as servers:
            served = {
                name: servers.enter_context(closing(Served(python, variant, sinks[name].url, Path(scratch))))
                for name, (python, variant) in compared.items()
            }
            for number in range(ROUNDS + 1):
                for name, server in served.items():
                    loads[name].append(server.load(SECONDS if number else 1, script))
        print("| gunicorn, 2 sync workers | requests/s | against bare | p50, us | p99, us | delivered/answered |")
        print("|---|---|---|---|---|---|")
        bare = median(load.per_second for load in loads["bare"][1:])
        for name, results in loads.items():
            rounds = results[1:]
            per_second = median(load.per_second for load in rounds)
            p50_us, p99_us = median(load.p50_us for load in rounds), median(load.p99_us for load in rounds)
            cells = [f"{per_second:,.0f}", f"{per_second / bare:.2f}", f"{p50_us:,.0f}", f"{p99_us:,.0f}"]
            answered = sum(load.answered for load in results)
            cells.append(f"{sinks[name].count()}/{answered}" if compared[name][1] == "sdk" else "")
            print(f"| {name} | " + " | ".join(cells) + " |")
            if failed := sum(load.failed for load in results):
                print(f"{failed} requests failed")


if __name__ == "__main__":
    main()
