"""`Exchange`: one request and its response, from the call of the app to the `close()` of what it returned."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from readme_metrics._core import Capture

if TYPE_CHECKING:
    from readme_metrics.capture.intake import Intake
    from readme_metrics.capture.request_body import RequestBody
    from readme_metrics.capture.wsgi_types import Environ, ExcInfo, Headers, StartResponse


class Exchange(Capture):
    """One request and its response, from the call of the app to the `close()` of what it returned.

    Made by `Intake.begin`, which sets what has no default here: an `__init__` would be a call more per request.
    """

    intake: Intake
    server_start_response: StartResponse
    #: The live one, for the grouping function. A log shows the request as it came: the app may change its environ.
    environ: Environ
    #: None before the grouping function was asked.
    is_logged: bool | None
    is_finished: bool
    status: str | None = None
    headers: Headers = []  # noqa: RUF012 - never changed, only replaced
    request_body: RequestBody | None = None
    _file_wrapper: Callable[..., object] | None = None
    _file_response: object = None

    def start_response(self, status: str, headers: Headers, exc_info: ExcInfo | None = None) -> Callable[..., object]:
        intake = self.intake
        try:
            if self.is_logged is None:
                intake.identify(self)
            if self.is_logged:
                base_url = (intake.flusher or intake.join()).docs_url.base_url
                if base_url is not None:
                    headers = self.announced(headers, base_url)
        except Exception as error:
            self.is_logged = False
            intake.lost("internal", error)
        start_response = self.server_start_response
        self._server_write = (
            start_response(status, headers) if exc_info is None else start_response(status, headers, exc_info)
        )
        # Only now: where the server refuses, since its headers are out (PEP 3333), what it has sent stands.
        self.status = status
        self.headers = headers
        return self._write

    def _write(self, data: bytes) -> object:
        result = self._server_write(data)
        self.add_response(data)
        return result

    def watch(self, file_wrapper: Callable[..., object]) -> None:
        """Will know what the server's file wrapper makes of a file."""
        self._file_wrapper = file_wrapper
        if isinstance(file_wrapper, type):
            return

        # uWSGI's file wrapper is a function, and its results have no type to know them by.
        def wrap(*args: Any) -> object:
            self._file_response = file_wrapper(*args)
            return self._file_response

        self.environ["wsgi.file_wrapper"] = wrap

    def is_server_file(self, iterable: object) -> bool:
        """Whether the server's file wrapper made this, which the server sends by itself."""
        if iterable is self._file_response:
            return iterable is not None
        file_wrapper = self._file_wrapper
        return isinstance(file_wrapper, type) and isinstance(iterable, file_wrapper)

    def failed(self) -> None:
        """Notes that the app raised; what the client sees is 500 unless the response had begun."""
        if not self.response_bytes:
            self.status = None

    def finish(self) -> None:
        """Logs the exchange; only the first call counts."""
        if not self.is_finished:
            self.intake.record(self)

    def lose(self, error: Exception) -> None:
        """Counts an exchange that cannot be watched any further."""
        if not self.is_finished:
            self.is_finished = True
            if self.is_logged is not False:
                self.intake.lost("internal", error)
