"""`readme-metrics status`: what waits, who holds it, what became of the rest."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from readme_metrics import _core
from readme_metrics.commands import app_directories, relay_status
from readme_metrics.commands.terminal import Terminal, printable
from readme_metrics.delivery import sums

_EXIT_CODES = """exit status:
  0  all is well
  1  the server does not take logs, or logs of dead processes wait for somebody to deliver them; with --relay: Redis is
     away
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
    parser.add_argument("--relay", metavar="URL", help="show the streams of a Redis server instead")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Return the exit status that the help describes."""
    if options.relay:
        return relay_status.show(options.relay, as_json=options.json)
    found = list(app_directories.surveys(options.queue_dir))
    terminal = Terminal()
    if options.json:
        terminal.line(json.dumps({str(directory): sums.of_directory(survey) for directory, survey in found}))
    elif not found:
        terminal.line("No app of this user has a queue on this host.")
    else:
        for directory, survey in found:
            _show(terminal, directory, survey)
    if not found:
        return 3
    return int(any(survey.server.failures or _orphans(survey) for _, survey in found))


def _orphans(survey: _core.Survey) -> int:
    return sum(segment.counts.queued for segment in survey.segments if segment.is_orphan)


def _show(terminal: Terminal, directory: Path, survey: _core.Survey) -> None:
    terminal.line(terminal.bold(str(directory)))
    counts = survey.counts
    dropped = {reason: count for reason, count in counts.dropped.items() if count}
    reasons = f" ({', '.join(f'{reason} {count}' for reason, count in dropped.items())})" if dropped else ""
    terminal.line(
        f"  {counts.made} made = {counts.sent} sent + {counts.queued} queued + {sum(dropped.values())} dropped{reasons}"
    )
    terminal.line("  " + _server(terminal, survey.server))
    for segment in survey.segments:
        if segment.is_orphan and not segment.counts.queued and not segment.defect:
            continue  # drained, and removed by whoever looks next
        if segment.defect:
            owner = terminal.red(f"not a queue: {segment.defect}")
        elif segment.is_orphan:
            owner = terminal.yellow(f"dead (was pid {segment.creator_pid})")
        else:
            owner = f"pid {segment.owner_pid or '? in another container'}"
        terminal.line(
            f"  {segment.name}  {owner}  {segment.counts.queued} waiting, "
            f"{segment.queued_bytes // 1024} of {segment.file_bytes // 1024} KiB"
        )


def _server(terminal: Terminal, server: _core.ServerState) -> str:
    now = time.time()
    last = f"last success {_ago(now, server.last_success)}"
    if not server.failures:
        return f"server takes logs, {last}" if server.last_success else "nothing sent yet"
    error = printable(server.last_error or "")
    pause_s = max((server.pause_until or now) - now, 0.0)
    text = f"server does not take logs: {error} {_ago(now, server.last_error_at)}"
    return f"{terminal.red(text)}, {server.failures} failures in a row, next try in {pause_s:.0f} s, {last}"


def _ago(now: float, then: float | None) -> str:
    return "never" if then is None else f"{max(now - then, 0.0):.0f} s ago"
