"""The compiled core and the reference redact as the case files say, which the Rust tests read too."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from redaction_engines import Case, by_extension, by_reference, to_bytes


def cases() -> list[Any]:
    found = []
    for path in sorted((Path(__file__).parent / "cases").glob("*.json")):
        for case in json.loads(path.read_text()):
            made = {key: to_bytes(value) if key in ("query", "body") else value for key, value in case.items()}
            found.append(pytest.param(made, id=f"{path.stem}: {case['case']}"))
    return found


def expected(case: Case) -> Any:
    source = case["expect"]
    is_params = isinstance(source, list) and all(isinstance(item, list) for item in source)
    return source if is_params else to_bytes(source).decode()


@pytest.mark.parametrize("case", cases())
@pytest.mark.parametrize("engine", [by_reference, by_extension])
def test_case(engine: Callable[[Case], Any], case: Case) -> None:
    if engine is by_extension and case["call"] == "request_body" and not case["body"]:
        assert engine(case) == ""  # a request without a body has no postData
    else:
        assert engine(case) == expected(case)
