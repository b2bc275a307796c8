"""Ends an interpreter while daemon threads log requests with large bodies: run by `test_exit.py`, once per exit.

With `--without-seal` it shows what the seal prevents.
"""

from __future__ import annotations

import faulthandler
import random
import sys
import threading
import time

import wsgi
from readme_metrics import MetricsApiConfig, MetricsMiddleware, _core

faulthandler.enable()
middleware = MetricsMiddleware(
    wsgi.app,
    MetricsApiConfig(
        wsgi.API_KEY, wsgi.group, base_log_url="https://d.example", buffer_length=1, shutdown_timeout=0.05
    ),
)
wsgi.call(middleware)
middleware.flush(10)  # from here on the flusher has a connection
if "--without-seal" in sys.argv:
    _core.seal = lambda: None
started = threading.Event()


def log() -> None:
    body = b"x" * 300_000  # large enough to be encoded without the GIL
    while True:
        wsgi.call(middleware, "/echo", method="POST", body=body, content_type="text/plain")
        started.set()


for _ in range(4):
    threading.Thread(target=log, daemon=True).start()
started.wait()
time.sleep(random.random() / 50)  # waits for nothing: each run is to end at another moment
sys.exit(3)
