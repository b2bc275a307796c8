"""Where the queue's segments of one app meet: the rungs of the directory ladder, and the app's name on each."""

from __future__ import annotations

import hashlib
import os
import sys
from typing import TYPE_CHECKING

from readme_metrics import _core
from readme_metrics._process import environment
from readme_metrics.delivery.senders.choice import destination

if TYPE_CHECKING:
    from readme_metrics.config import MetricsApiConfig


def directories(config: MetricsApiConfig) -> list[str]:
    """The rungs, best first. The core takes the first that is safe and has room, and private memory where none is."""
    return rungs(config.queue_dir)


def rungs(queue_dir: str | os.PathLike[str] | None) -> list[str]:
    """The rungs of any process that has `queue_dir` in its configuration.

    None of them depends on who logged in: `$XDG_RUNTIME_DIR` is set in one shell and not in the next, and goes with the
    last session of its user.
    """
    rungs = [
        os.fspath(queue_dir) if queue_dir else None,
        environment.queue_dir(),
        "/dev/shm",
        environment.temporary_directory(),
    ]
    return [os.path.abspath(rung) for rung in dict.fromkeys(rungs) if rung]


def name(config: MetricsApiConfig) -> str:
    """The app's directory: any process with the same key and destination may deliver any of its entries.

    The hash keeps the key itself out of the file system, and tenants with different keys apart.
    """
    identity = f"{config.README_API_KEY}\0{destination(config)}"
    if config.before_send is not None:
        # Whoever does not have the function must not send what it has not seen.
        identity += f"\0{_function_name(config.before_send)}"
    return prefix() + hashlib.sha256(identity.encode()).hexdigest()[:16]


def open_queue(config: MetricsApiConfig) -> _core.Queue:
    """This process's end of the app's queue."""
    return _core.Queue(directories(config), name(config), config.queue_bytes, label(config))


def label(config: MetricsApiConfig) -> str:
    """What people call the app: the configuration's `label`, else the program's name."""
    if config.label:
        return config.label
    directory, program = os.path.split(sys.argv[0] if sys.argv else "")
    # `python -m package` runs a file of this name.
    return os.path.basename(directory) if program == "__main__.py" else program


def _function_name(function: object) -> str:
    if isinstance(function, str):
        return function
    return f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', type(function).__qualname__)}"


def prefix() -> str:
    """How the names of this user's app directories begin."""
    uid = os.geteuid() if hasattr(os, "geteuid") else 0
    return f"readme-metrics-{uid}-"
