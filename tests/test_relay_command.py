"""`readme-metrics relay` and `status --relay` as commands: arguments, keys, metrics."""

from __future__ import annotations

import json
import os
import re
import socket
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from readme_metrics.collector import Answer, Collector
from readme_metrics.commands import main
from readme_metrics.relay import keys, layout
from redis_server import RedisServer
from relaying import BY_HAND, KEYS, RelayProcess, app, eventually, log, number
from reverse_proxy import free_port

pytestmark = pytest.mark.usefixtures("no_process_is_left")


WRONG: dict[str, tuple[list[str], str]] = {
    "no project": (["--redis", "redis://h"], "no project"),
    "no Redis": (["--project", "shop=SHOP_KEY"], "no Redis server"),
    "no URL": (["--redis", "s3cret@host", "--project", "shop=SHOP_KEY"], "--redis takes a URL"),
    "another scheme": (["--redis", "http://u:s3cret@h", "--project", "shop=SHOP_KEY"], "--redis takes a URL"),
    "unset": (["--redis", "redis://h", "--project", "shop=NOT_SET"], "NOT_SET is unset or empty"),
    "empty": (["--redis", "redis://h", "--project", "shop=EMPTY"], "EMPTY is unset or empty"),
    "no variable": (["--redis", "redis://h", "--project", "shop"], "--project takes NAME=VARIABLE"),
    "no name": (["--redis", "redis://h", "--project", "=SHOP_KEY"], "a project's name takes"),
    "strange name": (["--redis", "redis://h", "--project", "{shop}=SHOP_KEY"], "a project's name takes"),
    "twice": (["--redis", "redis://h", "--project", "a=SHOP_KEY", "--project", "a=SHOP_KEY"], "given twice"),
    "strange key": (["--redis", "redis://h", "--project", "shop=STRANGE"], "copy it again"),
    "no file": (["--redis", "redis://h", "--keys", "/nowhere"], "/nowhere: No such file"),
    "a directory": (["--redis", "redis://h", "--keys", "/tmp"], "no regular file"),
    "times": (
        ["--redis", "redis://h", "--project", "shop=SHOP_KEY", "--timeout", "20"],
        "--take-over-after takes at least three times --timeout",
    ),
    "parameter": (["--redis", "redis://h?s3cret=1", "--project", "shop=SHOP_KEY"], "a parameter of the Redis URL"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_arguments_are_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    for name, value in {"SHOP_KEY": "rdme_s3cret", "EMPTY": " ", "STRANGE": "s3cret\n2"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("logging.basicConfig", lambda **_: None)
    arguments, message = WRONG[wrong]
    assert main(["relay", *arguments]) == 2
    err = capsys.readouterr().err
    assert message in err and "s3cret" not in err


@pytest.mark.parametrize("arguments", [["--metrics", "9464"], ["--metrics", "h:99999"], ["--timeout", "0"]])
def test_arguments_that_are_no_numbers(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["relay", "--redis", "redis://h", "--project", "a=A", *arguments])
    assert ended.value.code == 2


def test_the_file_of_keys(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text("# the shop\nshop = rdme_1 \n\nother=rdme=2\n")
    path.chmod(0o600)
    assert keys.from_file(str(path)) == {"shop": "rdme_1", "other": "rdme=2"}
    for mode in (0o640, 0o604, 0o666):
        path.chmod(mode)
        with pytest.raises(keys.BadArguments, match="chmod 600"):
            keys.from_file(str(path))
    path.chmod(0o600)
    for content, message in {
        "shop": "line 1: not of the form",
        "\nshop=": "line 2: the key is empty",
        "a/b=rdme_s3cret": "a project's name takes",
        "a=1\na=2": "given twice",
    }.items():
        path.write_text(content)
        with pytest.raises(keys.BadArguments, match=message) as error:
            keys.from_file(str(path))
        assert "s3cret" not in str(error.value)


def test_a_pipe_in_place_of_the_file_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path, 0o600)
    assert stat.S_ISFIFO(path.stat().st_mode)
    with pytest.raises(keys.BadArguments, match="no regular file"):
        keys.from_file(str(path))


def test_keys_from_a_file_and_metrics(redis_server: RedisServer, collector: Collector, tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text("shop=rdme_from_the_file\n")
    path.chmod(0o600)
    middleware = app(redis_server.url, **BY_HAND)
    log(middleware, range(20))
    assert middleware.flush(60) == 0
    collector.answer = lambda post: Answer(400) if 13 in map(number, post.logs) else Answer()
    port = free_port()
    arguments = ("--keys", str(path), "--metrics", f"127.0.0.1:{port}")
    relay = RelayProcess(redis_server.url, collector.url, *arguments, keys={})
    eventually(lambda: redis_server.length() == 0 and redis_server.sums().delivered)

    def metrics() -> dict[str, str]:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as response:
            assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            text = response.read().decode()
        return dict(re.findall(r'^(\w+)\{project="shop"\} (\S+)$', text, re.MULTILINE))

    eventually(lambda: metrics()["readme_metrics_stream_delivered_total"] == "19")
    found = metrics()
    assert found["readme_metrics_relay_delivered_total"] == "19"
    assert found["readme_metrics_relay_refused_total"] == found["readme_metrics_stream_refused_total"] == "1"
    assert found["readme_metrics_stream_added_total"] == "20"
    assert (found["readme_metrics_relay_redis_up"], found["readme_metrics_stream_logs"]) == ("1", "0")
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60)
    with socket.create_connection(("127.0.0.1", port)) as silent:
        silent.sendall(b"garbage")
        assert metrics()["readme_metrics_relay_redis_up"] == "1", "a silent client holds up no other"
    redis_server.kill()
    eventually(lambda: metrics()["readme_metrics_relay_redis_up"] == "0")
    relay.kill()
    assert "rdme_from_the_file" not in relay.output
    assert {post.headers["Authorization"] for post in collector.posts} == {"Basic cmRtZV9mcm9tX3RoZV9maWxlOg=="}


def test_an_address_for_metrics_that_is_taken(redis_server: RedisServer, collector: Collector) -> None:
    taken = f"{collector.host}:{collector.port}"
    relay = RelayProcess(redis_server.url, collector.url, "--metrics", taken)
    relay.wait_until_dead()
    relay.kill()
    assert "--metrics" in relay.output and "Traceback" not in relay.output


def test_a_relay_that_finds_no_redis_waits_for_it(redis_server: RedisServer, collector: Collector) -> None:
    middleware = app(redis_server.url, **BY_HAND)
    redis_server.kill()
    relay = RelayProcess(redis_server.url, collector.url)
    redis_server.start()
    log(middleware, range(3))
    assert middleware.flush(60) == 0
    assert collector.wait_for(3, 60)
    assert relay.stop() == 0


# status --relay


def status(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "readme_metrics", "status", "--relay", url, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_status_shows_the_fleet(redis_server: RedisServer, collector: Collector) -> None:
    assert status(redis_server.url).stdout.splitlines()[1].strip() == "no project has logged here"
    for project, count in {"shop": 7, "other": 5}.items():
        middleware = app(redis_server.url, project=project, **BY_HAND)
        log(middleware, range(count))
        assert middleware.flush(60) == 0
    found = json.loads(status(redis_server.url, "--json").stdout)
    assert (found["delivered"], found["refused"], found["in_stream"]) == (0, 0, 12)
    assert found["projects"]["shop"]["in_stream"] == 7 and found["projects"]["shop"]["entries"] == 1
    assert "no relay takes from this stream" in status(redis_server.url).stdout
    collector.answer = lambda _: Answer(422)
    relay = RelayProcess(redis_server.url, collector.url)
    eventually(lambda: redis_server.length() == 0)
    shown = status(redis_server.url)
    assert shown.returncode == 0
    assert "7 sent by apps = 0 delivered + 7 refused + 0 in the stream" in shown.stdout
    assert "refused: HTTP 422 http://127.0.0.1/?n=" in shown.stdout
    assert re.search(r"relay \S+: holds 0 entries, heard from \d+ s ago", shown.stdout), shown.stdout
    # Entries that another program has added count, too, before any relay has seen them.
    relay.kill()
    redis_server("XADD", layout.Keys.of("third").stream, "*", "v", "1", "n", "3", "b", "[{}]")
    assert json.loads(status(redis_server.url, "--json").stdout)["projects"]["third"]["in_stream"] == 3


def test_status_of_a_redis_that_is_away_or_none(redis_server: RedisServer) -> None:
    redis_server.kill()
    url = redis_server.url.replace("redis://", "redis://user:s3cret@")
    for arguments in ([], ["--json"]):
        shown = status(url, *arguments)
        assert shown.returncode == 1
        assert "cannot be read: ConnectionError" in shown.stderr and "s3cret" not in shown.stderr
    shown = status("s3cret")
    assert shown.returncode == 2 and "s3cret" not in shown.stderr and "Traceback" not in shown.stderr


def test_a_stranger_among_the_keys_breaks_nothing(redis_server: RedisServer) -> None:
    redis_server("SET", "readme-metrics:{shop}:totals:more", "x")
    redis_server("SET", "readme-metrics:{a b}", "x")
    redis_server("HSET", KEYS.totals, "queued", "no number", "strange", b"\xff")
    redis_server("HSET", KEYS.relays, "name\x1b[31m", "no number")
    shown = status(redis_server.url)
    assert shown.returncode == 0, shown.stderr
    assert "\x1b" not in shown.stdout
