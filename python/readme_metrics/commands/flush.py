"""`readme-metrics flush`: deliver what dead processes have left."""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

from readme_metrics import MetricsApiConfig, _core
from readme_metrics._process.reporter import Reporter
from readme_metrics.commands import target
from readme_metrics.commands.terminal import Terminal
from readme_metrics.delivery import queue_dirs
from readme_metrics.delivery.delivery import Delivery
from readme_metrics.delivery.senders.http import Transport

#: Somebody else was taking it over at this moment, or had just died.
_LOOK_AGAIN_S = 0.1

_EXIT_CODES = """exit status:
  0  nothing of dead processes is left
  1  something is left: the server did not take it, or the time was up
  2  there is no API key"""


def add_parser(subcommands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subcommands.add_parser(
        "flush",
        help="deliver what dead processes have left",
        description="Deliver the logs that dead processes of an app have left. Live ones deliver their own.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    target.add_arguments(parser)
    parser.add_argument("--timeout", type=float, default=30.0, metavar="S", help="seconds (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print the sums as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Return the exit status that the help describes."""
    try:
        config = target.load(options)
    except target.Unusable as problem:
        print(f"readme-metrics flush: {problem}", file=sys.stderr)
        return 2
    sums = _deliver(config, time.monotonic() + options.timeout)
    terminal = Terminal()
    if options.json:
        terminal.line(json.dumps(sums))
    else:
        terminal.line(f"{sums['sent']} sent, {sums['dropped']} dropped, {sums['left']} left")
        if sums["left"]:
            terminal.line(f"The server did not take them ({sums['last_error']}), or the time was up.")
    return int(sums["left"] > 0)


def _orphans(queue: _core.Queue) -> int:
    """How many entries are nobody's."""
    if queue.directory is None:
        return 0
    segments = _core.survey(queue.directory)["segments"]
    return sum(segment["queued"] for segment in segments if segment["owner_pid"] is None)


def _deliver(config: MetricsApiConfig, deadline_s: float) -> dict[str, Any]:
    transport = Transport(config)
    name = queue_dirs.name(config.README_API_KEY, transport.server)
    queue = _core.Queue(queue_dirs.directories(config), name, config.queue_bytes)
    delivery = Delivery(queue, transport, Reporter(config), config.METRICS_API_TIMEOUT)
    # A few segments at a time, until there are no more.
    while (left_s := deadline_s - time.monotonic()) > 0:
        queue.adopt()
        if queue.waiting:
            if not delivery.post_next(left_s, is_last=True):
                break
        elif _orphans(queue):
            time.sleep(_LOOK_AGAIN_S)
        else:
            break
    queue.close()
    transport.close()
    adopted, host = queue.stats()["adopted"], queue.host([])
    return {
        "sent": adopted["sent"],
        "dropped": sum(adopted["dropped"].values()),
        "left": _orphans(queue),
        "last_error": host["last_error"],
    }
