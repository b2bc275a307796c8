"""The recipes of docs/options.md do what their headings say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from logs import Logged, entry
from readme_metrics import PROBES, Rule
from rule_app import answering
from wsgi import call


def recipes() -> dict[str, str]:
    """The recipes of the options page, by their headings."""
    page = (Path(__file__).parent.parent / "docs/options.md").read_text()
    section = page.partition("\n## Rules, one by one\n")[2].partition("\n## ")[0]
    return dict(re.findall(r"^### (.+?)\n\n```python\n(.+?)\n```", section, re.MULTILINE | re.DOTALL))


RECIPES = recipes()


def recipe(heading: str) -> dict[str, Any]:
    options: dict[str, Any] = eval(
        f"dict({RECIPES.pop(heading)})", {"PROBES": PROBES, "Rule": Rule}
    )  # code of the page
    return options


def test_recipe_health_checks(logged: Logged) -> None:
    middleware, logs = logged(app=answering, **recipe("Leave out health checks"))
    call(middleware, "/internal/a")
    call(middleware, "/", HTTP_USER_AGENT="kube-probe/1.31")
    call(middleware, "/ready")
    call(middleware, "/users")
    assert entry(logs(1)[0])["request"]["url"].endswith("/users")


def test_recipe_uploads(logged: Logged) -> None:
    middleware, logs = logged(app=answering, **recipe("No bodies for uploads"))
    for path, content_type in [("/uploads/a", "text/plain"), ("/other", "image/png"), ("/other", "text/plain")]:
        call(middleware, path, method="POST", body=b"upload", content_type="text/plain", HTTP_X_TYPE=content_type)
    shown = [
        (entry(log)["request"]["postData"]["text"], entry(log)["response"]["content"].get("text")) for log in logs(3)
    ]
    assert [(bool(request), bool(response)) for request, response in shown] == [
        (False, True), (True, False), (True, True),
    ]  # fmt: skip


def test_recipe_sampling(logged: Logged) -> None:
    middleware, logs = logged(app=answering, **recipe("All errors and slow ones, ten per cent of the rest"))
    for _ in range(50):
        call(middleware, HTTP_X_STATUS="503 Later")
    logs(50)
    for _ in range(100):
        call(middleware)
    assert middleware.stats()["made"] == 150 and middleware.stats()["sampled"] > 50  # type: ignore[operator]


def test_recipe_stricter_lists(logged: Logged) -> None:
    middleware, logs = logged(app=answering, **recipe("Stricter lists for one path"))
    body = b'{"amount": 5, "password": "p", "card": "4111"}'
    for path in ("/payments/1", "/users"):
        call(middleware, path, method="POST", body=body, content_type="application/json")
    assert [entry(log)["request"]["postData"]["text"] for log in logs(2)] == [
        '{"amount": 5, "password": "[REDACTED 1]", "card": "[REDACTED 4]"}',
        '{"amount": 5, "password": "[REDACTED 1]", "card": "4111"}',
    ]


def test_recipe_one_part(logged: Logged) -> None:
    middleware, logs = logged(app=answering, **recipe("Log one part of the API only"))
    call(middleware, "/v1/a")
    call(middleware, "/v2/a")
    assert entry(logs(1)[0])["request"]["url"].endswith("/v2/a")


def test_each_recipe_has_run() -> None:
    assert RECIPES == {}
