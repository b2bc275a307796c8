"""What the server gets in place of the app's iterable: chunks pass unchanged and at once, `close()` logs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from readme_metrics.capture.wsgi_exchange import WsgiExchange


def watched(iterable: Iterable[bytes], exchange: WsgiExchange) -> Iterable[bytes]:
    """What the server gets in place of the app's `iterable`; logs `exchange` at its end."""
    if type(iterable) is list:
        response = ListResponseBody(iterable)
        response.exchange = exchange
        return response
    try:
        # Servers know their own file wrapper by its type or identity and send the file without Python; uWSGI also takes
        # bytes for the whole response. Hands off.
        if exchange.is_server_file(iterable):
            exchange.sent_by_server()
            exchange.finish()
            return iterable
        if isinstance(iterable, bytes):
            exchange.add_response(iterable)
            exchange.finish()
            return iterable
        return (
            SizedResponseBody(iterable, exchange) if hasattr(iterable, "__len__") else ResponseBody(iterable, exchange)
        )
    except Exception as error:
        exchange.lose(error)
        return iterable


class ListResponseBody(list[bytes]):
    """A plain list, as what it is: some servers (granian) send a list in one piece and anything else chunk by chunk.

    Made by `watched`, which sets `exchange`: an `__init__` costs 2,100 instructions per request (3 %).
    """

    __slots__ = ("exchange",)

    exchange: WsgiExchange

    def close(self) -> None:
        exchange = self.exchange
        if not exchange.is_finished:
            exchange.finish(self)

    # A server that drops a response without closing it breaks PEP 3333, and still answered a request.
    __del__ = close


class ResponseBody:
    """Any other iterable, its chunks noted as they pass."""

    def __init__(self, iterable: Iterable[bytes], exchange: WsgiExchange) -> None:
        self._iterable = iterable
        self._exchange = exchange
        self._iterator: Iterator[bytes] | None = None
        self._passed_chunks = 0

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            if self._iterator is None:
                self._iterator = iter(self._iterable)
            chunk = next(self._iterator)
        except StopIteration:
            raise
        except BaseException:
            self._exchange.failed()
            raise
        self._passed_chunks += 1
        if self._passed_chunks == 2 and _are_events(self._exchange.headers):
            # A stream without end, which must not fill its capture first.
            self._exchange.forget_response()
        self._exchange.add_response(chunk)
        return chunk

    def close(self) -> None:
        try:
            close = getattr(self._iterable, "close", None)
            if close is not None:
                close()
        except BaseException:
            if self._iterator is None:  # else the client has had its status
                self._exchange.failed()
            raise
        finally:
            self._exchange.finish()

    def __del__(self) -> None:
        # As above.
        self._exchange.finish()


class SizedResponseBody(ResponseBody):
    """Keeps `len()` where the app's iterable has one: wsgiref derives `Content-Length` from it."""

    def __len__(self) -> int:
        return len(self._iterable)  # type: ignore[arg-type]


def _are_events(headers: Iterable[tuple[str, str]]) -> bool:
    """Whether this is a stream of server-sent events, which is logged without its body."""
    try:
        return any(
            name.lower() == "content-type" and value.lower().startswith("text/event-stream") for name, value in headers
        )
    except Exception:  # malformed headers: the server will refuse them, which is the app's to see
        return False
