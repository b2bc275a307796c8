"""What the app feels of a bad Metrics server, and what becomes of the logs: `python benches/faults.py [FAULT ...]`.

Each fault has a server process of its own, which misbehaves for some seconds and is healthy afterwards. The app (one
process, one thread) is called at a steady rate, first with a healthy server, then with the fault. `lost` counts the
calls that are neither sent, queued nor counted as dropped; `missing` counts the logs that were sent and did not arrive.
"""

from __future__ import annotations

import json
import math
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import wsgi
from readme_metrics import MetricsApiConfig, MetricsMiddleware
from readme_metrics.collector import HANG, RESET, Answer, Collector, Post

REQUESTS = 2500
PAUSE_S = 0.002
FAULT_S = 5.0
BODY = json.dumps({"name": "x" * 900, "password": "hunter2"}).encode()


def bad_entry(post: Post) -> Answer:
    return Answer(400) if any('"n":7' in entry_body(entry) for entry in post.logs) else Answer()


def entry_body(entry: dict[str, Any]) -> str:
    return str(entry["request"]["log"]["entries"][0]["request"]["postData"]["text"])


FAULTS: dict[str, Callable[[Post], Answer]] = {
    "healthy": lambda _: Answer(),
    "down": lambda _: RESET,  # the server process really closes its port: see `serve`
    "429 + Retry-After": lambda _: Answer(429, {"Retry-After": "2"}),
    "500/503 burst": lambda _: Answer(random.choice([500, 503])),
    "401": lambda _: Answer(401),
    "400, one bad entry": bad_entry,
    "413": lambda post: Answer(413) if len(post.raw) > 50_000 else Answer(),
    "hang": lambda _: HANG,
    "2 s slow": lambda _: Answer(delay=2.0),
    "reset mid-body": lambda _: Answer(0, raw=b"HTTP/1.1 202 Accepted\r\nContent-Le"),
    "garbage": lambda _: Answer(0, raw=os.urandom(200)),
    "half fail": lambda _: Answer(503) if random.random() < 0.5 else Answer(),
    "stalled, 20,000 requests": lambda _: HANG,
}


def serve(fault: str) -> None:
    """The server process: healthy until told otherwise on stdin, then faulty, then healthy; at EOF it reports."""
    collector = Collector()
    with collector:
        print(collector.url, flush=True)
        sys.stdin.readline()
        posts, port = len(collector.posts), collector.port
        ids = collector.ids()
        if fault != "down":
            collector.answer = FAULTS[fault]
            sys.stdin.readline()
            faulty = len(collector.posts) - posts
            collector.answer = lambda _: Answer()
            sys.stdin.read()
            print(json.dumps({"posts": faulty, "ids": len(collector.ids())}), flush=True)
            return
    sys.stdin.readline()
    with Collector(port=port) as again:
        sys.stdin.read()
        print(json.dumps({"posts": 0, "ids": len(ids | again.ids())}), flush=True)


def calls(middleware: MetricsMiddleware, count: int, pause_s: float) -> list[float]:
    """Seconds that each call took."""
    took = []
    for number in range(count):
        body = BODY if number != 100 else b'{"n":7}'
        started = time.perf_counter()
        wsgi.call(middleware, "/echo", method="POST", body=body, content_type="application/json")
        took.append(time.perf_counter() - started)
        if pause_s:
            time.sleep(pause_s)
    return took


def percentile(took: list[float], percent: float) -> str:
    return f"{sorted(took)[math.ceil(len(took) * percent / 100) - 1] * 1e6:.0f}"


def run(fault: str) -> list[str]:
    server = subprocess.Popen(
        [sys.executable, __file__, "--serve", fault], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert server.stdin is not None and server.stdout is not None
    os.environ["README_METRICS_SERVER"] = server.stdout.readline().strip()
    config = MetricsApiConfig("key", wsgi.group, "https://docs.example.com", denylist=["password"])
    middleware = MetricsMiddleware(wsgi.app, config)
    stalled = fault.startswith("stalled")
    count, pause_s = (20_000, PAUSE_S / 8) if stalled else (REQUESTS, PAUSE_S)
    calls(middleware, 500, 0.0)  # warm
    healthy = calls(middleware, count, pause_s)
    middleware.flush(20)

    server.stdin.write("\n")
    server.stdin.flush()
    started_s = time.monotonic()
    time.sleep(0.1 if fault == "down" else 0)
    faulty = calls(middleware, count, pause_s)
    time.sleep(max(FAULT_S - (time.monotonic() - started_s), 0))
    server.stdin.write("\n")
    server.stdin.flush()
    fault_s = time.monotonic() - started_s
    middleware.flush(10)
    stats: dict[str, Any] = middleware.stats()
    out, _ = server.communicate(timeout=60)
    told = json.loads(out)
    dropped = {reason: count for reason, count in stats["dropped"].items() if count}
    made = 500 + 2 * count
    return [
        fault,
        f"{percentile(healthy, 50)} / {percentile(healthy, 99)}",
        f"{percentile(faulty, 50)} / {percentile(faulty, 99)}",
        f"{(told['posts'] or stats['retries']) / fault_s:.1f}",
        str(stats["sent"]),
        str(stats["queued"]),
        str(dropped or 0),
        str(made - stats["sent"] - stats["queued"] - sum(dropped.values())),
        str(stats["sent"] - told["ids"]),
    ]


def main(faults: list[str]) -> None:
    print("| fault | healthy p50 / p99 us | with it | POSTs per s | sent | queued | dropped | lost | missing |")
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    for fault in faults or FAULTS:
        # A flusher that outlives its queue directory makes another. So the app is a process that ends first.
        with tempfile.TemporaryDirectory(dir="/dev/shm") as queue_dir:
            environment = {**os.environ, "README_METRICS_QUEUE_DIR": queue_dir}
            subprocess.run([sys.executable, __file__, "--run", fault], env=environment, check=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2])
    elif sys.argv[1:2] == ["--run"]:
        print(f"| {' | '.join(run(sys.argv[2]))} |")
    else:
        main(sys.argv[1:])
