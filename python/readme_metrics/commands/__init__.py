"""The `readme-metrics` command: one module per subcommand, each with `add_parser`.

Importing `readme_metrics` imports nothing from here.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence

from readme_metrics._process.interrupts import interruptible
from readme_metrics.commands import collect, demo, doctor, flush, inspect, relay, status, tail

_INTERRUPTED = 128 + signal.SIGINT


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one subcommand and returns its exit status.

    `argv` defaults to the arguments of the process. Usage errors exit with status 2, as argparse
    does. SIGTERM and SIGHUP stop a command as Ctrl-C does, so that it cleans up.
    """
    parser = argparse.ArgumentParser(
        prog="readme-metrics",
        description="Look at what the ReadMe Metrics middleware sends.",
    )
    subcommands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (inspect, doctor, status, tail, flush, relay, collect, demo):
        command.add_parser(subcommands)
    options = parser.parse_args(argv)

    try:
        with interruptible():
            exit_status: int = options.run(options)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return _INTERRUPTED
    return exit_status
