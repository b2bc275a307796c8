"""`HarView`: a log as one line for a person, and the values that were redacted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple

from readme_metrics.collector.fields import at
from readme_metrics.collector.post import Log
from readme_metrics.commands.console.terminal import Terminal, printable

_MISSING = "-"


class Redaction(NamedTuple):
    """A value of a log that the middleware removed or masked."""

    where: str
    name: str
    value: str


class HarView:
    """A log that anybody may have sent: a field that is missing shows as `-`."""

    def __init__(self, log: Log) -> None:
        entry = at(log, "request", "log", "entries", 0)
        self.id = _text(at(log, "_id"))
        self.label = _text(at(log, "group", "label"))
        self.started = _text(at(entry, "startedDateTime"))
        self.milliseconds = _text(at(entry, "time"))
        self.method = _text(at(entry, "request", "method"))
        self.url = _text(at(entry, "request", "url"))
        self.status = _text(at(entry, "response", "status"))
        self._entry = entry

    def line(self, terminal: Terminal) -> str:
        """Time of day (UTC), method, URL, status, duration, group label and `_id`."""
        clock = self.started.partition("T")[2].removesuffix("Z") or self.started
        colours = {"2": terminal.green, "4": terminal.yellow, "5": terminal.red}
        status = colours.get(self.status[:1], str)(f"{self.status:>3}")
        return (
            f"{terminal.dim(clock)} {terminal.bold(f'{self.method:<6}')} {self.url} {status} "
            f"{self.milliseconds} ms {self.label} {terminal.dim(self.id)}"
        )

    def redactions(self) -> Iterator[Redaction]:
        """The removed and masked values, in the order of an HTTP exchange."""
        for where, name, value in self._values():
            text = str(value)
            if text.startswith(("[REDACTED", "sha512-")) or " sha512-" in text:
                yield Redaction(where, printable(name), printable(text))

    def _values(self) -> Iterator[tuple[str, object, object]]:
        request, response = at(self._entry, "request"), at(self._entry, "response")
        yield from _pairs("URL parameter", at(request, "queryString"))
        yield from _pairs("request header", at(request, "headers"))
        yield from _pairs("form field", at(request, "postData", "params"))
        yield from _fields("request JSON", at(request, "postData", "text"))
        yield from _pairs("response header", at(response, "headers"))
        yield from _fields("response JSON", at(response, "content", "text"))


def _text(value: object) -> str:
    return _MISSING if value is None else printable(value)


def _pairs(where: str, pairs: object) -> Iterator[tuple[str, object, object]]:
    for pair in pairs if isinstance(pairs, list) else ():
        yield where, at(pair, "name"), at(pair, "value")


def _fields(where: str, text: object) -> Iterator[tuple[str, object, object]]:
    try:
        document = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return
    if isinstance(document, dict):
        for name, value in document.items():
            yield where, name, value
