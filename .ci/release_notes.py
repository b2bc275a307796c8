"""Prints the section of CHANGELOG.md for a tag, the text of its release.

    python .ci/release_notes.py v4.0.0

Fails unless the tag is the version in Cargo.toml and its section is dated: a tag made too early publishes nothing.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def notes(tag: str, cargo: str, changelog: str) -> str:
    """The text of the section.

    Raises:
        ValueError: The tag, the version and the changelog do not agree; the message says how.
    """
    declared = re.search(r'^version = "([^"]+)"', cargo, re.MULTILINE)
    version = str(declared[1]) if declared else ""
    if tag != f"v{version}":
        raise ValueError(f"the tag is {tag}, Cargo.toml says {version}")
    section = re.search(rf"^## {re.escape(version)} \((.*?)\)\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    if not section:
        raise ValueError(f"CHANGELOG.md has no section {version}")
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", section[1]):
        raise ValueError(f"CHANGELOG.md dates {version} {section[1]!r}, not YYYY-MM-DD")
    return section[2].strip()


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        print(notes(arguments[0], (ROOT / "Cargo.toml").read_text(), (ROOT / "CHANGELOG.md").read_text()))
    except ValueError as error:
        print(f"release_notes: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
