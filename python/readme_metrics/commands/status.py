"""`readme-metrics status`: which logs wait, which process holds them, and what became of the others."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from readme_metrics import _core
from readme_metrics.commands import app_directories, relay_status
from readme_metrics.commands.console.terminal import Terminal, printable
from readme_metrics.delivery.figures import prometheus, sums
from readme_metrics.delivery.figures.oldest import oldest_of

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
    parser.add_argument("--prometheus", action="store_true", help="print the counters as Prometheus text")
    parser.add_argument("--relay", metavar="URL", help="show the streams of a Redis server instead")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Returns the exit status that the help describes."""
    if options.relay:
        return relay_status.show(options.relay, as_json=options.json)
    apps = [App(directory, survey) for directory, survey in app_directories.surveys(options.queue_dir)]
    others = app_directories.of_other_users(options.queue_dir)
    terminal = Terminal()
    if options.json:
        terminal.line(json.dumps({str(app.directory): app.as_dict() for app in apps}))
    elif options.prometheus:
        samples = [sample for app in apps for sample in app.samples()]
        terminal.line(prometheus.text(samples).rstrip("\n"))
    elif not apps:
        terminal.line("No app of this user has a queue on this host.")
    else:
        for app in apps:
            _show(terminal, app)
    for other in others:
        # Written to stderr if a program reads stdout, which has only the queues that could be read.
        (Terminal(sys.stderr) if options.json or options.prometheus else terminal).line(f"Not shown: {other}")
    if not apps:
        return 3
    return int(any(app.survey.server.failures or app.orphans for app in apps))


class App:
    """One app's directory, and what is shown of it."""

    def __init__(self, directory: Path, survey: _core.Survey) -> None:
        self.directory = directory
        self.survey = survey
        self.orphans = sum(segment.counts.queued for segment in survey.segments if segment.is_orphan)
        #: When the oldest log that waits was made, by segment, in seconds since 1970.
        self.oldest = {
            segment.name: made
            for segment in survey.segments
            if segment.counts.queued and (made := oldest_of(directory, segment)) is not None
        }

    def as_dict(self) -> dict[str, object]:
        return {**sums.of_directory(self.survey), "oldest": min(self.oldest.values(), default=None)}

    def samples(self) -> list[prometheus.Sample]:
        return prometheus.of_survey(self.survey, self.directory, min(self.oldest.values(), default=None), time.time())


def _show(terminal: Terminal, app: App) -> None:
    survey, now = app.survey, time.time()
    label = printable(survey.label or "")
    terminal.line(f"{terminal.bold(label)}  {app.directory}" if label else terminal.bold(str(app.directory)))
    counts = survey.counts
    dropped = {reason: count for reason, count in counts.dropped.items() if count}
    reasons = f" ({', '.join(f'{reason} {count}' for reason, count in dropped.items())})" if dropped else ""
    style = terminal.red if dropped else terminal.plain
    lost = style(f"{sum(dropped.values())} dropped{reasons}")
    sampled = f" + {counts.sampled} sampled" if counts.sampled else ""
    terminal.line(f"  {counts.made} made = {counts.sent} sent + {counts.queued} queued{sampled} + {lost}")
    terminal.line("  " + _server(terminal, survey.server))
    rows = []
    for segment in survey.segments:
        if segment.is_orphan and not segment.counts.queued and not segment.defect:
            continue  # empty: the next process of the app removes it
        if segment.defect:
            owner, style = f"not a queue: {segment.defect}", terminal.red
        elif segment.is_orphan:
            owner, style = f"dead (was pid {segment.creator_pid})", terminal.yellow
        else:
            owner, style = f"pid {segment.owner_pid or '? in another container'}", terminal.plain
        made = app.oldest.get(segment.name)
        rows.append(
            (
                (owner, style),
                (f"{segment.counts.queued} waiting", terminal.plain),
                ("" if made is None else f"oldest {_age(now - made)}", terminal.plain),
                (f"{segment.queued_bytes // 1024} of {segment.file_bytes // 1024} KiB", terminal.plain),
                (segment.name, terminal.dim),
            )
        )
    for line in terminal.aligned(rows):
        terminal.line(f"  {line}")
    if app.orphans:
        advice = "logs of dead processes wait for the app's next process; readme-metrics flush delivers them now"
        terminal.line(terminal.yellow(f"  {app.orphans} {advice}, flush --discard {app.directory} gives them up"))


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
    return "never" if then is None else f"{_age(now - then)} ago"


def _age(seconds: float) -> str:
    """The time in the largest unit of which it has at least two: 119 s, 2 min, 47 h, 2 d."""
    for unit, size_s in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size_s:
            return f"{seconds // size_s:.0f} {unit}"
    return f"{max(seconds, 0.0):.0f} s"
