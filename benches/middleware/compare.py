"""Bare app, floor, the published SDK and ours, side by side. Prints what each adds to the bare app of its own process.

The rounds are interleaved, so that a machine whose speed drifts slows all of them alike.

    python benches/middleware/compare.py --published PATH/TO/PYTHON_WITH_3.4.0
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack, closing
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from sink import Sink

HERE = Path(__file__).parent
ROUNDS = 15


class Scenario(NamedTuple):
    method: str
    size_bytes: int
    denylist: bool
    buffer_length: int
    requests: int

    def __str__(self) -> str:
        size = f"{self.method} {self.size_bytes // 1000} KB" if self.size_bytes else self.method
        return f"{size}, {'10 keys' if self.denylist else 'no list'}, buffer {self.buffer_length}"


#: Requests per round, by the size of the body.
REQUESTS = {0: 1000, 1_000: 1000, 100_000: 60, 1_000_000: 10}
SCENARIOS = [
    *(
        Scenario("POST" if size else "GET", size, denylist, 10, requests)
        for size, requests in REQUESTS.items()
        for denylist in (False, True)
    ),
    Scenario("POST", 1_000, True, 1, 200),
    Scenario("POST", 1_000, True, 100, 1000),
]


class Worker:
    """One process in one environment."""

    def __init__(self, python: str, scenario: Scenario, server: str) -> None:
        self._queue_dir = tempfile.TemporaryDirectory(dir="/dev/shm")
        self._process = subprocess.Popen(
            [python, str(HERE / "worker.py"), json.dumps(scenario._asdict())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"README_METRICS_QUEUE_DIR": self._queue_dir.name, **os.environ, "README_METRICS_SERVER": server},
        )

    def ask(self, variant: str, requests: int, threads: int = 1) -> None:
        assert self._process.stdin is not None
        command = {"variant": variant, "requests": requests, "threads": threads}
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        result: dict[str, Any] = json.loads(self._process.stdout.readline())
        return result

    def measure(self, variant: str, requests: int) -> dict[str, Any]:
        self.ask(variant, requests)
        return self.answer()

    def close(self) -> None:
        self._process.communicate()
        self._queue_dir.cleanup()


def compare(scenario: Scenario, published: str | None, server: str) -> dict[str, dict[str, float]]:
    with ExitStack() as workers:
        ours = workers.enter_context(closing(Worker(sys.executable, scenario, server)))
        columns = {"bare": (ours, "bare"), "floor": (ours, "floor"), "ours": (ours, "sdk")}
        if published:
            theirs = workers.enter_context(closing(Worker(published, scenario, server)))
            columns |= {"bare (published)": (theirs, "bare"), "published": (theirs, "sdk")}
        rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in columns}
        for number in range(ROUNDS + 1):
            for name, (worker, variant) in columns.items():
                result = worker.measure(variant, scenario.requests)
                if number:  # the first round warms up
                    rounds[name].append(result)
    return {name: {key: median(r[key] for r in results) for key in results[0]} for name, results in rounds.items()}


def added(medians: dict[str, dict[str, float]], name: str, key: str) -> float:
    base = "bare (published)" if name == "published" else "bare"
    return medians[name][key] - medians[base][key]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--published", metavar="PYTHON", help="an interpreter with readme-metrics 3.4.0")
    options = parser.parse_args()
    names = ["floor", *(["published"] if options.published else []), "ours"]
    print("| added to the bare app, us | " + " | ".join(names) + " | bare itself |")
    print("|---" * (len(names) + 2) + "|")
    with Sink() as sink:
        for scenario in SCENARIOS:
            medians = compare(scenario, options.published, sink.url)
            for label, key in [("p50", "p50_us"), ("p99", "p99_us"), ("CPU, all threads", "cpu_us")]:
                cells = [f"{added(medians, name, key):.1f}" for name in names]
                print(f"| {scenario}: {label} | " + " | ".join(cells) + f" | {medians['bare'][key]:.1f} |", flush=True)


if __name__ == "__main__":
    main()
