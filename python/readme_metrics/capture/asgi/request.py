"""The request that the grouping function gets under ASGI: Starlette's, or a small one if Starlette is not installed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from readme_metrics._core import Capture
    from readme_metrics.capture.asgi.types import Message, Receive, Scope

try:
    from starlette.requests import Request as _Request
except ImportError:
    _Request = None  # type: ignore[assignment, misc]


def request_of(scope: Scope, capture: Capture) -> object:
    """The request as it is now. Its body is what the app has read so far: no further message is received."""
    if _Request is None:
        return PlainRequest(scope, capture)
    return _Request(scope, _received(capture))


def _received(capture: Capture) -> Receive:
    """A `receive` that returns the body that the app has received so far, as if it were the whole."""
    messages: list[Message] = [{"type": "http.disconnect"}]
    is_asked = False

    async def receive() -> Message:
        nonlocal is_asked
        if is_asked:
            return messages[0]
        is_asked = True
        return {"type": "http.request", "body": capture.captured_request(), "more_body": False}

    return receive


class Headers:
    """Headers by name, without regard to case. `get` returns the first of several."""

    def __init__(self, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        self._pairs = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in pairs]

    def get(self, name: str, default: str | None = None) -> str | None:
        return next((value for key, value in self._pairs if key == name.lower()), default)

    def getlist(self, name: str) -> list[str]:
        return [value for key, value in self._pairs if key == name.lower()]

    def __getitem__(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def __contains__(self, name: str) -> bool:
        return self.get(name) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(dict(self._pairs))

    def items(self) -> list[tuple[str, str]]:
        return list(self._pairs)


class PlainRequest:
    """The attributes that most grouping functions use, under Starlette's names."""

    def __init__(self, scope: Scope, capture: Capture) -> None:
        self.scope = scope
        self._capture = capture
        self.headers = Headers(scope["headers"])
        self.method: str = scope["method"]
        self.path_params: dict[str, Any] = scope.get("path_params", {})
        self.client: Any = scope.get("client")
        state = scope.get("state")
        self.state = SimpleNamespace(**state) if isinstance(state, dict) else state or SimpleNamespace()

    @property
    def query_params(self) -> dict[str, str]:
        return dict(parse_qsl(_text(self.scope.get("query_string", b"")), keep_blank_values=True))

    @property
    def url(self) -> str:
        scope = self.scope
        host = self.headers.get("host") or ":".join(str(part) for part in scope.get("server") or () if part)
        query = _text(scope.get("query_string", b""))
        return f"{scope.get('scheme', 'http')}://{host}{quote(scope['path'])}{'?' if query else ''}{query}"

    async def body(self) -> bytes:
        """The part of the body that the app has read so far."""
        return self._capture.captured_request()


def _text(query: bytes | str) -> str:
    return query if isinstance(query, str) else query.decode("latin-1")
