"""`Terminal`: writes text for people, coloured on a terminal and plain in a pipe."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TextIO

#: A text, and the function that colours it.
Cell = tuple[str, Callable[[str], str]]


class Terminal:
    """Writes whole lines to `stream` (default: standard output) and flushes each.

    Colours are used on a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._is_terminal = self._stream.isatty()
        self._has_colour = self._is_terminal and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"

    def line(self, text: str = "") -> None:
        """Writes a line. Raises BrokenPipeError once the pipe's reader has ended; later lines are discarded."""
        try:
            print(text, file=self._stream, flush=True)
        except BrokenPipeError:
            # Without this, the interpreter's flush at exit fails too.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
            raise

    def bold(self, text: str) -> str:
        return self._styled("1", text)

    def dim(self, text: str) -> str:
        return self._styled("2", text)

    def red(self, text: str) -> str:
        return self._styled("31", text)

    def green(self, text: str) -> str:
        return self._styled("32", text)

    def yellow(self, text: str) -> str:
        return self._styled("33", text)

    def plain(self, text: str) -> str:
        return text

    def aligned(self, rows: Sequence[Sequence[Cell]]) -> Iterator[str]:
        """The rows as lines: on a terminal with their columns aligned, in a pipe with two spaces between the cells."""
        widths = [max(len(text) for text, _ in column) for column in zip(*rows, strict=True)]
        for row in rows:
            padded = [
                style(text) + " " * (width - len(text) if self._is_terminal else 0)
                for (text, style), width in zip(row, widths, strict=True)
                if text or (self._is_terminal and width)
            ]
            yield "  ".join(padded).rstrip()

    def _styled(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._has_colour else text


def printable(text: object) -> str:
    """`text` with each control character replaced: a client could use them to send commands to the user's terminal."""
    return "".join(character if character.isprintable() else "\ufffd" for character in str(text))
