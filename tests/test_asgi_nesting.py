"""The ASGI middleware inside itself, and scopes that are used again."""

from __future__ import annotations

from typing import Any

from asgi_answers import LAST, app_of, start
from asgi_driver import body_messages, call, http_scope, post_scope
from asgi_logging import Logged
from logs import entry
from readme_metrics.collector import Collector


def test_the_middleware_twice_makes_one_log(logged_asgi: Logged) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(start())
        await send(LAST)

    inner, _ = logged_asgi(app)
    outer, logs = logged_asgi(inner)
    seen = call(outer, post_scope(b"body", b"text/plain"), body_messages(b"body"))
    assert [name for name, _ in seen.headers].count(b"x-documentation-url") == 1
    [log] = logs(1)
    assert entry(log)["request"]["postData"]["text"] == "body"


def test_two_projects_make_two_logs(logged_asgi: Logged, collector: Collector) -> None:
    inner, _ = logged_asgi(app_of(start(), LAST))
    outer, _ = logged_asgi(inner, key="another")
    seen = call(outer)
    assert [name for name, _ in seen.headers].count(b"x-documentation-url") == 2
    inner.flush(10)
    outer.flush(10)
    assert len(collector.logs) == 2


def test_a_scope_that_is_used_again_is_logged_again(logged_asgi: Logged) -> None:
    middleware, logs = logged_asgi(app_of(start(), LAST))
    scope = http_scope()
    call(middleware, scope)
    call(middleware, scope)
    logs(2)
