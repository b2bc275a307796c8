"""Random rules and random requests, compared with a reference that knows the whole exchange from the start."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from logs import Logged
from readme_metrics import MetricsApiConfig, MetricsMiddleware, Rule
from rule_app import answering
from wsgi import API_KEY, call, group

_TEXTS = st.sampled_from(["/", "/a", "/a/b", "/b", "/é"])
_PATTERNS = st.sampled_from(["/a", "/a/*", "*b", "/é", "*", ["/", "/b"]])
_RULES = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "path": _PATTERNS,
            "method": st.sampled_from(["GET", "p*", ["PUT", "get"]]),
            "host": st.sampled_from(["example.com", "EXAMPLE.com:80", "*.example.com"]),
            "user_agent": st.sampled_from(["curl/*", "", "*Probe*"]),
            "status": st.sampled_from([200, "5xx", "2xx-3xx", ["404", 500]]),
            "content_type": st.sampled_from(["application/json", "text/*", "text/html;*"]),
            "slower_than_ms": st.sampled_from([0, 3_600_000]),
            "log": st.just(False),
        },
    ).filter(bool),
    max_size=5,
    unique_by=lambda rule: repr(sorted((name, repr(value)) for name, value in rule.items() if name != "log")),
)
_REQUESTS = st.fixed_dictionaries(
    {
        "path": _TEXTS,
        "method": st.sampled_from(["GET", "POST", "PUT"]),
        "host": st.sampled_from(["example.com", "api.example.com:8000", "Example.com:80", "other"]),
        "user_agent": st.sampled_from(["curl/8", "", "a probe"]),
        "status": st.sampled_from(["200 OK", "301 Moved", "404 Not Found", "500 Oops"]),
        "content_type": st.sampled_from(["application/json", "text/html; charset=utf-8", "TEXT/plain"]),
    }
)


def _some(pattern: Any, *texts: str, flags: int = re.IGNORECASE) -> bool:
    patterns = [pattern] if isinstance(pattern, str) else pattern
    regexes = [".*".join(map(re.escape, one.split("*"))) for one in patterns]
    return any(re.fullmatch(regex, text, flags | re.DOTALL) for regex in regexes for text in texts)


def _holds(rule: dict[str, Any], request: dict[str, str]) -> bool:
    code = request["status"][:3]
    codes = {200: ["200"], "5xx": ["500"], "2xx-3xx": ["200", "301"]}
    media_type = request["content_type"].partition(";")[0]
    checks: dict[str, Callable[[Any], bool]] = {
        "path": lambda value: _some(value, request["path"], flags=0),
        "method": lambda value: _some(value, request["method"]),
        "host": lambda value: _some(value, request["host"], request["host"].partition(":")[0]),
        "user_agent": lambda value: _some(value, request["user_agent"]),
        "status": lambda value: code in (["404", "500"] if isinstance(value, list) else codes[value]),
        "content_type": lambda value: _some(value, request["content_type"], media_type),
        "slower_than_ms": lambda value: value == 0,
        "log": lambda _: True,
    }
    return all(checks[name](value) for name, value in rule.items())


@pytest.fixture
def keeper(logged: Logged) -> MetricsMiddleware:
    """Keeps the queue open between examples, which all share it."""
    middleware, _ = logged(base_log_url=None)
    call(middleware)
    return middleware


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_RULES, _REQUESTS)
def test_rules_decide_as_the_reference_does(
    keeper: MetricsMiddleware, rules: list[dict[str, Any]], request: dict[str, str]
) -> None:
    deciding = next((rule for rule in rules if _holds(rule, request)), {})
    made = []
    for rule in rules:
        made.append(Rule(**rule))
        if not set(rule) - {"log"}:
            break
    middleware = MetricsMiddleware(answering, MetricsApiConfig(API_KEY, group, rules=made))
    before = keeper.stats()["made"]
    call(
        middleware,
        request["path"].encode().decode("latin-1"),
        method=request["method"],
        HTTP_HOST=request["host"],
        HTTP_USER_AGENT=request["user_agent"],
        HTTP_X_STATUS=request["status"],
        HTTP_X_TYPE=request["content_type"],
    )
    after = keeper.stats()["made"]
    assert after - before == int(deciding.get("log", True))  # type: ignore[operator]
