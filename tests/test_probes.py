"""The shipped list of health checks: what it leaves out, what it does not, and where each entry is from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from readme_metrics import PROBES, MetricsMiddleware
from readme_metrics.probes import PATHS, USER_AGENTS, Probe
from wsgi import call

Logged = Callable[..., tuple[MetricsMiddleware, Callable[[int], list[dict[str, Any]]]]]


@pytest.fixture
def made(logged: Logged) -> Callable[..., int]:
    """How many logs a request makes behind PROBES: one or none."""
    middleware, _ = logged(rules=[*PROBES])

    def made(path: str = "/", user_agent: str = "curl/8.5.0", method: str = "GET") -> int:
        before = int(str(middleware.stats()["made"]))
        call(middleware, path, method=method, HTTP_USER_AGENT=user_agent)
        return int(str(middleware.stats()["made"])) - before

    return made


@pytest.mark.parametrize("probe", USER_AGENTS, ids=lambda probe: probe.pattern)
def test_each_user_agent_is_left_out(made: Callable[..., int], probe: Probe) -> None:
    assert made(user_agent=probe.example) == 0
    assert probe.source.startswith("https://")


@pytest.mark.parametrize("probe", PATHS, ids=lambda probe: probe.pattern)
def test_each_path_is_left_out(made: Callable[..., int], probe: Probe) -> None:
    assert (made(probe.example), made(probe.example, method="HEAD"), made(probe.example, method="POST")) == (0, 0, 1)
    assert probe.source.startswith("https://")


@pytest.mark.parametrize(
    ("path", "user_agent"),
    [
        ("/", ""),
        ("/", "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0"),
        ("/", "python-requests/2.32.3"),
        ("/", "my-health-checker/1.0"),
        ("/health/records", "curl/8.5.0"),
        ("/pings", "curl/8.5.0"),
        ("/v1/ready", "curl/8.5.0"),
    ],
)
def test_other_requests_are_logged(made: Callable[..., int], path: str, user_agent: str) -> None:
    assert made(path, user_agent) == 1


def test_no_entry_is_listed_twice() -> None:
    patterns = [probe.pattern for probe in (*USER_AGENTS, *PATHS)]
    assert len(patterns) == len(set(patterns))
