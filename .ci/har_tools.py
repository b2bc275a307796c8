"""Checks logs with the tools that read them: har-validator, and @readme/httpsnippet, ReadMe's own.

Each request goes to an app behind the middleware. Its log is validated, and rebuilt as a curl command. The command
is run against the same app, which has to see the same request again. Needs Node.js, npm and curl.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple
from wsgiref.simple_server import WSGIRequestHandler, make_server

import requests
from werkzeug import Request

from readme_metrics import MetricsApiConfig, MetricsMiddleware

CALLER = {"api_key": "caller", "label": "Shop", "email": "shop@example.com"}
HERE = Path(__file__).parent / "har_tools"


class Sent(NamedTuple):
    """One request as `requests` sends it."""

    name: str
    method: str
    target: str
    arguments: dict[str, Any] | None = None


#: No `$` and no backslash in JSON: the tool leaves them to the shell.
REQUESTS = (
    Sent("plain", "GET", "/items"),
    Sent("query", "GET", "/items?page=2&size=10"),
    Sent("query with escapes", "GET", "/items?q=a%20b%26c%3Dd&name=J%C3%BCrgen&plus=1%2B1"),
    Sent("repeated parameters", "GET", "/items?id=1&id=2&id=3"),
    Sent("empty and bare parameters", "GET", "/items?empty=&size=1"),
    Sent("path with escapes", "GET", "/items/a%20b/%C3%BC"),
    Sent("head", "HEAD", "/items"),
    Sent("delete", "DELETE", "/items/1"),
    Sent("json", "POST", "/items", {"json": {"name": "J\u00fcrgen", "tags": ["a", "'b'", '"c"'], "n": None}}),
    Sent("json array", "PUT", "/items", {"json": [1, 2, {"a": "b"}]}),
    Sent(
        "problem json",
        "PATCH",
        "/items",
        {"data": b'{"a": 1}', "headers": {"Content-Type": "application/problem+json; charset=utf-8"}},
    ),
    Sent("form", "POST", "/items", {"data": {"name": "J\u00fcrgen M", "a": "b&c=d", "empty": ""}}),
    Sent(
        "form with a charset",
        "POST",
        "/items",
        {
            "data": b"name=shop&size=2&size=3",
            "headers": {"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"},
        },
    ),
    Sent("multipart", "POST", "/items", {"files": {"name": (None, "shop"), "note": (None, "two\r\nlines")}}),
    Sent("text", "POST", "/items", {"data": "hello, w\u00f6rld".encode(), "headers": {"Content-Type": "text/plain"}}),
    Sent("xml", "POST", "/items", {"data": b"<a b='c'>d</a>", "headers": {"Content-Type": "application/xml"}}),
    Sent("headers", "GET", "/items", {"headers": {"X-Shop": "1", "Cookie": "a=1; b=2"}}),
)
#: Requests that are also logged with a denylist. Those logs are only validated, since they lack some of what was sent.
REDACTED = ("query", "json", "form", "multipart", "headers")


def seen(environ: dict[str, Any]) -> dict[str, Any]:
    """A request as an app understands it."""
    request = Request(environ)
    if request.mimetype in ("application/x-www-form-urlencoded", "multipart/form-data"):
        body: Any = sorted(request.form.items(multi=True))
    elif "json" in request.mimetype:
        body = request.get_json(force=True)
    else:
        body = request.get_data(as_text=True)
    return {
        "method": request.method,
        "path": request.path,
        "query": sorted(request.args.items(multi=True)),
        "type": request.mimetype,
        "body": body,
        "shop": request.headers.get("X-Shop"),
        "cookies": sorted(request.cookies.items(multi=True)),
    }


class Echo:
    """An app that remembers its last request."""

    def __init__(self) -> None:
        self.last: dict[str, Any] = {}

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        self.last = seen(environ)
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(self.last).encode()]


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing: the checks speak for themselves."""


def record(url: str, path: Path, middleware: MetricsMiddleware, sent: Sent) -> Any:
    """Sends a request; returns the HAR of its log."""
    before = lines(path)
    requests.request(sent.method, url + sent.target, timeout=60, **(sent.arguments or {}))
    # The log is made after the client has its response.
    deadline = time.monotonic() + 60
    while lines(path) == before and time.monotonic() < deadline:
        middleware.flush(1)
        time.sleep(0.01)
    [line] = lines(path)[len(before) :]
    return json.loads(line)["request"]


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def main() -> int:
    folder = Path(tempfile.mkdtemp())
    for file in HERE.iterdir():
        if file.is_file():
            shutil.copy(file, folder)
    subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund"], cwd=folder, check=True)

    echo, log_file = Echo(), folder / "logs.jsonl"
    hars, originals = {}, {}
    for suffix, denylist in (("", None), (" (redacted)", ["name", "page", "note", "X-Shop", "b"])):
        config = MetricsApiConfig("key", lambda _: CALLER, dry_run=log_file, queue_dir=folder, denylist=denylist)
        middleware = MetricsMiddleware(echo, config)
        with make_server("127.0.0.1", 0, middleware, handler_class=Quiet) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            url = f"http://127.0.0.1:{server.server_port}"
            for sent in REQUESTS:
                if not suffix or sent.name in REDACTED:
                    hars[sent.name + suffix] = record(url, log_file, middleware, sent)
                    originals[sent.name + suffix] = echo.last
            server.shutdown()

    answered = subprocess.run(
        ["node", "rebuild.mjs"], cwd=folder, check=True, capture_output=True, text=True, input=json.dumps(hars)
    )
    failures = 0
    with make_server("127.0.0.1", 0, echo, handler_class=Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for name, rebuilt in json.loads(answered.stdout).items():
            problems = [f"har-validator: {error}" for error in rebuilt["errors"]]
            if not name.endswith("(redacted)"):
                logged_at = hars[name]["log"]["entries"][0]["request"]["url"].split("/")[2]
                command = rebuilt["curl"].replace(logged_at, f"127.0.0.1:{server.server_port}")
                echo.last = {}
                run = subprocess.run(["sh", "-c", command], check=False, capture_output=True, text=True, timeout=60)
                problems += [command, run.stderr] if run.returncode else []
                for key, value in originals[name].items():
                    if echo.last.get(key) != value:
                        problems.append(f"{key} was {value!r}, rebuilt {echo.last.get(key)!r}")
            print(f"{'FAILED' if problems else 'ok':7}{name}", *problems, sep="\n       " if problems else "")
            failures += bool(problems)
        server.shutdown()
    shutil.rmtree(folder)
    print(f"{len(hars)} logs, {failures} failures")
    return failures and 1


if __name__ == "__main__":
    sys.exit(main())
