"""The directories in which this user's apps keep their queues."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from readme_metrics import _core
from readme_metrics.delivery import queue_dirs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--queue-dir", metavar="DIR", help="the `queue_dir` of the app, if it has one (also: README_METRICS_QUEUE_DIR)"
    )


def surveys(queue_dir: str | None) -> Iterator[tuple[Path, _core.Survey]]:
    """Each app's directory on each rung, and what it holds. What must not be used is left out."""
    for rung in queue_dirs.rungs(queue_dir):
        for directory in sorted(Path(rung).glob(queue_dirs.prefix() + "*")):
            try:
                yield directory, _core.survey(directory)
            except OSError:
                continue
