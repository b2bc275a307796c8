"""`preview`: what would be sent of a given body, headers or HAR file, with given lists."""

from __future__ import annotations

import json
from collections.abc import Iterable
from http import HTTPStatus
from itertools import islice
from typing import Any

from readme_metrics.collector.fields import at, entry_of, text_at
from readme_metrics.collector.post import Refused
from readme_metrics.inspector.explanation import MAX_PLACES, Rules, exchange_of, reason, suspicion
from readme_metrics.inspector.logs.places import Place, places
from readme_metrics.redaction.redactor import Lists, Pairs, Redactor, TextExchange

#: Headers that the middleware or this preview adds, not the user.
_OWN_HEADERS = {"host", "content-length", "x-documentation-url"}


def preview(question: dict[str, Any], lists: Lists) -> dict[str, Any]:
    """Which values are kept, redacted and withheld.

    Args:
        question: `{"content_type", "body"}`, `{"headers"}` (an object, pairs or lines), or `{"har"}`; in addition
            `denylist`, `allowlist` and `redact_nested`, to try lists other than the app's.
        lists: The app's lists.

    Raises:
        Refused: A part of the question is missing or has the wrong type; the message says which.
    """
    lists = _lists(question, lists)
    exchange = _exchange(question)
    entry = Redactor(lists).entry(exchange)
    before = list(islice(places(Redactor(Lists(max_body_bytes=lists.max_body_bytes)).entry(exchange)), MAX_PLACES))
    after = [place for place in islice(places(entry), MAX_PLACES) if not _is_own(place, question)]
    rules = Rules(exchange, lists)
    kept = [place for place in after if not (place.is_redacted or place.is_withheld)]
    return {
        "kept": [
            {**_shown(place), "warning": suspicion(place), "needed": rules.needed(place) if suspicion(place) else ""}
            for place in kept
        ],
        "redacted": [
            {**_shown(place), "rule": _rule(rules, place, before)}
            for place in after
            if place.is_redacted and not place.is_withheld
        ],
        "withheld": [{**_shown(place), "reason": reason(place.value)} for place in after if place.is_withheld],
        "text": text_at(entry, "request", "postData", "text"),
        "lists": as_dict(lists),
    }


def as_dict(lists: Lists) -> dict[str, Any]:
    return {
        "denylist": list(lists.denylist),
        "allowlist": None if lists.allowlist is None else list(lists.allowlist),
        "redact_nested": lists.redact_nested,
        "max_body_bytes": lists.max_body_bytes,
    }


def _rule(rules: Rules, place: Place, before: list[Place]) -> str:
    """The rule that redacts `place`. A redacted object had no value of its own before: a member of it stands for it."""
    known = {other.key for other in before}
    if place.key not in known:
        inside = [other for other in before if other.where == place.where and other.path.startswith(place.path + ".")]
        if inside:
            return rules.of(Place(place.where, place.path, place.value), inside[0].key)
    return rules.of(place)


def _shown(place: Place) -> dict[str, str]:
    return {"where": place.where, "path": place.path, "name": place.name, "value": place.value}


def _is_own(place: Place, question: dict[str, Any]) -> bool:
    if not place.where.endswith("header") or "har" in question:
        return False
    return place.path.lower() in _OWN_HEADERS or "headers" not in question


def _exchange(question: dict[str, Any]) -> TextExchange:
    if "har" in question:
        return exchange_of(_har(question["har"]))
    headers = _pairs(question.get("headers", []))
    body, content_type = question.get("body", ""), question.get("content_type", "")
    if not isinstance(body, str) or not isinstance(content_type, str):
        raise Refused(HTTPStatus.BAD_REQUEST, "body and content_type take strings")
    if not (headers or body):
        raise Refused(HTTPStatus.BAD_REQUEST, "give a body with its content_type, headers, or a har")
    if body and content_type:
        headers = [pair for pair in headers if pair[0].lower() != "content-type"]
        headers.append(("Content-Type", content_type))
    return TextExchange(request_headers=headers, request_body=body)


def _har(given: object) -> dict[str, Any]:
    try:
        document = json.loads(given) if isinstance(given, str) else given
    except (ValueError, RecursionError) as error:
        raise Refused(HTTPStatus.BAD_REQUEST, f"har is not JSON: {error}") from None
    log = {"_id": "har", "request": {"log": at(document, "log")}}
    if not isinstance(entry_of(log), dict):
        raise Refused(HTTPStatus.BAD_REQUEST, "har takes a HAR document with an entry")
    return log


def _pairs(given: object) -> Pairs:
    pairs: Iterable[Any] = given.items() if isinstance(given, dict) else given if isinstance(given, list) else ()
    if isinstance(given, str):
        pairs = [line.partition(":")[::2] for line in given.splitlines() if line.strip()]
    found = []
    for pair in pairs:
        if isinstance(pair, dict):
            pair = pair.get("name"), pair.get("value")
        if not (isinstance(pair, (list, tuple)) and len(pair) == 2 and all(isinstance(text, str) for text in pair)):
            raise Refused(HTTPStatus.BAD_REQUEST, "headers takes an object, pairs, or lines of text")
        found.append((pair[0].strip(), pair[1].strip()))
    return found


def _lists(question: dict[str, Any], lists: Lists) -> Lists:
    denylist = _names(question, "denylist", lists.denylist) or ()
    allowlist = _names(question, "allowlist", lists.allowlist)
    nested = question.get("redact_nested", lists.redact_nested)
    if not isinstance(nested, bool):
        raise Refused(HTTPStatus.BAD_REQUEST, "redact_nested takes true or false")
    return Lists(denylist, allowlist, nested, lists.max_body_bytes)


def _names(question: dict[str, Any], key: str, default: tuple[str, ...] | None) -> tuple[str, ...] | None:
    names = question.get(key, default)
    if names is None:
        return None
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise Refused(HTTPStatus.BAD_REQUEST, f"{key} takes a list of strings")
    return tuple(names)
