"""The Flask extension: `flask.request` for the grouping function, and an app that notices nothing."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import flask
import pytest
from flask import Flask, g, request, session
from werkzeug.middleware.proxy_fix import ProxyFix

import wsgi
from readme_metrics import MetricsApiConfig, MetricsMiddleware
from readme_metrics.collector import Collector
from readme_metrics.flask_readme import ReadMeMetrics

Logged = Callable[..., Any]
PNG = b"\x89PNG\r\n\x1a\n\xff\x00"


def group(request: Any) -> dict[str, str]:
    return {"api_key": "customer-0001", "label": "Customer", "email": "customer@example.com"}


def make_app(**config: Any) -> Flask:
    app = Flask(__name__)
    app.config.update(SECRET_KEY="secret", **config)

    @app.before_request
    def before() -> None:
        g.user = "alice"
        session["visits"] = 3

    @app.get("/items/<int:number>")
    def item(number: int) -> dict[str, int]:
        return {"number": number}

    @app.post("/stream")
    def stream() -> Any:
        return flask.Response(iter([request.stream.read(), b" and ", b"more"]), mimetype="text/plain")

    @app.post("/form")
    def form() -> Any:
        uploaded = request.files["file"].read() if request.files else b""
        return {"name": request.form["name"], "size": len(uploaded)}

    @app.get("/file")
    def file() -> Any:
        return flask.send_file(wsgi.FILE, mimetype="application/json")

    @app.get("/image")
    def image() -> Any:
        return flask.Response(PNG, mimetype="image/png", headers=[("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])

    @app.get("/raise")
    def fail() -> Any:
        raise wsgi.AppError

    @app.get("/async")
    def plain() -> Any:
        return flask.stream_with_context(iter(["one", "two"]))

    blueprint = flask.Blueprint("admin", __name__, url_prefix="/admin")

    @blueprint.get("/<name>")
    def admin(name: str) -> str:
        return name

    app.register_blueprint(blueprint)
    return app


@pytest.fixture
def logged(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> Iterator[Logged]:
    """Makes an app with the extension, and a function that returns the app's logs."""
    monkeypatch.setenv("README_METRICS_SERVER", collector.url)

    def make(app: Flask | None = None, group: Any = group, key: str = wsgi.API_KEY, **options: Any) -> Any:
        options.setdefault("base_log_url", "https://docs.example.com")
        app = make_app() if app is None else app
        ReadMeMetrics(MetricsApiConfig(key, group, **options), app)
        middleware: Any = app.wsgi_app

        def logs(count: int) -> Any:
            middleware.flush(10)
            assert len(collector.logs) == count, middleware.stats()
            assert middleware.stats()["dropped"]["internal"] == 0
            return list(collector.logs)

        return app, logs

    yield make


def entry(log: Any) -> Any:
    return log["request"]["log"]["entries"][0]


REQUESTS: dict[str, dict[str, Any]] = {
    "json": {"path": "/items/7"},
    "blueprint": {"path": "/admin/x"},
    "stream": {"path": "/stream", "method": "POST", "data": b"question", "content_type": "text/plain"},
    "form": {"path": "/form", "method": "POST", "data": {"name": "n"}},
    "upload": {"path": "/form", "method": "POST", "data": {"name": "n", "file": (b"content", "a.txt")}},
    "file": {"path": "/file"},
    "image": {"path": "/image"},
    "missing": {"path": "/nowhere"},
    "raise": {"path": "/raise"},
    "context": {"path": "/async"},
}


def send(app: Flask, name: str) -> Any:
    options = json.loads(json.dumps(REQUESTS[name], default=lambda data: data.decode()))
    if name == "upload":
        options["data"]["file"] = (io.BytesIO(b"content"), "a.txt")
    # Cookies of one call must not change the next.
    return app.test_client(use_cookies=False).open(**options, buffered=True)


@pytest.mark.parametrize("name", REQUESTS)
def test_the_answer_is_the_bare_apps_and_one_log_says_so(logged: Logged, name: str) -> None:
    bare = send(make_app(), name)
    seen: list[Any] = []

    def group(req: Any) -> Any:
        rule = req.url_rule and req.url_rule.rule
        seen.append((req._get_current_object() is request._get_current_object(), rule, g.user, session["visits"]))  # type: ignore[attr-defined]
        return {"api_key": "a", "label": "b", "email": "c"}

    app, logs = logged(group=group)
    response = send(app, name)

    [log] = logs(1)
    assert (response.status, response.data) == (bare.status, bare.data)
    # A session's cookie is signed with its time.
    dated = ("Date", "Set-Cookie")
    headers = [pair for pair in response.headers if pair[0] not in ("x-documentation-url", *dated)]
    assert headers == [pair for pair in bare.headers if pair[0] not in dated]
    assert len(response.headers.getlist("Set-Cookie")) == len(bare.headers.getlist("Set-Cookie"))
    assert response.headers["x-documentation-url"] == f"https://docs.example.com/logs/{log['_id']}"
    assert entry(log)["response"]["status"] == response.status_code
    rules = {"json": "/items/<int:number>", "blueprint": "/admin/<name>", "missing": None}
    assert seen == [(True, rules.get(name, REQUESTS[name]["path"]), "alice", 3)]


def test_forms_uploads_and_images_are_in_the_log(logged: Logged) -> None:
    app, logs = logged(denylist=["name"])
    for name in ("form", "upload", "stream", "image", "file"):
        send(app, name)
    form, upload, stream, image, file = map(entry, logs(5))
    assert form["request"]["postData"]["params"] == [{"name": "name", "value": "[REDACTED 1]"}]
    assert [param["name"] for param in upload["request"]["postData"]["params"]] == ["name", "file"]
    assert stream["request"]["postData"]["text"] == "question"
    assert stream["response"]["content"]["text"] == "question and more"
    assert image["response"]["content"]["text"].startswith(("[NOT VALID UTF-8", "[WITHHELD"))
    assert [h["value"] for h in image["response"]["headers"] if h["name"] == "Set-Cookie"][:2] == ["a=1", "b=2"]
    assert file["response"]["bodySize"] == wsgi.FILE.stat().st_size


@pytest.mark.parametrize("options", [{"PROPAGATE_EXCEPTIONS": True}, {"TESTING": True}])
def test_an_exception_that_flask_raises_again_is_logged_with_its_request(logged: Logged, options: Any) -> None:
    seen: list[Any] = []

    def group(req: Any) -> Any:
        seen.append((req.url_rule.rule, g.user))
        return {"api_key": "a", "label": "b", "email": "c"}

    app, logs = logged(make_app(**options), group)
    with pytest.raises(wsgi.AppError):
        app.test_client().get("/raise", buffered=True)
    assert entry(logs(1)[0])["response"]["status"] == 500
    assert seen == [("/raise", "alice")]


def test_init_app_later_twice_and_on_two_apps(logged: Logged, collector: Collector) -> None:
    extension = ReadMeMetrics(MetricsApiConfig(wsgi.API_KEY, group, "https://docs.example.com"))
    assert extension.config.README_API_KEY == wsgi.API_KEY
    one, two = make_app(), make_app()
    for app in (one, one, two):
        extension.init_app(app)
    for app in (one, two):
        response = app.test_client().get("/items/1", buffered=True)
        assert len(response.headers.getlist("x-documentation-url")) == 1
        app.wsgi_app.flush(10)  # type: ignore[attr-defined]
    assert len(collector.logs) == 2


def test_a_proxy_fix_outside_changes_nothing(logged: Logged) -> None:
    app, logs = logged()
    app.wsgi_app = ProxyFix(app.wsgi_app)
    app.test_client().get("/items/1", buffered=True, headers={"X-Forwarded-For": "198.51.100.7"})
    assert logs(1)[0]["clientIPAddress"] == "198.51.100.7"


def test_the_extension_inside_a_wrapped_app_makes_one_log(logged: Logged) -> None:
    seen: list[Any] = []

    def group(req: Any) -> Any:
        seen.append((req.url_rule.rule, g.user))
        return {"api_key": "a", "label": "b", "email": "c"}

    app, logs = logged(group=group)
    config = MetricsApiConfig(wsgi.API_KEY, lambda request: None, "https://docs.example.com")
    app.wsgi_app = MetricsMiddleware(app.wsgi_app, config)
    response = app.test_client().get("/items/1", buffered=True)
    assert len(response.headers.getlist("x-documentation-url")) == 1
    logs(1)
    assert seen == [("/items/<int:number>", "alice")]


def test_a_stream_passes_as_it_comes(logged: Logged) -> None:
    app = make_app()
    pulled: list[int] = []

    @app.get("/numbers")
    def numbers() -> Any:
        def pieces() -> Iterator[str]:
            for number in range(20_000):
                pulled.append(number)
                yield f"{number}\n"

        return flask.Response(pieces(), mimetype="text/plain")

    app, logs = logged(app)
    response = app.test_client().get("/numbers")
    assert next(response.iter_encoded()) == b"0\n"
    assert len(pulled) <= 2
    response.close()
    logs(1)


@pytest.mark.parametrize("group", [lambda request: 1 / 0, lambda request: "nobody"])
def test_what_the_grouping_function_breaks_is_counted(logged: Logged, group: Any) -> None:
    app, logs = logged(group=group)
    assert app.test_client().get("/items/1", buffered=True).status_code == 200
    logs(0)
    assert app.wsgi_app.stats()["dropped"]["grouping"] == 1


def test_the_configuration_is_checked() -> None:
    with pytest.raises(TypeError, match="config takes a MetricsApiConfig, got dict"):
        ReadMeMetrics({}, make_app())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="leads nowhere"):
        ReadMeMetrics(MetricsApiConfig("key", "no.such.function"), make_app())


WITHOUT = """
import sys
sys.modules[{name!r}] = None
try:
    import readme_metrics.{module}
except ImportError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("module", "name", "extra"),
    [("flask_readme", "flask", "Flask"), ("django", "django", "Django"), ("fastapi", "starlette", "FastAPI")],
)
def test_without_the_framework_the_import_names_the_extra(module: str, name: str, extra: str) -> None:
    code = WITHOUT.format(name=name, module=module)
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert f'pip install "readme-metrics[{extra}]"' in output


def test_the_package_loads_no_framework() -> None:
    code = "import sys, readme_metrics; print({'flask', 'django', 'starlette', 'fastapi'} & set(sys.modules))"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output == "set()\n"
