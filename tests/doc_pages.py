"""The pages in docs/, as the tests read them."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"


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
