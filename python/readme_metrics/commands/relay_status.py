"""`readme-metrics status --relay URL`: which logs wait in a Redis server, and what became of the others."""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec
from typing import Any

from readme_metrics.commands.console.terminal import Terminal, printable
from readme_metrics.relay import address

#: Seconds that the Redis server may take to answer.
_TIMEOUT_S = 5.0


def show(url: str, *, as_json: bool) -> int:
    """Prints the state of each project. Returns 1 if Redis does not answer, 2 if `url` is wrong or redis-py missing."""
    try:
        address.checked_url("--relay", url)
    except ValueError as problem:
        return _fail(str(problem), 2)
    if find_spec("redis") is None:
        return _fail('redis-py is missing: pip install "readme-metrics[redis]"', 2)
    from readme_metrics.relay.connection import Connection
    from readme_metrics.relay.server_facts import warnings
    from readme_metrics.relay.survey import survey

    try:
        connection = Connection(url, _TIMEOUT_S)
        projects = survey(connection)
        facts = list(warnings(connection))
        connection.close()
    except (TypeError, ValueError):
        return _fail("a parameter of the Redis URL is none of redis-py's, or has a wrong value", 2)
    except Exception as error:
        # The message does not quote the error: redis-py's errors may show the password.
        return _fail(f"Redis at {address.masked(url)} cannot be read: {type(error).__name__}", 1)
    terminal = Terminal()
    if as_json:
        terminal.line(json.dumps({**_sum(projects), "projects": projects, "warnings": facts}))
        return 0
    terminal.line(terminal.bold(address.masked(url)))
    for project, found in projects.items():
        _show(terminal, project, found)
    if not projects:
        terminal.line("  no project has logged here")
    for fact in facts:
        terminal.line("  " + terminal.yellow(f"warning: {fact}"))
    return 0


def _sum(projects: dict[str, dict[str, Any]]) -> dict[str, int]:
    names = ("added", "delivered", "refused", "lost", "in_stream", "bytes")
    return {name: sum(found[name] for found in projects.values()) for name in names}


def _show(terminal: Terminal, project: str, found: dict[str, Any]) -> None:
    lost = f" + {found['lost']} lost" if found["lost"] else ""
    terminal.line(
        f"  {terminal.bold(project)}  {found['added']} sent by apps = {found['delivered']} delivered "
        f"+ {found['refused']} refused{lost} + {found['in_stream']} in the stream"
    )
    if found["entries"]:
        terminal.line(
            f"    {found['entries']} entries, {found['bytes'] / 2**20:.1f} MiB, the oldest for "
            f"{found['oldest_seconds']:.0f} s; relays hold {found['held_entries']}"
        )
    if found["last_error"]:
        terminal.line("    " + terminal.red(f"ReadMe does not take them: {printable(found['last_error'])}"))
    for relay in found["relays"]:
        seconds = relay["heard_of_seconds_ago"]
        heard = "not heard from for an hour" if seconds is None else f"heard from {seconds} s ago"
        terminal.line(f"    relay {printable(relay['name'])}: holds {relay['held_entries']} entries, {heard}")
    if not found["relays"]:
        terminal.line("    " + terminal.yellow("no relay takes from this stream"))
    for refused in found["latest_refused"]:
        terminal.line(f"    refused: {printable(refused['reason'])} {printable(refused['url'])}")


def _fail(message: str, status: int) -> int:
    print(f"readme-metrics status: {message}", file=sys.stderr)
    return status
