"""Two apps, a Redis, two relays; one of each is killed, ReadMe is down a third of the time. What became of the logs?

`make relay-demo`. Exits with 1 if one is lost.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from parts import PROJECT, Redis, Relay

from readme_metrics.collector import Answer, Collector

REQUESTS = 2000
APP = """
import sys, time
from wsgiref.util import setup_testing_defaults
from readme_metrics import MetricsApiConfig, MetricsMiddleware
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    return [b'{"items": [1, 2, 3]}']
def group(request):
    return {"api_key": "customer", "label": "Customer", "email": "customer@example.com"}
config = MetricsApiConfig(None, group, "https://docs.example.com", flush_interval=0.2, shutdown_timeout=30)
middleware = MetricsMiddleware(app, config)
for number in range(int(sys.argv[1])):
    environ = {"QUERY_STRING": f"n={number}"}
    setup_testing_defaults(environ)
    list(middleware(environ, lambda *_: None))
    if number % 20 == 0: time.sleep(0.02)
    if number == int(sys.argv[1]) // 2: print("half", flush=True)
print("all", flush=True)
sys.stdin.read()
"""


def app(environ: dict[str, str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", APP, str(REQUESTS)]
    return subprocess.Popen(command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def status(*arguments: str, environ: dict[str, str]) -> dict[str, object]:
    command = [sys.executable, "-m", "readme_metrics", "status", "--json", *arguments]
    found: dict[str, object] = json.loads(subprocess.run(command, env=environ, capture_output=True, text=True).stdout)
    return found


def main() -> int:
    started_s = time.monotonic()
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="readme-metrics-relay-")))
        collector = stack.enter_context(Collector())
        collector.answer = lambda _: Answer(503) if random.random() < 0.3 else Answer()
        redis = Redis(directory, "--appendonly", "yes", "--appendfsync", "always")
        redis.start()
        stack.callback(redis.kill)
        queue = directory / "queue"
        queue.mkdir(mode=0o700)
        environ = {**os.environ, "README_METRICS_RELAY": redis.url, "README_METRICS_PROJECT": PROJECT}
        environ["README_METRICS_QUEUE_DIR"] = str(queue)
        print(f"Redis      {redis.url}, append-only file, fsync always")
        relays = [Relay(redis, collector.url, "--take-over-after", "3", "--timeout", "1") for _ in range(2)]
        for relay in relays:
            stack.callback(relay.kill)
        print(f"Relays     {relays[0].pid} and {relays[1].pid}; a third of their POSTs are answered 503")
        apps = [app(environ) for _ in range(2)]
        print(f"Apps       {apps[0].pid} and {apps[1].pid}, {REQUESTS} requests each")
        for one in apps:
            assert one.stdout is not None and one.stdin is not None
            stack.callback(one.wait)
            stack.callback(one.kill)  # runs before the wait
        apps[0].stdout.readline()  # type: ignore[union-attr]
        apps[0].kill()
        apps[0].wait()
        print(f"Killed     app {apps[0].pid} (SIGKILL), half-way: the other one sends what it had queued")
        relays[0].kill()
        print(f"Killed     relay {relays[0].pid} (SIGKILL): the other one takes over what it held")
        redis.kill()
        redis.start()
        print("Killed     Redis (SIGKILL), and started it again")
        apps[1].stdout.readline()  # type: ignore[union-attr]
        apps[1].stdout.readline()  # type: ignore[union-attr]

        def host() -> dict[str, int]:
            # Other apps of this user may have queues elsewhere.
            found = status("--queue-dir", str(queue), environ=environ)
            [survey] = [survey for path, survey in found.items() if Path(path).parent == queue]
            assert isinstance(survey, dict)
            return survey

        deadline_s = time.monotonic() + 120
        while time.monotonic() < deadline_s:
            fleet = status("--relay", redis.url, environ=environ)
            if host()["queued"] == 0 and fleet["in_stream"] == 0:
                break
            time.sleep(0.2)
        counts = host()
        fleet = status("--relay", redis.url, environ=environ)
        made, sent = counts["made"], counts["sent"]
        apps[1].communicate("")
        relays[1].stop()
        redis.kill()
        print()
        print(f"Apps       {made} made = {sent} sent + {counts['queued']} queued + the rest dropped")
        print(f"Fleet      {sent} sent by apps, {fleet['added']} added to the stream")
        sums = " + ".join(f"{fleet[name]} {name}" for name in ("delivered", "refused", "in_stream", "lost"))
        print(f"           = {sums}")
        print(f"ReadMe     {len(collector.ids())} distinct logs, {collector.duplicates} duplicates")
        is_fine = made == sent == len(collector.ids()) and fleet["lost"] == fleet["in_stream"] == 0
        print()
        print(f"{'OK: nothing lost' if is_fine else 'NOT OK'}, {time.monotonic() - started_s:.1f} s")
    return 0 if is_fine else 1


if __name__ == "__main__":
    sys.exit(main())
