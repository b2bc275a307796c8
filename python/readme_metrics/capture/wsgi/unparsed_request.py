"""The request that the grouping function gets, parsed when one of its attributes is first read."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from werkzeug import Request

if TYPE_CHECKING:
    from readme_metrics._core import Capture
    from readme_metrics.capture.wsgi.types import Environ


def unparsed_request(environ: Environ, capture: Capture) -> UnparsedRequest:
    """The request of an exchange, from its environ and what is captured of its body."""
    request: UnparsedRequest = UnparsedRequest()
    request._source = (environ, capture)
    return request


class UnparsedRequest(Request):
    """A `werkzeug.Request` over a copy of an exchange's environ, with the body as far as it is captured.

    Method, path, query and host are those that the client sent, since frameworks write decoded paths back and mounts
    remove prefixes. Everything else is the app's current environ, and the body is what the app has read so far. Nothing
    that the grouping function does to the request affects the app.

    Many grouping functions do not need the request (they use the app's own session, or a constant), and parsing would
    be most of their cost. So nothing is copied, joined or parsed before an attribute is read; only then Werkzeug's own
    `__init__` is called.
    """

    #: What the request is made from; None once it is parsed.
    _source: tuple[Environ, Capture] | None = None
    #: In place of Werkzeug's, which parses. One in Python would be one more call in each request.
    __init__ = object.__init__

    def __getattr__(self, name: str) -> Any:
        # Called only for missing attributes: those that Werkzeug's own __init__ sets, which has not been called yet.
        source = self._source
        if source is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        live_environ, capture = source
        body = capture.captured_request()
        environ = {**live_environ, "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        capture.restore_target(environ)
        # Deleted, since a parsed request is in a cycle with its environ and would keep the app's environ alive.
        del self._source
        already_set = self.__dict__.copy()
        super().__init__(environ)
        self.__dict__.update(already_set)
        return getattr(self, name)
