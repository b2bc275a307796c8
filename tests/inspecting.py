"""A running `readme-metrics inspect`, for the tests."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

COMMAND = [sys.executable, "-m", "readme_metrics", "inspect"]


class Page:
    """A running inspector, and a reader who has followed its address."""

    def __init__(self, process: subprocess.Popen[str], address: str) -> None:
        self.process = process
        self.address = address
        self.url = address.partition("/?token=")[0]
        self.session = requests.Session()
        self.session.trust_env = False
        assert self.session.get(address, timeout=30).status_code == 200

    def logs(self, query: str = "") -> list[dict[str, Any]]:
        answer = self.session.get(f"{self.url}/api/logs?{query}", timeout=30)
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()["logs"]
        return found

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.session.get(f"{self.url}/api/status", timeout=30).json()
        return found

    def wait_for(self, condition: Callable[[], Any]) -> Any:
        deadline_s = time.monotonic() + 60
        while not (found := condition()):
            assert time.monotonic() < deadline_s
            time.sleep(0.02)
        return found

    def post(self, *logs: dict[str, Any]) -> requests.Response:
        return requests.post(f"{self.url}/v1/request", json=logs, auth=("key", ""), timeout=30)


@contextmanager
def inspecting(*arguments: str, cwd: Path | None = None, **environment: str) -> Iterator[Page]:
    process = subprocess.Popen(
        [*COMMAND, "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env={**os.environ, **environment},
    )
    with process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{40,}", address), (
                address + process.communicate()[1]
            )
            page = Page(process, address)
            with page.session:
                yield page
        finally:
            process.terminate()
            try:
                process.wait(30)
            finally:
                process.kill()
