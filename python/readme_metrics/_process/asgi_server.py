"""Sends the last logs when an ASGI server shuts down, without blocking its event loop.

Exit handlers are not enough. Once uvicorn has shut down, it raises SIGTERM again with the default action, so no exit
handler runs; and in a container no later process will find the logs that are left in the queue.
"""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Any

from readme_metrics._process import threads

if TYPE_CHECKING:
    from collections.abc import Callable

from readme_metrics.capture.asgi.types import ASGIApp, Message, Receive, Scope, Send

_ENDS = ("lifespan.shutdown.complete", "lifespan.shutdown.failed")


async def lifespan(app: ASGIApp, scope: Scope, receive: Receive, send: Send, drain: Callable[[], object]) -> None:
    """Calls `app` with its lifespan scope, and drains the queue before the server hears that the app has shut down.

    Args:
        app: The wrapped app. Every message passes as it is.
        scope: The server's scope.
        receive: The server's `receive`.
        send: The server's `send`.
        drain: Sends the logs that wait, within a deadline of its own; never raises.
    """

    async def send_when_drained(message: Message) -> None:
        if isinstance(message, dict) and message.get("type") in _ENDS:
            await off_loop(drain)
        await send(message)

    return await app(scope, receive, send_when_drained)


def drain_before_exit(drain: Callable[[], object]) -> None:
    """If the server of this process is uvicorn, drains the queue at the end of its shutdown, with or without lifespan.

    uvicorn's `Server` is found by its handler for SIGTERM. Its `shutdown` is called once, on the event loop, after the
    last request and before the signal is raised again.
    """
    uvicorn = sys.modules.get("uvicorn.server")
    server: Any = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    if uvicorn is None or not isinstance(server, uvicorn.Server) or "shutdown" in vars(server):
        return
    shutdown = server.shutdown

    async def shutdown_and_drain(*args: Any, **kwargs: Any) -> None:
        try:
            await shutdown(*args, **kwargs)
        finally:
            await off_loop(drain)

    server.shutdown = shutdown_and_drain


async def off_loop(work: Callable[[], object]) -> None:
    """Runs `work`, which raises nothing, in a thread of its own while the event loop (asyncio's or trio's) goes on."""
    import asyncio  # imported here, since a process without an event loop does not need it

    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        trio: Any = sys.modules["trio"]
        await trio.to_thread.run_sync(work, abandon_on_cancel=True)
        return
    done = loop.create_future()

    def tell() -> None:
        if not done.done():
            done.set_result(None)

    def run() -> None:
        work()
        loop.call_soon_threadsafe(tell)

    try:
        threads.start(run, "readme-metrics.drain")
    except RuntimeError:  # out of threads: the logs wait for the exit handlers, or for the next start
        return
    await done
