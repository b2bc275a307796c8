"""`MetricsMiddleware` for ASGI apps: Starlette, FastAPI, Litestar, Quart, Django's ASGI handler, a plain callable."""

from __future__ import annotations

from typing import TYPE_CHECKING

from readme_metrics._process import asgi_server
from readme_metrics._process.import_lock import loading
from readme_metrics.config import MetricsApiConfig

if TYPE_CHECKING:
    from readme_metrics.capture.asgi.types import ASGIApp, Receive, Scope, Send


class MetricsMiddleware:
    """Wraps an ASGI app and logs each of its HTTP requests to ReadMe.

    Args:
        app: The ASGI app to wrap (ASGI 3.0: `await app(scope, receive, send)`).
        config: What to log and how. The grouping function gets a `starlette.requests.Request` where Starlette is
            installed, else an object with `headers`, `method`, `url`, `query_params`, `path_params`, `state`, `client`
            and `scope`. It may be async.

    Raises:
        TypeError: `app` cannot be called, or `config` is not a `MetricsApiConfig`.
        ValueError: The grouping function cannot be imported from its dotted path.

    As the outermost middleware (`app = MetricsMiddleware(app, config)`) it sees what the client sees, the 500 of an
    exception included; `app.add_middleware(MetricsMiddleware, config=config)` works too. Lifespan and WebSocket
    messages pass untouched.

    Source: ASGI 3.0. The app's exceptions pass through untouched; an error of the middleware never reaches the app.
    """

    def __init__(self, app: ASGIApp, config: MetricsApiConfig) -> None:
        if not callable(app):
            raise TypeError(f"app takes an ASGI app, got {type(app).__name__}")
        if not isinstance(config, MetricsApiConfig):
            raise TypeError(f"config takes a MetricsApiConfig, got {type(config).__name__}")
        # Loaded here rather than with this module, so that importing the package stays cheap, and rather than at the
        # first request, which would take longer.
        with loading():
            from readme_metrics.capture.asgi.exchange import begin
            from readme_metrics.capture.intake import Intake

        self.app = app
        self.config = config
        self._intake = Intake(config, is_async=True)
        self._begin = begin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self.app
        kind = scope["type"]
        if kind != "http":
            if kind == "lifespan":
                return await asgi_server.lifespan(app, scope, receive, send, self._intake.drain)
            return await app(scope, receive, send)
        begin = self._begin
        exchange = begin(self._intake, scope, receive, send)
        if exchange is None:
            return await app(scope, receive, send)
        try:
            await app(scope, exchange.receive, exchange.send)
        except BaseException as error:
            await exchange.ended(error)
            raise
        await exchange.ended(None)
        return None

    def flush(self, timeout: float | None = None) -> int:
        """Sends what this process has logged so far, for serverless functions and tests. The call waits for the server:
        make it from a thread, not on the event loop.

        Args:
            timeout: Seconds it may take; None means the config's `shutdown_timeout`.

        Returns:
            How many entries are left. They stay queued and are sent later.
        """
        return self._intake.flush(timeout)

    def stats(self) -> dict[str, object]:
        """What became of the requests of this process and of this host; see `middleware.MetricsMiddleware.stats`."""
        return self._intake.stats()

    def metrics_text(self) -> str:
        """The counters of the host as Prometheus text; see `middleware.MetricsMiddleware.metrics_text`."""
        return self._intake.metrics_text()
