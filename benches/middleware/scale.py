"""Cost per request, in processor time of the threads that serve, with more processes and more threads.

There are more of them than processors, so wall time says nothing; contention would show as processor time.

    python benches/middleware/scale.py
"""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import ExitStack, closing

from compare import Scenario, Worker
from sink import Sink

REQUESTS = 4000
ROUNDS = 5
SCENARIO = Scenario("POST", 1_000, True, 10, REQUESTS)


def cost_us(workers: list[Worker], variant: str, threads: int) -> float:
    """The least of some rounds, averaged over the workers: a disturbance can only add to a time."""
    rounds = []
    for _ in range(ROUNDS):
        for worker in workers:
            worker.ask(variant, REQUESTS, threads)
        results = [worker.answer() for worker in workers]
        rounds.append(sum(result["serving_cpu_us"] for result in results) / len(results))
    return min(rounds)


def main() -> None:
    print("| processes x threads | bare, us | ours, us | added |")
    print("|---|---|---|---|")
    with Sink() as sink, tempfile.TemporaryDirectory(dir="/dev/shm") as queue_dir:
        os.environ["README_METRICS_QUEUE_DIR"] = queue_dir  # one for all, as the processes of one app have
        for processes, threads in [(1, 1), (2, 1), (4, 1), (8, 1), (1, 2), (1, 4), (1, 8), (1, 16)]:
            with ExitStack() as stack:
                made = (Worker(sys.executable, SCENARIO, sink.url) for _ in range(processes))
                workers = [stack.enter_context(closing(worker)) for worker in made]
                bare, ours = (cost_us(workers, variant, threads) for variant in ("bare", "sdk"))
            print(f"| {processes} x {threads} | {bare:.1f} | {ours:.1f} | {ours - bare:.1f} |", flush=True)


if __name__ == "__main__":
    main()
