"""The request that the grouping function gets: parsed when it is first looked at."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from readme_metrics.late import loading

if TYPE_CHECKING:
    from werkzeug import Request

    from readme_metrics._core import Capture
    from readme_metrics.wsgi_types import Environ


@functools.cache
def request_type() -> Callable[[Environ, Capture], Request]:
    """A subclass of `werkzeug.Request` over a copy of an environ, with the body as far as it is captured.

    Many a grouping function answers from elsewhere (the app's own session, a constant), and parsing would be most of
    what it costs. So nothing is copied, joined or parsed before the first look at an attribute.
    """
    with loading():  # not at import: Werkzeug is the heavier half of this package's import time
        from werkzeug import Request

    class UnparsedRequest(Request):
        def __init__(self, environ: Environ, capture: Capture) -> None:
            self._unparsed: tuple[Environ, Capture] | None = (environ, capture)

        def __getattr__(self, name: str) -> Any:
            # Only called for what is not there: all that Werkzeug's own __init__ sets, until it has run.
            unparsed = self.__dict__.get("_unparsed")
            if unparsed is None:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            self._unparsed = None
            environ, capture = unparsed
            body = capture.request_body()
            already_set = self.__dict__.copy()
            super().__init__({**environ, "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))})
            self.__dict__.update(already_set)
            return getattr(self, name)

    return UnparsedRequest
