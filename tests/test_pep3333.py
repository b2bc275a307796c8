"""The WSGI contract to the letter, on both sides of the middleware."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Iterator
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest

import wsgi
from test_capture import entry
from wsgi import TEXT, AppError, call

Logged = Callable[..., Any]


def environ(**changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = dict(changes)
    setup_testing_defaults(made)
    return made


def status_of(log: dict[str, Any]) -> int:
    return int(entry(log)["response"]["status"])


class Iterable:
    """An app's iterable that counts what is done to it."""

    def __init__(self, *chunks: bytes, close_raises: Exception | None = None) -> None:
        self.chunks = chunks
        self.closed = 0
        self._close_raises = close_raises

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.chunks)

    def close(self) -> None:
        self.closed += 1
        if self._close_raises:
            raise self._close_raises


def serve(iterable: Any, status: str = "200 OK") -> Callable[..., Any]:
    def app(environ: Any, start_response: Any) -> Any:
        start_response(status, [*TEXT])
        return iterable

    return app


def test_the_result_is_an_iterator_with_close_and_length_only_where_the_app_has_one(logged: Logged) -> None:
    for made, has_length in [([b"x"], True), ((b"x",), True), (iter([b"x"]), False), (Iterable(b"x"), False)]:
        middleware, _ = logged(app=serve(made))
        result = middleware(environ(), lambda *_: None)
        assert hasattr(result, "__len__") == has_length
        assert b"".join(result) == b"x"
        result.close()


def test_a_list_stays_a_list_and_bytes_stay_bytes(logged: Logged) -> None:
    # granian joins lists, and uWSGI sends bytes as they are. For any other type, either would send something else.
    middleware, logs = logged(app=serve([b"one", b"two"]))
    result = middleware(environ(), lambda *_: None)
    assert (list in type(result).__mro__, result) == (True, [b"one", b"two"])
    result.close()
    middleware, _ = logged(app=serve(b"whole"))
    assert middleware(environ(), lambda *_: None) == b"whole"
    middleware.flush(10)
    texts = sorted(entry(log)["response"]["content"]["text"] for log in logs(2))
    assert texts == ["onetwo", "whole"]


@pytest.mark.parametrize("taken", [0, 1, 2])
def test_close_is_passed_on_each_time_and_logged_once(logged: Logged, taken: int) -> None:
    iterable = Iterable(b"one", b"two")
    middleware, logs = logged(app=serve(iterable))
    result = middleware(environ(), lambda *_: None)
    chunks = iter(result)
    for _ in range(taken):
        next(chunks)
    result.close()
    assert iterable.closed == 1
    result.close()
    assert iterable.closed == 2  # what a server does twice, the app sees twice
    [log] = logs(1)
    assert entry(log)["response"]["bodySize"] == 3 * taken


@pytest.mark.parametrize("chunks", [(), (b"one", b"two")])
def test_an_exception_in_close_passes_and_leaves_the_status_that_was_sent(
    logged: Logged, chunks: tuple[bytes, ...]
) -> None:
    error = AppError("close")
    middleware, logs = logged(app=serve(Iterable(*chunks, close_raises=error), "202 Accepted"))
    result = middleware(environ(), lambda *_: None)
    assert tuple(result) == chunks
    with pytest.raises(AppError) as raised:
        result.close()
    assert raised.value is error
    [log] = logs(1)
    assert status_of(log) == 202


def test_a_response_that_is_never_closed_is_logged_when_it_is_dropped(logged: Logged) -> None:
    made = [[b"x"], Iterable(b"x"), iter([b"x", b"y"])]
    for number, iterable in enumerate(made, start=1):
        middleware, logs = logged(app=serve(iterable))
        assert next(iter(middleware(environ(), lambda *_: None))) == b"x"
        logs(number)


@pytest.mark.parametrize("chunks_before", [0, 1])
@pytest.mark.parametrize("error", [AppError("app"), SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
def test_the_same_exception_object_passes(logged: Logged, error: BaseException, chunks_before: int) -> None:
    class Raising:
        def __init__(self) -> None:
            self.left = chunks_before

        def __iter__(self) -> Raising:
            return self

        def __next__(self) -> bytes:
            if not self.left:
                raise error
            self.left -= 1
            return b"begun"

    middleware, logs = logged(app=serve(Raising()))
    result = middleware(environ(), lambda *_: None)
    taken = []
    with pytest.raises(type(error)) as raised:
        for chunk in result:
            taken.append(chunk)
    result.close()
    assert raised.value is error
    assert taken == [b"begun"] * chunks_before
    [log] = logs(1)
    assert status_of(log) == (200 if chunks_before else 500)


def test_start_response_in_a_generator_and_never(logged: Logged) -> None:
    def late(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("201 Created", [*TEXT])
        yield b"late"

    def never(environ: Any, start_response: Any) -> list[bytes]:
        return [b"never"]

    middleware, logs = logged(app=late)
    assert call(middleware).status == "201 Created"
    assert status_of(logs(1)[0]) == 201
    middleware, _ = logged(app=never)
    middleware(environ(), lambda *_: None).close()
    middleware.flush(10)
    assert status_of(logs(2)[1]) == 500


def test_exc_info_is_passed_on_as_it_came(logged: Logged) -> None:
    seen: list[tuple[Any, ...]] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [*TEXT])
        try:
            raise AppError("too late for a 200")
        except AppError:
            how = environ["how"]
            if how == "keyword":
                start_response("503 Busy", [*TEXT], exc_info=sys.exc_info())
            else:
                start_response("503 Busy", [*TEXT], sys.exc_info())
        return [b"busy"]

    middleware, logs = logged(app=app)
    for how in ("keyword", "positional"):
        seen.clear()
        result = middleware(environ(how=how), lambda *args: seen.append(args))
        result.close()
        assert [len(args) for args in seen] == [2, 3]
        assert isinstance(seen[1][2][1], AppError)
        names = [name for name, _ in seen[1][1]]
        assert names.count("x-documentation-url") == 1
    assert [status_of(log) for log in logs(2)] == [503, 503]


def test_a_server_that_refuses_the_second_status_leaves_the_first(logged: Logged) -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [*TEXT])
        yield b"begun"
        try:
            raise AppError("after the headers")
        except AppError:
            start_response("500 Oops", [*TEXT], sys.exc_info())

    def start_response(status: str, headers: Any, exc_info: Any = None) -> None:
        if exc_info:
            raise exc_info[1]

    middleware, logs = logged(app=app)
    result = middleware(environ(), start_response)
    assert next(result) == b"begun"
    with pytest.raises(AppError, match="after the headers"):
        next(result)
    result.close()
    assert status_of(logs(1)[0]) == 200


def test_write_alone_and_with_chunks(logged: Logged) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        write = start_response("200 OK", [*TEXT])
        write(b"a")
        write(b"b")
        return [] if environ["QUERY_STRING"] == "alone" else [b"c"]

    middleware, logs = logged(app=app)
    assert call(middleware, query="alone").body == b"ab"
    assert call(middleware, query="more").body == b"abc"
    assert [entry(log)["response"]["content"]["text"] for log in logs(2)] == ["ab", "abc"]


@pytest.mark.parametrize("chunks", [0, 1, 3, 1000])
def test_one_log_whatever_the_number_of_chunks(logged: Logged, chunks: int) -> None:
    middleware, logs = logged(app=serve(iter([b"ab"] * chunks)))
    assert call(middleware).body == b"ab" * chunks
    [log] = logs(1)
    content = entry(log)["response"]["content"]
    assert (content["text"], content["size"]) == ("ab" * chunks, 2 * chunks)


@pytest.mark.parametrize("status", ["100 Continue", "204 No Content", "304 Not Modified"])
def test_a_response_without_a_body(logged: Logged, status: str) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response(status, [])
        return []

    middleware, logs = logged(app=app)
    assert call(middleware).status == status
    [log] = logs(1)
    assert (status_of(log), entry(log)["response"]["bodySize"]) == (int(status[:3]), 0)


def test_head_is_logged_with_what_was_sent(logged: Logged) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Length", "5")])
        return []

    middleware, logs = logged(app=app)
    call(middleware, method="HEAD")
    assert entry(logs(1)[0])["response"]["bodySize"] == 0


def test_repeated_headers_keep_their_order(logged: Logged) -> None:
    headers = [("X-Foo", "1"), ("Set-Cookie", "a=1"), ("x-foo", "2"), ("Set-Cookie", "b=2")]

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", tuple(headers) if environ["QUERY_STRING"] else list(headers))
        return []

    middleware, logs = logged(app=app)
    assert call(middleware).headers[:4] == headers
    assert call(middleware, query="tuple").headers[:4] == headers
    for log in logs(2):
        assert [(h["name"], h["value"]) for h in entry(log)["response"]["headers"][:4]] == headers


def test_each_chunk_passes_before_the_next_is_asked_for(logged: Logged) -> None:
    produced: list[int] = []

    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "text/event-stream")])
        for number in range(3):
            produced.append(number)
            yield b"data: %d\n\n" % number

    middleware, _ = logged(app=app)
    result = middleware(environ(), lambda *_: None)
    assert produced == []  # nor is the app's generator started by the call
    for number in range(3):
        assert next(result) == b"data: %d\n\n" % number
        assert produced == list(range(number + 1))
    result.close()


def test_an_exchange_leaves_no_cycle_behind(logged: Logged) -> None:
    # A cycle would keep environ and bodies in memory until the garbage collector runs.
    class Environ(dict[str, Any]):
        pass

    import gc

    middleware, _ = logged()
    gc.collect()
    gc.disable()
    try:
        for wrapper in (None, lambda file: file):  # a function as in uWSGI
            request = Environ(environ(**{"wsgi.file_wrapper": wrapper}))
            reference = weakref.ref(request)
            result = middleware(request, lambda *_: None)
            b"".join(result)
            result.close()
            del result, request
            assert reference() is None
    finally:
        gc.enable()


def test_the_app_is_called_once_and_with_the_servers_own_environ(logged: Logged) -> None:
    seen = []

    def app(environ: Any, start_response: Any) -> Any:
        seen.append(environ)
        return wsgi.app(environ, start_response)

    middleware, _ = logged(app=app)
    request = environ()
    middleware(request, lambda *_: None).close()
    assert len(seen) == 1
    assert seen[0] is request
