"""`Inspector`: the server of the page and of the stand-in Metrics server, on one port."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from readme_metrics.collector.http_server import HTTPServer
from readme_metrics.collector.post import Answer
from readme_metrics.inspector import preview
from readme_metrics.inspector.logs.store import Store
from readme_metrics.inspector.stand_in import StandIn
from readme_metrics.inspector.web import events
from readme_metrics.inspector.web.handler import InspectorHandler
from readme_metrics.inspector.web.sessions import Sessions
from readme_metrics.redaction.redactor import Lists


class Inspector:
    """The page and the stand-in Metrics server on one loopback port; a context manager.

    Args:
        port: The first port to try; if it is taken, the next free one is used. 0: any free port.
        store: The logs.
        forward_to: The server to which POSTs are passed on; None: no POST is passed on.
        lists: The app's lists; None if they are not known.
        status: Returns what `GET /api/status` says of the queues, the command and the links between app and page.

    Raises:
        OSError: No port is free.
    """

    def __init__(
        self,
        port: int,
        store: Store,
        *,
        forward_to: str | None = None,
        lists: Lists | None = None,
        status: Callable[[Inspector], dict[str, Any]] = lambda _: {},
    ) -> None:
        self.store = store
        self.lists = lists
        self._status = status
        self._server = _bound(port, self)
        self.port = int(self._server.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.sessions = Sessions(self.port)
        self.stand_in = StandIn(store, self.url, forward_to)
        self.streams = threading.BoundedSemaphore(events.MAX_STREAMS)
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.02},
            name="readme-metrics-inspector",
            daemon=True,
        )

    @property
    def address(self) -> str:
        """The URL, with its token, to open in a browser."""
        return f"{self.url}/?token={self.sessions.token}"

    def __enter__(self) -> Inspector:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Cuts all connections and stops serving. A second call does nothing."""
        self.store.close()
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def receive(self, post: Any) -> Answer:
        return self.stand_in.receive(post)

    def look_up(self) -> Answer:
        return self.stand_in.look_up()

    def status(self) -> dict[str, Any]:
        store = self.store
        return {
            "url": self.url,
            "logs": len(store),
            "bytes": store.bytes,
            "received": store.received,
            "duplicates": store.duplicates,
            "lists": preview.as_dict(self.lists) if self.lists else None,
            "server": self.stand_in.as_dict(),
            **self._status(self),
        }


def _bound(port: int, service: Inspector) -> HTTPServer:
    last = min(port + 50, 65535)
    while True:
        try:
            return HTTPServer("127.0.0.1", port, service, InspectorHandler)
        except OSError:
            if not 0 < port < last:
                raise
            port += 1
