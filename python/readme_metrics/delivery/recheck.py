"""`Recheck`: redacts a log again after `before_send` has changed it, so that no denied value comes back."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from readme_metrics import _core

if TYPE_CHECKING:
    from readme_metrics.config import MetricsApiConfig
    from readme_metrics.redaction.redactor import Lists, Redactor

#: A marker is replaced by as many of this character as it stands for, so that redaction makes the same marker of it.
_FILLER = "\ue000"
_MARKER = re.compile(r"\[REDACTED (\d{1,4})\]")
_MASK = re.compile(r"sha512-[A-Za-z0-9+/=]{88}(\?.{4})?")

#: The names that a log has of its own. The lists decide about other names, which the function has added.
_LOG = {"_id", "_version", "group", "clientIPAddress", "development", "request"}
_GROUP = {"id", "label", "email"}
_ENTRY = {"_route", "pageref", "startedDateTime", "time", "cache", "timings", "request", "response"}
_REQUEST = {
    "method", "url", "httpVersion", "headers", "headersSize", "queryString", "cookies", "bodySize", "postData",
}  # fmt: skip
_RESPONSE = {
    "status", "statusText", "httpVersion", "headers", "headersSize", "content", "cookies", "redirectURL", "bodySize",
}  # fmt: skip


class Recheck:
    """Redacts changed values with the lists of the configuration and those of all its rules, since it is not known any
    more which rule has made the log.
    """

    def __init__(self, config: MetricsApiConfig) -> None:
        from readme_metrics.redaction.redactor import Lists, Redactor

        own = Lists.of(config)
        others = [
            Lists(
                tuple(rule.denylist or ()),
                None if rule.allowlist is None else tuple(rule.allowlist),
                own.redact_nested,
                own.max_body_bytes,
            )
            for rule in config.rules
            if rule.denylist is not None or rule.allowlist is not None
        ]
        self._lists: list[Lists] = [own, *others]
        self._redactors: list[Redactor] = [Redactor(lists) for lists in self._lists]

    def checked(self, before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
        """The log as it may be sent.

        Args:
            before: The log as it came out of the queue.
            after: The log that the function has returned. Changed in place.

        Raises:
            Exception: `after` does not have the form of a log.
        """
        if after == before:
            return after
        after["_id"] = before["_id"]  # names the log's page; logs with the same `_id` are one log
        [was], [now] = before["request"]["log"]["entries"], after["request"]["log"]["entries"]
        if now != was:
            for redactor in self._redactors:
                self._entry(redactor, was, now)
        for inner, original, names in (
            (after, before, _LOG),
            (after["group"], before["group"], _GROUP),
            (now, was, _ENTRY),
            (now["request"], was["request"], _REQUEST),
            (now["response"], was["response"], _RESPONSE),
        ):
            self._names(inner, original, names)
        if after["group"]["id"] != before["group"]["id"] and not _MASK.fullmatch(str(after["group"]["id"])):
            after["group"]["id"] = _core.mask(str(after["group"]["id"]))
        return after

    def _entry(self, redactor: Redactor, was: dict[str, Any], now: dict[str, Any]) -> None:
        from readme_metrics.redaction.redactor import TextExchange

        request, response = now["request"], now["response"]
        post_data, content = request.get("postData") or {}, response.get("content") or {}
        url = urlsplit(request["url"])
        headers = [_changed(now[half]["headers"], was[half]["headers"]) for half in ("request", "response")]
        texts = [_text(now, was, "request", "postData"), _text(now, was, "response", "content")]
        types = [[("Content-Type", str(body.get("mimeType") or ""))] for body in (post_data, content)]
        found = redactor.entry(
            TextExchange(
                path=url.path or "/",
                query=url.query,
                host=url.netloc,
                request_headers=[pair for pair in headers[0] if pair[0].lower() != "content-type"] + types[0],
                request_body=_filled(texts[0] or ""),
                response_headers=[pair for pair in headers[1] if pair[0].lower() != "content-type"] + types[1],
                response_body=_filled(texts[1] or ""),
            )
        )
        if request["url"] != was["request"]["url"]:
            query = urlsplit(found["request"]["url"]).query
            request["url"] = url._replace(query=query, fragment="").geturl()
        if now["pageref"] != was["pageref"]:
            now["pageref"] = request["url"]
        for half, changed in zip(("request", "response"), headers, strict=True):
            redacted = {pair["name"].lower(): pair["value"] for pair in found[half]["headers"]}
            names = {name for name, _ in changed}
            for pair in now[half]["headers"]:
                if pair["name"] in names and pair not in was[half]["headers"]:
                    pair["value"] = _unfilled(redacted[pair["name"].lower().replace("_", "-")])
        if texts[0] is not None:
            request["postData"] = {**found["request"]["postData"], "mimeType": post_data.get("mimeType")}
            if "text" in request["postData"]:
                request["postData"]["text"] = _unfilled(request["postData"]["text"])
        if texts[1] is not None:
            content["text"] = _unfilled(found["response"]["content"].get("text", ""))
        fields = _changed(request["queryString"], was["request"]["queryString"])
        params = _changed(post_data.get("params") or [], (was["request"].get("postData") or {}).get("params") or [])
        for pairs, changed in ((request["queryString"], fields), (post_data.get("params") or [], params)):
            if changed:
                query = redactor.entry(
                    TextExchange(query=urlencode([(name, _filled(value)) for name, value in changed]))
                )
                redacted = {pair["name"]: _unfilled(pair["value"]) for pair in query["request"]["queryString"]}
                for pair in pairs:
                    if (pair["name"], pair["value"]) in changed:
                        pair["value"] = redacted[pair["name"]]

    def _names(self, now: Any, was: Any, known: set[str]) -> None:
        """Redacts the values of names that the function has added, at every depth."""
        if isinstance(now, list):
            for item in now:
                self._names(item, None, known)
        if not isinstance(now, dict):
            return
        for name, value in now.items():
            if name in known or (isinstance(was, dict) and name in was and was[name] == value):
                continue
            if self._denies(name):
                now[name] = f"[REDACTED {len(value)}]" if isinstance(value, str) else "[REDACTED]"
            else:
                self._names(value, None, set())

    def _denies(self, name: str) -> bool:
        """Whether a list denies `name`. Case is ignored, and the last part of a path is enough: to deny too
        much is better than to deny too little.
        """
        return any(
            _listed(name, lists.denylist)
            if lists.denylist
            else lists.allowlist is not None and name not in lists.allowlist
            for lists in self._lists
        )


def _listed(name: str, entries: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name.lower(), entry.lower().rpartition(".")[2]) for entry in entries)


def _changed(now: list[dict[str, Any]], was: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(pair["name"], pair["value"]) for pair in now if pair not in was]


def _text(now: dict[str, Any], was: dict[str, Any], half: str, body: str) -> str | None:
    """A body's text, if it was changed."""
    text = (now[half].get(body) or {}).get("text")
    return None if text is None or text == (was[half].get(body) or {}).get("text") else str(text)


def _filled(text: str) -> str:
    return _MARKER.sub(lambda found: _FILLER * int(found[1]), text)


def _unfilled(text: str) -> str:
    return re.sub(f"{_FILLER}+", lambda found: f"[REDACTED {len(found[0])}]", text)
