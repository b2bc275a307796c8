"""`loading()`: a lock that is held while a module is imported late, and while the process forks.

The import system has a lock for each module. If one thread holds such a lock while another thread forks, no thread of
the child can release it, and the child hangs when it imports that module. We import some modules late, so a fork waits
until our import is done.
"""

from __future__ import annotations

import os
import threading
from contextlib import AbstractContextManager

#: A fork waits no longer than this. The module that forks may itself be in the middle of an import that we wait for.
PATIENCE_S = 2.0

# Re-entrant, since a module may fork while it is being imported.
_lock = threading.RLock()
_is_held_by_fork = False


def loading() -> AbstractContextManager[bool]:
    """The lock, for use in a `with` statement around a late import."""
    return _lock


def _before_fork() -> None:
    global _is_held_by_fork
    _is_held_by_fork = _lock.acquire(timeout=PATIENCE_S)


def _after_fork_in_parent() -> None:
    if _is_held_by_fork:
        _lock.release()


def _after_fork_in_child() -> None:
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
