"""What keys that nobody uses any more have left behind: given up, counted, and cleared away in the end."""

from __future__ import annotations

import re
import time
from pathlib import Path

from readme_metrics import _core
from readme_metrics.delivery import orphans, queue_dirs

_DAY_S = 24 * 60 * 60
#: The file of sums, of this version of it and of others.
_STATE = re.compile(r"state(-\d+)?")


def expire(rungs: list[str], own: str, days: float) -> int:
    """Looks at the directories of this user's other apps, on every rung.

    Where no process has been for so long, the logs are dropped and counted as `expired`. Once nothing has waited for as
    long again, the directory goes, too, with its sums.

    Args:
        rungs: Where to look.
        own: The name of the caller's own directory, which is in use.
        days: How long.

    Returns:
        How many logs were given up.
    """
    given_up = 0
    before = time.time() - days * _DAY_S
    for rung in rungs:
        for directory in sorted(Path(rung).glob(queue_dirs.prefix() + "*")):
            try:
                if directory.name != own and _last_use(directory) < before:
                    given_up += orphans.discard([rung], directory.name, "expired") or _remove(directory)
            except OSError:  # gone meanwhile, or not to be used
                continue
    return given_up


def _last_use(directory: Path) -> float:
    """When a process was last at work there, in seconds since 1970; infinite while one is."""
    survey = _core.survey(directory)
    if not all(segment.is_orphan for segment in survey.segments):
        return float("inf")
    server = survey.server
    times = [segment.created for segment in survey.segments] + [server.last_success, server.last_error_at]
    # The making and the removal of a segment change the directory.
    return max([directory.stat().st_mtime, *(moment for moment in times if moment is not None)])


def _remove(directory: Path) -> int:
    """Removes an app's directory in which nothing waits; one that holds anything unknown is left. Gives up no logs."""
    files = list(directory.iterdir())
    if all(_STATE.fullmatch(file.name) for file in files):
        for file in files:
            file.unlink(missing_ok=True)
        directory.rmdir()
    return 0
