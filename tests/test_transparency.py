"""Any WSGI app on any server: the wrapped app gives what the bare app gives, byte for byte."""

from __future__ import annotations

import collections
import io
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from wsgiref.util import setup_testing_defaults

from hypothesis import given, settings
from hypothesis import strategies as st

import wsgi
from readme_metrics import MetricsApiConfig, MetricsMiddleware
from wsgi import TEXT, AppError

BODY = b"first line\nsecond\nlast"


class Reiterable:
    def __init__(self, chunks: list[Any], *, closes: bool = False) -> None:
        self._chunks = chunks
        self.closed = 0

    def __iter__(self) -> Iterator[Any]:
        return iter(self._chunks)

    def close(self) -> None:
        self.closed += 1


class Sized(Reiterable):
    def __len__(self) -> int:
        return len(self._chunks)


class Sequence:
    def __init__(self, chunks: list[Any]) -> None:
        self._chunks = chunks

    def __len__(self) -> int:
        return len(self._chunks)

    def __getitem__(self, index: int) -> Any:
        return self._chunks[index]


class ListSubclass(list[Any]):
    pass


class SharedIterator(Reiterable):
    """Gives the same iterator each time, which continues where it was."""

    def __init__(self, chunks: list[Any]) -> None:
        super().__init__(chunks)
        self._iterator = iter(chunks)

    def __iter__(self) -> Iterator[Any]:
        return self._iterator


class SizedIterator(SharedIterator):
    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return next(self._iterator)

    def __len__(self) -> int:
        return len(self._chunks)


class Broken:
    def __iter__(self) -> Iterator[Any]:
        raise AppError("__iter__")


def raising_late(chunks: list[Any]) -> Iterator[Any]:
    yield from chunks
    raise AppError("late")


#: What an app may return.
ITERABLES: dict[str, Callable[[list[Any]], Any]] = {
    "list": list,
    "tuple": tuple,
    "list subclass": ListSubclass,
    "deque": collections.deque,
    "dict values": lambda chunks: dict(enumerate(chunks)).values(),
    "iterator": iter,
    "generator": lambda chunks: (chunk for chunk in chunks),
    "reiterable": Reiterable,
    "sized": Sized,
    "sequence": Sequence,
    "shared iterator": SharedIterator,
    "sized iterator": SizedIterator,
    "map": lambda chunks: map(lambda chunk: chunk, chunks),
    "generator that raises": raising_late,
    "broken": lambda _: Broken(),
    "file": lambda chunks: io.BytesIO(b"".join(chunk for chunk in chunks if isinstance(chunk, bytes))),
    "bytes": lambda chunks: b"".join(chunk for chunk in chunks if isinstance(chunk, bytes)),
    "none": lambda _: None,
    "object": lambda _: len,
}

#: What an app may do with its input.
READS: dict[str, Callable[[Any], object]] = {
    "nothing": lambda stream: None,
    "read": lambda stream: stream.read(),
    "read some": lambda stream: stream.read(4),
    "lines": lambda stream: [stream.readline(), *stream],
    "seek": lambda stream: (stream.read(3), stream.seek(1), stream.read()),
    "with": lambda stream: stream.__enter__().read(),
    "close": lambda stream: stream.close(),
    "isinstance": lambda stream: isinstance(stream, io.IOBase),
    "read closed": lambda stream: (stream.close(), stream.read()),
}


class Behaviour(NamedTuple):
    """One app."""

    reads: str
    starts: str  # when it calls start_response, if at all
    writes: bool
    iterable: str
    chunks: list[Any]
    raises: bool


BEHAVIOURS = st.builds(
    Behaviour,
    reads=st.sampled_from(sorted(READS)),
    starts=st.sampled_from(["at once", "never", "with an iterator", "twice", "with bytes", "late", "again late"]),
    writes=st.booleans(),
    iterable=st.sampled_from(sorted(ITERABLES)),
    chunks=st.lists(
        st.sampled_from([b"", b"a", b"bc" * 40, bytearray(b"array"), memoryview(b"view"), "text", None]), max_size=4
    ),
    raises=st.sampled_from([False, False, False, True]),
)


def app_of(behaviour: Behaviour, seen: list[object]) -> Callable[..., Any]:
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        seen.append(READS[behaviour.reads](environ["wsgi.input"]))
        if behaviour.starts in ("late", "again late"):
            return late(start_response)
        if behaviour.starts != "never":
            headers = [*TEXT, ("X-Number", "1")]
            status: Any = b"201 Created" if behaviour.starts == "with bytes" else "201 Created"
            write = start_response(status, iter(headers) if behaviour.starts == "with an iterator" else headers)
            if behaviour.starts == "twice":
                error = AppError("twice")
                write = start_response("500 Oops", headers, (AppError, error, None))
            if behaviour.writes:
                write(b"written")
        if behaviour.raises:
            raise AppError("in the call")
        return ITERABLES[behaviour.iterable](list(behaviour.chunks))

    def late(start_response: Callable[..., Any]) -> Iterator[Any]:
        """Starts the response when the first chunk is asked for, and again when something has failed since."""
        write = start_response("200 OK", [*TEXT, ("Content-Length", "3")])  # whatever the length of the body is
        if behaviour.writes:
            write(b"written")
        try:
            yield from ITERABLES[behaviour.iterable](list(behaviour.chunks))
            if behaviour.raises:
                raise AppError("in the generator")
        except AppError as error:
            if behaviour.starts == "late":
                raise
            start_response("500 Oops", [*TEXT], (AppError, error, error.__traceback__))
            yield b"oops"

    return app


def once(result: Any) -> list[Any]:
    return list(result)


def measured(result: Any) -> list[Any]:
    """wsgiref asks for the length; gevent.pywsgi and eventlet iterate over the result to add up the chunks."""
    if not hasattr(result, "__len__"):
        return list(result)
    return [len(result), [len(chunk or b"") for chunk in result], *result]


def measured_late(result: Any) -> list[Any]:
    passed: list[Any] = []
    for number, chunk in enumerate(result):
        if number == 0 and hasattr(result, "__len__"):
            passed.append(list(result))
        passed.append(chunk)
    return passed


def by_hand(result: Any) -> list[Any]:
    """What an outer middleware may do: look at the first chunk, then hand on the rest."""
    chunks = iter(result)
    return [next(chunks, "none"), *chunks, iter(result) is chunks]


def by_index(result: Any) -> list[Any]:
    if not hasattr(result, "__getitem__"):
        return list(result)
    return [result[0], result[-1], bool(result), *result]


def in_turn(result: Any) -> list[Any]:
    """Two iterations at once."""
    first, second = iter(result), iter(result)
    return [*zip(first, second, strict=False), first is second]


def cut_short(result: Any) -> list[Any]:
    """The client hangs up."""
    return [next(iter(result), "none")]


def unread(result: Any) -> list[Any]:
    """HEAD, on some servers."""
    return [isinstance(result, kind) for kind in (list, tuple, bytes, io.IOBase)]


SERVERS = [once, measured, measured_late, by_hand, by_index, in_turn, cut_short, unread]


def served(app: Any, server: Callable[[Any], list[Any]], seen: list[object]) -> list[object]:
    """All that the server and the app can see of one call."""
    stream = io.BytesIO(BODY)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "POST",
        "CONTENT_LENGTH": str(len(BODY)),
        "wsgi.input": stream,
    }
    setup_testing_defaults(environ)
    written: list[object] = []

    def start_response(status: Any, headers: Any, exc_info: Any = None) -> Callable[[bytes], None]:
        written.append((status, [header for header in headers if header[0] != "x-documentation-url"], bool(exc_info)))
        return written.append

    outcome: list[object] = []
    result: Any = None
    try:
        result = app(environ, start_response)
        outcome += server(result)
    except Exception as error:
        outcome.append((type(error), str(error).replace("ResponseBody", "")))
    finally:
        if hasattr(result, "close"):
            result.close()
    rest: object = "closed" if stream.closed else stream.read()
    return [*seen, outcome, written, rest, environ["wsgi.input"] is stream]


@settings(max_examples=400, deadline=None)
@given(behaviour=BEHAVIOURS, server=st.sampled_from(SERVERS))
def test_bare_and_wrapped_are_alike(behaviour: Behaviour, server: Callable[[Any], list[Any]]) -> None:
    bare_seen: list[object] = []
    bare = served(app_of(behaviour, bare_seen), server, bare_seen)
    seen: list[object] = []
    middleware = MetricsMiddleware(app_of(behaviour, seen), CONFIG)
    wrapped = served(middleware, server, seen)
    assert wrapped == bare
    stats: Any = KEEPER.stats()
    assert not sum(stats["dropped"].values()), stats  # nor is a log lost


CONFIG = MetricsApiConfig(wsgi.API_KEY, wsgi.group, base_log_url="https://docs.example.com", dry_run=True)
#: Keeps the flusher alive that all middlewares here share.
KEEPER = MetricsMiddleware(wsgi.app, CONFIG)
