"""`Rehearsal`: one run of the demo, with traffic, a killed worker, an orderly stop and the tally of the logs."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from readme_metrics.collector import Collector
from readme_metrics.demo.canaries import Canaries
from readme_metrics.demo.gunicorn_server import GunicornServer
from readme_metrics.demo.tally import Tally
from readme_metrics.demo.traffic import Answered, Traffic

# Siblings look for the logs of dead workers every second or two.
_ADOPTION_SECONDS = 10
_DELIVERY_SECONDS = 10


@dataclass(frozen=True)
class Kill:
    """One SIGKILL, and the logs that the killed worker left in the queue."""

    worker: int
    killed_at: float
    """Seconds since the epoch."""
    answered: int
    """Requests that the worker had answered."""
    orphans: frozenset[str]
    """The ids of the logs of those requests that had not arrived when the worker was killed."""


class Rehearsal:
    """One run of the sample app, sending its logs to `collector`.

    `workers` processes answer `count` requests on a loopback `port` (0: a free one). Half-way, one
    of the workers is killed. `narrate` is called with a line for each event. After `timeout` seconds
    the run waits for nothing any more.
    """

    def __init__(
        self,
        collector: Collector,
        narrate: Callable[[str], None],
        *,
        workers: int,
        count: int,
        port: int,
        timeout: float,
        framework: str = "flask",
    ) -> None:
        self.answered: list[Answered] = []
        self.problems: list[str] = []
        self.output = ""
        """What the app's processes printed."""
        self.kill: Kill | None = None
        self.searched: set[Path] = set()
        """The files that were searched for secrets."""
        self._collector = collector
        self._narrate = narrate
        self._workers = workers
        self._count = count
        self._port = port
        self._framework = framework
        self._deadline = time.monotonic() + timeout
        self._canaries = Canaries()
        self._leaked: set[bytes] = set()
        self._requested = 0
        self._cut = 0

    def run(self) -> Tally:
        """Runs the demo. Whatever happens, every process is stopped and every file removed.

        Raises OSError if the port is taken, requests.RequestException if the app does not answer.
        """
        with tempfile.TemporaryDirectory(prefix="readme-metrics-demo-") as name:
            scratch = Path(name)
            try:
                self._serve(scratch, range(self._count), kills=True)
                if not self._is_complete_within(_DELIVERY_SECONDS):
                    self._narrate("Some logs are missing. Starting the app again for one request.")
                    self._serve(scratch, range(self._count, self._count + 1), kills=False)
                    self._is_complete_within(_DELIVERY_SECONDS)
                self._search(scratch)
            finally:
                if _output(scratch).exists():
                    self.output = _output(scratch).read_text("utf-8", "replace")
        for post in self._collector.posts:
            self._leaked |= self._canaries.found_in(post.raw) | self._canaries.found_in(post.body)
        return self._sums()

    def adoption_seconds(self) -> float | None:
        """Seconds from the kill to the arrival of the last log of the killed worker; None if one has not arrived."""
        if self.kill is None or not self.kill.orphans <= self._collector.ids():
            return None
        arrivals = [
            post.received_at
            for post in self._collector.posts
            if any(log["_id"] in self.kill.orphans for log in post.logs)
        ]
        return max(arrivals) - self.kill.killed_at if arrivals else None

    def _serve(self, scratch: Path, numbers: range, *, kills: bool) -> None:
        environment = {
            "README_API_KEY": self._canaries.plant("key", 0),
            "README_METRICS_SERVER": self._collector.url,
            "README_METRICS_QUEUE_DIR": str(_queue(scratch)),
        }
        with GunicornServer(self._workers, self._port, environment, _output(scratch), self._framework) as server:
            self._narrate(f"App        {server.url}  ({self._framework} under gunicorn, {self._workers} workers)")
            server.start()
            self._requested += len(numbers)
            with Traffic(server.url, numbers, self._canaries) as traffic:
                if kills:
                    traffic.wait_for(len(numbers) // 2, self._remaining())
                    self._kill_worker(server, traffic)
                    self._search(scratch)
                if not traffic.wait_for(len(numbers), self._remaining()):
                    self.problems.append("not every request was answered")
            self.answered += traffic.answered
            self.problems += traffic.problems
            self._cut += traffic.cut
            self._await_adoption()
            self._search(scratch)
            if not server.stop():
                self.problems.append("gunicorn did not stop when asked to")

    def _kill_worker(self, server: GunicornServer, traffic: Traffic) -> None:
        worker = server.kill_busy_worker()
        killed_at = time.time()
        ids = traffic.log_ids(worker)
        orphans = frozenset(ids - self._collector.ids())
        self.kill = Kill(worker, killed_at, len(ids), orphans)
        self._narrate(
            f"Killed     worker {worker} (SIGKILL): it had answered {len(ids)} requests, "
            f"{len(orphans)} of their logs were waiting to be sent"
        )

    def _await_adoption(self) -> None:
        if self.kill is not None and self.kill.orphans:
            orphans = self.kill.orphans
            timeout = min(_ADOPTION_SECONDS, self._remaining())
            self._collector.wait_until(lambda: orphans <= self._collector.ids(), timeout)
            seconds = self.adoption_seconds()
            if seconds is not None:
                self._narrate(f"Adopted    by another worker: all of them had arrived {seconds:.1f} s after the kill")

    def _is_complete_within(self, seconds: float) -> bool:
        announced = {answered.log_id for answered in self.answered if answered.log_id}
        return self._collector.wait_until(lambda: announced <= self._collector.ids(), min(seconds, self._remaining()))

    def _search(self, scratch: Path) -> None:
        """Searches the queue's files and the app's output for secrets."""
        for path in (path for path in scratch.rglob("*") if path.is_file()):
            try:
                self._leaked |= self._canaries.found_in(path.read_bytes())
            except FileNotFoundError:
                continue  # the file's logs were delivered and the file removed meanwhile
            self.searched.add(path.relative_to(scratch))

    def _remaining(self) -> float:
        return max(0.0, self._deadline - time.monotonic())

    def _sums(self) -> Tally:
        return Tally.count(
            requested=self._requested,
            answered=len(self.answered),
            cut=self._cut,
            announced_ids={answered.log_id for answered in self.answered if answered.log_id},
            received=self._collector.received,
            received_ids=self._collector.ids(),
            leaked=len(self._leaked),
        )


def _queue(scratch: Path) -> Path:
    directory = scratch / "queue"
    directory.mkdir(mode=0o700, exist_ok=True)
    return directory


def _output(scratch: Path) -> Path:
    return scratch / "output.txt"
