"""Signals that ask a command to stop. Call these functions on the main thread."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_Handler = Callable[[int, FrameType | None], None]
# SIGHUP, which Windows lacks, comes when the terminal is closed.
_NUMBERS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


@contextmanager
def interruptible() -> Iterator[None]:
    """Raises KeyboardInterrupt for every signal that asks to stop, unless the signal is ignored, as under nohup."""
    with _handled_by(signal.default_int_handler):
        yield


@contextmanager
def interrupts_deferred() -> Iterator[None]:
    """Raises KeyboardInterrupt only at the end of the block, so that a process that is being started is not lost."""
    received = []
    with _handled_by(lambda number, _: received.append(number)):
        yield
    if received:
        raise KeyboardInterrupt


@contextmanager
def _handled_by(handler: _Handler) -> Iterator[None]:
    previous = {number: signal.getsignal(number) for number in _NUMBERS}
    handled = [number for number in _NUMBERS if previous[number] is not signal.SIG_IGN]
    for number in handled:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number in handled:
            signal.signal(number, previous[number])
