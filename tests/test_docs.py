"""What the pages in docs/ say is what the code does."""

from __future__ import annotations

import inspect
import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import wsgi
from readme_metrics import MetricsApiConfig, MetricsMiddleware
from readme_metrics.collector import Collector
from readme_metrics.delivery import backoff, delivery
from readme_metrics.delivery.senders import http
from readme_metrics.relay import acl, exposition, layout
from wsgi import call

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [*sorted(DOCS.rglob("*.md")), *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md"))]


def page(name: str) -> str:
    return (DOCS / name).read_text()


def table(text: str, heading: str) -> dict[str, str]:
    """First column -> second column of the table under the header row `heading`."""
    rows = text.partition(f"{heading}\n")[2].splitlines()[1:]
    cells = []
    for row in rows:
        if not row.startswith("|"):
            break
        cells.append([cell.strip() for cell in row.strip("|").split("|")])
    return {row[0]: row[1] for row in cells}


def rust(path: str) -> str:
    return (ROOT / "rust" / path).read_text()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_nothing_is_left_to_fill_in(path: Path) -> None:
    assert not re.findall(r"@[A-Z]+@|TODO|FIXME", path.read_text())


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", path.read_text()):
        name, _, anchor = target.partition("#")
        linked = (path.parent / name).resolve() if name else path
        assert linked.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", linked.read_text(), re.MULTILINE)
            slugs = [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings]
            assert anchor in slugs, target


def test_every_page_is_in_the_index() -> None:
    linked = set(re.findall(r"\]\((\w+\.md)\)", page("README.md")))
    assert linked == {path.name for path in DOCS.glob("*.md")} - {"README.md"}


def test_every_decision_has_its_own_number() -> None:
    index = page("decisions/README.md")
    ranges = re.findall(r"\]\((\w+\.md)\) \| (\d+) to (\d+):", index)
    assert {name for name, _, _ in ranges} == {path.name for path in (DOCS / "decisions").glob("*.md")} - {"README.md"}
    for name, first, last in ranges:
        numbers = re.findall(r"^## (\d+)\. ", page(f"decisions/{name}"), re.MULTILINE)
        assert numbers == [str(number) for number in range(int(first), int(last) + 1)], name


def test_every_term_of_the_glossary_is_listed_once() -> None:
    terms = re.findall(r"^\| ([\w, -]+) \| ", page("glossary.md"), re.MULTILINE)
    terms = [term for term in terms if term not in ("term", "---")]
    assert len(terms) > 25
    assert len(set(terms)) == len(terms)


def test_the_code_of_the_quick_start_is_that_of_the_examples() -> None:
    examples = "".join(path.read_text() for path in (ROOT / "examples").iterdir() if path.is_file())
    blocks = re.findall(r"```python\n(.*?)```", page("quickstart.md").partition("## In your own tests")[0], re.DOTALL)
    assert len(blocks) == 6
    for line in "".join(blocks).splitlines():
        assert line in examples or line.startswith("# "), line
    for name in re.findall(r"\.\./examples/([\w.]+)", page("quickstart.md")):
        assert (ROOT / "examples" / name).exists()


def test_the_test_of_the_quick_start(monkeypatch: pytest.MonkeyPatch) -> None:
    code = re.findall(r"```python\n(.*?)```", page("quickstart.md"), re.DOTALL)[-1]
    made = (
        "from readme_metrics import *; import wsgi; middleware = MetricsMiddleware(wsgi.app,"
        "MetricsApiConfig('k', lambda r: {'api_key': 'a', 'label': 'Jane'})); wsgi.call(middleware)"
    )
    exec(code.replace("...  #", f"{made}  #"), {"monkeypatch": monkeypatch})


# Options


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


# What leaves your server


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


# My logs do not show up


def test_the_messages_are_those_of_the_code() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "python" / "readme_metrics").rglob("*.py"))
    messages = table(page("troubleshooting.md"), "| message | cause and remedy |")
    assert len(messages) > 5
    for message in messages:
        text = message.strip("`")
        reason = re.search(r" \((\w+)\)$", text)
        if reason:
            assert reason[1] in _stats()["dropped"]
            text = text.removesuffix(reason[0])
        assert text in sources, message


def test_the_request_by_hand(collector: Collector) -> None:
    if not shutil.which("curl"):
        pytest.skip("needs curl")
    [command] = re.findall(r"^(curl .*)$", page("troubleshooting.md"), re.MULTILINE)
    command = command.replace("https://metrics.readme.io", collector.url)
    environ = {"README_API_KEY": "rdme_key", "NO_PROXY": "*", "PATH": "/usr/local/bin:/usr/bin:/bin"}
    result = subprocess.run(["/bin/sh", "-c", command], env=environ, capture_output=True, text=True, check=True)
    assert result.stdout == "202\n"


# Operations


def _stats() -> dict[str, Any]:
    middleware = MetricsMiddleware(wsgi.app, MetricsApiConfig("key", wsgi.group))
    call(middleware)
    return middleware.stats()


def test_the_counters_are_those_of_the_code() -> None:
    stats = _stats()
    counters = table(page("operations.md"), "| counter | what it counts |")
    assert {name.strip("`") for name in counters} == set(stats)
    reasons = table(page("operations.md"), "| dropped for | because | what to do |")
    assert [name.strip("`") for name in reasons] == list(stats["dropped"])
    [example] = re.findall(r"```python\n(\{.*?\})\n```", page("troubleshooting.md"), re.DOTALL)
    shown = eval(example.replace("{...}", "{}"), {"PosixPath": Path})
    assert set(shown) == set(stats)
    assert shown["made"] == shown["sent"] + shown["queued"] + shown["sampled"] + sum(shown["dropped"].values())
    assert set(shown["dropped"]) == set(stats["dropped"])


def test_the_answers_are_judged_as_documented() -> None:
    rows = list(table(page("operations.md"), "| the answer | what happens |"))
    for row, outcome in zip(rows, ("SENT", "RETRY", "DENIED", "TOO_LARGE", "REFUSED"), strict=True):
        statuses = [int(status) for status in re.findall(r"\b\d{3}\b", row)]
        statuses += [int(hundred) * 100 + 1 for hundred in re.findall(r"(\d)xx", row) if hundred != "4"]
        for status in statuses or [400, 422]:
            assert http.outcome(status).name == outcome, status
    assert (backoff.FIRST_S, backoff.LONGEST_S, backoff.RETRY_AFTER_LONGEST_S, backoff.DENIED_S) == (0.5, 15, 300, 60)


@pytest.mark.parametrize(("kind", "documented_bytes"), [("GET", 1000), ("POST", 3700)])
def test_the_size_of_a_log(kind: str, documented_bytes: int, logged: Callable[..., Any]) -> None:
    assert "takes 1 KB" in page("operations.md") and "3.7 KB" in page("operations.md")
    middleware, _ = logged(flush_interval=3600, denylist=["x"], buffer_length=1000)
    headers = {f"HTTP_X_HEADER_{number}": "value-of-a-header" for number in range(14 if kind == "POST" else 0)}
    body = json.dumps({"k": "v" * 1000}).encode() if kind == "POST" else b""
    for _ in range(10):
        call(middleware, "/echo" if body else "/", method=kind, body=body, content_type="application/json", **headers)
    queue = middleware._intake.flusher.queue
    assert queue.waiting_bytes / queue.waiting == pytest.approx(documented_bytes, rel=0.1)


def test_the_sizes_of_the_queue_are_those_of_the_code() -> None:
    text = page("operations.md")
    assert "64 KiB when idle" in text and "FIRST_BYTES: u64 = 64 << 10" in rust("queue/growth.rs")
    assert "64 MiB" in text and "BOUND_BYTES: u64 = 64 << 20" in rust("queue/orphans.rs")


def test_the_serverless_configuration(collector: Collector, logged: Callable[..., Any]) -> None:
    [options] = re.findall(r"MetricsApiConfig\(\.\.\., (.*?)\)", page("operations.md"))
    middleware, _ = logged(**eval(f"dict({options})"))
    call(middleware)
    assert len(collector.logs) == 1  # when the call returned


@pytest.mark.parametrize("recipe", [r"ExecStopPost=(readme-metrics .*)", r"\* \* \* \* \* (readme-metrics .*)"])
def test_the_recipes_that_deliver_what_dead_processes_left(recipe: str, collector: Collector) -> None:
    [command] = re.findall(recipe, page("operations.md"))
    program = (
        "import os, wsgi; from readme_metrics import *\n"
        "wsgi.call(MetricsMiddleware(wsgi.app, MetricsApiConfig(wsgi.API_KEY, wsgi.group, 'https://d.example')))\n"
        "os._exit(1)"
    )
    environ = {
        **os.environ,
        "README_METRICS_SERVER": collector.url,
        "README_API_KEY": wsgi.API_KEY,
        "PYTHONPATH": str(Path(__file__).parent),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    subprocess.run([sys.executable, "-c", program], env=environ, check=False, timeout=60)
    assert collector.received == 0
    subprocess.run(["/bin/sh", "-c", command], env=environ, check=True, timeout=60, capture_output=True)
    assert len(collector.logs) == 1


# Relay


def test_the_acl_lines_are_those_of_the_code() -> None:
    lines = [line.strip() for line in page("relay.md").splitlines() if line.strip().startswith("ACL SETUSER")]
    assert lines == [acl.app_acl("app", layout.Keys.of("shop")), acl.relay_acl("relay")]


def test_the_metrics_are_those_of_the_code() -> None:
    documented = table(page("relay.md"), "| metric | what |")
    assert [name.strip("`") for name in documented] == re.findall(r"^# TYPE (\w+)", exposition.text([]), re.MULTILINE)


def test_the_bounds_of_what_was_refused_are_those_of_the_code() -> None:
    assert "newest 1,000, the first 16 KiB" in page("relay.md")
    assert (layout.REFUSED_LOGS, layout.REFUSED_LOG_BYTES) == (1000, 16 * 1024)


# Architecture


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


def test_the_picture_is_well_formed() -> None:
    root = ElementTree.parse(DOCS / "data-path.svg").getroot()
    assert root.tag.endswith("svg") and root.find("{http://www.w3.org/2000/svg}desc") is not None
