"""Watches a response of Django: its end, and the pieces of a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from readme_metrics.capture.django.exchange import DjangoExchange


class Closer:
    """Finishes an exchange when its response is closed, or is deleted without having been closed."""

    def __init__(self, exchange: DjangoExchange) -> None:
        self._exchange = exchange

    def __call__(self) -> None:
        self._exchange.finish()

    # A response that nobody closes has been made all the same (Django's own, if the client is gone).
    __del__ = __call__

    def __reduce__(self) -> tuple[Callable[[], object], tuple[()]]:
        """A copy of the response, for instance out of a cache, is not the logged one: its closer does nothing."""
        return _nothing, ()


def _nothing() -> Callable[[], None]:
    return _do_nothing


def _do_nothing() -> None:
    """The closer of a response that came out of a cache."""


class Pieces:
    """In place of the iterator of a `StreamingHttpResponse`: its pieces as they are, noted as they pass."""

    def __init__(self, response: Any, exchange: DjangoExchange) -> None:
        self._iterator: Iterator[Any] = response._iterator
        self._make_bytes: Callable[[Any], bytes] = response.make_bytes
        self._exchange = exchange

    def __iter__(self) -> Pieces:
        return self

    def __next__(self) -> Any:
        piece = next(self._iterator)
        _note(self._exchange, self._make_bytes, piece)
        return piece


class AsyncPieces:
    """As `Pieces`, for an async iterator."""

    def __init__(self, response: Any, exchange: DjangoExchange) -> None:
        self._iterator: AsyncIterator[Any] = response._iterator
        self._make_bytes: Callable[[Any], bytes] = response.make_bytes
        self._exchange = exchange

    def __aiter__(self) -> AsyncPieces:
        return self

    async def __anext__(self) -> Any:
        piece = await self._iterator.__anext__()
        _note(self._exchange, self._make_bytes, piece)
        return piece


def _note(exchange: DjangoExchange, make_bytes: Callable[[Any], bytes], piece: Any) -> None:
    try:
        exchange.add_response(piece if isinstance(piece, bytes) else make_bytes(piece))
    except Exception as error:
        exchange.lose(error)
