"""What the server gets in place of the app's iterable: chunks pass unchanged and at once, `close()` logs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from readme_metrics.capture.wsgi.iterable_body import stand_in

if TYPE_CHECKING:
    from collections.abc import Iterable

    from readme_metrics.capture.wsgi.exchange import WsgiExchange


def watched(iterable: Iterable[bytes], exchange: WsgiExchange) -> Iterable[bytes]:
    """The object that the server gets in place of the app's `iterable`; its `close()` logs `exchange`."""
    if type(iterable) is list:
        response = ListResponseBody(iterable)
        response.exchange = exchange
        return response
    try:
        if _is_opaque(iterable, exchange):
            return iterable
        return stand_in(iterable, exchange)
    except Exception as error:
        exchange.lose(error)
        return iterable


def _is_opaque(iterable: Any, exchange: WsgiExchange) -> bool:
    """Whether the server must get the very object that the app returned; logs the exchange if so."""
    if exchange.is_server_file(iterable):
        # Servers recognise their own file wrapper by type or identity, and send the file without Python.
        exchange.sent_by_server()
    elif isinstance(iterable, bytes):
        # uWSGI takes bytes for the whole response.
        exchange.add_response(iterable)
    elif _is_already_handled(iterable):
        # The app has answered on the connection itself, for instance as a WebSocket: the answer is not known here.
        exchange.discard()
    elif hasattr(type(iterable), "__iter__") or hasattr(type(iterable), "__getitem__"):
        return False
    exchange.finish()
    return True


def _is_already_handled(iterable: object) -> bool:
    """Whether this is the object by which an app tells gunicorn or eventlet to send nothing."""
    gunicorn = sys.modules.get("gunicorn.workers.base_async")
    if gunicorn is not None and iterable is getattr(gunicorn, "ALREADY_HANDLED", gunicorn):
        return True
    return type(iterable).__name__ == "_AlreadyHandled"  # eventlet.wsgi, which must not be imported to ask


class ListResponseBody(list[bytes]):
    """A list in place of the app's list: some servers (granian) send a list in one piece, anything else chunk by chunk.

    Made by `watched`, which sets `exchange`: an `__init__` costs 2,100 instructions per request (3 %).
    """

    __slots__ = ("exchange",)

    exchange: WsgiExchange

    def close(self) -> None:
        try:
            exchange = self.exchange
        except AttributeError:  # other code has made an object of this type
            return
        if not exchange.is_finished:
            exchange.finish(self)

    # A server that drops a response without closing it breaks PEP 3333, but has answered a request, which is logged.
    __del__ = close

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Copies as a plain list, which is not logged."""
        return list, (list(self),)
