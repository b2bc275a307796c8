"""Finds the values that may not be sent in a query, an urlencoded form or a URL, as `rust/redact/url/denied.rs`."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Callable

from reference.json_redaction import denied_in_json, looks_like_json
from reference.rules import Rules
from reference.url.component import decode, decode_all, decode_with_places
from reference.url.hidden import Denied


def denies_encoded(rules: Rules, name: str) -> bool:
    """Judge a name after each of up to four decodings. A name that is still encoded after them is denied."""
    if not rules.is_active:
        return False
    name = name.replace("+", " ")
    is_escape = re.compile("%[0-9a-fA-F]{2}").search
    if not is_escape(name):
        return rules.denies(name)
    for _ in range(4):
        try:
            name = urllib.parse.unquote_to_bytes(name).decode()
        except UnicodeDecodeError:
            return True
        if rules.denies(name):
            return True
        if not is_escape(name):
            return False
    return True


class Search:
    """Looks for denied values in one text."""

    def __init__(self, rules: Rules, text: str, layer: int = 0) -> None:
        self.rules = rules
        self.text = text
        self.layer = layer
        self.found: list[Denied] = []

    def results(self) -> list[Denied]:
        """The denied values in order. Those that overlap are merged."""
        merged: list[Denied] = []
        for denied in sorted(self.found, key=lambda denied: denied.start):
            if merged and denied.start < merged[-1].end:
                merged[-1].end = max(merged[-1].end, denied.end)
            else:
                merged.append(denied)
        return merged

    def userinfo(self) -> None:
        """`user:password@` behind `://`."""
        for match in re.finditer(r"""(?<=://)[^/?#\\"'<>\t\n\f\r ]*@""", self.text):
            if len(match[0]) > 1:
                info = match[0][:-1]
                self.found.append(Denied(match.start(), match.end() - 1, len(decode(info))))

    def parameters(self, start: int, end: int, separators: str = "&;#?") -> None:
        """Judge the pieces between separators, and split those that are not denied at the next separator."""
        for piece in re.finditer(
            f"(?:^|(?<={re.escape(separators[0])}))[^{re.escape(separators[0])}]*", self.text[start:end]
        ):
            begin, stop = start + piece.start(), start + piece.end()
            name, equals, _ = piece[0].partition("=")
            value_start = begin + len(name) + len(equals)
            if denies_encoded(self.rules, name):
                if equals:
                    self.deny_value(value_start, stop)
            elif not any(separator in piece[0] for separator in separators[1:]):
                self.pair(begin, value_start, stop, name)
            elif not equals or not self.json(value_start, stop):
                self.parameters(begin, stop, separators[1:])

    def deny_value(self, start: int, end: int) -> None:
        """Hide a value whose name is denied."""
        self.found.append(Denied(start, end, len(decode(self.text[start:end]))))

    def deny_rest(self, start: int) -> None:
        """Hide the rest of the text, since a separator may have cut a document."""
        self.deny_value(start, len(self.text))

    def pair(self, start: int, value_start: int, end: int, name: str) -> None:
        """A parameter without a separator inside."""
        if looks_like_json(decode_all(name)):
            if denied_in_json(self.rules, decode_all(self.text[start:end])) != []:
                self.deny_rest(start)
        else:
            self.value(value_start if "=" in self.text[start:end] else start, end)

    def json(self, start: int, end: int) -> bool:
        """Judge a value as JSON; returns whether it is JSON."""
        value = self.text[start:end]
        denied = denied_in_json(self.rules, value) if looks_like_json(value) else None
        for each in denied or ():
            self.found.append(Denied(start + each.start, start + each.end, each.characters))
        return denied is not None

    def value(self, start: int, end: int) -> None:
        """A value that is not denied by its own name: JSON, another parameter, or encoded."""
        if self.json(start, end):
            return
        value = self.text[start:end]
        if not self.rules.is_allowlist:
            at = start
            for name in value.split("=")[:-1]:
                if denies_encoded(self.rules, name):
                    self.deny_value(at + len(name) + 1, end)
                    return
                at += len(name) + 1
        if self.layer < 3 and re.search("[%+]", value):
            decoded, places = decode_with_places(value)
            search = Search(self.rules, decoded, self.layer + 1)
            search.anything()
            for each in search.results():
                self.found.append(Denied(start + places[each.start], start + places[each.end], each.characters))
        elif looks_like_json(value):
            self.deny_rest(start)

    def anything(self) -> None:
        """A whole text that may be JSON, a URL, parameters or a plain value."""
        self.userinfo()
        if self.json(0, len(self.text)):
            return
        if re.search("[?#&/]", self.text):
            self.parameters(0, len(self.text))
        else:
            self.value(0, len(self.text))

    def urls(self, is_url: bool) -> None:
        """The parameters of the URLs in a header's value."""
        at = 0
        self.userinfo()
        while at < len(self.text):
            piece = self.text[at : at + self.end_of_url(at)]
            question = re.search("[?#]", piece)
            if question:
                word = re.split("[\"'\t\n\f\r ]", piece[: question.start()])[-1]
                if is_url or question.start() == 0 or "/" in word:
                    self.parameters(at + question.end(), at + len(piece))
            elif self.layer < 3 and "%" in piece:
                decoded, places = decode_with_places(piece)
                search = Search(self.rules, decoded, self.layer + 1)
                search.urls(is_url=False)
                for each in search.results():
                    self.found.append(Denied(at + places[each.start], at + places[each.end], each.characters))
            at += len(piece) + 1

    def end_of_url(self, start: int) -> int:
        """The length of the first URL from `start` on. A URL that begins with `<` ends at `>`."""
        rest = self.text[start:]
        bracket = re.search("(?:^|(?<=[, \t\n\f\r]))<", re.split("[?#]", rest)[0])
        end = rest.find(">", bracket.start()) if bracket else -1
        return len(rest) if end < 0 else end


def search(rules: Rules, text: str, how: Callable[[Search], None]) -> list[Denied]:
    """The denied values that one way of searching finds."""
    if not rules.is_active:
        return []
    found = Search(rules, text)
    how(found)
    return found.results()


def denied_parameters(rules: Rules, text: str) -> list[Denied]:
    """The denied values of a query or a form."""

    def look(found: Search) -> None:
        found.userinfo()
        found.parameters(0, len(text))

    return search(rules, text, look)
