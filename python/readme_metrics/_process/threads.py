"""Threads of ours in the app's process."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable

#: Raised by a thread's own instructions: blocked, they would end the process without a word from faulthandler.
_OF_THE_THREAD = {"SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGABRT", "SIGTRAP", "SIGSYS"}


def start(run: Callable[[], object], name: str) -> threading.Thread:
    """Starts a daemon thread to which no signal is delivered.

    The kernel hands a process's signal to any thread that does not block it, and the app's server may handle it right
    there: uWSGI's workers call `exit` in the handler, and an interpreter that is ended by another thread than its
    main one waits for that one for ever. A new thread has the signal mask of the thread that starts it, so that there
    is no moment between.

    Args:
        run: What the thread does.
        name: What py-spy and the like show.

    Raises:
        RuntimeError: No thread can be started.
    """
    thread = threading.Thread(target=run, name=name, daemon=True)
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        thread.start()
        return thread
    blocked = {number for number in signal.valid_signals() if getattr(number, "name", "") not in _OF_THE_THREAD}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
    try:
        thread.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return thread
