"""`Rule`: which requests are logged, and how much of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from readme_metrics.configuration import checks, rule_checks

Texts = str | Iterable[str]
Statuses = int | str | Iterable[int | str]


class Rule:
    """One rule of `MetricsApiConfig(rules=[...])`. The first rule whose conditions all hold decides about a request; if
    no rule decides, the request is logged as the configuration says.

    In a text, `*` stands for any run of characters. In place of a text, a list of texts may be given: one has to match.

    Conditions, all of which must hold:
        path: The URL's path, percent-decoded, with the prefix of a mount. Case matters.
        method: For instance `"POST"`.
        host: The `Host` header. Without a port, it holds for any.
        user_agent: The `User-Agent` header; `""` is a request without one.
        route: The path's template as the framework writes it: `/users/<int:id>` (Flask), `users/<int:id>/` (Django),
            `/users/{id}` (FastAPI). If the route of a request is not known, the condition does not hold.
        status: The response's status: `404`, `"5xx"`, `"2xx-3xx"`, `"500-503"`.
        content_type: The response's content type. Without a semicolon, it is compared with the media type alone.
        slower_than_ms: The response took longer than this many milliseconds.

    Actions:
        log: False leaves the request out: nothing of it is captured, and no counter counts it. Default True.
        bodies: Which bodies are kept: `"request"`, `"response"`, True (both, the default) or False (none).
        sample: Which part of the requests is logged, from 0 to 1; the rest is counted as `sampled`. The log's id
            decides. Default 1.0.
        denylist: Replaces the configuration's lists; an empty denylist redacts nothing. Default None.
        allowlist: Replaces the configuration's lists; an empty allowlist redacts everything. Default None.

    Raises:
        TypeError: An argument has the wrong type; the message shows the rule and names the argument.
        ValueError: An argument can hold for no request, or contradicts another one.

    Path, method, host and user agent are compared before the app is called; status, content type and route when the
    response starts; the time at the end of the response, or earlier if the limit has passed.
    """

    def __init__(
        self,
        *,
        path: Texts | None = None,
        method: Texts | None = None,
        host: Texts | None = None,
        user_agent: Texts | None = None,
        route: Texts | None = None,
        status: Statuses | None = None,
        content_type: Texts | None = None,
        slower_than_ms: float | None = None,
        log: bool = True,
        bodies: bool | Literal["request", "response"] = True,
        sample: float = 1.0,
        denylist: Iterable[str] | None = None,
        allowlist: Iterable[str] | None = None,
    ) -> None:
        given = {name: value for name, value in list(locals().items())[1:] if value is not _DEFAULTS[name]}
        self._shown = f"Rule({', '.join(f'{name}={value!r:.60}' for name, value in given.items())})"
        with checks.within(self._shown):
            self.path = rule_checks.texts("path", path, starts_with=("/", "*"))
            self.method = rule_checks.texts("method", method)
            self.host = rule_checks.texts("host", host, without="/")
            self.user_agent = rule_checks.texts("user_agent", user_agent, blank=True)
            self.route = rule_checks.texts("route", route)
            self.status = rule_checks.statuses("status", status)
            self.content_type = rule_checks.texts("content_type", content_type, blank=True)
            self.slower_than_ms = rule_checks.milliseconds("slower_than_ms", slower_than_ms)
            self.log = checks.flag("log", log)
            self.bodies = rule_checks.bodies("bodies", bodies)
            self.sample = rule_checks.part("sample", sample)
            self.denylist = None if denylist is None else checks.names("denylist", denylist)
            self.allowlist = None if allowlist is None else checks.names("allowlist", allowlist)
            if not given:
                raise ValueError("it has neither a condition nor an action")
            if not self.log:
                for name in ("bodies", "sample", "denylist", "allowlist"):
                    if name in given:
                        raise ValueError(f"{name} contradicts log=False, which logs nothing")
            if self.denylist is not None and self.allowlist is not None:
                raise ValueError("allowlist contradicts denylist: a rule takes one of them")

    @property
    def keeps_request_body(self) -> bool:
        return self.bodies in (True, "request")

    @property
    def keeps_response_body(self) -> bool:
        return self.bodies in (True, "response")

    def conditions(self) -> tuple[object, ...]:
        """The values of all conditions; all None for a rule that decides about every request."""
        return (
            self.path,
            self.method,
            self.host,
            self.user_agent,
            self.route,
            self.status,
            self.content_type,
            self.slower_than_ms,
        )

    def __repr__(self) -> str:
        return self._shown


_DEFAULTS: dict[str, object] = Rule.__init__.__kwdefaults__ or {}
