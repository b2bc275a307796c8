"""`readme-metrics inspect`: a page in the browser that shows logs as they come."""

from __future__ import annotations

import argparse
import os
import sys
import time
import webbrowser
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from readme_metrics.commands import app_directories, tail, target
from readme_metrics.commands.console.terminal import Terminal
from readme_metrics.config import MetricsApiConfig
from readme_metrics.delivery.figures import sums
from readme_metrics.inspector import health
from readme_metrics.inspector.command import Command
from readme_metrics.inspector.logs import har
from readme_metrics.inspector.logs.sources import JSONLines, Watch, has_ids
from readme_metrics.inspector.logs.store import Store
from readme_metrics.inspector.web.server import Inspector
from readme_metrics.redaction.redactor import Lists


def add_parser(subcommands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subcommands.add_parser(
        "inspect",
        help="show logs as they come, on a page in the browser",
        description="Serve a page on this machine that shows logs as they come: as a stand-in for ReadMe, "
        "from running apps' queues, or from a file.",
        epilog="With -- COMMAND, the command runs with README_METRICS_SERVER set to this page, until Ctrl-C ends both.",
    )
    parser.add_argument("--port", type=_port, default=8090, help="if it is taken, the next free one (%(default)s)")
    parser.add_argument("--jsonl", metavar="FILE", help="show the JSON lines of FILE, and new ones")
    parser.add_argument("--har", metavar="FILE", help="show the entries of a HAR file")
    parser.add_argument("--tail", action="store_true", help="show what waits in running apps' queues; consumes nothing")
    parser.add_argument(
        "--forward",
        action="store_true",
        help="pass each POST on to ReadMe (or README_METRICS_SERVER), with the app's key",
    )
    parser.add_argument("--open", action="store_true", help="open the page in the browser")
    target.add_arguments(parser)
    parser.add_argument("command", nargs="*", metavar="-- COMMAND", help="start this command, for instance your server")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Serves until SIGINT or SIGTERM. Returns 1 if no port or file can be used, 2 if an option is wrong, else 0."""
    store = Store()
    forward_to = _forward_to() if options.forward else None
    command = Command(options.command)
    try:
        config = target.load(options) if options.config else None
        lines = JSONLines(Path(options.jsonl)) if options.jsonl else None
        if options.har:
            store.add(har.logs_of(Path(options.har)))
        inspector = Inspector(
            options.port,
            store,
            forward_to=forward_to,
            lists=Lists.of(config) if config else None,
            status=lambda inspector: _status(inspector, options, command),
        )
    except target.NoConfiguration as problem:
        return _fail(str(problem), 2)
    except ValueError as error:
        return _fail(f"{options.har} is no HAR file: {error}", 1)
    except OSError as error:
        return _fail(str(error), 1)
    if forward_to == inspector.url:
        return _fail(f"README_METRICS_SERVER is {inspector.url}: --forward would send the logs back to this page", 2)
    with ExitStack() as stack:
        stack.enter_context(inspector)
        if lines:
            stack.enter_context(lines)
            store.add(lines.new())
            stack.enter_context(Watch(store, lines.new))
        if options.tail:
            positions: tail.Positions = {}
            stack.enter_context(Watch(store, lambda: has_ids(tail.new_logs(options.queue_dir, positions))))
        _introduce(inspector, options)
        try:
            stack.enter_context(command.running(inspector.url, is_forwarded=options.forward))
        except OSError as error:
            return _fail(f"{options.command[0]}: {error.strerror}", 1)
        if options.open:
            webbrowser.open(inspector.address)
        with suppress(KeyboardInterrupt):
            command.wait()
            while True:
                time.sleep(3600)
    return 0


def _introduce(inspector: Inspector, options: argparse.Namespace) -> None:
    terminal = Terminal()
    terminal.line(inspector.address)
    if options.port not in (0, inspector.port):
        print(f"readme-metrics inspect: port {options.port} is taken", file=sys.stderr, flush=True)
    if not options.command:
        terminal.line(f"Stop with Ctrl-C. Point an app to it with README_METRICS_SERVER={inspector.url}")


def _status(inspector: Inspector, options: argparse.Namespace, command: Command) -> dict[str, Any]:
    queues = {str(directory): survey for directory, survey in app_directories.surveys(options.queue_dir)}
    sources = [f"--{name} {getattr(options, name)}" for name in ("jsonl", "har") if getattr(options, name)]
    found = health.findings(inspector.url, inspector.stand_in.as_dict(), queues, command.state)
    return {
        "sources": sources + (["--tail"] if options.tail else []),
        "config": options.config,
        "command": command.state or None,
        "queues": {directory: sums.of_directory(survey) for directory, survey in queues.items()},
        "findings": [finding._asdict() for finding in found],
    }


def _forward_to() -> str:
    return (os.environ.get("README_METRICS_SERVER") or MetricsApiConfig.METRICS_API).rstrip("/")


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise ValueError(text)
    return port


def _fail(message: str, status: int) -> int:
    print(f"readme-metrics inspect: {message}", file=sys.stderr)
    return status
