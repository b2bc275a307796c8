"""Measures on command: one JSON object per line in, one out. compare.py starts one per environment and scenario."""

from __future__ import annotations

import gc
import json
import sys
import threading
import time
from typing import Any

import variants


def main() -> None:
    scenario = json.loads(sys.argv[1])
    body = variants.document(scenario["size_bytes"]) if scenario["size_bytes"] else b'{"ok": true}'
    method = scenario["method"]
    template = variants.environ(method, body)
    apps: dict[str, Any] = {}
    for line in sys.stdin:
        command = json.loads(line)
        variant = command["variant"]
        if variant not in apps:
            apps[variant] = variants.build(variant, method, body, scenario["denylist"], scenario["buffer_length"])
        print(json.dumps(measure(apps[variant], template, body, command["requests"])), flush=True)


def measure(wsgi_app: Any, template: dict[str, Any], body: bytes, requests: int) -> dict[str, Any]:
    """Wall times on this thread, and the CPU time of all threads until everything is delivered."""
    clock = time.perf_counter_ns
    wall_ns = []
    gc.collect()
    cpu_before_s = time.process_time()
    for _ in range(requests):
        started = clock()
        variants.call(wsgi_app, template, body)
        wall_ns.append(clock() - started)
    deliver(wsgi_app)
    cpu_s = time.process_time() - cpu_before_s
    wall_ns.sort()
    return {
        "p50_us": wall_ns[requests // 2] / 1000,
        "p99_us": wall_ns[requests * 99 // 100] / 1000,
        "cpu_us": cpu_s / requests * 1e6,
        "threads": threading.active_count() - 1,
        "rss_mb": rss_mb(),
    }


def deliver(wsgi_app: Any) -> None:
    """Waits until what was logged has been sent."""
    if hasattr(wsgi_app, "flush"):
        wsgi_app.flush(60)
    elif hasattr(wsgi_app, "metrics_core"):
        queue = wsgi_app.metrics_core.queue
        # The published SDK starts a thread per batch; a partial batch waits for the next request.
        while queue.qsize() >= wsgi_app.config.BUFFER_LENGTH or queue.unfinished_tasks > queue.qsize():
            time.sleep(0.005)


def rss_mb() -> float:
    with open("/proc/self/statm") as statm:  # noqa: PTH123 - in the published SDK's environment too
        return int(statm.read().split()[1]) * 4096 / 2**20


if __name__ == "__main__":
    main()
