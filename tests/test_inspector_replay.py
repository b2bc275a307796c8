"""Replays: the inspector sends a logged request again, to this machine only."""

from __future__ import annotations

from typing import Any

import pytest

from inspector_logs import log
from inspector_target import Target
from readme_metrics.collector.post import Refused
from readme_metrics.inspector import replay


def again(original: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return replay.replay(replay.edited(original, changes), own_port=1)


def test_a_replay_sends_the_logged_request_and_says_that_it_is_a_replay(target: Target) -> None:
    answer = again(log("/x?a=1", "POST", host=target.url, headers={"X-A": "b", "Host": "other"}, body="hello"))
    assert (answer["status"], answer["body"]) == (200, "ok")
    [(method, path, headers, body)] = target.seen
    assert (method, path, headers["X-A"], body) == ("POST", "/x?a=1", "b", b"hello")
    assert headers["X-Readme-Metrics-Replay"] == "1"
    assert headers["Host"] == target.url.removeprefix("http://")


def test_a_replay_follows_no_redirect(target: Target) -> None:
    assert again(log("/away", host=target.url))["status"] == 302
    assert len(target.seen) == 1


@pytest.mark.parametrize(
    "original",
    [
        log(headers={"X-Key": "[REDACTED 7]"}),
        log(headers={"Authorization": f"sha512-{'A' * 86}==?beef"}),
        log("/x?token=%5BREDACTED%207%5D"),
        log("/x?token=[REDACTED]"),
        log(method="POST", body='{"a": "[REDACTED 7]"}'),
        log(method="POST", body="[WITHHELD 12 bytes: not valid JSON]"),
        log(method="POST", body="[NOT READ 12]"),
        log(
            method="POST",
            params=[{"name": "a", "value": "[REDACTED 7]"}],
            request_type="application/x-www-form-urlencoded",
        ),
        log(method="POST", params=[{"name": "a", "value": "b"}], request_type="multipart/form-data"),
    ],
)
def test_a_replay_asks_for_the_redacted_values(original: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="fill in"):
        again(original)


def test_an_edited_replay_is_sent(target: Target) -> None:
    original = log("/x?token=%5BREDACTED%207%5D", "POST", headers={"X-Key": "[REDACTED 7]"}, body="[NOT READ 9]")
    answer = again(original, url=target.url + "/y", headers=[["X-Key", "k"]], body="new", method="POST")
    assert answer["status"] == 200
    assert (target.seen[0][1], target.seen[0][3]) == ("/y", b"new")


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/", "https://127.0.0.1/", "http://127.0.0.1.example.com/", "http://10.0.0.1/", "http://[::2]/",
        "http://0.0.0.0/", "http://user:pass@127.0.0.1/", "http://127.0.0.1@example.com/", "ftp://127.0.0.1/", "",
        "http://169.254.169.254/latest", "http://2130706433/", "http://0x7f.1/", "http://127.0.0.1:1/", "file:///etc/passwd",
        "http://localhost.example.com/", "http://127.0.0.1\\@example.com/", "http://127.0.0.1 /", "http://127.0.0.1:99999/",
    ],
)  # fmt: skip
def test_a_replay_stays_on_this_machine(url: str) -> None:
    with pytest.raises(Refused):
        again(log(), url=url)


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "GET / HTTP/1.1\r\nX: y"}, {"method": ""}, {"method": 1}, {"url": None}, {"headers": {"a": "b"}},
        {"headers": [["a"]]}, {"headers": [["a\r\nb", "c"]]}, {"headers": [["a", "b\r\nc: d"]]}, {"body": 1},
    ],
)  # fmt: skip
def test_a_replay_with_malformed_parts_is_refused(target: Target, changes: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        again(log(host=target.url), **changes)
    assert target.seen == []
