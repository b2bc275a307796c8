"""What we need to know of the WSGI server around the app: whether threads run, and when uWSGI's master ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from readme_metrics import _core


def runs_threads() -> bool:
    """Whether the app's threads run between its requests.

    uWSGI before 2.0.27 never releases the GIL unless it was started with `--enable-threads` or `--threads`; newer
    versions always run threads. `uwsgi.has_threads` is right for both, unlike uWSGI's options.
    """
    return bool(getattr(sys.modules.get("uwsgi"), "has_threads", True))


def at_end_of_uwsgi_master(function: Callable[[], object], patience_s: float) -> None:
    """If this process is uWSGI's master, has `function` called when the master ends. Does nothing in other processes.

    The master outlives its workers, which may have been stopped in the middle of a request, and it runs no exit handler
    of Python. It holds the GIL unless it was started with threads (`uwsgi_python_master_fixup` in its source).

    Args:
        function: Called without arguments.
        patience_s: How many seconds the call may delay the end of the master.
    """
    uwsgi = sys.modules.get("uwsgi")
    if uwsgi is not None and hasattr(uwsgi, "masterpid") and uwsgi.masterpid() == os.getpid():
        _core.call_at_last(function, patience_s, not runs_threads())
