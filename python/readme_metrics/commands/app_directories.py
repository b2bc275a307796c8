"""The directories in which this user's apps keep their queues."""

from __future__ import annotations

import argparse
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from readme_metrics import _core
from readme_metrics.delivery import queue_dirs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--queue-dir", metavar="DIR", help="the `queue_dir` of the app, if it has one (also: README_METRICS_QUEUE_DIR)"
    )


def surveys(queue_dir: str | None) -> Iterator[tuple[Path, _core.Survey]]:
    """Each app's directory on each rung, with its survey. A directory that must not be used is left out."""
    for rung in queue_dirs.rungs(queue_dir):
        for directory in sorted(Path(rung).glob(queue_dirs.prefix() + "*")):
            try:
                yield directory, _core.survey(directory)
            except OSError:
                continue


class OtherQueue(NamedTuple):
    """A queue that belongs to another user, so that this user may not read it."""

    directory: Path
    #: The owner's name, or `uid N` if that user has no name on this host.
    owner: str

    def __str__(self) -> str:
        return f"{self.directory} belongs to {self.owner}: ask as that user"


def of_other_users(queue_dir: str | os.PathLike[str] | None, identity: str = "*") -> list[OtherQueue]:
    """The app directories on each rung that belong to other users.

    Args:
        queue_dir: As in the app's configuration.
        identity: The last part of the directory's name, a hash of API key and server; by default, any.
    """
    found = []
    for rung in queue_dirs.rungs(queue_dir):
        for directory in sorted(Path(rung).glob(f"readme-metrics-*-{identity}")):
            try:
                status = directory.lstat()
            except OSError:
                continue
            if hasattr(os, "geteuid") and stat.S_ISDIR(status.st_mode) and status.st_uid != os.geteuid():
                found.append(OtherQueue(directory, _user(status.st_uid)))
    return found


def _user(uid: int) -> str:
    try:
        import pwd  # not on Windows, where no directory is shared

        return pwd.getpwuid(uid).pw_name
    except (ImportError, KeyError):
        return f"uid {uid}"
