"""`ReadMeMetrics`: the Flask extension, by its published name."""

from __future__ import annotations

from typing import TYPE_CHECKING

try:
    import flask  # noqa: F401
except ImportError as error:
    message = 'readme_metrics.flask_readme needs Flask: pip install "readme-metrics[Flask]"'
    raise ImportError(message) from error

from readme_metrics._process.import_lock import loading
from readme_metrics.config import MetricsApiConfig
from readme_metrics.middleware import MetricsMiddleware

if TYPE_CHECKING:
    from flask import Flask


class ReadMeMetrics:
    """Logs each request of a Flask app to ReadMe: `ReadMeMetrics(config, app)`, or `init_app(app)` later.

    Args:
        config: What to log and how. The grouping function gets `flask.request`, and can use `g`, `session` and
            `request.url_rule`.
        app: The app to log; None for an app factory, which calls `init_app`.

    Raises:
        TypeError: `config` is not a `MetricsApiConfig`.
        ValueError: `app` is given, and the grouping function cannot be imported from its dotted path.

    The extension wraps `app.wsgi_app`, so it sees what the client sees. Streams and files pass as they come, and the
    view finds the request's body unread.
    """

    def __init__(self, config: MetricsApiConfig, app: Flask | None = None) -> None:
        if not isinstance(config, MetricsApiConfig):
            raise TypeError(f"config takes a MetricsApiConfig, got {type(config).__name__}")
        self.config = config
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Logs `app` from now on. Any number of apps may share an extension.

        Raises:
            ValueError: The grouping function cannot be imported from its dotted path.
        """
        with loading():
            from readme_metrics.capture.wsgi.flask_request import flask_request, identify_before_the_end

        middleware = MetricsMiddleware(app.wsgi_app, self.config)
        middleware._make_request = flask_request
        app.wsgi_app = middleware  # type: ignore[method-assign]
        app.teardown_request(identify_before_the_end)
