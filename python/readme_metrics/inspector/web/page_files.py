"""The files that make up the page, as answers to a browser."""

from __future__ import annotations

from http import HTTPStatus
from importlib.resources import files

from readme_metrics.collector.post import Answer, Refused

_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_NAMES = frozenset(
    [
        "index.html",
        "app.css",
        "icon.svg",
        "app.js",
        "connection.js",
        "list.js",
        "detail.js",
        "body.js",
        "numbers.js",
        "trial.js",
        "dom.js",
    ]
)
_LOCKED_OUT = """<!doctype html><html lang="en"><meta charset="utf-8"><title>readme-metrics inspect</title>
<h1>This page needs its token</h1><p>Open the address that <code>readme-metrics inspect</code> has printed. If you have
already done so in this browser, <a href="{}">continue</a>.</p></html>
"""


def file(path: str) -> Answer:
    """The file at the URL's `path`. Only the names that are listed here are looked for.

    Raises:
        Refused: The page has no such file.
    """
    name = "index.html" if path == "/" else path.removeprefix("/")
    if name not in _NAMES:
        raise Refused(HTTPStatus.NOT_FOUND, "there is nothing here")
    kind = _TYPES[name.rpartition(".")[2]]
    content = (files("readme_metrics.inspector") / "page" / name).read_bytes()
    return Answer(HTTPStatus.OK, {"Content-Type": f"{kind}; charset=utf-8"}, content)


def token_is_missing(status: int, link: str) -> Answer:
    """What a browser without the cookie gets: where the token is, and a `link` for one that sends the cookie next."""
    content = _LOCKED_OUT.format(link).encode()
    return Answer(status, {"Content-Type": "text/html; charset=utf-8"}, content)
