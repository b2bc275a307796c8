"""`readme-metrics collect`: a stand-in Metrics server that shows what an app sends."""

from __future__ import annotations

import argparse
import ipaddress
import sys
import threading
from contextlib import ExitStack

from readme_metrics.collector import Collector, Post
from readme_metrics.collector.log_file import LogFile
from readme_metrics.commands.console.har_view import HarView
from readme_metrics.commands.console.terminal import Terminal

# How many POSTs and logs are kept in memory: a collector that runs for weeks must not grow.
_REMEMBERED = 1000
# How long the end waits for answers that are being sent, so that their senders know that the logs were accepted.
_LAST_ANSWERS_S = 1.0


def add_parser(subcommands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subcommands.add_parser(
        "collect",
        help="receive logs in place of ReadMe and show them",
        description="Run a stand-in Metrics server that shows one line per log it receives.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=8089, help="0 picks a free one (%(default)s)")
    parser.add_argument("--jsonl", metavar="FILE", help="append every log to FILE as a JSON line")
    parser.add_argument("--quiet", action="store_true", help="do not show the logs")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Serves until SIGINT or SIGTERM. Returns 1 if the address or the file cannot be used, else 0."""
    with ExitStack() as stack:
        try:
            file = stack.enter_context(LogFile(options.jsonl)) if options.jsonl else None
            printer = _Printer(file, is_quiet=options.quiet)
            collector = Collector(options.host, options.port, sink=printer, keep=_REMEMBERED)
        except (OSError, OverflowError) as error:
            print(f"readme-metrics collect: {error}", file=sys.stderr)
            return 1
        printer.introduce(collector)
        try:
            with collector:
                printer.is_stopped.wait()
                collector.wait_until_answered(_LAST_ANSWERS_S)
        except KeyboardInterrupt:
            pass
        printer.conclude(collector)
    return 0


class _Printer:
    """Writes each POST to the file and the terminal. The collector calls it for one POST at a time."""

    def __init__(self, file: LogFile | None, *, is_quiet: bool) -> None:
        self.is_stopped = threading.Event()
        self._terminal = Terminal()
        self._file = file
        self._is_quiet = is_quiet
        self._posts = 0

    def __call__(self, post: Post) -> None:
        if self._file is not None:
            self._file.append(post.logs)
        self._posts += 1
        if not self._is_quiet:
            for log in post.logs:
                self._line(HarView(log).line(self._terminal))

    def introduce(self, collector: Collector) -> None:
        if not _is_loopback(collector.host):
            warning = f"warning: anyone who can reach {collector.host} can send logs to this server"
            print(warning, file=sys.stderr, flush=True)
        self._line(f"Listening on {collector.url}; stop with Ctrl-C. Point an app to it with")
        self._line(self._terminal.bold(f"  README_METRICS_SERVER={collector.url}"))

    def conclude(self, collector: Collector) -> None:
        self._line(
            f"{collector.received} logs ({collector.received - collector.duplicates} distinct, "
            f"{collector.duplicates} duplicates) in {self._posts} POSTs"
        )

    def _line(self, text: str) -> None:
        try:
            self._terminal.line(text)
        except BrokenPipeError:
            # The program that read our output has ended. The logs are accepted nevertheless.
            self.is_stopped.set()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
