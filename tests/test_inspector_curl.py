"""The curl command that repeats a logged request."""

from __future__ import annotations

import itertools
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector_logs import log
from inspector_target import Target
from readme_metrics.inspector.curl import curl


def arguments(command: str, **variables: str) -> list[str]:
    """The arguments that curl gets from a POSIX shell."""
    assert command.startswith("curl ")
    script = "printf '%s\\0' " + command.removeprefix("curl ")
    result = subprocess.run(["sh", "-c", script], env=variables, capture_output=True, check=True, timeout=60)
    return result.stdout.decode().split("\0")[:-1]


def test_curl_repeats_the_request() -> None:
    command = curl(
        log(
            "/login?token=%5BREDACTED%205%5D&x=1",
            "POST",
            headers={
                "Host": "a",
                "Accept": "*/*",
                "X-Key": "[REDACTED 7]",
                "Content-Type": "application/json",
                "X-Empty": "",
            },
            body='{"password": "[REDACTED 8]", "name": "O\'Hara $HOME `id` \\\\ \\n"}',
        )
    )
    assert command.startswith("curl ")
    words = arguments(command, REDACTED_token="T", REDACTED_X_Key="K", REDACTED_password="P")
    assert words == [
        "--globoff", "--request", "POST", "--url", "http://127.0.0.1:5000/login?token=T&x=1", "--header", "Accept: */*",
        "--header", "X-Key: K", "--header", "Content-Type: application/json", "--header", "X-Empty;",
        "--data-raw", '{"password": "P", "name": "O\'Hara $HOME `id` \\\\ \\n"}',
    ]  # fmt: skip


HOSTILE = st.text(st.sampled_from(list("ab$`'\"\\;&|<>(){}[]*?!~#@%= \n\r\t-\u00e9\U0001f600")), max_size=20)


@settings(max_examples=25, deadline=None)
@given(HOSTILE, HOSTILE, HOSTILE, HOSTILE)
def test_curl_is_safe_in_a_shell_whatever_a_client_sent(path: str, name: str, value: str, body: str) -> None:
    command = curl(log("/" + path, name or "GET", headers={name: value, "@file": value}, body=body))
    words = arguments(command)
    url = "http://127.0.0.1:5000/" + path.replace("\n", "").replace("\r", "")
    assert words[words.index("--url") + 1] == url
    if body:
        assert words[-2:] == ["--data-raw", body]
    assert not [word for option, word in itertools.pairwise(words) if option == "--header" and word[0] == "@"]


def test_curl_of_forms_names_no_file() -> None:
    fields = [{"name": "a", "value": "1 2"}, {"name": "b", "value": "[REDACTED 3]"}]
    assert arguments(
        curl(log(method="POST", params=fields, request_type="application/x-www-form-urlencoded")), REDACTED_b="B"
    )[-2:] == ["--data-raw", "a=1+2&b=B"]
    files = [{"name": "a", "value": "@/etc/passwd"}, {"name": "f", "fileName": "/etc/passwd", "value": ""}]
    words = arguments(curl(log(method="POST", params=files, request_type="multipart/form-data; boundary=x")))
    assert words[-4:] == ["--form-string", "a=@/etc/passwd", "--form-string", "f="]


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_curl_itself_sends_the_request(target: Target) -> None:
    command = curl(log("/x?a=1", "POST", host=target.url, headers={"X-A": "b"}, body="hello"))
    subprocess.run(["sh", "-c", command], check=True, capture_output=True, timeout=60)
    [(method, path, headers, body)] = target.seen
    assert (method, path, headers["X-A"], body) == ("POST", "/x?a=1", "b", b"hello")
