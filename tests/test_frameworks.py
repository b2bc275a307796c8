"""The same app in each framework: the same bytes with and without the middleware, and one log for each request."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from apps.frameworks import FRAMEWORKS, REQUESTS, answer
from test_capture import entry
from wsgi import FILE, Response

Logged = Callable[..., Any]


@pytest.mark.filterwarnings("ignore:'cgi' is deprecated:DeprecationWarning")  # WebOb, below Pyramid
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_same_bytes_and_one_log_each(logged: Logged, framework: str) -> None:
    app = FRAMEWORKS[framework]()
    middleware, logs = logged(app=app)
    paths = [path for path in REQUESTS if (framework, path) != ("plain", "/missing")]
    answers: dict[str, Any] = {}
    for path in paths:
        answers[path] = bare = answer(app, path)
        wrapped = answer(middleware, path)
        if isinstance(bare, Response):
            assert isinstance(wrapped, Response)
            assert (wrapped.status, wrapped.body) == (bare.status, bare.body), path
            added = [header for header in wrapped.headers if undated(header) not in map(undated, bare.headers)]
            assert [name for name, _ in added] == ["x-documentation-url"], path
            assert [undated(header) for header in wrapped.headers if header not in added] == [
                *map(undated, bare.headers)
            ]
        else:
            assert wrapped is bare is ZeroDivisionError
    assert answers["/upload"].body == bytes(range(256)) * 8
    assert answers["/stream"].body == b"piece 0\npiece 1\npiece 2\n"
    assert answers["/file"].body == FILE.read_bytes()

    by_path = {re.sub(r".*/", "/", entry(log)["request"]["url"]): entry(log) for log in logs(len(paths))}
    assert by_path.keys() == set(paths)
    for path, har in by_path.items():
        bare = answers[path]
        assert har["response"]["status"] == (int(bare.status[:3]) if isinstance(bare, Response) else 500)
    [param] = by_path["/upload"]["request"]["postData"]["params"]
    assert (param["name"], param["fileName"], param["contentType"]) == ("file", "a.bin", "application/octet-stream")
    assert by_path["/echo"]["request"]["postData"]["text"] == '{"a": [1, 2]}'
    assert by_path["/file"]["response"]["content"].keys() == {"size", "mimeType"}


def undated(header: tuple[str, str]) -> tuple[str, str]:
    name, value = header
    return name, "" if name.lower() == "date" else value
