"""What the inspector knows: its store, filter, numbers, curl, replay, explanations and trials."""

from __future__ import annotations

import http.server
import itertools
import json
import os
import shutil
import subprocess
import threading
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector_logs import lines, log
from readme_metrics import MetricsApiConfig
from readme_metrics.collector.post import Refused
from readme_metrics.inspector import replay
from readme_metrics.inspector.curl import curl
from readme_metrics.inspector.explanation import explain
from readme_metrics.inspector.logs import har
from readme_metrics.inspector.logs.filter import BadFilter, Filter, find
from readme_metrics.inspector.logs.sources import JSONLines
from readme_metrics.inspector.logs.stats import percentile, stats
from readme_metrics.inspector.logs.store import Store
from readme_metrics.inspector.logs.summary import endpoint, summarize
from readme_metrics.inspector.preview import preview
from readme_metrics.redaction.redactor import Lists

#: Any JSON that a log may hold where something else is expected.
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


# ---- Store


def test_the_store_keeps_the_newest_within_its_number() -> None:
    store = Store(max_logs=3)
    store.add(log(log_id=str(number)) for number in range(10))
    assert [kept.summary["_id"] for kept in store.newest_first()] == ["9", "8", "7"]
    assert (store.received, store.get("0")) == (10, None)


def test_the_store_keeps_the_newest_within_its_bytes() -> None:
    store = Store(max_bytes=200_000)
    for number in range(100):
        store.add([log(log_id=str(number), answer=os.urandom(5000).hex())])
        assert store.bytes <= 200_000
    assert 5 < len(store) < 20
    assert store.newest_first()[0].summary["_id"] == "99"


def test_a_log_that_would_push_out_all_others_is_kept_without_its_bodies() -> None:
    store = Store(max_bytes=400_000)
    store.add([log(log_id="small"), log(log_id="large", answer=os.urandom(200_000).hex())])
    kept = store.get("large")
    assert kept is not None and store.get("small") is not None
    assert "TOO LARGE" in json.dumps(kept.log())


def test_memory_stays_flat_however_many_come() -> None:
    store = Store(max_logs=200)
    store.add(log() for _ in range(400))
    tracemalloc.start()
    store.add(log() for _ in range(200))
    before = tracemalloc.get_traced_memory()[0]
    store.add(log() for _ in range(1000))
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 100_000
    assert len(store) == 200


def test_a_repeated_log_is_one_row_and_a_new_answer_changes_it() -> None:
    store = Store()
    one = log(log_id="1")
    store.add([one, one, log(log_id="2")])
    store.add([one], 500)
    store.add([one], 202)
    assert (len(store), store.duplicates) == (2, 3)
    kept = store.get("1")
    assert kept is not None and kept.summary["answer"] == 202


@settings(deadline=None)
@given(JSON, JSON)
def test_a_log_of_any_shape_is_kept_and_shown(group: Any, request: Any) -> None:
    store = Store()
    store.add([{"_id": "x", "group": group, "request": request}])
    store.add([{"_id": "y", "request": {"log": {"entries": [{"request": request, "response": group, "time": group}]}}}])
    for kept in store.newest_first():
        json.dumps(kept.summary, allow_nan=False)
        json.dumps(kept.log(), allow_nan=False)
        curl(kept.log())
        explain(kept.log(), None)
        har.har([kept.log()])
        replay.draft(kept.log())
    stats([kept.summary for kept in store.newest_first()], 60, time.time())


def test_a_reader_gets_what_came_after_its_place_and_hears_of_a_gap() -> None:
    store = Store(max_logs=5)
    store.add(log(log_id=str(number)) for number in range(3))
    news = store.wait(store.last - 1, 0, 0)
    assert ([kept.summary["_id"] for kept in news.logs], news.has_gap) == (["2"], False)
    behind = store.last
    store.add(log(log_id=str(number)) for number in range(3, 20))
    news = store.wait(behind, 0, 0)
    assert ([kept.summary["_id"] for kept in news.logs], news.has_gap) == (["15", "16", "17", "18", "19"], True)
    assert store.wait(news.position, 0, 0).logs == []


@pytest.mark.parametrize("place", [0, 5, 10**17])
def test_a_place_from_another_run_is_a_gap_and_silences_nobody(place: int) -> None:
    store = Store()
    store.add([log(log_id="1")])
    news = store.wait(place, 0, 0)
    assert news.has_gap
    assert [kept.summary["_id"] for kept in news.logs] == ["1"]


def test_a_later_run_counts_on() -> None:
    first = Store()
    first.add([log() for _ in range(100)])
    assert Store().last > first.last


# ---- Filter


def ids(text: str, *logs: dict[str, Any]) -> list[str]:
    store = Store()
    store.add(logs)
    return [kept.summary["_id"] for kept in find(store.newest_first(), Filter(text), 100).logs][::-1]


MANY = [
    log(
        "/v1/users/7",
        "GET",
        200,
        log_id="a",
        caller="Jane",
        ms=10,
        route="/v1/users/{number}",
        headers={"Traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
    ),
    log("/v1/users", "POST", 201, log_id="b", caller="Ada", ms=600, body='{"name": "Zoë"}'),
    log("/v2/orders?page=2", "GET", 404, log_id="c", caller="Jane", ms=50, answer='{"error": "No such order"}'),
    log("/health", "GET", 503, log_id="d", caller="", ms=5000, answer="x" * 20_000, response_type="text/plain"),
]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "abcd"),
        ("status:5xx", "d"),
        ("status:4xx,5xx", "cd"),
        ("status:2xx-4xx", "abc"),
        ("status:404", "c"),
        ("status:>=400", "cd"),
        ("-status:2xx", "cd"),
        ("method:post", "b"),
        ("method:GET,POST status:201", "b"),
        ("path:/v1/*", "ab"),
        ("path:/v1/users", "b"),
        ("path:*users*", "ab"),
        ("path:/v2/orders?page=*", "c"),
        ("route:/v1/users/{number}", "a"),
        ("route:/v1/*", "a"),
        ("trace:4bf92f35", "a"),
        ("-trace:4bf92f35", "bcd"),
        ("caller:jane", "ac"),
        ("caller:jane -path:/v1/*", "c"),
        ("ms:>500", "bd"),
        ("ms:10-50", "ac"),
        ("ms:<=10", "a"),
        ("size:>10k", "d"),
        ("body:zoë", "b"),
        ("body:users", ""),
        ('"no such"', "c"),
        ('body:"No such order"', "c"),
        ("no such", "c"),
        ("-no", "abd"),
        ("type:text", "d"),
        ("is:error", "cd"),
        ("users", "ab"),
        ("http://127.0.0.1", "abcd"),
        ("[a-z]", ""),
        ("path:/v[12]/*", ""),
        ("id:c", "c"),
    ],
)
def test_the_filter_picks(text: str, found: str) -> None:
    assert "".join(ids(text, *MANY)) == found


@pytest.mark.parametrize(
    "text", ["status:abc", "ms:fast", "is:nice", "status:", "ms:>", "size:>>1", 'body:""', "ms:>5-7"]
)
def test_a_filter_that_means_nothing_says_so(text: str) -> None:
    with pytest.raises(BadFilter, match=text.partition(":")[0]):
        Filter(text)


def test_a_key_that_is_none_is_searched_as_text_and_named() -> None:
    wanted = Filter("stauts:500")
    assert "stauts" in wanted.notes[0] and "status" in wanted.notes[0]


@settings(deadline=None)
@given(st.text())
def test_any_text_is_a_filter_or_malformed(text: str) -> None:
    store = Store()
    store.add(MANY)
    try:
        wanted = Filter(text)
    except BadFilter:
        return
    found = find(store.newest_first(), wanted, 2)
    assert len(found.logs) <= found.matched <= 4


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["status:2xx", "method:GET", "caller:jane", "ms:>20", "users", "body:zoë"]), max_size=4)
)
def test_a_negated_term_is_the_rest(terms: list[str]) -> None:
    text = " ".join(terms)
    for term in terms:
        both = sorted(ids(f"{text} {term}", *MANY) + ids(f"{text} -{term}", *MANY))
        assert both == sorted(ids(text, *MANY))


# ---- Numbers


def test_numbers_per_endpoint_and_caller() -> None:
    now = time.time()
    rows = [
        summarize(log(f"/users/{number}", ms=number, caller="Jane", status=500 if number > 90 else 200))
        for number in range(1, 101)
    ]
    rows += [summarize(log("/old", started="2020-01-01T00:00:00Z"))]
    answer = stats(rows, 60, now + 1)
    [users] = answer["endpoints"]
    assert (users["method"], users["path"], users["count"]) == ("GET", "/users/{id}", 100)
    assert (users["p50"], users["p95"], users["p99"], users["error_share"]) == (50, 95, 99, 0.1)
    assert [(row["caller"], row["count"]) for row in answer["callers"]] == [("Jane", 100)]
    assert sum(bucket["count"] for bucket in answer["series"]) == 100


@settings(deadline=None)
@given(st.lists(st.integers(0, 1000), min_size=1), st.sampled_from([50, 95, 99]))
def test_a_percentile_is_the_smallest_that_enough_do_not_exceed(numbers: list[float], percent: int) -> None:
    numbers.sort()
    found = percentile(numbers, percent)
    assert found is not None
    assert sum(number <= found for number in numbers) * 100 >= percent * len(numbers)
    assert sum(number < found for number in numbers) * 100 < percent * len(numbers)


def test_an_endpoint_is_the_route_where_it_is_known() -> None:
    assert summarize(log("/users/jane", route="/users/<name>"))["endpoint"] == "/users/<name>"
    assert summarize(log("/users/jane"))["endpoint"] == "/users/jane"


@pytest.mark.parametrize(
    ("header", "trace"),
    [
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "4bf92f3577b34da6a3ce929d0e0e4736"),
        ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-later", "4bf92f3577b34da6a3ce929d0e0e4736"),
        ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", ""),
        ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", ""),
        ("[REDACTED 55]", ""),
    ],
)
def test_the_trace_is_that_of_a_valid_traceparent(header: str, trace: str) -> None:
    assert summarize(log(headers={"traceparent": header}))["trace"] == trace


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/books/2", "/books/{id}"),
        ("/books/2/pages", "/books/{id}/pages"),
        ("/u/0b8f1c4e-7a52-4a0e-9f0e-1d2c3b4a5f60", "/u/{id}"),
        ("/v1/users", "/v1/users"),
        ("/files/deadbeefdeadbeefdeadbeef", "/files/{id}"),
        ("/a-long-name-without-any-number", "/a-long-name-without-any-number"),
    ],
)
def test_endpoints_are_grouped(path: str, template: str) -> None:
    assert endpoint(path) == template


# ---- curl


def arguments(command: str, **variables: str) -> list[str]:
    """What a POSIX shell makes of the command."""
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


# ---- Replay


class Target:
    """A server on this machine that notes what it gets; `/away` redirects."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, Any, bytes]] = []
        target = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                target.seen.append((self.command, self.path, self.headers, body))
                self.send_response(302 if self.path == "/away" else 200)
                if self.path == "/away":
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            do_GET = do_POST

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def target() -> Iterator[Target]:
    server = Target()
    yield server
    server.close()


def again(original: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return replay.replay(replay.edited(original, changes), own_port=1)


def test_a_replay_sends_what_was_logged_and_says_that_it_is_one(target: Target) -> None:
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
def test_a_replay_wants_what_was_redacted(original: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="fill in"):
        again(original)


def test_an_edited_replay_goes_out(target: Target) -> None:
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
def test_a_replay_takes_no_malformed_parts(target: Target, changes: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        again(log(host=target.url), **changes)
    assert target.seen == []


# ---- Explanations and trials


def test_each_redaction_is_explained_by_the_rule_that_did_it() -> None:
    lists = Lists(denylist=("x-key", "token", "user.card.*", "*_secret"), redact_nested=True)
    original = log(
        "/x?token=%5BREDACTED%205%5D",
        "POST",
        query=[("token", "[REDACTED 5]")],
        headers={"X-Key": "[REDACTED 7]", "Authorization": f"sha512-{'A' * 86}==?beef"},
        body='{"user": {"card": {"number": "[REDACTED 4]"}, "my_secret": "[REDACTED 2]"}}',
    )
    rules = {item["path"]: item["rule"] for item in explain(original, lists)["redacted"]}
    assert rules == {
        "token": 'denylist: "token"',
        "X-Key": 'denylist: "x-key"',
        "Authorization": "always masked",
        "user.card.number": 'denylist: "user.card.*"',
        "user.my_secret": 'denylist: "*_secret"',
    }


def test_what_is_still_sent_comes_with_the_rule_that_it_takes() -> None:
    original = log(
        method="POST",
        headers={"X-Api-Key": "abc"},
        body='{"password": "x", "user": {"password": "y"}, "note": "a 4111 1111 1111 1111", "n": "4111111111111112"}',
    )
    sent = {(item["where"], item["path"]): item for item in explain(original, Lists(denylist=("password",)))["sent"]}
    assert sent[("request header", "X-Api-Key")]["needed"] == 'denylist=["X-Api-Key"]'
    assert "redact_nested=True" in sent[("request body", "user.password")]["needed"]
    assert sent[("request body", "note")]["why"] == "looks like a card number"
    assert ("request body", "n") not in sent  # Luhn's sum is wrong


def names(answer: dict[str, Any], kind: str) -> list[str]:
    return [item["path"] for item in answer[kind]]


def test_a_trial_of_json() -> None:
    question = {"content_type": "application/json", "body": '{"a": 1.50, "password": "x", "card": {"number": 1}}'}
    answer = preview(question, Lists(denylist=("password", "card")))
    assert (names(answer, "kept"), names(answer, "redacted")) == (["a"], ["password", "card"])
    assert [item["rule"] for item in answer["redacted"]] == ['denylist: "password"', 'denylist: "card"']
    assert answer["kept"][0]["value"] == "1.50"


def test_a_trial_of_what_cannot_be_read() -> None:
    answer = preview({"content_type": "application/json", "body": '{"password": '}, Lists(denylist=("password",)))
    assert [item["reason"] for item in answer["withheld"]] == ["not valid JSON"]
    assert answer["kept"] == answer["redacted"] == []


@pytest.mark.parametrize(
    "headers", [{"X-Key": "1", "Accept": "*/*"}, [["X-Key", "1"], ["Accept", "*/*"]], "X-Key: 1\r\nAccept: */*\n"]
)
def test_a_trial_of_headers(headers: Any) -> None:
    answer = preview({"headers": headers}, Lists(denylist=("x-key",)))
    assert (names(answer, "redacted"), names(answer, "kept")) == (["X-Key"], ["Accept"])


def test_a_trial_of_a_form_with_an_allowlist() -> None:
    question = {"content_type": "application/x-www-form-urlencoded", "body": "user=a&password=b", "allowlist": ["user"]}
    answer = preview(question, Lists())
    assert (names(answer, "kept"), names(answer, "redacted")) == (["user"], ["password"])
    assert answer["redacted"][0]["rule"] == 'allowlist: has no "password"'


def test_a_trial_of_a_har() -> None:
    document = har.har([log(method="POST", headers={"X-Key": "1"}, body='{"a": 1}', answer='{"b": 2}')])
    answer = preview({"har": json.dumps(document)}, Lists(denylist=("b", "X-Key")))
    assert names(answer, "redacted") == ["X-Key", "b"]


@pytest.mark.parametrize(
    "question",
    [
        {},
        {"body": 1},
        {"headers": 5, "body": ""},
        {"headers": [1]},
        {"har": "{"},
        {"har": {}},
        {"body": "x", "denylist": "y"},
    ],
)
def test_a_trial_of_nothing_says_what_it_takes(question: dict[str, Any]) -> None:
    with pytest.raises(Refused, match=r"take|give|har"):
        preview(question, Lists())


@settings(deadline=None)
@given(
    st.text(max_size=200), st.sampled_from(["application/json", "application/x-www-form-urlencoded", "text/plain", "x"])
)
def test_a_trial_of_anything_answers(body: str, content_type: str) -> None:
    try:
        answer = preview({"content_type": content_type, "body": body}, Lists(denylist=("a",)))
    except Refused:
        assert body == ""
        return
    json.dumps(answer)


# ---- Files


def test_a_file_of_lines_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "logs.jsonl"
    path.write_text(lines([log(log_id="1")]) + '{"_id": "2", "half')
    with JSONLines(path) as source:
        assert [found["_id"] for found in source.new()] == ["1"]
        with path.open("a") as file:
            file.write('": 1}\nnonsense\n[]\n{"no": "id"}\n')
        assert [found["_id"] for found in source.new()] == ["2", "line-5"]
        assert source.unreadable == 2
        path.write_text(lines([log(log_id="3")]))  # emptied and begun again
        assert [found["_id"] for found in source.new()] == ["3"]
        path.rename(tmp_path / "logs.1")
        assert source.new() == []
        path.write_text(lines([log(log_id="4")]).rstrip())  # rotated; the last line is not ended
        assert [found["_id"] for found in source.new()] == ["4"]


def test_a_har_comes_back_as_it_went(tmp_path: Path) -> None:
    path = tmp_path / "file.har"
    path.write_text(json.dumps(har.har([log("/a"), log("/b")])))
    assert [summarize(found)["path"] for found in har.logs_of(path)] == ["/a", "/b"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"log": {"entries": 5}}', "[" * 100_000])
def test_what_is_no_har_says_so(tmp_path: Path, text: str) -> None:
    (tmp_path / "file.har").write_text(text)
    with pytest.raises(ValueError, match=r".+"):
        list(har.logs_of(tmp_path / "file.har"))


def test_an_empty_allowlist_lets_nothing_through_and_none_everything() -> None:
    question = {"content_type": "application/json", "body": '{"a": 1}'}
    assert names(preview(question, Lists(allowlist=())), "redacted") == ["a"]
    assert names(preview(question, Lists()), "kept") == ["a"]
    with_list = MetricsApiConfig("key", lambda _: None, allowlist=[])
    assert (Lists.of(with_list).allowlist, Lists.of(MetricsApiConfig("key", lambda _: None)).allowlist) == ((), None)
