"""Whatever an app returns, the object that the server gets instead can do the same; each chunk is in the log once."""

from __future__ import annotations

import array
import copy
import gc
import io
import re
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from readme_metrics import MetricsApiConfig, MetricsMiddleware, Rule
from readme_metrics.capture import nesting
from readme_metrics.capture.wsgi.iterable_body import STAND_INS
from test_capture import entry
from wsgi import API_KEY, TEXT, call, group

Logged = Callable[..., Any]
CHUNKS = [b"one ", b"two ", b"three"]


class OneIterator:
    """Gives the same iterator each time it is iterated over."""

    def __init__(self) -> None:
        self._chunks = iter(CHUNKS)

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks


class OneGenerator(OneIterator):
    def __init__(self) -> None:
        self._chunks = (chunk for chunk in CHUNKS)


class SizedGenerator:
    def __init__(self) -> None:
        self._chunks = iter(CHUNKS)

    def __iter__(self) -> SizedGenerator:
        return self

    def __next__(self) -> bytes:
        return next(self._chunks)

    def __len__(self) -> int:
        return len(CHUNKS)


class Map(map):  # type: ignore[type-arg]
    closed = 0

    def close(self) -> None:
        self.closed += 1


class Table:
    """Like an array of NumPy: it has a length and indices, but no truth value."""

    def __len__(self) -> int:
        return len(CHUNKS)

    def __getitem__(self, index: Any) -> Any:
        return CHUNKS[index]

    def __bool__(self) -> bool:
        raise ValueError("The truth value of an array is ambiguous")

    def __array__(self) -> Any:
        return array.array("i", [len(CHUNKS)])


class ListSubclass(list[bytes]):
    pass


class TupleSubclass(tuple[bytes, ...]):
    __slots__ = ()


MADE: dict[str, Callable[[], Any]] = {
    "list": lambda: list(CHUNKS),
    "list subclass": lambda: ListSubclass(CHUNKS),
    "tuple": lambda: tuple(CHUNKS),
    "tuple subclass": lambda: TupleSubclass(CHUNKS),
    "one iterator": OneIterator,
    "one generator": OneGenerator,
    "sized generator": SizedGenerator,
    "map with close()": lambda: Map(bytes, CHUNKS),
    "table": Table,
    "memoryviews": lambda: [memoryview(chunk) for chunk in CHUNKS],
    "bytearrays": lambda: iter([bytearray(chunk) for chunk in CHUNKS]),
    "file": lambda: io.BytesIO(b"one \ntwo \nthree"),
}


def first_apart(result: Any) -> list[Any]:
    """Takes the first chunk apart from the others, as some middlewares do."""
    return [bytes(next(iter(result))), *map(bytes, result)]


def added(result: Any) -> Any:
    return [*(result + ([b"!"] if isinstance(result, list) else (b"!",))), result * 2 == result + result[:]]


def compared(result: Any) -> list[bool]:
    return [result == result, result != result, hash(result) == hash(result), result in {result: 1}]


def copied(result: Any) -> list[bytes]:
    return [*map(bytes, copy.copy(result)), *map(bytes, result)]


def changed(result: Any) -> Any:
    result[1] = b"2 "
    result += [b"!"]
    del result[0]
    return [*result, len(result)]


def shown(result: Any) -> Any:
    return [re.sub("0x[0-9a-f]+", "", repr(result)), len(result), bool(result)]


def in_turn(result: Any) -> list[object]:
    """Two iterations at once."""
    first, second = iter(result), iter(result)
    return [*(bytes(chunk) for pair in zip(first, second, strict=False) for chunk in pair), first is second]


WAYS = [first_apart, added, compared, copied, changed, shown, in_turn]


def outcome(way: Callable[[Any], Any], result: Any) -> Any:
    try:
        return way(result)
    except Exception as error:  # its message names the type of the object, which differs
        return type(error)


@pytest.mark.parametrize("name", MADE)
def test_it_can_do_what_the_apps_object_can(logged: Logged, name: str) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [*TEXT])
        return MADE[name]()

    once, _ = logged(app=app)
    twice: Any = MetricsMiddleware(once, MetricsApiConfig("another key", group, dry_run=True))
    for way in WAYS:
        expected = outcome(way, MADE[name]())
        for middleware in (once, twice):
            result: Any = middleware({"REQUEST_METHOD": "GET", "PATH_INFO": "/"}, lambda *_: print)
            assert (way.__name__, outcome(way, result)) == (way.__name__, expected)
            result.close()


@pytest.mark.parametrize("name", ["one iterator", "one generator"])
def test_an_iterator_that_continues_where_it_was_is_logged_whole(logged: Logged, name: str) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [*TEXT])
        return MADE[name]()

    def outer(environ: Any, start_response: Any) -> Any:
        return first_apart(middleware(environ, start_response))

    middleware, logs = logged(app=app)
    assert call(outer).body == b"one two three"
    assert entry(logs(1)[0])["response"]["content"]["text"] == "one two three"


def test_a_generator_that_is_left_cleans_up_before_the_response_is_closed(logged: Logged) -> None:
    happened: list[str] = []

    class Response:
        def __iter__(self) -> Iterator[bytes]:
            try:
                yield from CHUNKS
            finally:
                happened.append("generator")

        def close(self) -> None:
            happened.append("close")

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [*TEXT])
        return Response()

    middleware, logs = logged(app=app)
    result = middleware({"REQUEST_METHOD": "GET", "PATH_INFO": "/"}, lambda *_: print)
    chunks = iter(result)
    next(chunks)
    del chunks
    getattr(result, "close", list)()
    logs(1)
    assert happened == ["generator", "close"]


def test_types_of_apps_are_not_kept_alive(logged: Logged) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        class Response(list[bytes]):
            pass

        kinds.append(weakref.ref(Response))
        start_response("200 OK", [*TEXT])
        return Response(CHUNKS)

    kinds: list[weakref.ref[type]] = []
    middleware, logs = logged(app=app)
    gc.collect()
    before = len(STAND_INS)
    for _ in range(100):
        assert call(middleware).body == b"".join(CHUNKS)
    logs(100)
    gc.collect()
    assert [kind() for kind in kinds] == [None] * 100
    assert len(STAND_INS) <= before


def reused(app: Any, environ: dict[str, Any]) -> None:
    result = app(environ, lambda *_: print)
    list(result)
    getattr(result, "close", list)()


@pytest.mark.parametrize("inner_has_a_copy", [False, True])
@pytest.mark.parametrize("same_key", [False, True])
def test_one_environ_for_a_thousand_requests_of_two_doors(
    logged: Logged, inner_has_a_copy: bool, same_key: bool
) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        environ["wsgi.input"].read()
        environ["wsgi.file_wrapper"](io.BytesIO())
        start_response("200 OK", [*TEXT])
        return [b"ok"]

    key = API_KEY if same_key else "another key"
    inner = MetricsMiddleware(app, MetricsApiConfig(key, group, dry_run=not same_key))

    def dispatcher(environ: Any, start_response: Any) -> Any:
        return inner(dict(environ) if inner_has_a_copy else environ, start_response)

    middleware, logs = logged(app=dispatcher, buffer_length=10_000)
    environ: dict[str, Any] = {"REQUEST_METHOD": "POST", "PATH_INFO": "/", "wsgi.input": io.BytesIO(b"body")}
    environ["wsgi.file_wrapper"] = lambda file: [file.read()]
    before = environ.copy()
    for _ in range(1000):
        reused(middleware, environ)
    assert environ == before
    logs(1000)


def test_an_environ_that_was_sampled_out_once_is_sampled_again(logged: Logged) -> None:
    middleware, _ = logged(rules=[Rule(path="*", sample=0.5)], buffer_length=10_000)
    environ: dict[str, Any] = {"REQUEST_METHOD": "GET", "PATH_INFO": "/"}
    for _ in range(400):
        reused(middleware, environ)
    stats = middleware.stats()
    assert stats["made"] == 400
    assert 100 < stats["sampled"] < 300
    assert len(environ.get(nesting.KEY, ())) <= 1
