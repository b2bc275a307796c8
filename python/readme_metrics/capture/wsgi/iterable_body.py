"""`ResponseBody`: stands in for an iterable that the app returns, and has the special methods of its type."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast
from weakref import finalize, ref

if TYPE_CHECKING:
    from readme_metrics.capture.wsgi.exchange import WsgiExchange


def stand_in(iterable: Iterable[bytes], exchange: WsgiExchange) -> ResponseBody:
    """A stand-in for `iterable`, whose `close()` logs `exchange`."""
    kind = type(iterable)
    return (STAND_INS.get(id(kind)) or _class_for(kind))(iterable, exchange)


class ResponseBody:
    """An iterable in place of the app's, which notes the chunks as they pass and has all methods of the app's object.

    `stand_in` makes a subclass with the special methods of the app's object, because Python looks these up on types.

    Args:
        iterable: The app's object.
        exchange: Is given each chunk once, however often the server iterates.
    """

    def __init__(self, iterable: Any, exchange: WsgiExchange) -> None:
        self._iterable = iterable
        self._exchange = exchange
        self._noted_chunks = 0
        self._is_begun = False
        #: The progress of the latest iterator; None if the app's object is its own iterator.
        self._progress: _Progress | None = None

    def __iter__(self) -> Iterator[bytes]:
        try:
            chunks = iter(self._iterable)
        except BaseException as error:
            self._exchange.failed(error)
            raise
        # An object that is its own iterator has a `__next__`, and so has its stand-in.
        if chunks is self._iterable:
            return cast("Iterator[bytes]", self)
        # Some objects return the same iterator each time, which continues where it stopped.
        if self._progress is None or not self._progress.is_of(chunks):
            self._progress = _Progress(chunks)
        return self._progress.stand_in(self, chunks)

    def next_of(self, chunks: Iterator[bytes], number: int | None = None) -> bytes:
        """The next chunk, noted unless an earlier pass has noted it: some servers measure a result, then send it.

        Args:
            chunks: The iterator that gives the chunk.
            number: The chunk's number, from 0; None if the chunks can be iterated only once.
        """
        self._is_begun = True
        try:
            chunk = next(chunks)
        except StopIteration:
            raise
        except BaseException as error:
            self._exchange.failed(error)
            raise
        if number is None or number >= self._noted_chunks:
            self._note(chunk)
        return chunk

    def _note(self, chunk: bytes) -> None:
        self._noted_chunks += 1
        if self._noted_chunks == 2 and _are_events(self._exchange.headers):
            # A stream of events may have no end, and is logged without its body: no bytes of it are kept.
            self._exchange.forget_response()
        self._exchange.add_response(chunk)

    def close(self) -> None:
        try:
            close = getattr(self._iterable, "close", None)
            if close is not None:
                close()
        except BaseException as error:
            if not self._is_begun:  # otherwise the client has received the status
                self._exchange.failed(error)
            raise
        finally:
            self._exchange.finish()

    def __del__(self) -> None:
        # A server that drops a response without closing it breaks PEP 3333, but has answered a request: log it.
        self._exchange.finish()

    def __getattr__(self, name: str) -> Any:
        if name == "_iterable":  # not set yet
            raise AttributeError(name)
        return getattr(self._iterable, name)

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """The type of the app's object, for `isinstance`."""
        kind: type = self._iterable.__class__
        return kind


class _Progress:
    """How many chunks one iterator of the app's has given."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        try:
            # A weak reference: a generator that the server abandons ends at once, before the response is closed.
            self._chunks: Callable[[], object] = ref(chunks)
        except TypeError:
            self._chunks = lambda: chunks
        self._pass: Callable[[], _Pass | None] = lambda: None
        self.next_number = 0

    def is_of(self, chunks: Iterator[bytes]) -> bool:
        return self._chunks() is chunks

    def stand_in(self, body: ResponseBody, chunks: Iterator[bytes]) -> _Pass:
        """The stand-in for `chunks`: the same object as long as it lives."""
        latest = self._pass()
        if latest is None:
            latest = _Pass(body, chunks, self)
            self._pass = ref(latest)
        return latest


class _Pass:
    """One pass over the chunks of an object that is not its own iterator."""

    def __init__(self, body: ResponseBody, chunks: Iterator[bytes], progress: _Progress) -> None:
        self._body = body  # so that the response is not logged before the pass is over
        self._chunks = chunks
        self._progress = progress

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        progress = self._progress
        chunk = self._body.next_of(self._chunks, progress.next_number)
        progress.next_number += 1
        return chunk


def _next(self: ResponseBody) -> bytes:
    return self.next_of(self._iterable)


def _passed_on(name: str) -> Any:
    gives_itself = name == "__enter__" or name.startswith("__i")  # `with`, and operators like `+=`

    def method(self: ResponseBody, *args: Any, **options: Any) -> Any:
        result = getattr(self._iterable, name)(*args, **options)
        return self if gives_itself and result is self._iterable else result

    method.__name__ = name
    return method


#: Special methods that the stand-in does not take over from the app's object.
ITS_OWN = {"__new__", "__init__", "__del__", "__iter__", "__class__", "__class_getitem__", "__init_subclass__"}
ITS_OWN |= {"__getattribute__", "__getattr__", "__setattr__", "__delattr__", "__subclasshook__", "__set_name__"}
ITS_OWN |= {"__annotate__", "__annotate_func__", "__release_buffer__"}

#: The stand-in's class for each type of object that an app returns, by the type's `id`; removed with the type.
STAND_INS: dict[int, type[ResponseBody]] = {}


def _class_for(kind: type) -> type[ResponseBody]:
    """The subclass of `ResponseBody` that has the special methods of `kind`."""
    methods: dict[str, bool] = {}
    for ancestor in reversed(kind.__mro__):
        for name, attribute in vars(ancestor).items():
            if name.startswith("__") and name.endswith("__") and name not in ITS_OWN:
                if callable(attribute) or isinstance(attribute, (classmethod, staticmethod)):
                    methods[name] = True
                elif attribute is None:  # for instance `__hash__` of an object that cannot be hashed
                    methods[name] = False
    made = _body_class(frozenset(methods.items()))
    STAND_INS[id(kind)] = made
    finalize(kind, STAND_INS.pop, id(kind), None).atexit = False
    return made


@lru_cache(maxsize=64)  # types with the same methods share a class: an app may make many types
def _body_class(methods: frozenset[tuple[str, bool]]) -> type[ResponseBody]:
    members = {name: _passed_on(name) if is_there else None for name, is_there in methods}
    if "__next__" in members:
        members["__next__"] = _next
    return type("ResponseBody", (ResponseBody,), members)


def _are_events(headers: Iterable[tuple[str, str]]) -> bool:
    """Whether this is a stream of server-sent events, which is logged without its body."""
    try:
        return any(
            name.lower() == "content-type" and value.lower().startswith("text/event-stream") for name, value in headers
        )
    except Exception:  # malformed headers: the server will refuse them, and the app will see that
        return False
