"""What the server that this process belongs to lets an app do."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from readme_metrics import _core


def runs_threads() -> bool:
    """Whether an app's threads run between its requests.

    uWSGI before 2.0.27 never lets go of the GIL unless it was started with `--enable-threads` or `--threads`. It tells
    by `uwsgi.has_threads`, which is right where its options are not: newer ones always have threads.
    """
    return bool(getattr(sys.modules.get("uwsgi"), "has_threads", True))


def at_end_of_uwsgi_master(function: Callable[[], object], patience_s: float) -> None:
    """Has `function` called at the end of uWSGI's master, if this process is one; elsewhere does nothing.

    The master outlives its workers, which may have been stopped in the middle of a request, and runs no exit handler of
    Python. It holds the GIL, unless it was started with threads (uwsgi_python_master_fixup in its source).

    Args:
        function: Called without arguments.
        patience_s: Seconds that the end of the master may take for it.
    """
    uwsgi = sys.modules.get("uwsgi")
    if uwsgi is not None and hasattr(uwsgi, "masterpid") and uwsgi.masterpid() == os.getpid():
        _core.call_at_last(function, patience_s, not runs_threads())
