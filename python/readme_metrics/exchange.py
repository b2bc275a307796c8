"""`Exchange`: one request and its response, from the call of the app to the `close()` of what it returned."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from readme_metrics.body import Body
from readme_metrics.request_body import RequestBody
from readme_metrics.response_body import ListResponseBody, ResponseBody, SizedResponseBody

if TYPE_CHECKING:
    from readme_metrics.grouping import Group
    from readme_metrics.recorder import Recorder
    from readme_metrics.wsgi_types import Environ, ExcInfo, Headers, StartResponse


class Exchange:
    """One request and its response, from the call of the app to the `close()` of what it returned."""

    __slots__ = (
        "_file_response",
        "_is_finished",
        "_recorder",
        "_server_start_response",
        "_server_write",
        "duration_s",
        "environ",
        "group",
        "headers",
        "is_file",
        "is_identified",
        "log_id",
        "request",
        "response",
        "snapshot",
        "started_monotonic_s",
        "started_unix_s",
        "status",
    )

    def __init__(self, recorder: Recorder, environ: Environ, start_response: StartResponse, max_bytes: int) -> None:
        self.started_unix_s = time.time()
        self.started_monotonic_s = time.monotonic()
        self.duration_s = 0.0
        self._recorder = recorder
        self._server_start_response = start_response
        self._is_finished = False
        self.log_id: str | None = None
        #: What the grouping function said, once it was asked.
        self.group: Group | None = None
        self.is_identified = False
        self.status: str | None = None
        self.headers: Headers = []
        #: The server sends the response from a file by itself: its content is not seen, its size is what the app says.
        self.is_file = False
        self.response = Body(max_bytes)
        # The app may change its environ (mounts move SCRIPT_NAME): a log shows the request as it came. Only the
        # grouping function sees the live one, with what the app has put there.
        self.environ = environ
        self.snapshot = environ.copy()
        stream = environ.get("wsgi.input")
        self.request = RequestBody(stream, max_bytes)
        if stream is not None:
            environ["wsgi.input"] = self.request
        self._file_response: object = None
        file_wrapper = environ.get("wsgi.file_wrapper")
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
        self.response.add(data)
        return result

    def wrap(self, iterable: Iterable[bytes]) -> Iterable[bytes]:
        """What the server gets in place of the app's iterable."""
        try:
            if type(iterable) is list:
                return ListResponseBody(iterable, self)
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
        file_wrapper = self.snapshot.get("wsgi.file_wrapper")
        return isinstance(file_wrapper, type) and isinstance(iterable, file_wrapper)

    def stream_started(self) -> None:
        """Looks, once headers are known, whether this is a stream of server-sent events: logged without its body."""
        try:
            for name, value in self.headers:
                if name.lower() == "content-type" and value.lower().startswith("text/event-stream"):
                    self.response.forget()
        except Exception:  # noqa: S110 - malformed headers: the server will refuse them, which is the app's to see
            pass

    def failed(self) -> None:
        """Notes that the app raised; what the client sees is 500 unless the response had begun."""
        if self.status is None or not self.response.size_bytes:
            self.status = "500 Internal Server Error"

    def finish(self, chunks: Iterable[bytes] = ()) -> None:
        """Logs the exchange, with `chunks` at the end of its response; only the first call counts."""
        if self._is_finished:
            return
        self._is_finished = True
        self.duration_s = time.monotonic() - self.started_monotonic_s
        for chunk in chunks:
            self.response.add(chunk)
        self._recorder.record(self)
        # uWSGI's environ would keep this, and this the environ, until the garbage collector comes.
        self.environ = self.snapshot

    def _lose(self, error: Exception) -> None:
        if not self._is_finished:
            self._is_finished = True
            self._recorder.lose(self, error)
