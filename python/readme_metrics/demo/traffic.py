"""HTTP requests to the sample app, from several clients at once."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import requests

from readme_metrics.demo.canaries import Canaries

_CUSTOMERS = ("Ada", "Grace", "Edsger", "Barbara")
_KINDS = (
    ("GET", "/books", 200),
    ("POST", "/login", 200),
    ("POST", "/orders", 201),
    ("GET", "/search", 200),
    ("GET", "/books/2", 200),
    ("GET", "/books/99", 404),
    ("GET", "/broken", 500),
)
_REQUEST_TIMEOUT_SECONDS = 10
_ATTEMPTS = 5


@dataclass(frozen=True)
class Answered:
    """One request that got its whole response."""

    number: int
    worker: int
    """Process id of the worker that answered."""
    documentation_url: str
    """The URL that shows the request's log; empty if the response did not name it."""

    @property
    def log_id(self) -> str:
        return self.documentation_url.rpartition("/")[2]


class Traffic:
    """Sends the requests of these `numbers` to the app at `url`; a context manager.

    Clients start on entry and stop on exit. A request whose connection was cut is tried again and counts once when it
    is answered; `cut` counts the attempts that were not, `problems` says what else went wrong.
    """

    def __init__(self, url: str, numbers: Sequence[int], canaries: Canaries) -> None:
        self.answered: list[Answered] = []
        self.cut = 0
        self.problems: list[str] = []
        self._url = url
        self._canaries = canaries
        self._numbers = iter(numbers)
        self._running = len(_CUSTOMERS)
        self._changed = threading.Condition()
        self._is_stopped = False
        self._threads = [
            threading.Thread(target=self._run, args=(customer,), name=customer, daemon=True) for customer in _CUSTOMERS
        ]

    def __enter__(self) -> Traffic:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_stopped = True
        for thread in self._threads:
            thread.join(_REQUEST_TIMEOUT_SECONDS)

    def wait_for(self, count: int, timeout: float) -> bool:
        """Waits until `count` requests are answered or the clients are done. Returns whether so many are answered."""
        with self._changed:
            self._changed.wait_for(lambda: len(self.answered) >= count or not self._running, timeout)
            return len(self.answered) >= count

    def log_ids(self, worker: int | None = None) -> set[str]:
        """The ids of the logs that were announced so far, by one `worker` or by all."""
        with self._changed:
            return {
                answered.log_id
                for answered in self.answered
                if answered.documentation_url and worker in (None, answered.worker)
            }

    def _run(self, customer: str) -> None:
        try:
            with requests.Session() as session:
                session.trust_env = False  # a proxy could not reach a loopback address
                session.headers["X-Customer"] = customer
                while (number := self._next_number()) is not None and not self._is_stopped:
                    self._send(session, number)
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    def _next_number(self) -> int | None:
        with self._changed:
            return next(self._numbers, None)

    def _send(self, session: requests.Session, number: int) -> None:
        method, path, expected = _KINDS[number % len(_KINDS)]
        secrets = self._secrets(number, path)
        for _ in range(_ATTEMPTS):
            try:
                response = session.request(method, self._url + path, timeout=_REQUEST_TIMEOUT_SECONDS, **secrets)
            except requests.RequestException:
                with self._changed:
                    self.cut += 1
                continue
            self._note(number, response)
            if response.status_code != expected:
                self._complain(f"{method} {path} answered {response.status_code}, not {expected}")
            return
        self._complain(f"{method} {path} was cut {_ATTEMPTS} times")

    def _secrets(self, number: int, path: str) -> dict[str, Any]:
        """Arguments for `requests` that plant a secret in each part that the request has."""
        arguments: dict[str, Any] = {
            "headers": {
                "X-Api-Secret": self._canaries.plant("header", number),
                "Authorization": f"Bearer {self._canaries.plant('bearer', number)}",
            },
            "params": {"q": "owl", "access_token": self._canaries.plant("parameter", number)},
        }
        if path == "/login":
            password = self._canaries.plant("form", number)
            arguments["data"] = {"user": "owlbert", "password": password}
        if path == "/orders":
            card_number = self._canaries.plant("json", number)
            arguments["json"] = {"book": 3, "card_number": card_number}
        return arguments

    def _note(self, number: int, response: requests.Response) -> None:
        answered = Answered(
            number,
            int(response.headers.get("X-Worker", "0")),
            response.headers.get("x-documentation-url", ""),
        )
        with self._changed:
            self.answered.append(answered)
            self._changed.notify_all()

    def _complain(self, problem: str) -> None:
        with self._changed:
            self.problems.append(problem)
