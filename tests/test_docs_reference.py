"""docs/options.md, docs/data.md, docs/relay.md and docs/architecture.md say what the code does."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import wsgi
from doc_pages import ROOT, page, rust, table
from readme_metrics import MetricsApiConfig, MetricsMiddleware
from readme_metrics.delivery import delivery
from readme_metrics.relay import acl, exposition, layout
from wsgi import call


def test_the_options_are_those_of_the_code() -> None:
    text = page("options.md")
    sections = dict(re.findall(r"^### `(\w+)`\n(.*?)(?:\n\n|\Z)", text, re.MULTILINE | re.DOTALL))
    parameters = inspect.signature(MetricsApiConfig).parameters
    assert set(sections) == set(parameters)
    for name, parameter in parameters.items():
        if parameter.default is parameter.empty:
            assert ", required." in sections[name]
            continue
        found = re.search(r"default (?:`(.*?)`|(\d+ MiB))", sections[name])
        assert found, name
        default = found[1] if found[1] else str(int(found[2].split()[0]) * 2**20)
        assert default == str(parameter.default), name
        types = found.string.partition("`, default")[0].lstrip("`")
        allowed = {
            "bool": "bool",
            "int": "int",
            "float": "float",
            "str": "str",
            "list[str]": "Iterable[str]",
            "list[Rule]": "Iterable[Rule]",
            "Callable": "BeforeSendFunction",
            "Path": "Path",
        }
        documented = {allowed.get(kind, kind) for kind in types.split(" | ")}
        assert documented == set(str(parameter.annotation).split(" | ")), name


def test_the_environment_variables_are_those_of_the_code() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "python" / "readme_metrics").rglob("*.py"))
    assert set(table(page("options.md"), "| variable | what it does |")) == {
        f"`{name}`" for name in re.findall(r'environ\.get\("(README_\w+)"', sources)
    }


def test_the_attributes_exist() -> None:
    config = MetricsApiConfig("key", wsgi.group)
    for name in re.findall(r"`([A-Z_]+)`", page("options.md").partition("## Attributes")[2]):
        assert hasattr(config, name)


def test_batches_are_bounded_as_documented() -> None:
    assert "up to 1,000 logs and 1 MiB" in page("options.md")
    assert (delivery.MAX_BATCH_ENTRIES, delivery.MAX_BATCH_BYTES) == (1000, 2**20)


def test_the_markers_are_those_of_the_code() -> None:
    documented = set(table(page("data.md"), "| marker | what it replaces |"))
    reasons = re.findall(r'Reason::\w+ => "(.*?)"', rust("redact/marker.rs"))
    assert documented == {
        "`[REDACTED n]`",
        "`[REDACTED]`",
        "`[NOT READ n]`",
        *(f"`[WITHHELD n bytes: {reason}]`" for reason in reasons),
        "`[NOT VALID UTF-8]`",
        "`[TOO LARGE FOR THE QUEUE]`",
    }
    assert '"[TOO LARGE FOR THE QUEUE]"' in rust("har/mod.rs")


def test_the_headers_with_urls_are_those_of_the_code() -> None:
    [names] = re.findall(r"URLS: \[&str; \d+\] = \[(.*?)\];", rust("redact/header/mod.rs"), re.DOTALL)
    [row] = re.findall(r"parameters of URLs in the headers (.*?) \|", page("data.md"))
    assert re.findall(r"`(.*?)`", row) == re.findall(r'"(.*?)"', names)


def test_files_and_directory_are_private(tmp_path: Path) -> None:
    middleware = MetricsMiddleware(wsgi.app, MetricsApiConfig("a-secret-key", wsgi.group, denylist=["token"]))
    call(middleware)
    directory = middleware.stats()["directory"]
    assert isinstance(directory, Path)
    assert re.fullmatch(r"readme-metrics-\d+-[0-9a-f]{16}", directory.name)
    assert directory.stat().st_mode & 0o777 == 0o700
    files = list(directory.iterdir())
    assert files
    for file in files:
        assert file.stat().st_mode & 0o777 == 0o600
        content = file.read_bytes()
        # The state file lies beside the segments.
        assert b"[REDACTED 5]" in content or file.name.startswith("state")
        assert b"a-secret-key" not in content and b"t0ken" not in content


def test_the_acl_lines_are_those_of_the_code() -> None:
    lines = [line.strip() for line in page("relay.md").splitlines() if line.strip().startswith("ACL SETUSER")]
    assert lines == [acl.app_acl("app", layout.Keys.of("shop")), acl.relay_acl("relay")]


def test_the_metrics_are_those_of_the_code() -> None:
    documented = table(page("relay.md"), "| metric | what |")
    assert [name.strip("`") for name in documented] == re.findall(r"^# TYPE (\w+)", exposition.text([]), re.MULTILINE)


def test_the_bounds_of_what_was_refused_are_those_of_the_code() -> None:
    assert "newest 1,000, the first 16 KiB" in page("relay.md")
    assert (layout.REFUSED_LOGS, layout.REFUSED_LOG_BYTES) == (1000, 16 * 1024)


def test_the_format_is_that_of_the_code() -> None:
    text, layout = page("architecture.md"), rust("queue/protocol/layout.rs")
    constants = {name: value for name, value in re.findall(r"pub const (\w+): \w+ = (\d+);", layout)}
    assert f"Version {constants['VERSION']}." in text
    rows = table(text, "| offset | bytes | field |")
    assert list(rows) == [
        "0", "8", "12", "16", "24", "32", "40", constants["TAIL_OFFSET"], constants["HEAD_OFFSET"],
        constants["PUSHED_OFFSET"], constants["RELEASED_OFFSET"], constants["IDENTITY_OFFSET"],
        constants["HEADER_BYTES"],
    ]  # fmt: skip
    assert f"multiple of {constants['ALIGNMENT']}" in text
    assert constants["RECORD_HEADER_BYTES"] == "8"


def test_the_sources_named_exist() -> None:
    text = page("architecture.md")
    for name in re.findall(r"`((?:rust|tests)/[\w/.]+)`", text):
        assert (ROOT / name).exists(), name
    for name in re.findall(r"`(\w+\.py)`", text):
        assert (ROOT / "python" / "readme_metrics" / name).exists(), name
