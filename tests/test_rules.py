"""Rules, through the front door: what is logged, how much of it, what is counted."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from readme_metrics import PROBES, MetricsApiConfig, MetricsMiddleware, Rule
from readme_metrics.asgi import MetricsMiddleware as AsgiMiddleware
from wsgi import API_KEY, call, group

Logged = Callable[..., tuple[MetricsMiddleware, Callable[[int], list[dict[str, Any]]]]]


def entry(log: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = log["request"]["log"]["entries"][0]
    return found


def answering(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """Reads all of the request and answers as its headers ask."""
    environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    status = environ.get("HTTP_X_STATUS", "200 OK")
    start_response(status, [("Content-Type", environ.get("HTTP_X_TYPE", "application/json"))])
    return [b'{"token": "t0ken", "kept": 1}']


def test_a_request_that_is_left_out_is_counted_nowhere_and_starts_nothing(logged: Logged) -> None:
    asked: list[object] = []
    middleware, _ = logged(app=answering, group=asked.append, rules=[Rule(path="/health", log=False)])
    response = call(middleware, "/health")
    assert response.header("x-documentation-url") is None and not asked
    assert middleware.stats()["made"] == 0 and middleware._intake.flusher is None


def test_the_first_rule_that_matches_decides(logged: Logged) -> None:
    rules = [Rule(path="/kept/*"), Rule(path="*", method=["get", "PUT"], log=False)]
    middleware, logs = logged(app=answering, rules=rules)
    call(middleware, "/kept/a")
    call(middleware, "/other")
    call(middleware, "/other", method="POST", body=b"x")
    assert [entry(log)["request"]["method"] for log in logs(2)] == ["GET", "POST"]


@pytest.mark.parametrize(
    ("bodies", "shown"),
    [(True, (True, True)), (False, (False, False)), ("request", (True, False)), ("response", (False, True))],
)
@pytest.mark.parametrize("condition", [{"path": "/up"}, {"status": "2xx"}, {"slower_than_ms": 0}])
def test_bodies_that_are_kept(logged: Logged, bodies: Any, shown: tuple[bool, bool], condition: dict[str, Any]) -> None:
    middleware, logs = logged(app=answering, rules=[Rule(**condition, bodies=bodies)])
    call(middleware, "/up", method="POST", body=b"upload", content_type="text/plain")
    found = entry(logs(1)[0])
    request, content = found["request"]["postData"], found["response"]["content"]
    assert (bool(request["text"]), bool(content.get("text"))) == shown
    assert found["request"]["bodySize"] == 6 and content["size"] == 29


def test_an_unread_body_that_is_not_kept_is_not_read(logged: Logged) -> None:
    class Untouched:
        def __getattr__(self, name: str) -> Any:
            raise AssertionError(f"{name} was asked for")

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        start_response("403 Forbidden", [])
        return [b"no"]

    middleware, logs = logged(app=app, rules=[Rule(status=403, bodies=False)])
    environ: dict[str, Any] = {"wsgi.input": Untouched(), "CONTENT_LENGTH": "10"}
    call(middleware, "/", method="POST", **environ)
    assert entry(logs(1)[0])["request"]["postData"]["text"] == ""


@pytest.mark.parametrize("condition", [{"path": "/login"}, {"content_type": "application/json"}, {"status": 200}])
def test_lists_in_place_of_the_configurations(logged: Logged, condition: dict[str, Any]) -> None:
    middleware, logs = logged(app=answering, denylist=["kept"], rules=[Rule(**condition, denylist=["token"])])
    call(middleware, "/login")
    call(middleware, "/other", HTTP_X_STATUS="404 Not Found", HTTP_X_TYPE="text/json")
    texts = [entry(log)["response"]["content"]["text"] for log in logs(2)]
    assert texts == ['{"token": "[REDACTED 5]", "kept": 1}', '{"token": "t0ken", "kept": "[REDACTED]"}']


@pytest.mark.parametrize("rule", [Rule(sample=0.0), Rule(status="2xx", sample=0.0), Rule(slower_than_ms=0, sample=0)])
def test_what_is_sampled_out_is_counted(logged: Logged, rule: Rule) -> None:
    middleware, logs = logged(app=answering, rules=[Rule(status="5xx"), rule] if rule.status else [rule])
    for _ in range(3):
        call(middleware)
    assert logs(0) == []
    stats = middleware.stats()
    assert (stats["made"], stats["sampled"], stats["queued"]) == (3, 3, 0)
    host = stats["host"]
    assert isinstance(host, dict) and (host["made"], host["sampled"]) == (3, 3)


def test_errors_are_kept_while_successes_are_sampled(logged: Logged) -> None:
    middleware, logs = logged(app=answering, rules=[Rule(status="4xx-5xx"), Rule(sample=0.1)])
    for number in range(200):
        call(middleware, HTTP_X_STATUS="500 Oops" if number % 10 == 0 else "200 OK")
    middleware.flush(10)
    stats = middleware.stats()
    assert (stats["made"], stats["queued"]) == (200, 0)
    assert stats["sent"] + stats["sampled"] == 200  # type: ignore[operator]
    sent = logs(stats["sent"])  # type: ignore[arg-type]
    assert sum(entry(log)["response"]["status"] == 500 for log in sent) == 20
    # The id decides: the first 48 bits of a kept one are below a tenth.
    for log in sent:
        if entry(log)["response"]["status"] == 200:
            assert int(log["_id"].replace("-", "")[:12], 16) < 0.1 * 2**48


def test_a_log_that_is_sampled_out_has_no_page(logged: Logged) -> None:
    middleware, _ = logged(app=answering, rules=[Rule(status="2xx", sample=0.0)])
    assert call(middleware).header("x-documentation-url") is None
    assert call(middleware, HTTP_X_STATUS="404 No").header("x-documentation-url") is not None


def test_one_lot_for_two_middlewares(logged: Logged) -> None:
    inner, _ = logged(app=answering, rules=[Rule(sample=0.5)])
    outer, _ = logged(app=inner, rules=[Rule(sample=0.5)])
    for _ in range(60):
        call(outer)
    outer.flush(10)
    stats = outer.stats()
    assert stats["made"] == 60 and stats["sent"] + stats["sampled"] == 60  # type: ignore[operator]


def test_a_request_whose_app_raises_is_judged_as_a_500(logged: Logged) -> None:
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        raise KeyError("of the app")

    middleware, logs = logged(app=app, rules=[Rule(status="5xx"), Rule(log=False)])
    with pytest.raises(KeyError, match="of the app"):
        call(middleware)
    assert entry(logs(1)[0])["response"]["status"] == 500


def test_the_route_of_flask(logged: Logged) -> None:
    flask = pytest.importorskip("flask")
    app = flask.Flask("test")
    app.add_url_rule("/users/<int:number>", view_func=lambda number: str(number), endpoint="users")
    app.add_url_rule("/about", view_func=lambda: "about", endpoint="about")
    middleware, logs = logged(app=app.wsgi_app, rules=[Rule(route="/users/<int:number>", log=False)])
    call(middleware, "/users/7")
    call(middleware, "/users/8")
    call(middleware, "/about")
    assert entry(logs(1)[0])["request"]["url"].endswith("/about")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, ValueError, r"^Rule\(\): it has neither"),
        ({"path": "health"}, ValueError, r"^Rule\(path='health'\): path takes a text that starts with / or \*"),
        ({"path": 7}, TypeError, r"path takes a list of strings, got int: 7"),
        ({"path": []}, ValueError, "path takes a text or some, got an empty list"),
        ({"path": ["/a", None]}, TypeError, "path takes"),
        ({"method": " "}, ValueError, "method is blank"),
        ({"host": "https://example.com"}, ValueError, "host takes a text without /"),
        ({"user_agent": b"x"}, TypeError, "user_agent takes"),
        ({"status": "6xx"}, ValueError, "status takes a status such as"),
        ({"status": "5xx-4xx"}, ValueError, "status takes a status such as"),
        ({"status": 99}, ValueError, "status takes"),
        ({"status": True}, TypeError, "status takes"),
        ({"status": 2.5}, TypeError, "status takes"),
        ({"status": []}, ValueError, "status takes"),
        ({"slower_than_ms": "1"}, TypeError, "slower_than_ms takes a number of milliseconds"),
        ({"slower_than_ms": -1}, ValueError, "slower_than_ms takes"),
        ({"slower_than_ms": float("nan")}, ValueError, "slower_than_ms takes"),
        ({"log": "no"}, TypeError, "log takes True or False"),
        ({"bodies": "both"}, TypeError, "bodies takes True, False, 'request' or 'response'"),
        ({"sample": 10}, ValueError, "sample takes a number from 0 to 1"),
        ({"sample": "0.1"}, TypeError, "sample takes"),
        ({"denylist": "token"}, TypeError, "denylist takes a list of strings"),
        ({"log": False, "bodies": False}, ValueError, "bodies contradicts log=False"),
        ({"log": False, "sample": 0.5}, ValueError, "sample contradicts log=False"),
        ({"log": False, "denylist": []}, ValueError, "denylist contradicts log=False"),
        ({"denylist": ["a"], "allowlist": ["b"]}, ValueError, "allowlist contradicts denylist"),
        ({"pth": "/x"}, TypeError, "'pth'"),
    ],
)
def test_what_a_rule_refuses(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Rule(**arguments)


@pytest.mark.parametrize(
    ("rules", "error", "message"),
    [
        ("x", TypeError, "^rules takes a list of Rule"),
        ([PROBES], TypeError, r"^rules\[0\] takes a Rule"),
        ([Rule(status=404), {"path": "/"}], TypeError, r"^rules\[1\] takes a Rule"),
        (
            [Rule(sample=0.1), Rule(path="/x")],
            ValueError,
            r"^rules\[1\], Rule\(path='/x'\), is never reached: rules\[0\]",
        ),
        ([Rule(path="/x", log=False), Rule(path="/x", bodies=False)], ValueError, r"^rules\[1\].*never reached"),
    ],
)
def test_what_a_configuration_refuses(rules: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        MetricsApiConfig("key", group, rules=rules)


# A property over everything at once: random rules, random requests, and a reference that knows all from the start.

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
    """Keeps the queue, which all examples share, from one to the next."""
    middleware, _ = logged(base_log_url=None)
    call(middleware)
    return middleware


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_RULES, _REQUESTS)
def test_rules_decide_as_a_look_at_everything_would(
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


def recipes() -> dict[str, str]:
    """The recipes of the options page, by their headings."""
    page = (Path(__file__).parent.parent / "docs/options.md").read_text()
    section = page.partition("\n## Rules, one by one\n")[2].partition("\n## ")[0]
    return dict(re.findall(r"^### (.+?)\n\n```python\n(.+?)\n```", section, re.MULTILINE | re.DOTALL))


RECIPES = recipes()


def recipe(heading: str) -> dict[str, Any]:
    options: dict[str, Any] = eval(f"dict({RECIPES.pop(heading)})", {"PROBES": PROBES, "Rule": Rule})  # the page's code
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


class Behind:
    """An ASGI app with a template of its path, as FastAPI or Starlette leave it in the scope, and its answer."""

    def __init__(self, status: int, route: str | None = None) -> None:
        self.status = status
        self.route = route

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if self.route is not None:
            scope["route"] = SimpleNamespace(path=self.route)
        await receive()
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"token": "t0ken", "kept": 1}'})


def ask(middleware: AsgiMiddleware, path: str = "/", **headers: str) -> list[dict[str, Any]]:
    """One POST with the body `upload`; returns the messages that the server got."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"upload"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": b"",
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
    }
    asyncio.run(middleware(scope, receive, send))
    return sent


@pytest.mark.parametrize(
    ("rule", "sums"),
    [
        (Rule(path="/é", log=False), (0, 0)),
        (Rule(user_agent="kube-probe/*", log=False), (0, 0)),
        (Rule(host="example.com", log=False), (0, 0)),
        (Rule(status="2xx", log=False), (0, 0)),
        (Rule(route="/{name}", log=False), (0, 0)),
        (Rule(slower_than_ms=0, log=False), (0, 0)),
        (Rule(content_type="application/json", sample=0.0), (1, 1)),
        (Rule(sample=0.0), (1, 1)),
        (Rule(route="/{other}", log=False), (1, 0)),
        (Rule(slower_than_ms=3_600_000, log=False), (1, 0)),
    ],
    ids=repr,
)
def test_rules_behind_asgi(rule: Rule, sums: tuple[int, int]) -> None:
    who = {"api_key": "a"}
    config = MetricsApiConfig(repr(rule), lambda _: who, base_log_url="https://docs.example.com", rules=[rule])
    middleware = AsgiMiddleware(Behind(200, "/{name}"), config)
    [start, _] = ask(middleware, "/é", host="example.com:8000", user_agent="kube-probe/1")
    stats = middleware.stats()
    assert (stats["made"], stats["sampled"]) == sums
    has_page = any(name == b"x-documentation-url" for name, _ in start["headers"])
    assert has_page == (sums == (1, 0))


def test_the_route_of_fastapi() -> None:
    fastapi = pytest.importorskip("fastapi")
    app, router = fastapi.FastAPI(), fastapi.APIRouter()

    @router.post("/{number}")  # type: ignore[untyped-decorator]
    async def user(number: int) -> int:
        return number

    @app.post("/about")  # type: ignore[untyped-decorator]
    async def about() -> str:
        return "about"

    app.include_router(router, prefix="/users")
    mounted = fastapi.FastAPI()
    mounted.include_router(router, prefix="/users")
    app.mount("/v2", mounted)
    rules = [Rule(route=["/users/{number}", "/v2/users/{number}"], log=False)]
    middleware = AsgiMiddleware(app, MetricsApiConfig("fastapi", lambda _: {"api_key": "a"}, rules=rules))
    for path in ("/users/7", "/v2/users/7", "/about", "/missing"):
        ask(middleware, path)
    assert middleware.stats()["made"] == 2


def test_the_route_of_django() -> None:
    pytest.importorskip("django")
    code = """
import django, sys
from django.conf import settings
from django.http import HttpResponse
from django.urls import path
from readme_metrics import MetricsApiConfig, Rule
from readme_metrics.django import MetricsMiddleware
rules = [Rule(path="/early", log=False), Rule(route="users/<int:number>/", log=False), Rule(status=404, sample=0.0)]
settings.configure(
    ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, MIDDLEWARE=["readme_metrics.django.MetricsMiddleware"], SECRET_KEY="k",
    README_METRICS_CONFIG=MetricsApiConfig("django", lambda _: {"api_key": "a"}, rules=rules),
)
made = []
make = MetricsMiddleware.__init__
MetricsMiddleware.__init__ = lambda self, *args: (make(self, *args), made.append(self))[0]
urlpatterns = [path("users/<int:number>/", lambda request, number: HttpResponse("user"), name="user"),
               path("about/", lambda request: HttpResponse("about"))]
django.setup()
from django.test import Client
client = Client()
for url in ("/users/7/", "/early", "/about/", "/missing"):
    client.get(url)
stats = made[0].stats()
print(stats["made"], stats["sampled"])
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert result.stdout.split() == ["2", "1"], result.stderr
