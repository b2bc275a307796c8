"""Measures on command: one JSON object per line in, one out. compare.py starts one per environment and scenario."""

from __future__ import annotations

import gc
import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import variants

clock_ns = time.perf_counter_ns


def main() -> None:
    scenario = json.loads(sys.argv[1])
    size = scenario["size_bytes"]
    body = variants.document(size) if size else b'{"ok": true}'
    method = scenario["method"]
    template = variants.environ(method, body)
    apps: dict[str, Any] = {}
    for line in sys.stdin:
        command = json.loads(line)
        variant = command["variant"]
        if variant not in apps:
            apps[variant] = variants.build(variant, method, body, scenario["denylist"], scenario["buffer_length"])
        result = measure(apps[variant], template, body, command["requests"], command["threads"])
        print(json.dumps(result), flush=True)


def serve(wsgi_app: Any, template: dict[str, Any], body: bytes, requests: int) -> tuple[list[int], float]:
    """Wall times of each request, and this thread's processor time for all."""
    wall_ns = []
    started_s = time.thread_time()
    for _ in range(requests):
        started_ns = clock_ns()
        variants.call(wsgi_app, template, body)
        wall_ns.append(clock_ns() - started_ns)
    return wall_ns, time.thread_time() - started_s


def measure(wsgi_app: Any, template: dict[str, Any], body: bytes, requests: int, threads: int) -> dict[str, Any]:
    """Wall times, and the processor time of all threads until everything is delivered."""
    gc.collect()
    cpu_before_s = time.process_time()
    if threads == 1:
        served = [serve(wsgi_app, template, body, requests)]
    else:
        with ThreadPoolExecutor(threads) as pool:
            served = list(pool.map(lambda _: serve(wsgi_app, template, body, requests // threads), range(threads)))
    most_threads = threading.active_count() - 1
    deliver(wsgi_app)
    cpu_s = time.process_time() - cpu_before_s
    wall_ns = sorted(ns for times, _ in served for ns in times)
    count = len(wall_ns)
    return {
        "p50_us": wall_ns[count // 2] / 1000,
        "p99_us": wall_ns[count * 99 // 100] / 1000,
        "cpu_us": cpu_s / count * 1e6,
        "serving_cpu_us": sum(cpu_s for _, cpu_s in served) / count * 1e6,
        "threads": threading.active_count() - 1,
        "most_threads": most_threads,
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
