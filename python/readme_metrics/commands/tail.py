"""`readme-metrics tail`: shows the logs that wait in the queue and those that pass through it, and removes none."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack

from readme_metrics import _core
from readme_metrics.commands import app_directories
from readme_metrics.commands.console.har_view import HarView
from readme_metrics.commands.console.terminal import Terminal

#: A segment keeps delivered records until it needs their room, so a look at this interval misses few of them.
_INTERVAL_S = 0.2

#: The position in each segment from which to read on, by directory and segment.
Positions = dict[tuple[Path, str], int]


def add_parser(subcommands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subcommands.add_parser(
        "tail",
        help="show logs as they wait and pass, as they will be sent",
        description="Show the logs in the queues of this user's apps, redacted as they will be sent. Consumes nothing.",
        epilog="exit status: 0; 3 with --once if no log waits",
    )
    app_directories.add_arguments(parser)
    parser.add_argument("--once", action="store_true", help="show what waits now, and end")
    parser.add_argument("--json", action="store_true", help="print each log as a line of JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Shows logs until SIGINT or SIGTERM, or once."""
    terminal = Terminal()
    positions: Positions = {}
    shown = 0
    try:
        while True:
            for log in new_logs(options.queue_dir, positions):
                shown += 1
                terminal.line(json.dumps(log) if options.json else HarView(log).line(terminal))
            if options.once:
                return 0 if shown else 3
            time.sleep(_INTERVAL_S)
    except (BrokenPipeError, KeyboardInterrupt):
        return 0


def new_logs(queue_dir: str | None, positions: Positions) -> Iterator[dict[str, Any]]:
    """The logs that were queued since the last call with these `positions`, which are updated."""
    for directory, survey in app_directories.surveys(queue_dir):
        for segment in survey.segments:
            key = directory, segment.name
            found = _core.entries(directory, segment.name, positions.get(key, 0))
            if found is None:
                continue
            positions[key], entries = found
            for entry in entries:
                try:
                    log = msgpack.unpackb(entry, raw=False, unicode_errors="replace")
                except (ValueError, msgpack.UnpackException):
                    continue  # damaged: counted by the process that delivers it
                if isinstance(log, dict):
                    yield log
