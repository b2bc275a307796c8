"""The command line, run as a person runs it."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from readme_metrics.commands.console.har_view import HarView, Redaction
from readme_metrics.demo.canaries import Canaries
from readme_metrics.demo.tally import Tally

COMMAND = [sys.executable, "-m", "readme_metrics"]

LOG = {
    "_id": "1f0c",
    "group": {"label": "Ada"},
    "request": {
        "log": {
            "entries": [
                {
                    "startedDateTime": "2026-11-22T08:29:15.123Z",
                    "time": 12,
                    "request": {
                        "method": "POST",
                        "url": "http://localhost/login",
                        "headers": [
                            {"name": "Accept", "value": "*/*"},
                            {"name": "Authorization", "value": "sha512-abc=?beef"},
                        ],
                        "queryString": [{"name": "token", "value": "[REDACTED 5]"}],
                        "postData": {"params": [{"name": "password", "value": "[REDACTED 8]"}]},
                    },
                    "response": {
                        "status": 201,
                        "headers": [{"name": "X-Secret", "value": "[REDACTED]"}],
                        "content": {"text": '{"session": "[REDACTED 3]", "user": "owlbert"}'},
                    },
                }
            ]
        }
    },
}


def run(*arguments: str, timeout: float = 20, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, **environment},
        check=False,
    )


@contextmanager
def collecting(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`readme-metrics collect`, and the URL that it prints."""
    process = subprocess.Popen(
        [*COMMAND, "collect", "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            yield process, process.stdout.readline().strip().removeprefix("README_METRICS_SERVER=")
        finally:
            process.kill()


def send(url: str, *logs: object) -> int:
    return requests.post(f"{url}/v1/request", json=logs, auth=("key", ""), timeout=10).status_code


def test_usage_errors_exit_with_2() -> None:
    assert run().returncode == 2
    assert run("nonsense").returncode == 2
    assert run("demo", "--workers", "0").returncode == 2


def test_help_names_the_commands() -> None:
    result = run("--help")
    assert result.returncode == 0
    assert "collect" in result.stdout
    assert "demo" in result.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_collect_shows_a_line_per_log_until_it_is_stopped(number: int) -> None:
    with collecting() as (process, url):
        assert send(url, LOG) == 202
        assert process.stdout is not None
        line = process.stdout.readline()
        process.send_signal(number)
        rest, errors = process.communicate(timeout=10)
    assert line == "08:29:15.123 POST   http://localhost/login 201 12 ms Ada 1f0c\n"
    assert rest == "1 logs (1 distinct, 0 duplicates) in 1 POSTs\n"
    assert (process.returncode, errors) == (0, "")


def test_collect_keeps_logs_as_json_lines_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "logs.jsonl"
    with collecting("--jsonl", str(path), "--quiet") as (_, url):
        send(url, LOG, {"_id": "\ud800"})
        send(url, {"_id": "c"})
    assert [json.loads(line) for line in path.read_text().splitlines()] == [LOG, {"_id": "\ud800"}, {"_id": "c"}]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_collect_says_so_when_it_cannot_have_its_port_or_its_file(tmp_path: Path) -> None:
    with collecting() as (_, url):
        taken = run("collect", "--port", url.rpartition(":")[2])
    assert taken.returncode == 1
    assert "in use" in taken.stderr
    unwritable = run("collect", "--port", "0", "--jsonl", str(tmp_path / "no" / "such"))
    assert unwritable.returncode == 1
    assert "no/such" in unwritable.stderr


def test_collect_goes_on_accepting_when_nobody_reads_its_lines() -> None:
    with collecting() as (process, url):
        assert process.stdout is not None
        process.stdout.close()
        assert send(url, LOG) == 202
        assert process.wait(10) == 0


@pytest.mark.parametrize(("host", "warns"), [("127.0.0.1", False), ("0.0.0.0", True)])
def test_collect_warns_beyond_loopback(host: str, warns: bool) -> None:
    with collecting("--host", host) as (process, _):
        process.terminate()
        _, errors = process.communicate(timeout=10)
    assert ("warning" in errors) is warns


def test_redactions_are_found_wherever_they_can_be() -> None:
    assert list(HarView(LOG).redactions()) == [
        Redaction("URL parameter", "token", "[REDACTED 5]"),
        Redaction("request header", "Authorization", "sha512-abc=?beef"),
        Redaction("form field", "password", "[REDACTED 8]"),
        Redaction("response header", "X-Secret", "[REDACTED]"),
        Redaction("response JSON", "session", "[REDACTED 3]"),
    ]


def test_a_log_cannot_steer_the_terminal() -> None:
    assert "\x1b" not in HarView({"_id": "\x1b[2J", "group": {"label": "\x1b]0;x\x07"}}).id


def test_sums_name_every_difference() -> None:
    def count(**changes: object) -> list[str]:
        values = {"requested": 2, "answered": 2, "cut": 0, "announced_ids": {"a", "b"}, "leaked": 0}
        received = {"received": 2, "received_ids": {"a", "b"}}
        return Tally.count(**{**values, **received, **changes}).differences()  # type: ignore[arg-type]

    assert count() == []
    assert count(received=3) == []
    assert count(received_ids={"a"}) == ["1 lost"]
    assert count(announced_ids={"a"}) == ["1 lost", "1 logs of no answered request, 0 attempts were cut"]
    assert count(received_ids={"a", "b", "c"}, cut=1) == []
    assert count(leaked=4) == ["4 secrets leaked"]
    assert count(requested=3) == ["1 not answered"]


def test_canaries_are_found_and_told_apart() -> None:
    canaries = Canaries()
    header, form = canaries.plant("header", 1), canaries.plant("form", 1)
    assert canaries.found_in(f"x{header}&{form};{header}".encode()) == {header.encode(), form.encode()}
    assert Canaries().found_in(header.encode()) == set()


def test_demo_says_what_to_install() -> None:
    hide = (
        "import sys; sys.modules['gunicorn'] = None; from readme_metrics.commands import main; sys.exit(main(['demo']))"
    )
    result = subprocess.run([sys.executable, "-c", hide], capture_output=True, text=True, timeout=20, check=False)
    assert result.returncode == 2
    assert result.stderr == 'readme-metrics demo: gunicorn is missing: pip install "readme-metrics[demo]"\n'


def test_demo_loses_and_leaks_nothing(tmp_path: Path) -> None:
    path = tmp_path / "logs.jsonl"
    result = run("demo", "--json", "--jsonl", str(path), timeout=110, TMPDIR=str(tmp_path))
    sums = json.loads(result.stdout)
    assert (result.returncode, sums["differences"], result.stderr) == (0, [], "")
    assert sums["requested"] == sums["answered"] == sums["distinct"] == 200
    assert (sums["lost"], sums["leaked"], sums["unannounced"]) == (0, 0, 0)
    assert sums["killed_worker"] > 0
    assert len(path.read_text().splitlines()) == sums["received"]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("framework", ["django", "fastapi"])
def test_demo_with_another_framework(tmp_path: Path, framework: str) -> None:
    result = run("demo", "--framework", framework, "--json", "--requests", "60", timeout=110, TMPDIR=str(tmp_path))
    sums = json.loads(result.stdout)
    assert (result.returncode, sums["differences"], result.stderr) == (0, [], "")
    assert (sums["answered"], sums["lost"], sums["duplicates"], sums["leaked"]) == (60, 0, 0, 0)


@pytest.mark.parametrize("lines", [2, 3])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_demo_cleans_up_when_it_is_interrupted(tmp_path: Path, number: int, lines: int) -> None:
    """Interrupted while gunicorn starts, and while traffic goes on after the kill."""
    with subprocess.Popen(
        [*COMMAND, "demo", "--requests", "1000" if lines > 2 else "1000000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    ) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(lines)]
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, "interrupted\n")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(requests.ConnectionError):
        requests.get(said[1].split()[1], timeout=10)
