"""The pages as such: their links, indexes and terms, the quick start's code, the picture."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from doc_pages import DOCS, ROOT, page

PAGES = [*sorted(DOCS.rglob("*.md")), *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md"))]


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


def test_the_picture_is_well_formed() -> None:
    root = ElementTree.parse(DOCS / "data-path.svg").getroot()
    assert root.tag.endswith("svg") and root.find("{http://www.w3.org/2000/svg}desc") is not None
