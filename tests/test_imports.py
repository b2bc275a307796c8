"""Imports run one way: no module of the package or the core leads back to itself, and none needs the commands."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "python" / "readme_metrics"
CORE = ROOT / "rust"


def is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def run_time_imports(tree: ast.AST) -> list[ast.Import | ast.ImportFrom]:
    """The imports of a module and of its functions, without those for the type checker alone."""
    found: list[ast.Import | ast.ImportFrom] = []
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found.append(node)
        if is_for_types(node):
            continue
        waiting += ast.iter_child_nodes(node)
    return found


def package_graph() -> dict[str, set[str]]:
    """What each module imports from the package. An import of a submodule does not count as one of its package."""
    names = {
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
        for path in PACKAGE.rglob("*.py")
    }
    known = {*names, "readme_metrics._core"}
    graph: dict[str, set[str]] = {}
    for name, path in names.items():
        imported = set()
        for node in run_time_imports(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif node.module:
                inner = {f"{node.module}.{alias.name}" for alias in node.names}
                imported |= inner & known or {node.module}
        graph[name] = (imported & known) - {name}
    return graph


def core_graph() -> dict[str, set[str]]:
    """What each top-level module of the core uses of the others."""
    modules = re.findall(r"^(?:pub )?mod (\w+);", (CORE / "lib.rs").read_text(), re.MULTILINE)
    graph = {}
    for module in modules:
        files = [path for path in (CORE / f"{module}.rs", *(CORE / module).rglob("*.rs")) if path.exists()]
        text = "\n".join(re.sub(r"//.*", "", path.read_text()) for path in files)
        used = set(re.findall(r"\bcrate::(\w+)", text))
        used |= {name for group in re.findall(r"\bcrate::\{([^}]*)\}", text) for name in re.findall(r"\w+", group)}
        graph[module] = (used & set(modules)) - {module}
    return graph


@pytest.mark.parametrize("graph", [package_graph(), core_graph()], ids=["package", "core"])
def test_no_import_leads_back(graph: dict[str, set[str]]) -> None:
    assert len(graph) > 10
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError(" -> ".join(error.args[1])) from None


def test_the_package_is_imported_without_the_commands() -> None:
    code = "import sys, readme_metrics; sys.exit('readme_metrics.commands' in sys.modules or 'requests' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env=dict(os.environ), check=False).returncode == 0
