"""`StandIn`: a Metrics server that keeps the logs it receives for the page, and can pass them on to ReadMe."""

from __future__ import annotations

import threading
import time
from http import HTTPStatus
from typing import Any

from readme_metrics.collector.post import Answer, Post, Refused
from readme_metrics.inspector.logs.store import Store

#: Seconds that ReadMe may take to answer. An app whose own timeout is shorter tries again.
_FORWARD_TIMEOUT_S = 10
_ANSWER_BYTES = 64 * 1024
_PASSED_ON = ("Authorization", "Content-Type", "Content-Encoding", "User-Agent")


class StandIn:
    """A `Service` for `ServiceHandler`.

    Args:
        store: Gets the logs.
        url: The address of this server, which is also the answer to apps that ask for the documentation's address.
        forward_to: The URL, without path, of the server to which POSTs are passed on and whose answer the app gets.
            None: no POST is passed on, and every well-formed one is accepted.
    """

    def __init__(self, store: Store, url: str, forward_to: str | None = None) -> None:
        self._store = store
        self._url = url
        self._forward_to = forward_to
        self._lock = threading.Lock()
        self.posts = 0
        self.refused = 0
        self.last_post_at: float | None = None
        self.last_error = ""

    def receive(self, post: Post) -> Answer:
        try:
            post.decode()
        except Refused as refusal:
            self._note(str(refusal))
            return Answer.refusal(refusal.status, str(refusal))
        if self._forward_to is None:
            self._store.add(post.logs)
            self._note("")
            return Answer()
        answer = self._forward(post, self._forward_to)
        self._store.add(post.logs, answer.status)
        self._note("" if answer.is_success else f"{self._forward_to} answered {answer.status}")
        return answer

    def look_up(self) -> Answer:
        return Answer.json(HTTPStatus.OK, {"baseUrl": self._url})

    def reject(self, reason: str) -> None:
        """Notes a POST that was refused before it reached this object."""
        self._note(reason)

    def as_dict(self) -> dict[str, Any]:
        with self._lock:
            return {
                "posts": self.posts,
                "refused": self.refused,
                "last_post_at": self.last_post_at,
                "last_error": self.last_error,
                "forward_to": self._forward_to,
            }

    def _note(self, error: str) -> None:
        with self._lock:
            self.posts += 1
            self.refused += bool(error)
            self.last_post_at = time.time()
            self.last_error = error or self.last_error

    def _forward(self, post: Post, server: str) -> Answer:
        import requests

        headers = {name: value for name in _PASSED_ON if (value := post.headers.get(name))}
        try:
            # Each POST has a session of its own: POSTs are rare, and come on any thread. Redirects are not followed:
            # one would carry the API key elsewhere.
            with requests.Session() as session:
                # Keeps requests from replacing the app's credentials with those of a .netrc file.
                session.auth = _NoAuth()
                response = session.post(
                    f"{server}/v1/request",
                    data=post.raw,
                    headers=headers,
                    timeout=_FORWARD_TIMEOUT_S,
                    allow_redirects=False,
                    stream=True,
                )
                body = response.raw.read(_ANSWER_BYTES, decode_content=True)
        except (requests.RequestException, OSError) as error:
            # The answer does not quote the error: its text may hold the credentials of a proxy.
            return Answer.refusal(HTTPStatus.BAD_GATEWAY, f"{server} cannot be reached: {type(error).__name__}")
        kept = {name: value for name in ("Content-Type", "Retry-After") if (value := response.headers.get(name))}
        return Answer(response.status_code, kept, body)


class _NoAuth:
    def __call__(self, request: Any) -> Any:
        return request
