"""The request that the grouping function gets: parsed when it is first looked at."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from werkzeug import Request

if TYPE_CHECKING:
    from readme_metrics._core import Capture
    from readme_metrics.capture.wsgi_types import Environ


class UnparsedRequest(Request):
    """A `werkzeug.Request` over a copy of an exchange's environ, with the body as far as it is captured.

    Method, path, query and host are those that came: frameworks write decoded paths back, mounts take prefixes off. All
    else is the app's as it stands: what the grouping function reads of the body is what the app has read so far.
    Whatever it does to the request cannot disturb the app.

    Many a grouping function answers from elsewhere (the app's own session, a constant), and parsing would be most of
    what it costs. So nothing is copied, joined or parsed before the first look at an attribute: Werkzeug's own
    `__init__` is called then.
    """

    #: None once it is parsed.
    _source: tuple[Environ, Capture] | None = None

    def __init__(self, environ: Environ, capture: Capture) -> None:
        self._source = (environ, capture)

    def __getattr__(self, name: str) -> Any:
        # Only called for what is not there: all that Werkzeug's own __init__ sets, which has not been called.
        source = self._source
        if source is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        live_environ, capture = source
        body = capture.captured_request()
        environ = {**live_environ, "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        capture.restore_target(environ)
        # Not kept: a parsed request is in a cycle with its own environ, and would keep the app's until it is collected.
        del self._source
        already_set = self.__dict__.copy()
        super().__init__(environ)
        self.__dict__.update(already_set)
        return getattr(self, name)
