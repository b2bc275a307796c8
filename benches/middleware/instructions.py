"""Instructions on the request's thread, which do not depend on how busy the machine is. Needs valgrind.

Each variant runs under callgrind for N and for 2 N requests; the difference is what N requests take. Of the threads,
only the one that makes the requests is counted.

    python benches/middleware/instructions.py --published PATH/TO/PYTHON_WITH_3.4.0

The second table is about rules: what rules cost that a request does not meet, and a rule that leaves the request out.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import variants
from columns import columns

#: N, by size of body: callgrind is fifty times slower than the processor.
REQUESTS = {0: 1000, 1_000: 1000, 100_000: 20}
#: Variants with rules, by what they show.
RULES = {
    "bare": "bare",
    "no rule": "sdk",
    "1 rule, not met": "met-by-none:1",
    "20 rules, none met": "met-by-none:20",
    "left out by 1 rule": "left-out:1",
    "left out by the last of 20": "left-out:20",
}
BODY = b'{"ok": true}'
NOBODY = "http://127.0.0.1:9"
RUN = """
import gc, os, sys
import requests  # the flusher loads it late; the garbage of that would be collected on any thread
sys.path.insert(0, {here!r})
import variants
method, size, variant, requests = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
body = variants.document(size) if size else b'{{"ok": true}}'
app = variants.build(variant, method, body, True, 10**9)
template = variants.environ(method, body)
variants.call(app, template, body)
gc.collect()
gc.freeze()  # else a full collection, of all that was imported, falls into one of the two counts or into none
for _ in range(requests):
    variants.call(app, template, body)
os._exit(0)  # what is queued is not part of it
"""


def instructions(python: str, arguments: list[str], requests: int) -> int:
    code = RUN.format(here=str(Path(__file__).parent))
    environment = {**os.environ, "PYTHONHASHSEED": "0", "README_METRICS_SERVER": NOBODY}
    with tempfile.TemporaryDirectory() as directory:
        environment["README_METRICS_QUEUE_DIR"] = directory  # empty: nobody's logs are adopted meanwhile
        out = Path(directory) / "callgrind"
        options = ["--tool=callgrind", "--separate-threads=yes", f"--callgrind-out-file={out}"]
        command = ["valgrind", *options, python, "-c", code, *arguments, str(requests)]
        subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        main_thread = out.with_name("callgrind-01").read_text()
    found = re.search(r"^totals: (\d+)$", main_thread, re.MULTILINE)
    if found is None:
        raise RuntimeError(main_thread)
    return int(found[1])


def per_request(python: str, method: str, size: int, variant: str) -> int:
    requests = REQUESTS[size]
    few, many = (instructions(python, [method, str(size), variant], n * requests) for n in (1, 2))
    return (many - few) // requests


def added_microseconds() -> dict[str, float]:
    """What each of RULES adds to the bare app, in a process that measures them all."""
    code = "import instructions; instructions.print_microseconds()"
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        environment = {**os.environ, "README_METRICS_SERVER": NOBODY, "README_METRICS_QUEUE_DIR": directory}
        out = subprocess.check_output([sys.executable, "-c", code], env=environment, cwd=Path(__file__).parent)
    found: dict[str, float] = json.loads(out)
    return {label: us - found["bare"] for label, us in found.items()}


def print_microseconds() -> None:
    print(json.dumps({label: microseconds(variant) for label, variant in RULES.items()}), flush=True)
    os._exit(0)  # a flusher that outlives its queue directory makes another


def microseconds(variant: str) -> float:
    """The median of as many requests as the queue holds, in process."""
    app, template = variants.build(variant, "GET", BODY, True, 10**9), variants.environ("GET", BODY)
    times = []
    for _ in range(2_000):
        started = time.perf_counter()
        variants.call(app, template, BODY)
        times.append(time.perf_counter() - started)
    return median(times) * 1e6


def main() -> None:
    compared = columns(__doc__)
    print("| instructions per request, bare included | " + " | ".join(compared) + " |")
    print("|---" * (len(compared) + 1) + "|")
    for size in REQUESTS:
        method = "POST" if size else "GET"
        cells = [f"{per_request(python, method, size, variant):,}" for python, variant in compared.values()]
        label = f"{method} {size // 1000} KB" if size else method
        print(f"| {label}, 10 keys | " + " | ".join(cells) + " |", flush=True)
    print()
    print("| GET, 10 keys: instructions | with | added to bare | us added, p50 |")
    print("|---|---|---|---|")
    base, added_us = 0, added_microseconds()
    for label, variant in RULES.items():
        value = per_request(sys.executable, "GET", 0, variant)
        base = base or value
        print(f"| {label} | {value:,} | {value - base:,} | {added_us[label]:.2f} |", flush=True)


if __name__ == "__main__":
    main()
