"""ASGI, in process: what a 1 KB POST costs with 14 headers and ten denied names, beside the bare app.

The rounds are interleaved, so that a machine whose speed drifts slows all of them alike.

    python benches/middleware/asgi.py                      # p50, microseconds
    python benches/middleware/asgi.py --instructions       # callgrind; needs valgrind
    python benches/middleware/asgi.py --published PYTHON --peers PYTHON

`floor` is a pure-ASGI middleware that only counts bytes; `BaseHTTPMiddleware` is Starlette's, empty. `--published`
names an interpreter with readme-metrics 3.4.0 and FastAPI, `--peers` one with Apitally's and Sentry's SDK. Apitally is
told to log bodies, as `ours` does; Sentry traces every request. Nothing listens at the addresses they send to. Each of
them wraps the bare app, in a process of its own.
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
from collections.abc import Sequence
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
#: The variants of other environments, by the option that names the interpreter.
ELSEWHERE = {"published": ("published FastAPI middleware",), "peers": ("Apitally", "Sentry")}
NOBODY = "http://127.0.0.1:9"


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
        config.queue_bytes = 64 * 1024 * 1024  # room for all
        return MetricsMiddleware(bare, config)
    if variant == "published FastAPI middleware":
        from readme_metrics import MetricsApiConfig
        from readme_metrics.fastapi import ReadMeMetricsMiddleware

        group = {"api_key": "customer-0001", "label": "Customer", "email": "customer@example.com"}
        config = MetricsApiConfig("key", lambda _: group, "https://docs.example.com", 10**9, denylist=NAMES)
        return ReadMeMetricsMiddleware(bare, config)
    return peer(variant)


def peer(variant: str) -> Any:
    """The bare app, wrapped as each of these SDKs wraps an app."""
    if variant == "Apitally":
        from apitally.shared import activation
        from apitally.shared.asgi import ApitallyASGIMiddleware
        from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware

        activation.configure(
            write_token="apt_" + "0" * 24,
            otlp_endpoint=NOBODY,
            capture_request_headers=True,
            capture_request_body=True,
            capture_response_body=True,
            mask_body_fields=NAMES,
            mask_headers=NAMES,
        )
        traced = OpenTelemetryMiddleware(bare, exclude_spans=["receive", "send"])
        watched = ApitallyASGIMiddleware(traced, resolve_route=lambda _: "/orders", use_scope_client_address=True)
        return activation.ASGIActivationShim(watched)
    if variant == "Sentry":
        import sentry_sdk
        from sentry_sdk.integrations.asgi import SentryAsgiMiddleware

        sentry_sdk.init(dsn="http://key@127.0.0.1:9/1", traces_sample_rate=1.0, send_default_pii=True)
        return SentryAsgiMiddleware(bare)
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


def p50s(variants: Sequence[str], rounds: int = 15, count: int = 500) -> dict[str, float]:
    apps = {variant: build(variant) for variant in variants}
    found: dict[str, list[float]] = {variant: [] for variant in variants}
    for number in range(rounds + 1):
        for variant, app in apps.items():
            times = asyncio.run(calls(app, count))
            if number:  # the first round warms up
                found[variant].append(median(times) * 1e6)
    return {variant: median(times) for variant, times in found.items()}


def p50s_added(variants: Sequence[str], python: str = sys.executable) -> list[float]:
    """What each variant adds to the bare app, in a process of `python` that measures them all."""
    command = [python, __file__, "--p50", *variants]
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        environment = {**os.environ, "README_METRICS_QUEUE_DIR": directory}
        output = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    bare_us, *with_us = map(float, output.splitlines()[-1].split())
    return [us - bare_us for us in with_us]


def instructions(variant: str, python: str = sys.executable) -> int:
    def total(count: int) -> int:
        with tempfile.TemporaryDirectory() as directory:
            out = Path(directory) / "callgrind"
            tool = ["valgrind", "--tool=callgrind", "--separate-threads=yes", f"--callgrind-out-file={out}"]
            command = [*tool, python, __file__, "--run", variant, str(count)]
            environment = {**os.environ, "PYTHONHASHSEED": "0", "README_METRICS_SERVER": NOBODY}
            environment["README_METRICS_QUEUE_DIR"] = directory  # empty: nobody's logs are adopted meanwhile
            subprocess.run(command, env=environment, capture_output=True, check=True)
            found = re.search(r"^totals: (\d+)$", out.with_name("callgrind-01").read_text(), re.MULTILINE)
            assert found is not None
            return int(found[1])

    return (total(1000) - total(500)) // 500


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--instructions", action="store_true")
    parser.add_argument("--published", metavar="PYTHON", help="an interpreter with readme-metrics 3.4.0 and FastAPI")
    parser.add_argument("--peers", metavar="PYTHON", help="an interpreter with apitally[fastapi] and sentry-sdk")
    parser.add_argument("--run", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--p50", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ["README_METRICS_SERVER"] = NOBODY
    if options.p50:
        print(*p50s(("bare", *options.p50)).values(), flush=True)
        os._exit(0)  # a flusher that outlives its queue directory makes another
    if options.run:
        asyncio.run(calls(build(options.run[0]), int(options.run[1])))
        os._exit(0)  # what is queued is not part of it
    elsewhere = {
        variant: os.path.abspath(python)  # noqa: PTH100 - not resolved: a link is the interpreter of its environment
        for option, variants in ELSEWHERE.items()
        if (python := getattr(options, option))
        for variant in variants
    }
    unit = "instructions" if options.instructions else "p50, us"
    print(f"| ASGI, 1 KB POST, {unit} | added to bare |")
    print("|---|---|")
    if options.instructions:
        bare_app = instructions("bare")
        added = {variant: float(instructions(variant) - bare_app) for variant in VARIANTS[1:]}
        added |= {name: float(instructions(name, python) - bare_app) for name, python in elsewhere.items()}
    else:
        added = dict(zip(VARIANTS[1:], p50s_added(VARIANTS[1:]), strict=True))
        added |= {name: p50s_added([name], python)[0] for name, python in elsewhere.items()}
    for variant, value in added.items():
        print(f"| {variant} | {value:,.1f} |", flush=True)


if __name__ == "__main__":
    main()
