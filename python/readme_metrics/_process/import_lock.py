"""`loading()`: held while a module is loaded by the first who needs it, and while the process forks.

The import system has a lock for each module. If a thread holds one while another forks, nobody is left in the child to
release it, and whoever needs the module there waits for ever. Forks of the app must not become dangerous by our loading
modules late: they wait for us, once, for as long as that takes.
"""

from __future__ import annotations

import os
import threading
from contextlib import AbstractContextManager

#: A fork waits no longer: it may be made by a module that is itself being imported, and that we wait for.
PATIENCE_S = 2.0

# Re-entrant: what is loaded may fork as well.
_lock = threading.RLock()
_is_held_by_fork = False


def loading() -> AbstractContextManager[bool]:
    """The lock, to be used in a `with` statement round a late import."""
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
