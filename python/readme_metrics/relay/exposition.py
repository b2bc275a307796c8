"""`Exposition`: serves the relay's counters as Prometheus text."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from readme_metrics.relay.project_worker import ProjectWorker

_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_Reading = Callable[["ProjectWorker"], float]

#: The counters of this relay. Their sum over all relays is that of the project.
_OF_RELAY: dict[str, tuple[str, str, _Reading]] = {
    "readme_metrics_relay_delivered_total": ("counter", "Logs that this relay delivered.", lambda w: w.queue.delivered),
    "readme_metrics_relay_refused_total": ("counter", "Logs that were refused for good.", lambda w: w.queue.refused),
    "readme_metrics_relay_repeated_total": (
        "counter",
        "Entries that this relay posted and another had released.",
        lambda w: w.queue.repeated,
    ),
    "readme_metrics_relay_retries_total": ("counter", "POSTs that had to be made again.", lambda w: w.retries),
    "readme_metrics_relay_failures": ("gauge", "POSTs in a row that have failed.", lambda w: w.failures),
    "readme_metrics_relay_held_entries": ("gauge", "Entries that this relay holds.", lambda w: w.queue.held),
    "readme_metrics_relay_redis_up": ("gauge", "Whether Redis answered last time.", lambda w: w.is_redis_up),
}
#: The counters of the stream, which are the same at every relay.
_OF_STREAM: dict[str, tuple[str, str, _Reading]] = {
    "readme_metrics_stream_added_total": ("counter", "Logs that apps added.", lambda w: w.seen.added),
    "readme_metrics_stream_delivered_total": ("counter", "Logs that any relay delivered.", lambda w: w.seen.delivered),
    "readme_metrics_stream_refused_total": ("counter", "Logs that were refused for good.", lambda w: w.seen.refused),
    "readme_metrics_stream_lost_total": ("counter", "Logs that somebody else removed.", lambda w: w.seen.lost),
    "readme_metrics_stream_logs": ("gauge", "Logs in the stream.", lambda w: w.seen.queued),
    "readme_metrics_stream_entries": ("gauge", "Entries in the stream.", lambda w: w.seen.entries),
    "readme_metrics_stream_bytes": ("gauge", "Bytes in the stream.", lambda w: w.seen.bytes),
    "readme_metrics_stream_oldest_seconds": ("gauge", "Age of the oldest entry.", lambda w: w.seen.oldest_s),
}


def text(workers: Sequence[ProjectWorker]) -> str:
    """All counters of all projects. Names need no escaping: see `address.checked_project`."""
    lines = []
    for name, (kind, explanation, reading) in {**_OF_RELAY, **_OF_STREAM}.items():
        lines += [f"# HELP {name} {explanation}", f"# TYPE {name} {kind}"]
        lines += [f'{name}{{project="{worker.project}"}} {_number(reading(worker))}' for worker in workers]
    return "\n".join(lines) + "\n"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:.3f}"


class Exposition:
    """Answers `GET /metrics` from the moment it is made until `close`. Raises OSError if the address is taken."""

    def __init__(self, host: str, port: int, workers: Sequence[ProjectWorker]) -> None:
        class MetricsHandler(BaseHTTPRequestHandler):
            # Seconds that a client may be silent.
            timeout = 10

            def do_GET(self) -> None:
                found = self.path.partition("?")[0] == "/metrics"
                body = text(workers).encode() if found else b"see /metrics\n"
                self.send_response(200 if found else 404)
                self.send_header("Content-Type", _CONTENT_TYPE)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """Ignores a client that has closed its connection."""

        self._server = Server((host, port), MetricsHandler)
        self.port = int(self._server.server_address[1])
        thread = threading.Thread(target=self._server.serve_forever, name="readme-metrics.Exposition", daemon=True)
        thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
