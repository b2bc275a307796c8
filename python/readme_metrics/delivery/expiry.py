"""`expire`: drops and counts the logs of API keys that no process uses any more, and removes their directories."""

from __future__ import annotations

import re
import time
from pathlib import Path

from readme_metrics import _core
from readme_metrics.delivery import orphans, queue_dirs

_DAY_S = 24 * 60 * 60
#: The name of the state file, in this version and others.
_STATE = re.compile(r"state(-\d+)?")


def expire(rungs: list[str], own: str, days: float) -> int:
    """Checks the directories of this user's other apps, on every rung.

    If no process has used a directory for `days`, its logs are dropped and counted as `expired`. If no log has waited
    there for as long again, the directory is removed with its sums.

    Args:
        rungs: The rungs to check.
        own: The name of the caller's own directory, which is in use.
        days: The number of days.

    Returns:
        How many logs were dropped.
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
    """When a process last used the directory, in seconds since 1970; infinite if one uses it now."""
    survey = _core.survey(directory)
    if not all(segment.is_orphan for segment in survey.segments):
        return float("inf")
    server = survey.server
    times = [segment.created for segment in survey.segments] + [server.last_success, server.last_error_at]
    # The directory's own time changes when a segment is made or removed.
    return max([directory.stat().st_mtime, *(moment for moment in times if moment is not None)])


def _remove(directory: Path) -> int:
    """Removes an app's directory without segments, unless it holds an unknown file. Returns 0, since no log is
    dropped.
    """
    files = list(directory.iterdir())
    if all(_STATE.fullmatch(file.name) for file in files):
        for file in files:
            file.unlink(missing_ok=True)
        directory.rmdir()
    return 0
