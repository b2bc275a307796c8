"""`MetricsMiddleware`: the WSGI contract, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from readme_metrics._process.import_lock import loading
from readme_metrics.config import MetricsApiConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from readme_metrics._core import Capture
    from readme_metrics.capture.wsgi.types import Environ, StartResponse, WSGIApp


class MetricsMiddleware:
    """Wraps a WSGI app and logs each of its requests to ReadMe.

    Args:
        wsgi_app_reference: The WSGI app to wrap.
        config: What to log and how.

    Raises:
        TypeError: `wsgi_app_reference` cannot be called, or `config` is not a `MetricsApiConfig`.

    Source: PEP 3333. The app's exceptions pass through untouched; an error of the middleware never reaches the app.
    """

    def __init__(self, wsgi_app_reference: WSGIApp, config: MetricsApiConfig) -> None:
        if not callable(wsgi_app_reference):
            raise TypeError(f"wsgi_app_reference takes a WSGI app, got {type(wsgi_app_reference).__name__}")
        if not isinstance(config, MetricsApiConfig):
            raise TypeError(f"config takes a MetricsApiConfig, got {type(config).__name__}")
        # Loaded here rather than with this module, so that importing the package stays cheap, and rather than at the
        # first request, which would take longer.
        with loading():
            from readme_metrics.capture.intake import Intake
            from readme_metrics.capture.wsgi.exchange import begin
            from readme_metrics.capture.wsgi.response_body import watched
            from readme_metrics.capture.wsgi.unparsed_request import unparsed_request

        self.app = wsgi_app_reference
        self.config = config
        self._intake = Intake(config)
        self._begin = begin
        self._watched = watched
        #: Makes the request that the grouping function gets. The Flask extension replaces it.
        self._make_request: Callable[[Environ, Capture], object] = unparsed_request

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        app = self.app
        begin = self._begin
        exchange = begin(self._intake, environ, start_response, self._make_request)
        if exchange is None:
            return app(environ, start_response)
        try:
            iterable = app(environ, exchange.start_response)
        except BaseException as error:
            exchange.failed(error)
            exchange.finish()
            raise
        watched = self._watched  # as `begin`, and not looked up as a method
        return watched(iterable, exchange)

    def flush(self, timeout: float | None = None) -> int:
        """Sends what this process has logged so far, for serverless functions and tests.

        Args:
            timeout: Seconds it may take; None means the config's `shutdown_timeout`.

        Returns:
            How many entries are left. They stay queued and are sent later.
        """
        return self._intake.flush(timeout)

    def stats(self) -> dict[str, object]:
        """What became of the requests of this process and of this host; `made = sent + queued + sampled + sum(dropped)`
        holds for both.

        Returns:
            `made`, `sent`, `queued`, `sampled`, `dropped` by reason, `bodies_dropped`, `retries`, `pid`, and the
            `directory` of the queue. `adopted`: what this process did with logs that dead processes had made. `host`:
            the sums of all processes that ever used the directory, with `last_success`, `last_error`, `last_error_at`
            and `pause_until` (seconds since 1970); None before this process has logged anything.
        """
        return self._intake.stats()

    def metrics_text(self) -> str:
        """The counters of all processes of the host as Prometheus text, to be served by the app; "" before this process
        has logged anything. The times of POSTs are those of this process alone.
        """
        return self._intake.metrics_text()
