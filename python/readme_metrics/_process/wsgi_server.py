"""What the server that this process belongs to lets an app do."""

from __future__ import annotations

import sys


def runs_threads() -> bool:
    """Whether an app's threads run between its requests.

    uWSGI before 2.0.27 never lets go of the GIL unless it was started with `--enable-threads` or `--threads`. It tells
    by `uwsgi.has_threads`, which is right where its options are not: newer ones always have threads.
    """
    return bool(getattr(sys.modules.get("uwsgi"), "has_threads", True))
