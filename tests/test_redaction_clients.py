"""The multipart bodies of usual clients: an allowed field is kept."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from collections.abc import Callable

import pytest

from redaction_engines import Case, by_extension, by_reference


def by_requests() -> tuple[str, bytes]:
    import requests

    fields = [("a", (None, "kept")), ("f", ("é (1).png", b"\x89", "image/png")), ("b", (None, "1", "text/plain"))]
    request = requests.Request("POST", "http://host", files=fields).prepare()
    assert isinstance(request.body, bytes)
    return request.headers["Content-Type"], request.body


def by_httpx() -> tuple[str, bytes]:
    httpx = pytest.importorskip("httpx")
    request = httpx.Request("POST", "http://host", data={"a": "kept"}, files={"f": ("é (1).png", b"\x89")})
    return request.headers["Content-Type"], request.read()


def by_werkzeug() -> tuple[str, bytes]:
    from werkzeug.datastructures import MultiDict
    from werkzeug.test import encode_multipart

    boundary, body = encode_multipart(MultiDict({"a": "kept"}))
    return f'multipart/form-data; boundary="{boundary}"', body


def by_curl() -> tuple[str, bytes]:
    if shutil.which("curl") is None:
        pytest.skip("no curl")
    with socket.create_server(("127.0.0.1", 0)) as server:
        command = ["curl", "-s", "-H", "Expect:", "-F", "a=kept", "-F", "f=x;filename=x.png"]
        with subprocess.Popen([*command, f"http://127.0.0.1:{server.getsockname()[1]}"], stdout=subprocess.DEVNULL):
            connection, _ = server.accept()
            with connection, connection.makefile("rwb") as stream:
                head = {}
                while line := stream.readline().decode().strip():
                    name, _, value = line.partition(": ")
                    head[name.lower()] = value
                body = stream.read(int(head["content-length"]))
                stream.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    return head["content-type"], body


@pytest.mark.parametrize("client", [by_requests, by_httpx, by_werkzeug, by_curl])
def test_an_allowed_field_of_a_usual_client_is_kept(client: Callable[[], tuple[str, bytes]]) -> None:
    content_type, body = client()
    case: Case = {"call": "request_body", "allowlist": ["a", "f", "b"], "content_type": content_type, "body": body}
    found = by_extension(case)
    assert found == by_reference(case)
    assert found[0] == ["a", "kept"]
    assert "REDACTED" not in json.dumps(found)
