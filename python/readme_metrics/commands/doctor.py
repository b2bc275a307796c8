"""`readme-metrics doctor`: checks each link between the app and ReadMe, and names the one that is broken."""

from __future__ import annotations

import argparse
import json
import sys

from readme_metrics.commands import target
from readme_metrics.commands.checks import chain
from readme_metrics.commands.console.terminal import Terminal, printable

_EXIT_CODES = """exit status:
  0  a log sent from here arrives
  1  a link is broken; the last lines say which one and what to do
  2  there is no configuration to check"""


def add_parser(subcommands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subcommands.add_parser(
        "doctor",
        help="find out why logs do not show up",
        description="Check the way of a log from the configuration to the Metrics server; sends one test log, marked "
        "as development. Run it as the user and in the environment of your app.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    target.add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print the findings as a JSON array")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Returns the exit status that the help describes."""
    try:
        config = target.load(options)
    except target.NoConfiguration as problem:
        print(f"readme-metrics doctor: {problem}", file=sys.stderr)
        return 2
    terminal = Terminal()
    findings = []
    for finding in chain.all_checks(config):
        findings.append(finding)
        if not options.json:
            mark = terminal.green("ok    ") if finding.is_ok else terminal.red("BROKEN")
            # The finding of the options gets one line for each option.
            detail = finding.detail.replace("; ", "\n         ") if finding.link == chain.OPTIONS else finding.detail
            lines = [printable(line) for line in detail.split("\n")]
            terminal.line(f"{mark} {finding.link}: " + "\n".join(lines))
    broken = [finding for finding in findings if not finding.is_ok]
    if options.json:
        terminal.line(json.dumps([finding._asdict() for finding in findings]))
    else:
        for finding in broken:
            terminal.line(terminal.bold(f"{finding.link}: {finding.advice}"))
    return int(bool(broken))
