"""The request that the grouping function gets under Flask: `flask.request`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import flask

from readme_metrics.capture import nesting

if TYPE_CHECKING:
    from readme_metrics._core import Capture
    from readme_metrics.capture.exchange import Exchange
    from readme_metrics.capture.wsgi.types import Environ


def flask_request(environ: Environ, capture: Capture) -> flask.Request:  # noqa: ARG001 - as all that make requests
    """Flask calls `start_response` inside its request context: `flask.request`, `g` and `session` are alive there."""
    return flask.request


def identify_before_the_end(error: BaseException | None) -> None:
    """Calls the grouping function at the end of a request context in which no response has started because of an error.

    Flask calls this at the end of each request context (`teardown_request`), while `flask.request` can be used.
    """
    if error is not None:
        exchanges: tuple[Exchange, ...] = flask.request.environ.get(nesting.KEY, ())
        for exchange in exchanges:
            if exchange.is_logged is None and exchange.make_request is flask_request:
                exchange.end()
                exchange.decide_at_the_end()
                if exchange.is_logged is None:
                    exchange.grouping.identify(exchange)
