"""ASGI, in process: what a 1 KB POST costs with 14 headers and ten denied names, beside the bare app.

The rounds are interleaved, so that a machine whose speed drifts slows all of them alike.

    python benches/middleware/asgi.py                      # p50, microseconds
    python benches/middleware/asgi.py --instructions       # callgrind; needs valgrind

`floor` is a pure-ASGI middleware that only counts bytes; `BaseHTTPMiddleware` is Starlette's, empty.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

BODY = b'{"password": "hunter2", "items": [' + b'"0123456789abcdef", ' * 46 + b'"end"], "token": "s3cret"}'
HEADERS = [
    (b"host", b"api.example.com"),
    (b"content-type", b"application/json"),
    (b"content-length", b"%d" % len(BODY)),
    *((b"x-header-%d" % n, b"value of header %d" % n) for n in range(9)),
    (b"authorization", b"Bearer 0123456789abcdef"),
    (b"x-api-key", b"abcdefgh"),
]
NAMES = ["password", "token", "secret", "authorization", "cookie", "iban", "card", "cvc", "pin", "ssn"]
START = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]}
LAST = {"type": "http.response.body", "body": BODY}
VARIANTS = ("bare", "floor", "BaseHTTPMiddleware", "ours")


async def bare(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send(START)
    await send(LAST)


def floor(app: Any) -> Any:
    async def middleware(scope: Any, receive: Any, send: Any) -> None:
        size = 0

        async def counted(message: Any) -> None:
            nonlocal size
            size += len(message.get("body", b""))
            await send(message)

        await app(scope, receive, counted)

    return middleware


def build(variant: str) -> Any:
    if variant == "floor":
        return floor(bare)
    if variant == "BaseHTTPMiddleware":
        from starlette.middleware.base import BaseHTTPMiddleware

        class Empty(BaseHTTPMiddleware):
            async def dispatch(self, request: Any, call_next: Any) -> Any:
                return await call_next(request)

        return Empty(bare)
    if variant == "ours":
        from readme_metrics import MetricsApiConfig
        from readme_metrics.asgi import MetricsMiddleware

        group = {"api_key": "customer-0001", "label": "Customer", "email": "customer@example.com"}
        config = MetricsApiConfig("key", lambda _: group, "https://docs.example.com", denylist=NAMES)
        config.BUFFER_LENGTH = 10**9
        return MetricsMiddleware(bare, config)
    return bare


def scope() -> dict[str, Any]:
    return {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "server": ("127.0.0.1", 8000),
        "client": ("203.0.113.9", 50000), "scheme": "http", "method": "POST", "root_path": "", "path": "/orders",
        "raw_path": b"/orders", "query_string": b"page=2", "headers": list(HEADERS),
    }  # fmt: skip


async def calls(app: Any, count: int) -> list[float]:
    async def receive() -> Any:
        return {"type": "http.request", "body": BODY, "more_body": False}

    async def send(message: Any) -> None:
        pass

    times = []
    for _ in range(count):
        made = scope()
        started = time.perf_counter()
        await app(made, receive, send)
        times.append(time.perf_counter() - started)
    return times


def p50s(rounds: int = 15, count: int = 500) -> dict[str, float]:
    apps = {variant: build(variant) for variant in VARIANTS}
    found: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    for number in range(rounds + 1):
        for variant, app in apps.items():
            times = asyncio.run(calls(app, count))
            if number:  # the first round warms up
                found[variant].append(median(times) * 1e6)
    return {variant: median(times) for variant, times in found.items()}


def instructions(variant: str) -> int:
    def total(count: int) -> int:
        with tempfile.TemporaryDirectory() as directory:
            out = Path(directory) / "callgrind"
            tool = ["valgrind", "--tool=callgrind", "--separate-threads=yes", f"--callgrind-out-file={out}"]
            command = [*tool, sys.executable, __file__, "--run", variant, str(count)]
            environment = {**os.environ, "PYTHONHASHSEED": "0", "README_METRICS_QUEUE_DIR": "/nonexistent"}
            environment["README_METRICS_SERVER"] = "http://127.0.0.1:9"
            subprocess.run(command, env=environment, capture_output=True, check=True)
            found = re.search(r"^totals: (\d+)$", out.with_name("callgrind-01").read_text(), re.MULTILINE)
            assert found is not None
            return int(found[1])

    return (total(1000) - total(500)) // 500


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--instructions", action="store_true")
    parser.add_argument("--run", nargs=2)
    options = parser.parse_args()
    if options.run:
        asyncio.run(calls(build(options.run[0]), int(options.run[1])))
        os._exit(0)  # what is queued is not part of it
    measured: Callable[[str], float] = instructions if options.instructions else p50s().__getitem__
    unit = "instructions" if options.instructions else "p50, us"
    print(f"| ASGI, 1 KB POST, {unit} | with | added to bare |")
    print("|---|---|---|")
    base = 0.0
    for variant in VARIANTS:
        value = measured(variant)
        base = base or value
        print(f"| {variant} | {value:,.1f} | {value - base:,.1f} |", flush=True)


if __name__ == "__main__":
    main()
