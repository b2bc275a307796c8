"""What turns sending off: a dry run, and no logging at all."""

from __future__ import annotations

import json
import logging
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import wsgi
from readme_metrics.collector import Answer, Collector, Post
from test_delivery import BY_HAND, Logged, log, number
from wsgi import call


@pytest.mark.parametrize("how", ["option", "1", "file"])
def test_a_dry_run_shows_and_sends_nothing(
    collector: Collector,
    logged: Logged,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    how: str,
) -> None:
    file = tmp_path / "logs.jsonl"
    if how != "option":
        monkeypatch.setenv("README_METRICS_DRY_RUN", str(file) if how == "file" else how)
    middleware, _ = logged(denylist=["token"], **BY_HAND, **({"dry_run": True} if how == "option" else {}))
    with caplog.at_level(logging.INFO, "readme_metrics"):
        log(middleware, 2)
        assert middleware.flush(10) == 0
    lines = file.read_text().splitlines() if how == "file" else [r.getMessage() for r in caplog.records]
    if how != "file":
        lines = [line for line in lines if line.startswith("Dry run: ")]
    logs = [json.loads(line.removeprefix("Dry run: ")) for line in lines]
    assert [number(entry) for entry in logs] == [0, 1]
    assert "[REDACTED 5]" in lines[0]
    assert collector.posts == []
    assert collector.lookups == 0


def test_disabled_means_nothing_at_all(
    collector: Collector, logged: Logged, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("README_METRICS_DISABLED", "1")
    seen = []

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        seen.append(environ)
        return wsgi.app(environ, start_response)

    threads = threading.active_count()
    middleware, _ = logged(app=app, buffer_length=1)
    assert call(middleware).header("x-documentation-url") is None
    assert "Exchange" not in repr(seen[0]["wsgi.input"])
    assert threading.active_count() <= threads  # threads of earlier tests may end
    assert (list(tmp_path.iterdir()), middleware.flush()) == ([], 0)


@pytest.mark.parametrize("mode", [0o644, 0o664, 0o666, 0o600])
def test_a_dry_run_file_that_others_may_read_is_narrowed(logged: Logged, tmp_path: Path, mode: int) -> None:
    file = tmp_path / "logs.jsonl"
    file.touch()
    file.chmod(mode)
    middleware, _ = logged(dry_run=file, **BY_HAND)
    log(middleware, 2)
    assert middleware.flush(10) == 0
    assert len(file.read_text().splitlines()) == 2
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("kind", ["symbolic link", "dangling link", "hard link", "FIFO", "directory"])
def test_a_dry_run_file_that_is_no_file_of_ours_is_refused(
    logged: Logged, tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    file, target = tmp_path / "logs.jsonl", tmp_path / "target"
    if kind != "dangling link":
        target.touch()
    if kind in ("symbolic link", "dangling link"):
        file.symlink_to(target)
    elif kind == "hard link":
        file.hardlink_to(target)
    elif kind == "FIFO":
        os.mkfifo(file)
    else:
        file.mkdir()
    middleware, _ = logged(dry_run=file, **BY_HAND)
    log(middleware, 1)
    assert middleware.flush(10) == 1, "kept while there is room"
    assert not target.exists() or target.read_bytes() == b""
    assert "Logs are kept" in caplog.text or "will retry" in caplog.text


def test_a_request_that_sends_takes_what_came_meanwhile(collector: Collector, logged: Logged) -> None:
    """Without a thread of ours, nothing else would send it: the next request may never come."""
    is_sending, may_go_on = threading.Event(), threading.Event()

    def answer(post: Post) -> Answer:
        is_sending.set()
        may_go_on.wait(30)
        return Answer()

    collector.answer = answer
    middleware, _ = logged(background_worker_mode=False, buffer_length=1, timeout=30)
    first = threading.Thread(target=call, args=(middleware,))
    first.start()
    assert is_sending.wait(30)
    call(middleware)  # finds the other request sending
    may_go_on.set()
    first.join(30)
    assert len(collector.logs) == 2 and middleware.stats()["queued"] == 0
