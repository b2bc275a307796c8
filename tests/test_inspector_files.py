"""The files that the inspector shows: JSON lines, and HAR."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from inspector_logs import lines, log
from readme_metrics.inspector.logs import har
from readme_metrics.inspector.logs.sources import JSONLines
from readme_metrics.inspector.logs.summary import summarize


def test_a_file_of_lines_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "logs.jsonl"
    path.write_text(lines([log(log_id="1")]) + '{"_id": "2", "half')
    with JSONLines(path) as source:
        assert [found["_id"] for found in source.new()] == ["1"]
        with path.open("a") as file:
            file.write('": 1}\nnonsense\n[]\n{"no": "id"}\n')
        assert [found["_id"] for found in source.new()] == ["2", "line-5"]
        assert source.unreadable == 2
        path.write_text(lines([log(log_id="3")]))  # truncated and written again
        assert [found["_id"] for found in source.new()] == ["3"]
        path.rename(tmp_path / "logs.1")
        assert source.new() == []
        path.write_text(lines([log(log_id="4")]).rstrip())  # rotated; the last line has no line end
        assert [found["_id"] for found in source.new()] == ["4"]


def test_logs_survive_the_way_through_a_har_file(tmp_path: Path) -> None:
    path = tmp_path / "file.har"
    path.write_text(json.dumps(har.har([log("/a"), log("/b")])))
    assert [summarize(found)["path"] for found in har.logs_of(path)] == ["/a", "/b"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"log": {"entries": 5}}', "[" * 100_000])
def test_a_file_that_is_no_har_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "file.har").write_text(text)
    with pytest.raises(ValueError, match=r".+"):
        list(har.logs_of(tmp_path / "file.har"))
