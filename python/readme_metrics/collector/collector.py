"""The stand-in Metrics server itself.

A POST is either refused because it is malformed, or answered by the replaceable
`Collector.answer`. Its logs are stored if and only if that answer is 2xx, and before the answer is
sent: a sender that got a 202 may rely on it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from http import HTTPStatus
from types import TracebackType

from readme_metrics.collector.http_server import HTTPServer
from readme_metrics.collector.post import HANG, RESET, Answer, Log, Post, Refused

__all__ = ["HANG", "RESET", "Answer", "Collector", "Log", "Post"]


class Collector:
    """A threaded HTTP server that accepts logs; use it as a context manager.

    Binds `host` and `port` at once (default: a loopback port chosen by the operating system;
    raises OSError if it is taken) and serves from `__enter__` until `__exit__`, which also cuts
    the open connections. `sink` is called with every POST that is about to be answered 2xx, one
    at a time; if it raises OSError, the answer is 503 and the sender keeps its logs. `keep` bounds
    how many POSTs and how many logs are remembered (default: all of them).

    `answer` and `lookup` may be replaced at any time to inject faults: the first is asked about
    every well-formed POST, the second is the answer to `GET /v1`. All members may be used from any
    thread.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        sink: Callable[[Post], None] | None = None,
        keep: int | None = None,
    ) -> None:
        self.answer: Callable[[Post], Answer] = lambda _: Answer()
        self.lookup = Answer.json(HTTPStatus.OK, {"baseUrl": "https://docs.example.com"})
        self.lookups = 0
        self.received = 0
        self._sink = sink
        self._posts: deque[Post] = deque(maxlen=keep)
        self._logs: deque[Log] = deque(maxlen=keep)
        self._ids: set[str] = set()
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._server = HTTPServer(host, port, self)
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            # shutdown() takes up to one interval.
            kwargs={"poll_interval": 0.02},
            name="readme-metrics-collector",
            daemon=True,
        )

    def __enter__(self) -> Collector:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def wait_until_answered(self, timeout_s: float) -> bool:
        """Waits up to `timeout_s` seconds until no answer is being sent; returns whether that is so."""
        return self._server.wait_until_answered(timeout_s)

    @property
    def host(self) -> str:
        return str(self._server.server_address[0])

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """What `README_METRICS_SERVER` has to be set to."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def posts(self) -> list[Post]:
        """Every authorised POST, refused ones included, in order of arrival."""
        with self._changed:
            return list(self._posts)

    @property
    def logs(self) -> list[Log]:
        """The logs of the accepted POSTs, duplicates included, in order of acceptance."""
        with self._changed:
            return list(self._logs)

    @property
    def duplicates(self) -> int:
        """How many accepted logs repeat the `_id` of an earlier one."""
        with self._changed:
            return self.received - len(self._ids)

    def ids(self) -> set[str]:
        """The distinct `_id`s accepted so far."""
        with self._changed:
            return set(self._ids)

    def wait_for(self, count: int, timeout: float) -> bool:
        """Waits until `count` distinct `_id`s were accepted; False if `timeout` seconds pass first."""
        return self.wait_until(lambda: len(self._ids) >= count, timeout)

    def wait_until(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Waits until `condition()` holds; it is called whenever a POST arrives or is answered."""
        with self._changed:
            return self._changed.wait_for(condition, timeout)

    def receive(self, post: Post) -> Answer:
        """Decides about one POST; called by the HTTP handler."""
        with self._changed:
            self._posts.append(post)
            self._changed.notify_all()
        try:
            post.decode()
        except Refused as refusal:
            answer = Answer.refusal(refusal.status, str(refusal))
        else:
            answer = self.answer(post)
        if self._is_closed_within(answer.delay):
            return RESET
        with self._changed:
            if answer.is_success:
                answer = self._store(post, answer)
            post.status = answer.status
            self._changed.notify_all()
        return answer

    def look_up(self) -> Answer:
        """Answers one request for the project's base URL; called by the HTTP handler."""
        with self._changed:
            self.lookups += 1
            answer = self.lookup
            self._changed.notify_all()
        return RESET if self._is_closed_within(answer.delay) else answer

    def _is_closed_within(self, delay: float) -> bool:
        return delay > 0 and self._closing.wait(min(delay, threading.TIMEOUT_MAX))

    def _store(self, post: Post, answer: Answer) -> Answer:
        if self._sink is not None:
            try:
                self._sink(post)
            except OSError as error:
                return Answer.refusal(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
        self.received += post.count
        self._logs.extend(post.logs)
        self._ids.update(log["_id"] for log in post.logs)
        return answer
