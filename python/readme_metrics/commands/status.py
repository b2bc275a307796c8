"""`readme-metrics status`: what waits, who holds it, what became of the rest."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from readme_metrics.commands import app_directories
from readme_metrics.commands.terminal import Terminal, printable

_EXIT_CODES = """exit status:
  0  all is well
  1  the server does not take logs, or logs of dead processes wait for somebody to deliver them
  3  no app of this user has a queue here"""


def add_parser(subcommands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subcommands.add_parser(
        "status",
        help="what waits, what was sent, what was dropped and why",
        description="Show the queues of this user's apps on this host. Changes nothing.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    app_directories.add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object, times in seconds since 1970")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Return the exit status that the help describes."""
    found = list(app_directories.surveys(options.queue_dir))
    terminal = Terminal()
    if options.json:
        terminal.line(json.dumps({str(directory): survey for directory, survey in found}))
    elif not found:
        terminal.line("No app of this user has a queue on this host.")
    else:
        for directory, survey in found:
            _show(terminal, directory, survey)
    if not found:
        return 3
    return int(any(survey["failures"] or _orphans(survey) for _, survey in found))


def _orphans(survey: dict[str, Any]) -> int:
    return sum(segment["queued"] for segment in survey["segments"] if segment["owner_pid"] is None)


def _show(terminal: Terminal, directory: Path, survey: dict[str, Any]) -> None:
    terminal.line(terminal.bold(str(directory)))
    dropped = {reason: count for reason, count in survey["dropped"].items() if count}
    reasons = f" ({', '.join(f'{reason} {count}' for reason, count in dropped.items())})" if dropped else ""
    terminal.line(
        f"  {survey['made']} made = {survey['sent']} sent + {survey['queued']} queued "
        f"+ {sum(dropped.values())} dropped{reasons}"
    )
    terminal.line("  " + _server(terminal, survey))
    for segment in survey["segments"]:
        if not (segment["owner_pid"] or segment["queued"] or segment["defect"]):
            continue  # drained, and removed by whoever looks next
        if segment["defect"]:
            owner = terminal.red(f"not a queue: {segment['defect']}")
        elif segment["owner_pid"] is None:
            owner = terminal.yellow(f"dead (was pid {segment['creator_pid']})")
        else:
            owner = f"pid {segment['owner_pid'] or '? in another container'}"
        terminal.line(
            f"  {segment['name']}  {owner}  {segment['queued']} waiting, "
            f"{segment['queued_bytes'] // 1024} of {segment['file_bytes'] // 1024} KiB"
        )


def _server(terminal: Terminal, survey: dict[str, Any]) -> str:
    now = time.time()
    last = f"last success {_ago(now, survey['last_success'])}"
    if not survey["failures"]:
        return f"server takes logs, {last}" if survey["last_success"] else "nothing sent yet"
    error = printable(survey["last_error"])
    pause_s = max((survey["pause_until"] or now) - now, 0.0)
    text = f"server does not take logs: {error} {_ago(now, survey['last_error_at'])}"
    return f"{terminal.red(text)}, {survey['failures']} failures in a row, next try in {pause_s:.0f} s, {last}"


def _ago(now: float, then: float | None) -> str:
    return "never" if then is None else f"{max(now - then, 0.0):.0f} s ago"
