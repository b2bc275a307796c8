"""Why a value of a log is redacted, and which list entry would redact a value that is sent.

Each answer is tested with the core: an entry is named only if the redactor, with that entry alone, redacts the value.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from itertools import islice
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit

from readme_metrics import SAFE_DEFAULTS
from readme_metrics.collector.fields import at, entry_of, pairs_at, text_at
from readme_metrics.collector.post import Log
from readme_metrics.inspector.logs.places import Place, places
from readme_metrics.inspector.logs.summary import MARKER
from readme_metrics.redaction.redactor import Lists, Redactor, TextExchange

#: A larger body is shown, but not explained value by value.
MAX_PLACES = 3000
_MAX_TRIED = 40
_ALWAYS_MASKED = ("authorization", "proxy-authorization")
_SECRET_NAMES = frozenset(re.sub(r"[-_]", "", name).lower() for name in SAFE_DEFAULTS)
#: Values that look like a secret or like personal data, whatever their name is.
_SUSPICIOUS = {
    "a JSON Web Token": re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"),
    "a key with a well-known beginning": re.compile(r"\b(?:sk_live_|sk-|ghp_|xox[abp]-|AKIA)[A-Za-z0-9_-]{10,}"),
    "an e-mail address": re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}\.[\w.]{2,}"),
    "a card number": re.compile(r"\b(?:\d[ -]?){13,19}\b"),
}


def explain(log: Log, lists: Lists | None) -> dict[str, Any]:
    """Which values of `log` are redacted or withheld, and which sent ones may be secrets.

    Args:
        log: The log as it arrived, already redacted.
        lists: The app's lists; None if they are not known.

    Returns:
        `redacted`: the redacted values, each with the `rule` that redacted it. `withheld`: the withheld bodies, each
        with the `reason`. `sent`: the values whose name or form is that of a secret, each with the configuration that
        is `needed` to redact it. `is_complete`: False for a log with more than 3,000 values.
    """
    found = list(islice(places(entry_of(log)), MAX_PLACES + 1))
    rules = Rules(exchange_of(log), lists)
    seen = list({(place.key, place.is_redacted): place for place in found[:MAX_PLACES]}.values())
    suspicious = [(place, why) for place in seen if (why := suspicion(place))]
    return {
        "redacted": [
            {"where": place.where, "path": place.path, "value": place.value, "rule": rules.of(place)}
            for place in seen
            if place.is_redacted and not place.is_withheld
        ],
        "withheld": [
            {"where": place.where, "value": place.value, "reason": reason(place.value)}
            for place in seen
            if place.is_withheld
        ],
        "sent": [
            {"where": place.where, "path": place.path, "why": why, "needed": rules.needed(place)}
            for place, why in suspicious[:_MAX_TRIED]
        ],
        "is_complete": len(found) <= MAX_PLACES,
    }


def suspicion(place: Place) -> str:
    """Why the value of `place` may be a secret that was sent; empty if nothing suggests that."""
    if place.is_redacted or place.is_withheld or not place.value:
        return ""
    if re.sub(r"[-_]", "", place.name).lower() in _SECRET_NAMES:
        return "its name is on the list of common secrets"
    for what, pattern in _SUSPICIOUS.items():
        match = pattern.search(place.value[:4000])
        if match and (what != "a card number" or _is_card_number(match[0])):
            return f"looks like {what}"
    return ""


def reason(marker: str) -> str:
    """Why a body was withheld."""
    return marker.strip("[]").partition(": ")[2] or marker.strip("[]").lower()


class Rules:
    """Which entry of which list decides about a place of one exchange."""

    def __init__(self, exchange: TextExchange, lists: Lists | None) -> None:
        self._exchange = exchange
        self._lists = lists or Lists()
        self._is_known = lists is not None
        self._by_rule: dict[Lists, frozenset[tuple[str, str]]] = {}

    def of(self, place: Place, key: tuple[str, str] | None = None) -> str:
        """The rule that redacts `place`, in words. `key`: that of a value inside `place` that is redacted with it."""
        if place.value.startswith("sha512-") or " sha512-" in place.value:
            return "always masked"
        if self._is_known and self._lists.denylist:
            for entry in self._candidates(place.name):
                if (key or place.key) in self._redacted_by(self._lists.only(entry)):
                    return f'denylist: "{entry}"'
        elif self._is_known and self._lists.allowlist is not None:
            return f'allowlist: has no "{place.name}"'
        return f'a list: by the name "{place.name}"'

    def needed(self, place: Place) -> str:
        """The configuration that would redact `place`; empty if no list can."""
        if not place.is_member:
            return "no list looks into this text; bodies=False in a Rule, or before_send"
        for nested in dict.fromkeys((self._lists.redact_nested, True)):
            for entry in dict.fromkeys((place.path, place.name)):
                lists = Lists((entry,), None, nested, self._lists.max_body_bytes)
                if place.key in self._redacted_by(lists):
                    added = "" if nested == self._lists.redact_nested else ", redact_nested=True"
                    return self._in_words(entry, place.name, added)
        return ""

    def _in_words(self, entry: str, name: str, added: str) -> str:
        if self._lists.allowlist is not None and not self._lists.denylist:
            return f'take "{name}" off the allowlist{added}'
        if name in self._lists.denylist and added:
            return f'redact_nested=True: the denylist has "{name}", and applies to the top level only'
        return f'denylist=["{entry}"]{added}'

    def _candidates(self, name: str) -> Iterable[str]:
        lowered = name.lower()
        for entry in self._lists.denylist:
            last = entry.rpartition(".")[2].lower()
            if last == lowered or "*" in entry or entry.lower() == lowered:
                yield entry

    def _redacted_by(self, lists: Lists) -> frozenset[tuple[str, str]]:
        found = self._by_rule.get(lists)
        if found is None:
            before = _values(Redactor(Lists(max_body_bytes=lists.max_body_bytes)).entry(self._exchange))
            after = _values(Redactor(lists).entry(self._exchange))
            # If a member that is an object is redacted, the members inside it are no longer there.
            gone = {key for key, values in before.items() if after.get(key) != values}
            found = self._by_rule[lists] = frozenset(gone)
        return found


def exchange_of(log: Log) -> TextExchange:
    """The exchange that `log` is about, with the word `value` in place of each redacted value."""
    entry = entry_of(log)
    url = text_at(entry, "request", "url")
    try:
        parts = urlsplit(url)
        host, path, query = parts.netloc, unquote(parts.path), parts.query
    except ValueError:
        host, path, query = "localhost", "/", ""
    return TextExchange(
        method=text_at(entry, "request", "method") or "GET",
        path=path or "/",
        query=_plain(query),
        host=host,
        request_headers=_headers(entry, "request"),
        request_body=_request_body(entry),
        response_headers=_headers(entry, "response"),
        response_body=_plain(text_at(entry, "response", "content", "text")),
    )


def _headers(entry: Any, side: str) -> list[tuple[str, str]]:
    return [(name, _plain(value)) for name, value in pairs_at(entry, side, "headers") if name.lower() != "host"]


def _request_body(entry: Any) -> str:
    text = text_at(entry, "request", "postData", "text")
    params = at(entry, "request", "postData", "params")
    if text or not isinstance(params, list):
        return _plain(text)
    pairs = [(name, _plain(value)) for name, value in pairs_at(entry, "request", "postData", "params")]
    return urlencode(pairs, errors="replace")


def _plain(text: str) -> str:
    return MARKER.sub("value", text)


def _values(entry: Any) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for place in islice(places(entry), MAX_PLACES):
        found[place.key].append(place.value)
    return found


def _is_card_number(text: str) -> bool:
    """Luhn's sum, which all card numbers satisfy."""
    digits = [int(character) for character in text if character.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return 13 <= len(digits) <= 19 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0
