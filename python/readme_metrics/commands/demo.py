"""`readme-metrics demo`: runs a real app under a real server and proves that its logs arrive."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from contextlib import ExitStack, suppress
from importlib.util import find_spec

import requests

from readme_metrics.collector import Collector, Post
from readme_metrics.collector.log_file import LogFile
from readme_metrics.commands.console.har_view import HarView
from readme_metrics.commands.console.terminal import Terminal
from readme_metrics.demo.bookshop import DENYLIST
from readme_metrics.demo.gunicorn_server import APPS
from readme_metrics.demo.rehearsal import Rehearsal
from readme_metrics.demo.tally import Tally
from readme_metrics.inspector.logs.store import Store
from readme_metrics.inspector.web.server import Inspector
from readme_metrics.redaction.redactor import Lists

_SHOWN_LOGS = 3
_SHOWN_OUTPUT_LINES = 15
#: If this port is taken, the next free one is used.
_PAGE_PORT = 8090
_PAGE_STAYS_S = 600.0


def add_parser(subcommands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subcommands.add_parser(
        "demo",
        help="log a sample app under gunicorn, kill a worker, check the sums",
        description="Log a sample app under gunicorn, kill one worker, show that nothing is lost.",
    )
    parser.add_argument("--framework", choices=APPS, default="flask", help="of the app (default: %(default)s)")
    parser.add_argument("--workers", type=_positive, default=4, help="(default: %(default)s)")
    parser.add_argument("--requests", type=_positive, default=200, help="(default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="of the app (default: a free one)")
    parser.add_argument("--timeout", type=float, default=120, help="seconds (%(default)s)")
    parser.add_argument("--jsonl", "--keep", metavar="FILE", help="append every log to FILE as a JSON line")
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="print only the sums, as JSON")
    output.add_argument(
        "--inspect",
        action="store_true",
        help="show the logs on a page in the browser too; on a terminal it stays for ten minutes, or until Ctrl-C",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Returns 0 if nothing was lost or leaked, 1 if something was, 2 if the demo cannot run."""
    if not hasattr(os, "fork"):
        return _fail("gunicorn needs an operating system with fork()", 2)
    needed = [*APPS[options.framework][2], "gunicorn"]
    if missing := [name for name in needed if not _is_installed(name)]:
        packages = " ".join(name.replace("_", "-") for name in needed)
        way = '"readme-metrics[demo]"' if options.framework == "flask" else packages
        return _fail(f"{' and '.join(missing)} is missing: pip install {way}", 2)

    terminal = Terminal()
    narrate = (lambda _: None) if options.json else terminal.line
    with ExitStack() as stack:
        try:
            file = stack.enter_context(LogFile(options.jsonl)) if options.jsonl else None
            inspector = stack.enter_context(_inspector()) if options.inspect else None
            collector = stack.enter_context(Collector(sink=_Sink(file, inspector)))
            rehearsal = Rehearsal(
                collector,
                narrate,
                workers=options.workers,
                count=options.requests,
                port=options.port,
                timeout=options.timeout,
                framework=options.framework,
            )
            narrate(f"Collector  {collector.url}  (in place of ReadMe)")
            if inspector:
                narrate(f"Page       {inspector.address}  (the logs, as they come)")
            sums = rehearsal.run()
        except requests.RequestException:
            return _fail(f"the sample app does not answer{_quoted(rehearsal.output)}", 1)
        except (OSError, OverflowError) as error:
            return _fail(str(error), 1)
        differences = sums.differences() + rehearsal.problems
        if options.json:
            _print_json(rehearsal, sums, differences)
        else:
            _show_logs(terminal, rehearsal, collector)
            _show_sums(terminal, rehearsal, sums)
            _show_verdict(terminal, differences)
        if inspector and sys.stdin.isatty() and sys.stdout.isatty():
            _stay(terminal, inspector)
    if differences and rehearsal.output:
        print(f"The app printed{_quoted(rehearsal.output)}", file=sys.stderr)
    return 1 if differences else 0


class _Sink:
    """Gets the logs that the collector has accepted, for the file and the page."""

    def __init__(self, file: LogFile | None, inspector: Inspector | None) -> None:
        self._file = file
        self._inspector = inspector

    def __call__(self, post: Post) -> None:
        if self._file:
            self._file.append(post.logs)
        if self._inspector:
            self._inspector.store.add(post.logs)


def _inspector() -> Inspector:
    return Inspector(_PAGE_PORT, Store(), lists=Lists(denylist=tuple(DENYLIST)))


def _stay(terminal: Terminal, inspector: Inspector) -> None:
    terminal.line()
    terminal.line(f"The logs are at {inspector.address}; Ctrl-C ends.")
    with suppress(KeyboardInterrupt):
        time.sleep(_PAGE_STAYS_S)


def _print_json(rehearsal: Rehearsal, sums: Tally, differences: list[str]) -> None:
    kill = rehearsal.kill
    result = {
        **sums.as_dict(),
        "killed_worker": kill.worker if kill else None,
        "orphans": len(kill.orphans) if kill else None,
        "adoption_seconds": rehearsal.adoption_seconds(),
        "searched_files": len(rehearsal.searched),
        "differences": differences,
    }
    print(json.dumps(result))


def _show_logs(terminal: Terminal, rehearsal: Rehearsal, collector: Collector) -> None:
    terminal.line()
    terminal.line(terminal.bold("Some of the logs, as they arrived"))
    urls = {answered.log_id: answered.documentation_url for answered in rehearsal.answered}
    # The logs with most redacted values, one of each method and path.
    views = sorted(map(HarView, collector.logs), key=lambda view: -len(list(view.redactions())))
    varied = {(view.method, view.url.partition("?")[0]): view for view in reversed(views)}
    for view in list(reversed(varied.values()))[:_SHOWN_LOGS]:
        terminal.line(view.line(terminal))
        for where, name, value in view.redactions():
            terminal.line(f"    {where:<15}  {name:<14} {terminal.green(_shortened(value))}")
        terminal.line(f"    {'shown at':<15}  {urls.get(view.id, 'nowhere')}")


def _shortened(value: str) -> str:
    """`value` without its middle: a masked value has 95 characters, of which only the last four mean something."""
    return value if len(value) <= 40 else f"{value[:24]}...{value[-12:]}"


def _show_sums(terminal: Terminal, rehearsal: Rehearsal, sums: Tally) -> None:
    terminal.line()
    terminal.line(terminal.bold("Sums"))
    rows = [
        ("requests answered", sums.answered, f"of {sums.requested}, {sums.cut} attempts cut"),
        ("logs received", sums.received, ""),
        ("distinct", sums.distinct, ""),
        ("duplicates", sums.duplicates, ""),
        ("lost", sums.lost, ""),
        ("leaked", sums.leaked, f"in all POSTs and {len(rehearsal.searched)} files"),
    ]
    for name, number, remark in rows:
        terminal.line(f"    {name:<18} {number:>7}  {terminal.dim(remark)}".rstrip())


def _show_verdict(terminal: Terminal, differences: list[str]) -> None:
    terminal.line()
    if differences:
        terminal.line(terminal.red(f"NOT OK: {'; '.join(differences)}"))
    else:
        terminal.line(terminal.green("OK: nothing lost, nothing leaked"))


def _quoted(output: str) -> str:
    return ":" + "".join(f"\n    {line}" for line in output.splitlines()[-_SHOWN_OUTPUT_LINES:])


def _is_installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ValueError:  # the entry in `sys.modules` is no module: a test has blocked the import
        return False


def _fail(message: str, status: int) -> int:
    print(f"readme-metrics demo: {message}", file=sys.stderr)
    return status


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number
