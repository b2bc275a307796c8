"""What the server gets in place of the app's iterable: chunks pass unchanged and at once, `close()` logs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast
from weakref import finalize, ref

if TYPE_CHECKING:
    from readme_metrics.capture.wsgi_exchange import WsgiExchange


def watched(iterable: Iterable[bytes], exchange: WsgiExchange) -> Iterable[bytes]:
    """What the server gets in place of the app's `iterable`; logs `exchange` at its end."""
    if type(iterable) is list:
        response = ListResponseBody(iterable)
        response.exchange = exchange
        return response
    try:
        if _is_opaque(iterable, exchange):
            return iterable
        kind = type(iterable)
        return (STAND_INS.get(id(kind)) or _stand_in(kind))(iterable, exchange)
    except Exception as error:
        exchange.lose(error)
        return iterable


def _is_opaque(iterable: Any, exchange: WsgiExchange) -> bool:
    """Whether the server must get the very object that the app returned; logs the exchange if so."""
    if exchange.is_server_file(iterable):
        # Servers know their own file wrapper by its type or identity and send the file without Python.
        exchange.sent_by_server()
    elif isinstance(iterable, bytes):
        # uWSGI takes bytes for the whole response.
        exchange.add_response(iterable)
    elif _is_already_handled(iterable):
        # The app has answered on the connection itself, as a WebSocket for instance: nobody here knows what.
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
    """A plain list, as what it is: some servers (granian) send a list in one piece and anything else chunk by chunk.

    Made by `watched`, which sets `exchange`: an `__init__` costs 2,100 instructions per request (3 %).
    """

    __slots__ = ("exchange",)

    exchange: WsgiExchange

    def close(self) -> None:
        try:
            exchange = self.exchange
        except AttributeError:  # somebody else has made one, of the type of ours
            return
        if not exchange.is_finished:
            exchange.finish(self)

    # A server that drops a response without closing it breaks PEP 3333, and still answered a request.
    __del__ = close

    def __reduce_ex__(self, protocol: Any) -> Any:
        """A copy is a plain list: it is not what is logged."""
        return list, (list(self),)


class ResponseBody:
    """Any other iterable, its chunks noted as they pass; it can do whatever the app's own object can.

    Made by `watched` as a subclass with the special methods that the app's object has: Python looks these up on types.

    Args:
        iterable: The app's.
        exchange: Hears of each chunk once, however often the server goes over them.
    """

    def __init__(self, iterable: Any, exchange: WsgiExchange) -> None:
        self._iterable = iterable
        self._exchange = exchange
        self._noted_chunks = 0
        self._is_begun = False
        #: The latest going over, if it was not by `__next__` of the app's object itself.
        self._course: _Course | None = None

    def __iter__(self) -> Iterator[bytes]:
        try:
            chunks = iter(self._iterable)
        except BaseException as error:
            self._exchange.failed(error)
            raise
        # What is its own iterator has a `__next__`, and so have we then.
        if chunks is self._iterable:
            return cast("Iterator[bytes]", self)
        # Some objects give the same iterator each time, which goes on where it was.
        if self._course is None or not self._course.is_of(chunks):
            self._course = _Course(chunks)
        return self._course.gone_over(self, chunks)

    def next_of(self, chunks: Iterator[bytes], number: int | None = None) -> bytes:
        """The next of these chunks, noted unless an earlier pass has: servers measure a sized result, then send it.

        Args:
            chunks: Where it comes from.
            number: Which one it is, from 0; None if nothing has gone over these chunks but us.
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
            # A stream without end, which must not fill its capture first.
            self._exchange.forget_response()
        self._exchange.add_response(chunk)

    def close(self) -> None:
        try:
            close = getattr(self._iterable, "close", None)
            if close is not None:
                close()
        except BaseException as error:
            if not self._is_begun:  # else the client has had its status
                self._exchange.failed(error)
            raise
        finally:
            self._exchange.finish()

    def __del__(self) -> None:
        # As in `ListResponseBody`.
        self._exchange.finish()

    def __getattr__(self, name: str) -> Any:
        if name == "_iterable":  # not set yet
            raise AttributeError(name)
        return getattr(self._iterable, name)

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """What `isinstance` asks for: the type of the app's object."""
        kind: type = self._iterable.__class__
        return kind


class _Course:
    """How far an iterator of the app's has come, whoever asks it."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        try:
            # A generator that is left ends at once, and cleans up before the response is closed.
            self._chunks: Callable[[], object] = ref(chunks)
        except TypeError:
            self._chunks = lambda: chunks
        self._pass: Callable[[], _Pass | None] = lambda: None
        self.next_number = 0

    def is_of(self, chunks: Iterator[bytes]) -> bool:
        return self._chunks() is chunks

    def gone_over(self, body: ResponseBody, chunks: Iterator[bytes]) -> _Pass:
        """What stands in for `chunks`: the same object, as long as somebody has it."""
        latest = self._pass()
        if latest is None:
            latest = _Pass(body, chunks, self)
            self._pass = ref(latest)
        return latest


class _Pass:
    """One going over the chunks of an iterable that can be gone over again."""

    def __init__(self, body: ResponseBody, chunks: Iterator[bytes], course: _Course) -> None:
        self._body = body  # which lives as long as somebody goes over it
        self._chunks = chunks
        self._course = course

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        course = self._course
        chunk = self._body.next_of(self._chunks, course.next_number)
        course.next_number += 1
        return chunk


def _next(self: ResponseBody) -> bytes:
    return self.next_of(self._iterable)


def _passed_on(name: str) -> Any:
    gives_itself = name == "__enter__" or name.startswith("__i")  # `with`, and `+=` and its like

    def method(self: ResponseBody, *args: Any, **options: Any) -> Any:
        result = getattr(self._iterable, name)(*args, **options)
        return self if gives_itself and result is self._iterable else result

    method.__name__ = name
    return method


#: Special methods in which the stand-in does not follow the app's object: what makes it an object of its own.
ITS_OWN = {"__new__", "__init__", "__del__", "__iter__", "__class__", "__class_getitem__", "__init_subclass__"}
ITS_OWN |= {"__getattribute__", "__getattr__", "__setattr__", "__delattr__", "__subclasshook__", "__set_name__"}
ITS_OWN |= {"__annotate__", "__annotate_func__", "__release_buffer__"}

#: The class that stands in for each type of an app's object, by the type's `id`, as long as there is that type.
STAND_INS: dict[int, type[ResponseBody]] = {}


def _stand_in(kind: type) -> type[ResponseBody]:
    """The subclass of `ResponseBody` that has the special methods of `kind`."""
    methods: dict[str, bool] = {}
    for ancestor in reversed(kind.__mro__):
        for name, attribute in vars(ancestor).items():
            if name.startswith("__") and name.endswith("__") and name not in ITS_OWN:
                if callable(attribute) or isinstance(attribute, (classmethod, staticmethod)):
                    methods[name] = True
                elif attribute is None:  # as `__hash__` of what cannot be hashed
                    methods[name] = False
    made = _body_class(frozenset(methods.items()))
    STAND_INS[id(kind)] = made
    finalize(kind, STAND_INS.pop, id(kind), None).atexit = False
    return made


@lru_cache(maxsize=64)  # types that are alike share one: an app may make a type for each request
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
    except Exception:  # malformed headers: the server will refuse them, which is the app's to see
        return False
