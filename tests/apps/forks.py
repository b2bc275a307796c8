"""Processes that fork in every way there is: `forks.py NAME` makes requests and writes the ids of their logs."""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

import wsgi
from readme_metrics import MetricsApiConfig, MetricsMiddleware
from wsgi import call

OPTIONS = json.loads(os.environ["TEST_CONFIG"])
middleware = MetricsMiddleware(
    wsgi.app, MetricsApiConfig(wsgi.API_KEY, wsgi.group, base_log_url="https://docs.example.com", **OPTIONS)
)


def request(count: int = 1) -> None:
    """Makes requests, and writes the id that the client was told: by one write, so that ids of processes never mix."""
    for _ in range(count):
        url = call(middleware).header("x-documentation-url")
        assert url is not None
        os.write(1, url.rpartition("/")[2].encode() + b"\n")


def forked(work: Callable[[], Any]) -> None:
    """Runs `work` in a forked child, waits for the child and fails if it fails."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(pid, 0)
    assert status == 0, f"the child ended with {status}"


def buffered_before_the_fork() -> None:
    request(3)
    forked(lambda: None)
    forked(lambda: request(2))


def three_generations() -> None:
    def child() -> None:
        request()
        forked(grandchild)
        request()

    def grandchild() -> None:
        request()
        forked(request)
        middleware.flush(10)

    request()
    forked(child)
    request()


def flushed_in_the_child() -> None:
    """The flusher's connection was used before the fork: the child must not use it."""
    request(2)
    assert middleware.flush(10) == 0

    def child() -> None:
        request(2)
        assert middleware.flush(10) == 0

    forked(child)
    request(2)


def under_load() -> None:
    """Forks while eight threads log: the child has to work although no thread will release the locks that they held."""
    permits = threading.Semaphore(0)
    is_over = False

    def hammer() -> None:
        while permits.acquire() and not is_over:
            request()

    threads = [threading.Thread(target=hammer) for _ in range(8)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(int(sys.argv[2])):
            permits.release(40)
            forked(request)
    finally:
        is_over = True
        permits.release(len(threads))
    for thread in threads:
        thread.join()


def _multiprocessing(method: str) -> None:
    request()
    context: Any = multiprocessing.get_context(method)
    children = [context.Process(target=request, args=(2,)) for _ in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join()
        assert child.exitcode == 0
    request()


SCRIPTS: dict[str, Callable[[], None]] = {
    "buffered before the fork": buffered_before_the_fork,
    "three generations": three_generations,
    "flushed in the child": flushed_in_the_child,
    "under load": under_load,
    **{
        f"multiprocessing {method}": lambda method=method: _multiprocessing(method)  # type: ignore[misc]
        for method in ("fork", "spawn", "forkserver")
    },
}

if __name__ == "__main__":
    SCRIPTS[sys.argv[1]]()
