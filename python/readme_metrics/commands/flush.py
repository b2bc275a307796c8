"""`readme-metrics flush`: delivers the logs that dead processes have left in the queue, or gives them up."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from readme_metrics import _core
from readme_metrics._process.reporter import Reporter
from readme_metrics.commands import app_directories, target
from readme_metrics.commands.console.terminal import Terminal
from readme_metrics.delivery import orphans, queue_dirs
from readme_metrics.delivery.expiry import expire

_EXIT_CODES = """exit status:
  0  no log of a dead process is left
  1  some logs are left: the server did not take them, or the time was up
  2  there is no API key"""


def add_parser(subcommands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subcommands.add_parser(
        "flush",
        help="deliver what dead processes have left, or give it up",
        description="Deliver the logs that dead processes of an app have left, or give them up. Live processes deliver "
        "their own.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    target.add_arguments(parser)
    parser.add_argument("--timeout", type=float, default=30.0, metavar="S", help="seconds (%(default)s)")
    parser.add_argument(
        "--discard",
        nargs="?",
        const="",
        metavar="DIRECTORY",
        help="drop and count them instead, for instance after a change of keys; a directory as `status` shows it needs "
        "no key",
    )
    parser.add_argument("--json", action="store_true", help="print the sums as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Returns the exit status that the help describes."""
    if options.discard:
        directory = Path(options.discard).absolute()
        return _discard([str(directory.parent)], directory.name, as_json=options.json)
    try:
        config = target.load(options)
    except target.NoConfiguration as problem:
        print(f"readme-metrics flush: {problem}", file=sys.stderr)
        return 2
    rungs, name = queue_dirs.directories(config), queue_dirs.name(config)
    for other in app_directories.of_other_users(config.queue_dir, name.rpartition("-")[2]):
        print(f"readme-metrics flush: {other}", file=sys.stderr)
    if options.discard is not None:
        return _discard(rungs, name, as_json=options.json)
    expire(rungs, name, config.orphan_days)
    delivered = orphans.deliver(config, Reporter(config), _core.monotonic() + options.timeout)
    terminal = Terminal()
    if options.json:
        terminal.line(json.dumps(delivered._asdict()))
    else:
        terminal.line(f"{delivered.sent} sent, {delivered.dropped} dropped, {delivered.left} left")
        if delivered.left:
            terminal.line(f"The server did not take them ({delivered.last_error}), or the time was up.")
    return int(delivered.left > 0)


def _discard(rungs: list[str], name: str, *, as_json: bool) -> int:
    if not name.startswith(queue_dirs.prefix()):
        print(f"readme-metrics flush: {name} is not a queue of this user", file=sys.stderr)
        return 2
    discarded = orphans.discard(rungs, name, "discarded")
    left = orphans.count(rungs, name)
    sums = {"discarded": discarded, "left": left}
    Terminal().line(json.dumps(sums) if as_json else f"{discarded} discarded, {left} left")
    return int(left > 0)
