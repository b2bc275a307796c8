"""The columns of a comparison: which interpreter runs which variant of the app."""

from __future__ import annotations

import argparse
import os
import sys

#: An interpreter, and a variant of `variants.py`.
Column = tuple[str, str]


def columns(description: str | None) -> dict[str, Column]:
    """Bare, floor and ours, and the published SDK where the command line names an interpreter that has it."""
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("--published", metavar="PYTHON", help="an interpreter with readme-metrics 3.4.0")
    published = parser.parse_args().published
    found = {"bare": (sys.executable, "bare"), "floor": (sys.executable, "floor")}
    if published:
        # Not resolved: the link is what makes it the interpreter of its environment.
        found["published"] = (os.path.abspath(published), "sdk")  # noqa: PTH100
    return found | {"ours": (sys.executable, "sdk")}
