"""Which link between the app and the page is broken: shown on the page while it has no logs."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from readme_metrics._core import Survey


class LinkState(NamedTuple):
    link: str
    is_ok: bool
    detail: str
    advice: str = ""


def findings(url: str, stand_in: dict[str, Any], queues: Mapping[str, Survey], command: str) -> Iterator[LinkState]:
    """The state of each link between the app and this page.

    Args:
        url: The address of this server.
        stand_in: The POSTs that this server has received, from `StandIn.as_dict`.
        queues: The survey of each queue of this user's apps, by directory.
        command: What became of the command that was started with this page; empty if none was.
    """
    if command:
        is_running = command.endswith("is running")
        yield LinkState(
            "command", is_running, command, "" if is_running else "start it again, and read what it printed"
        )
    yield _posts(url, stand_in)
    # A queue that no process uses and that is empty belongs to an app that has ended.
    live = {directory: survey for directory, survey in queues.items() if _is_live(survey)}
    if not live:
        yield LinkState(
            "app",
            False,
            "no app of this user has logged a request on this host",
            "call your app once; if it has been called, it is not wrapped, has no API key, is switched off "
            "(README_METRICS_DISABLED), or runs as another user or in another container",
        )
    for directory, survey in live.items():
        yield _queue(url, directory, survey)


def _posts(url: str, stand_in: dict[str, Any]) -> LinkState:
    if not stand_in["posts"]:
        return LinkState(
            "server",
            False,
            f"listening at {url}; no log has been posted to it yet",
            f"start your app with README_METRICS_SERVER={url}; logs come within flush_interval (5 s) of a call",
        )
    detail = f"{stand_in['posts']} POSTs, {stand_in['refused']} of them not accepted"
    if stand_in["refused"] == stand_in["posts"]:
        return LinkState("server", False, f"{detail}: {stand_in['last_error']}", "the app will try again, or drop them")
    return LinkState("server", True, detail)


def _queue(url: str, directory: str, survey: Survey) -> LinkState:
    counts, server = survey.counts, survey.server
    dropped = {reason: count for reason, count in counts.dropped.items() if count}
    detail = (
        f"{directory}: {counts.made} made, {counts.sent} sent, {counts.queued} waiting, "
        f"dropped: {', '.join(f'{reason} {count}' for reason, count in dropped.items()) or 'none'}"
    )
    if server.failures:
        ago_s = max(time.time() - (server.last_error_at or 0), 0)
        detail += f"; the last {server.failures} POSTs failed: {server.last_error} ({ago_s:.0f} s ago)"
        return LinkState("queue", False, detail, "its server does not take logs: readme-metrics doctor says why")
    if counts.made == 0:
        return LinkState("queue", False, detail, "the app runs, and has logged no request yet: call it")
    if server.last_success:
        detail += f"; its server took logs {max(time.time() - server.last_success, 0):.0f} s ago"
        return LinkState("queue", True, detail, f"if they do not show up here, the app sends elsewhere than to {url}")
    return LinkState("queue", True, detail)


def _is_live(survey: Survey) -> bool:
    return survey.counts.queued > 0 or any(segment.owner_pid is not None for segment in survey.segments)
