"""`Exchange`: one request and its response, from the call of the app to the `close()` of what it returned."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from readme_metrics._core import Capture
from readme_metrics.request_body import RequestBody
from readme_metrics.response_body import ListResponseBody, ResponseBody, SizedResponseBody

if TYPE_CHECKING:
    from readme_metrics.grouping import Group
    from readme_metrics.recorder import Recorder
    from readme_metrics.wsgi_types import Environ, ExcInfo, Headers, StartResponse


class Exchange:
    """One request and its response, from the call of the app to the `close()` of what it returned."""

    #: What the grouping function said, once it was asked.
    group: Group | None = None
    is_identified = False
    status: str | None = None
    headers: Headers = []  # noqa: RUF012 - never changed, only replaced
    #: The server sends the response from a file by itself: its content is not seen, its size is what the app says.
    is_file = False
    request_body: RequestBody | None = None
    _is_finished = False
    _file_response: object = None

    def __init__(self, recorder: Recorder, environ: Environ, start_response: StartResponse, max_bytes: int) -> None:
        self._recorder = recorder
        self._server_start_response = start_response
        #: The live one, for the grouping function. A log shows the request as it came: the app may change its environ
        #: (mounts move SCRIPT_NAME).
        self.environ = environ
        self.capture = capture = Capture(environ, max_bytes)
        stream = environ.get("wsgi.input")
        if stream is not None:
            environ["wsgi.input"] = self.request_body = RequestBody(stream, capture)
        self._file_wrapper = file_wrapper = environ.get("wsgi.file_wrapper")
        if file_wrapper is not None and not isinstance(file_wrapper, type):
            environ["wsgi.file_wrapper"] = self._watch(file_wrapper)

    def _watch(self, file_wrapper: Callable[..., object]) -> Callable[..., object]:
        # uWSGI's file wrapper is a function, and its results have no type to know them by.
        def wrap(*args: Any) -> object:
            self._file_response = file_wrapper(*args)
            return self._file_response

        return wrap

    def start_response(self, status: str, headers: Headers, exc_info: ExcInfo | None = None) -> Callable[..., object]:
        headers = self._recorder.response_started(self, headers)
        if exc_info is None:
            self._server_write = self._server_start_response(status, headers)
        else:
            self._server_write = self._server_start_response(status, headers, exc_info)
        # Only now: where the server refuses, since its headers are out (PEP 3333), what it has sent stands.
        self.status = status
        self.headers = headers
        return self._write

    def _write(self, data: bytes) -> object:
        result = self._server_write(data)
        self.capture.add_response(data)
        return result

    def wrap(self, iterable: Iterable[bytes]) -> Iterable[bytes]:
        """What the server gets in place of the app's iterable."""
        try:
            if type(iterable) is list:
                response = ListResponseBody(iterable)
                response.exchange = self
                return response
            # Servers know their own file wrapper by its type or identity and send the file without Python; uWSGI also
            # takes bytes for the whole response. Hands off.
            if self._is_server_file(iterable):
                self.is_file = True
                self.finish()
                return iterable
            if isinstance(iterable, bytes):
                self.finish([iterable])
                return iterable
            return SizedResponseBody(iterable, self) if hasattr(iterable, "__len__") else ResponseBody(iterable, self)
        except Exception as error:
            self._lose(error)
            return iterable

    def _is_server_file(self, iterable: object) -> bool:
        if iterable is self._file_response:
            return iterable is not None
        file_wrapper = self._file_wrapper
        return isinstance(file_wrapper, type) and isinstance(iterable, file_wrapper)

    def stream_started(self) -> None:
        """Looks, once headers are known, whether this is a stream of server-sent events: logged without its body."""
        try:
            for name, value in self.headers:
                if name.lower() == "content-type" and value.lower().startswith("text/event-stream"):
                    self.capture.forget_response()
        except Exception:  # noqa: S110 - malformed headers: the server will refuse them, which is the app's to see
            pass

    def failed(self) -> None:
        """Notes that the app raised; what the client sees is 500 unless the response had begun."""
        if self.status is None or not self.capture.response_bytes:
            self.status = "500 Internal Server Error"

    def finish(self, chunks: list[bytes] | None = None) -> None:
        """Logs the exchange, with `chunks` at the end of its response; only the first call counts."""
        if self._is_finished:
            return
        self._is_finished = True
        self.capture.end(chunks)
        self._recorder.record(self)
        # uWSGI's environ would keep this, and this the environ, until the garbage collector comes.
        del self.environ

    def _lose(self, error: Exception) -> None:
        if not self._is_finished:
            self._is_finished = True
            self._recorder.lose(self, error)
