"""A fleet on one machine: hosts that log to Redis, relays that post to ReadMe, and an outage of ReadMe.

`make fleet`. Each host is the app's own sender with a connection of its own, which adds ready-made batches: what is
measured is what a fleet costs Redis and relays, not what a request costs its app. The figures are in docs/relay.md.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import threading
import time
import uuid
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
from parts import PROJECT, Redis, Relay

from readme_metrics import MetricsApiConfig, _core
from readme_metrics.delivery.senders.http import Transport
from readme_metrics.delivery.senders.outcome import Outcome
from readme_metrics.delivery.senders.redis import RedisStream
from readme_metrics.relay import layout
from readme_metrics.relay.connection import Connection
from readme_metrics.relay.sums import Sums, read_sums

#: Of a 1 KB JSON POST with 14 headers whose response repeats the body; see docs/operations.md.
LOG_BYTES = 3700


class Handler(BaseHTTPRequestHandler):
    """A Metrics server that looks at nothing, and is down while the file `down` is there."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(503 if Path(sys.argv[-1]).exists() else 202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST

    def log_message(self, *_: object) -> None:
        pass


def serve(ready: Any, down: str) -> None:
    sys.argv.append(down)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    ready.put(server.server_address[1])
    server.serve_forever()


def batch(count: int) -> bytes:
    """Logs as an app makes them: each has an id of its own, headers and bodies."""
    logs = []
    for _ in range(count):
        headers = [{"name": f"X-Header-{number}", "value": "value-of-a-header"} for number in range(14)]
        body = json.dumps({"k": "v" * 1000})
        request = {"url": "https://api.example.com/orders?n=1", "headers": headers, "postData": {"text": body}}
        entry = {"request": request, "response": {"status": 200, "content": {"text": body}}}
        logs.append(
            {"_id": str(uuid.uuid4()), "clientIPAddress": "203.0.113.9", "request": {"log": {"entries": [entry]}}}
        )
    return json.dumps(logs).encode()


def hosts(options: argparse.Namespace, url: str, until_s: float, sums: Any) -> None:
    """The hosts of one loader: each adds a batch in every interval, and counts what is not taken."""
    count, interval_s, batch_logs = options.hosts // options.loaders, options.interval, options.batch
    bounds = {"compress": options.compress, "relay_bytes": options.relay_bytes}
    config = MetricsApiConfig(None, None, relay=url, project=PROJECT, timeout=10, **bounds)
    senders = [RedisStream(config) for _ in range(count)]
    sent = refused = 0
    body = batch(batch_logs)
    started_s = time.monotonic()
    turn = 0
    while time.monotonic() < until_s:
        for index, sender in enumerate(senders):
            due_s = started_s + (turn + index / count) * interval_s
            time.sleep(max(due_s - time.monotonic(), 0))
            if sender.post(body, batch_logs).outcome is Outcome.SENT:
                sent += batch_logs
            else:
                refused += batch_logs
        turn += 1
    used = psutil.Process().cpu_times()
    late_s = time.monotonic() - started_s - turn * interval_s
    sums.put((sent, refused, used.user + used.system, late_s))


def cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def sums_of(redis: Redis) -> Sums:
    connection = Connection(redis.url, 30)
    try:
        return read_sums(connection, layout.Keys.of(PROJECT))
    finally:
        connection.close()


def run_fleet(options: argparse.Namespace, redis: Redis, server: str, down: Path, stack: ExitStack) -> None:
    """Steady load, then an outage, then none: what each part takes, and how long the backlog lasts."""
    context = multiprocessing.get_context("spawn")
    relays = [Relay(redis, server) for _ in range(options.relays)]
    for relay in relays:
        stack.callback(relay.kill)
    results: Any = context.Queue()
    begin_s, redis_s, relays_s = time.monotonic(), cpu_s(redis.pid), sum(cpu_s(relay.pid) for relay in relays)
    until_s = begin_s + options.steady + options.outage + options.after
    processes = [
        context.Process(target=hosts, args=(options, redis.url, until_s, results)) for _ in range(options.loaders)
    ]
    for process in processes:
        process.start()
    # The loaders have to start first.
    time.sleep(options.steady / 2)
    half = sums_of(redis)
    time.sleep(options.steady / 2)
    connections = int(redis.facts()["connected_clients"]) - 1
    steady = sums_of(redis)
    per_s = (steady.delivered - half.delivered) * 2 / options.steady
    print(f"steady        {per_s:8,.0f} logs/s delivered; {connections} connections to Redis")
    down.touch()
    time.sleep(options.outage)
    backlog = sums_of(redis)
    print(f"outage        {options.outage:.0f} s: {backlog.queued:,} logs wait, {backlog.bytes / 2**20:.1f} MiB")
    down.unlink()
    back_s = time.monotonic()
    while sums_of(redis).oldest_s > 2 * options.interval:
        time.sleep(0.2)
    caught_up = sums_of(redis)
    drain_s = time.monotonic() - back_s
    print(
        f"drained       in {drain_s:.1f} s: {(caught_up.delivered - backlog.delivered) / drain_s:,.0f} logs/s, "
        f"while {options.hosts * options.batch / options.interval:,.0f} logs/s more came"
    )
    found = [results.get(timeout=600) for _ in processes]
    for process in processes:
        process.join()
    while sums_of(redis).entries:
        time.sleep(0.2)
    end = sums_of(redis)
    sent, refused = sum(one[0] for one in found), sum(one[1] for one in found)
    redis_us = (cpu_s(redis.pid) - redis_s) / sent * 1e6
    relay_us = (sum(cpu_s(relay.pid) for relay in relays) - relays_s) / sent * 1e6
    host_us = sum(one[2] for one in found) / sent * 1e6
    print(f"CPU per log   Redis {redis_us:.1f} us, relay {relay_us:.1f} us, host {host_us:.1f} us")
    sums = f"{end.delivered:,} delivered + {end.refused:,} refused + {end.queued:,} waiting"
    print(f"the sum       {sent:,} sent by hosts = {sums}")
    print(f"              {refused:,} found the stream full; the loaders were late by {max(o[3] for o in found):.1f} s")
    for relay in relays:
        relay.stop()


def run_one_relay(redis: Redis, server: str, count: int, stack: ExitStack) -> None:
    """What one relay takes from a full stream, beside what one app's flusher takes from a full queue."""
    config = MetricsApiConfig(None, None, relay=redis.url, project=PROJECT, relay_bytes=2**30)
    sender = RedisStream(config)
    body = batch(200)
    for _ in range(count // 200):
        assert sender.post(body, 200).outcome is Outcome.SENT
    before = sums_of(redis).delivered
    relay = Relay(redis, server)
    stack.callback(relay.kill)
    while sums_of(redis).delivered == before:
        time.sleep(0.01)
    first, started_s, used_s = sums_of(redis), time.monotonic(), cpu_s(relay.pid)
    while sums_of(redis).entries:
        time.sleep(0.02)
    took_s, delivered = time.monotonic() - started_s, sums_of(redis).delivered - first.delivered
    used_us = (cpu_s(relay.pid) - used_s) / delivered * 1e6
    print(f"one relay     {delivered / took_s:8,.0f} logs/s, {used_us:.1f} us of CPU per log")
    relay.stop()
    os.environ["README_METRICS_SERVER"] = server
    transport = Transport(MetricsApiConfig("rdme_x", None))
    started_s, used_s = time.monotonic(), time.process_time()
    for _ in range(count // 200):
        transport.post(body, 200)
    took_s = time.monotonic() - started_s
    used_us = (time.process_time() - used_s) / count * 1e6
    print(f"directly      {count / took_s:8,.0f} logs/s, {used_us:.1f} us of CPU per log (the POSTs alone)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, default=1000)
    parser.add_argument("--loaders", type=int, default=10, help="processes that stand for the hosts")
    parser.add_argument("--relays", type=int, default=2)
    parser.add_argument("--batch", type=int, default=10, help="logs of a batch (%(default)s)")
    parser.add_argument("--interval", type=float, default=10.0, help="seconds between a host's batches (%(default)s)")
    parser.add_argument("--steady", type=float, default=30.0, help="seconds before the outage (%(default)s)")
    parser.add_argument("--outage", type=float, default=30.0, help="seconds (%(default)s)")
    parser.add_argument("--after", type=float, default=30.0, help="seconds that the load goes on then (%(default)s)")
    parser.add_argument("--compress", action="store_true")
    parser.add_argument("--relay-bytes", type=int, default=1 << 28, help="bound of the stream (%(default)s)")
    parser.add_argument("--sustained", type=int, default=40_000, help="logs for the comparison (%(default)s)")
    options = parser.parse_args()
    print(f"{options.hosts} hosts, {options.batch / options.interval:.2f} logs/s each, {len(batch(1))} bytes per log")
    print(f"core {_core.__version__}, {os.cpu_count()} processors")
    with tempfile.TemporaryDirectory(prefix="readme-metrics-fleet-") as name:
        directory = Path(name)
        down = directory / "down"
        context = multiprocessing.get_context("spawn")
        ready: Any = context.Queue()
        server_process = context.Process(target=serve, args=(ready, str(down)), daemon=True)
        server_process.start()
        server = f"http://127.0.0.1:{ready.get()}"
        redis = Redis(directory, "--appendonly", "yes", "--appendfsync", "everysec")
        redis.start()
        with ExitStack() as stack:
            stack.callback(server_process.terminate)
            stack.callback(redis.kill)
            run_one_relay(redis, server, options.sustained, stack)
            redis.ask("FLUSHALL")
            run_fleet(options, redis, server, down, stack)


if __name__ == "__main__":
    threading.stack_size(256 * 1024)
    main()
