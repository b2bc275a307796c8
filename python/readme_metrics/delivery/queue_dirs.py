"""Where the segments of one app are: the rungs, and the name of the app's directory on each of them."""

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
    """The rungs, best first. The core takes the first that is safe and has room, and private memory if there is
    none.
    """
    return rungs(config.queue_dir)


def rungs(queue_dir: str | os.PathLike[str] | None) -> list[str]:
    """The rungs of any process that has `queue_dir` in its configuration.

    `$XDG_RUNTIME_DIR` is none of them: it is set in one shell and not in the next, and its directory is removed at the
    end of the user's last session.
    """
    rungs = [
        os.fspath(queue_dir) if queue_dir else None,
        environment.queue_dir(),
        "/dev/shm",
        environment.temporary_directory(),
    ]
    return [os.path.abspath(rung) for rung in dict.fromkeys(rungs) if rung]


def name(config: MetricsApiConfig) -> str:
    """The name of the app's directory. Processes with the same key and destination share it and deliver its entries.

    The hash keeps the key out of the file system, and apps with different keys apart.
    """
    identity = f"{config.README_API_KEY}\0{destination(config)}"
    if config.before_send is not None:
        # A process without the function must not send logs that the function has not seen.
        identity += f"\0{_function_name(config.before_send)}"
    return prefix() + hashlib.sha256(identity.encode()).hexdigest()[:16]


def open_queue(config: MetricsApiConfig) -> _core.Queue:
    """This process's end of the app's queue."""
    return _core.Queue(directories(config), name(config), config.queue_bytes, label(config))


def label(config: MetricsApiConfig) -> str:
    """The name of the app for `status`: the configuration's `label`, else the program's name."""
    if config.label:
        return config.label
    directory, program = os.path.split(sys.argv[0] if sys.argv else "")
    # `python -m package` runs a file of this name, so the package is the program.
    return os.path.basename(directory) if program == "__main__.py" else program


def _function_name(function: object) -> str:
    if isinstance(function, str):
        return function
    return f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', type(function).__qualname__)}"


def prefix() -> str:
    """How the names of this user's app directories begin."""
    uid = os.geteuid() if hasattr(os, "geteuid") else 0
    return f"readme-metrics-{uid}-"
