"""`Connection`: a connection to a Redis server whose every exchange ends within a deadline.

This module imports redis-py, so it is loaded late, by a thread that may wait. It uses only redis-py's connection and
protocol: the clients of redis-py repeat a command whose answer is late, each time with the whole timeout, and change
the form of answers from one release to the next.
"""

from __future__ import annotations

import inspect
import socket
import time
from collections.abc import Sequence
from typing import Any

import redis.backoff
import redis.connection
import redis.exceptions
import redis.retry

from readme_metrics.relay.scripts import Script

#: redis-py has no types for this function.
_parse_url: Any = redis.connection.parse_url
Argument = str | bytes | int
#: The options by which redis-py names itself to the server, with two more commands per connection: `driver_info` since
#: version 7.1, the others before.
_accepted = inspect.signature(redis.connection.AbstractConnection.__init__).parameters
_INTRODUCTION = ("driver_info",) if "driver_info" in _accepted else ("lib_name", "lib_version")
#: Options of redis-py that a URL may not change: those that wait, repeat a command, or send facts about this host.
_FIXED = {
    "protocol": 2,
    "decode_responses": False,
    "retry": redis.retry.Retry(redis.backoff.NoBackoff(), 0),
    "health_check_interval": 0,
    **dict.fromkeys(_INTRODUCTION),
}


class Connection:
    """Connects with the first command, and again after an error. Not for several threads at once.

    Args:
        url: The URL of the server; it may have redis-py's own parameters.
        timeout_s: Seconds that one exchange may take, from the DNS query to the last byte.
    """

    def __init__(self, url: str, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        options: dict[str, Any] = {**_parse_url(url), **_FIXED}
        kind = options.pop("connection_class", redis.connection.Connection)
        if issubclass(kind, redis.connection.SSLConnection) and options.get("ssl_cert_reqs") not in (
            "none",
            "optional",
        ):
            options.setdefault("ssl_check_hostname", True)  # redis-py's own default since version 6
        self._connection = _bounded(kind)(**options)

    def __call__(self, *command: Argument, timeout_s: float | None = None) -> Any:
        """Sends one command and returns its answer: integers, bytes, None, lists.

        Raises:
            redis.exceptions.RedisError: The command failed, or was not answered in time.
        """
        [answer] = self.pipeline([command], timeout_s)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def pipeline(self, commands: Sequence[Sequence[Argument]], timeout_s: float | None = None) -> list[Any]:
        """Sends several commands at once and returns their answers. An error is returned in place of an answer."""
        connection = self._connection
        connection.deadline_s = time.monotonic() + (self._timeout_s if timeout_s is None else timeout_s)
        answers: list[Any] = []
        try:
            connection.connect()
            connection.send_packed_command(connection.pack_commands(commands), check_health=False)
            for _ in commands:
                try:
                    answers.append(connection.read_response())
                except redis.exceptions.ResponseError as error:
                    answers.append(error)
        except BaseException:
            # Otherwise a late answer would be taken for the answer to the next command.
            connection.disconnect()
            raise
        return answers

    def run(self, script: Script, keys: Sequence[str], *arguments: Argument, timeout_s: float | None = None) -> Any:
        """Runs a script and returns its answer."""
        try:
            return self("EVALSHA", script.digest, len(keys), *keys, *arguments, timeout_s=timeout_s)
        except redis.exceptions.NoScriptError:
            return self("EVAL", script.text, len(keys), *keys, *arguments, timeout_s=timeout_s)

    def close(self) -> None:
        self._connection.disconnect()


def _bounded(kind: type) -> Any:
    class Bounded(kind):  # type: ignore[misc]
        deadline_s = 0.0

        def _connect(self) -> Any:
            # redis-py applies this timeout to each address of the name and to each step of the TLS handshake.
            self.socket_connect_timeout = self.socket_timeout = _left_s(self.deadline_s)
            return _Socket(super()._connect(), self)

    return Bounded


class _Socket:
    """A connected socket, each of whose operations ends at the exchange's deadline."""

    def __init__(self, real: socket.socket, connection: Any) -> None:
        self._real = real
        self._connection = connection

    def recv(self, *arguments: Any) -> bytes:
        self._real.settimeout(_left_s(self._connection.deadline_s))
        return self._real.recv(*arguments)

    def recv_into(self, *arguments: Any) -> int:
        self._real.settimeout(_left_s(self._connection.deadline_s))
        return self._real.recv_into(*arguments)

    def sendall(self, data: Any) -> None:
        self._real.settimeout(_left_s(self._connection.deadline_s))
        self._real.sendall(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def _left_s(deadline_s: float) -> float:
    left_s = deadline_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError("the deadline has passed")
    return left_s
