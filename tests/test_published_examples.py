"""Apps written for readme-metrics 3.4.0 run as they are, and log what ReadMe's own tests expect of every SDK.

The apps in tests/apps/published add the middleware as the published examples do, and read each body that they are
sent. PUBLISHED_EXAMPLES names a directory to run in their place: `packages/python/examples` of a checkout of ReadMe's
SDKs, whose views do not read bodies. A body that nobody has read may be logged as not read.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests

from har_schema import VALIDATOR
from readme_metrics.collector import Collector
from reverse_proxy import free_port

EXAMPLES = Path(os.environ.get("PUBLISHED_EXAMPLES", Path(__file__).parent / "apps" / "published")).resolve()
KEY = "rdme_abcdefghijklmnopqrstuvwxyz"
#: The masked id, which ReadMe's tests have in full: SHA-512 of the id, and its last four characters.
GROUP_ID = "sha512-u2GbQ83jIqNa+a8v110+8IDztQQr4joL1xSE+wFH51zSOA1qQKPwOC8t2n2LWJQA1mX4ZLZ45SEokITzLed/ow==?-key"
AUTHORIZATION = "sha512-7S+L0vUE8Fn6HI3836rtz4b6fVf6H4JFur6SGkOnL3bFpC856+OSZkpIHphZ0ipNO+kUw1ePb5df2iYrNQCpXw==?-key"
COMMANDS = {
    "flask": ("flask", ["app.py"], {}),
    "fastapi": ("fastapi", ["-m", "uvicorn", "app:app", "--port", "PORT"], {}),
    "django-wsgi": ("metrics_django", ["manage.py", "runserver", "--noreload"], {"SERVER_TYPE": "wsgi"}),
    "django-asgi": ("metrics_django", ["manage.py"], {"SERVER_TYPE": "asgi"}),
}


class Example(NamedTuple):
    url: str
    collector: Collector

    def sent(self, method: str = "GET", path: str = "/", **options: Any) -> Any:
        """Makes one request, asserts that it made one log only, and returns that log."""
        before = len(self.collector.logs)
        response = requests.request(method, self.url + path, timeout=30, **options)
        assert response.status_code == 200
        self.collector.wait_for(before + 1, timeout=30)
        [log] = self.collector.logs[before:]
        VALIDATOR.validate(log)
        return log


@pytest.fixture(scope="module", params=COMMANDS)
def example(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    directory, arguments, more = COMMANDS[request.param]
    pytest.importorskip(request.param.partition("-")[0])
    port = free_port()
    log = tmp_path_factory.mktemp(request.param) / "output"
    with Collector() as collector, log.open("wb") as output:
        environment = {**os.environ, **more, "README_API_KEY": KEY, "README_METRICS_SERVER": collector.url}
        environment |= {"PORT": str(port), "README_METRICS_QUEUE_DIR": str(log.parent)}
        command = [sys.executable, *(str(port) if word == "PORT" else word for word in arguments)]
        process = subprocess.Popen(command, cwd=EXAMPLES / directory, env=environment, stdout=output, stderr=output)
        try:
            _await(f"http://localhost:{port}/", process, log)
            collector.wait_for(1, timeout=30)
            yield Example(f"http://localhost:{port}", collector)
        finally:
            process.terminate()
            process.wait(30)


def _await(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            assert requests.get(url, timeout=5).json() == {"message": "hello world"}
            return
        except requests.ConnectionError:
            time.sleep(0.1)
    raise AssertionError(log.read_text())


def entry(log: Any) -> Any:
    return log["request"]["log"]["entries"][0]


def was_read(post_data: dict[str, Any], size: int) -> bool:
    """Whether the body is in the log. A body that the app does not read need not be."""
    is_missing = post_data.get("text") == f"[NOT READ {size}]"
    assert not is_missing or "PUBLISHED_EXAMPLES" in os.environ
    return not is_missing


def header(pairs: list[dict[str, str]], name: str) -> str:
    [value] = [pair["value"] for pair in pairs if pair["name"].lower() == name]
    return value


def test_a_get_request(example: Example) -> None:
    log = example.sent()
    post = example.collector.posts[-1]
    assert post.headers["Authorization"] == "Basic " + base64.b64encode(f"{KEY}:".encode()).decode()
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-5][0-9a-f]{3}-[089ab][0-9a-f]{3}-[0-9a-f]{12}", log["_id"])
    assert log["group"] == {"id": GROUP_ID, "label": "Owlbert", "email": "owlbert@example.com"}
    assert log["clientIPAddress"] in ("127.0.0.1", "::1") and log["development"] is False
    assert log["request"]["log"]["creator"]["name"] == "readme-metrics (python)"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry(log)["startedDateTime"])
    request, response = entry(log)["request"], entry(log)["response"]
    assert (request["method"], request["url"], request["httpVersion"]) == ("GET", f"{example.url}/", "HTTP/1.1")
    assert header(request["headers"], "host") == example.url.partition("//")[2]
    assert header(request["headers"], "connection") == "keep-alive"
    assert (response["status"], response["statusText"]) == (200, "OK")
    assert header(response["headers"], "content-type").startswith("application/json")
    content = response["content"]
    assert json.loads(content["text"]) == {"message": "hello world"} and content["size"] == len(content["text"])
    assert content["mimeType"].startswith("application/json")


def test_authorization_is_masked(example: Example) -> None:
    log = example.sent(headers={"Authorization": "Bearer: a-random-api-key"})
    assert header(entry(log)["request"]["headers"], "authorization") == AUTHORIZATION


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_query_strings(example: Example, method: str) -> None:
    body = {} if method == "GET" else {"json": {"user": {"email": "dom@readme.io"}}}
    request = entry(example.sent(method, "/?arr%5B1%5D=3&val=1", **body))["request"]
    assert request["url"] == f"{example.url}/?arr%5B1%5D=3&val=1"
    assert request["queryString"] == [{"name": "arr[1]", "value": "3"}, {"name": "val", "value": "1"}]
    assert ("postData" in request) == (method == "POST")


@pytest.mark.parametrize("content_type", ["text/plain;charset=UTF-8", "application/json", "application/vnd.api+json"])
def test_bodies_of_text(example: Example, content_type: str) -> None:
    text = '{"user":{"email":"dom@readme.io"}}'
    request = entry(example.sent("POST", data=text, headers={"Content-Type": content_type}))["request"]
    assert header(request["headers"], "content-type") == content_type
    if was_read(request["postData"], len(text)):
        assert request["postData"] == {"mimeType": content_type, "text": text}


def test_a_form(example: Example) -> None:
    request = entry(example.sent("POST", data={"email": "dom@readme.io"}))["request"]
    if was_read(request["postData"], request["bodySize"]):
        params = [{"name": "email", "value": "dom@readme.io"}]
        assert request["postData"] == {"mimeType": "application/x-www-form-urlencoded", "params": params}


@pytest.mark.parametrize("has_file", [False, True])
def test_multipart(example: Example, has_file: bool) -> None:
    fields = {"password": "123456", "apiKey": "abcdef", "another": "Hello world", "buster": "1234,5678"}
    parts: dict[str, Any] = {name: (None, value) for name, value in fields.items()}
    if has_file:
        parts["owlbert.png"] = ("owlbert.png", b"\x89PNG\r\n\x1a\n\xff\x00", "image/png")
    request = entry(example.sent("POST", files=parts))["request"]
    post_data = request["postData"]
    if not was_read(post_data, request["bodySize"]):
        return
    # Without the boundary: tools that turn a HAR into a request choose a boundary of their own.
    assert post_data["mimeType"] == "multipart/form-data" and "text" not in post_data
    expected = [{"name": name, "value": value} for name, value in fields.items()]
    assert post_data["params"][:4] == expected
    if has_file:
        [file] = post_data["params"][4:]
        assert (file["name"], file["fileName"], file["contentType"]) == ("owlbert.png", "owlbert.png", "image/png")


def test_no_request_is_logged_twice(example: Example) -> None:
    ids = [log["_id"] for log in example.collector.logs]
    assert len(ids) == len(set(ids))
