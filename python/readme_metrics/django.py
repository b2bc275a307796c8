"""`MetricsMiddleware` for Django's `MIDDLEWARE`, by its published name; sync and async."""

from __future__ import annotations

from typing import TYPE_CHECKING

try:
    from asgiref.sync import iscoroutinefunction, markcoroutinefunction
    from django.conf import settings
except ImportError as error:
    message = 'readme_metrics.django needs Django: pip install "readme-metrics[Django]"'
    raise ImportError(message) from error

from readme_metrics._process.import_lock import loading
from readme_metrics.config import MetricsApiConfig

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from django.http import HttpRequest, HttpResponseBase


class MetricsMiddleware:
    """Logs each request of a Django project to ReadMe.

    In the settings, add `"readme_metrics.django.MetricsMiddleware"` to `MIDDLEWARE`, preferably as the first entry,
    since the middleware logs what passes it, and set `README_METRICS_CONFIG = MetricsApiConfig(...)`.

    Args:
        get_response: The next middleware or the view, from Django.
        config: What to log and how; None takes `README_METRICS_CONFIG` from the settings. The grouping function gets
            the `HttpRequest` after the view has run, with `request.user`. In an async chain it may be async; a function
            that is not async may still use the database.

    Raises:
        AttributeError: There is no `config`, and no `README_METRICS_CONFIG` in the settings.
        TypeError: The configuration is not a `MetricsApiConfig`.
        ValueError: The grouping function cannot be imported from its dotted path.

    `request.body`, uploads, streams and files behave as without the middleware. Exceptions pass through untouched.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any], config: MetricsApiConfig | None = None) -> None:
        config = settings.README_METRICS_CONFIG if config is None else config
        if not isinstance(config, MetricsApiConfig):
            raise TypeError(f"README_METRICS_CONFIG takes a MetricsApiConfig, got {type(config).__name__}")
        with loading():
            from readme_metrics.capture.asgi.grouping import identify, identify_at_the_end
            from readme_metrics.capture.django.exchange import begin
            from readme_metrics.capture.intake import Intake

        self.get_response = get_response
        self.config = config
        self._is_async = iscoroutinefunction(get_response)
        self._intake = Intake(config, is_async=self._is_async)
        self._begin = begin
        self._identify = identify
        self._identify_at_the_end = identify_at_the_end
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self._is_async:
            return self._call_async(request)
        exchange = self._begin(self._intake, request)
        if exchange is None:
            return self.get_response(request)
        try:
            response: HttpResponseBase = self.get_response(request)
        except BaseException:
            exchange.finish()
            raise
        if exchange.start(response):
            exchange.grouping.identify(exchange)
        exchange.respond(response)
        return response

    async def _call_async(self, request: HttpRequest) -> HttpResponseBase:
        exchange = self._begin(self._intake, request)
        if exchange is None:
            return await self.get_response(request)
        try:
            response: HttpResponseBase = await self.get_response(request)
        except BaseException as error:
            await self._identify_at_the_end(exchange, error)
            exchange.finish()
            raise
        if exchange.start(response):
            await self._identify(exchange)
        exchange.respond(response)
        return response

    def flush(self, timeout: float | None = None) -> int:
        """Sends what this process has logged so far; see `middleware.MetricsMiddleware.flush`."""
        return self._intake.flush(timeout)

    def stats(self) -> dict[str, object]:
        """What became of the requests of this process and of this host; see `middleware.MetricsMiddleware.stats`."""
        return self._intake.stats()

    def metrics_text(self) -> str:
        """The counters of the host as Prometheus text; see `middleware.MetricsMiddleware.metrics_text`."""
        return self._intake.metrics_text()
