"""`start`: starts a thread of ours in the app's process."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable

#: Signals that a thread's own instructions raise. If they were blocked, the process would end without faulthandler's
#: report.
_OF_THE_THREAD = {"SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGABRT", "SIGTRAP", "SIGSYS"}


def start(run: Callable[[], object], name: str) -> threading.Thread:
    """Starts a daemon thread to which no signal is delivered.

    The kernel delivers a process's signal to any thread that does not block it, and the server may handle it on that
    thread: uWSGI's workers call `exit` in the handler, and an interpreter that is ended by a thread other than its main
    one waits for the main thread for ever. A new thread inherits the signal mask of the thread that starts it, so the
    signals are blocked from its first instruction on.

    Args:
        run: What the thread does.
        name: The thread's name, which py-spy and debuggers show.

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
