"""The arguments that say by which relay the logs are sent, or the environment variables in their place."""

from __future__ import annotations

import importlib
import importlib.util

from readme_metrics._process import environment


def url(argument: object) -> str | None:
    """The URL of the Redis server; None if there is no relay.

    Raises:
        TypeError: The argument is not a string.
        ValueError: The argument is not the URL of a Redis server. The message does not show it.
        ImportError: redis-py is not installed.
    """
    name, value = ("relay", argument) if argument is not None else ("README_METRICS_RELAY", environment.relay())
    if value is None:
        return None
    from readme_metrics.relay import address  # here, since it takes 5 ms, and few apps have a relay

    checked = address.checked_url(name, value)
    if importlib.util.find_spec("redis") is None:
        raise ImportError(f'{name} needs redis-py: pip install "readme-metrics[redis]"')
    # redis-py needs this module, which registers an exit hook and so cannot be imported once the interpreter has begun
    # to end. Without this import, a process that ends soon after its first log could not send it. The import takes a
    # few milliseconds; that of redis-py takes a tenth of a second and is left to the flusher.
    importlib.import_module("concurrent.futures.thread")
    return checked


def project(argument: object, relay: str | None) -> str:
    """The project's name; empty if there is no relay.

    Raises:
        TypeError: The argument is not a string.
        ValueError: The argument is missing, is not a name, or is given without a relay.
    """
    if relay is None:
        if argument is not None:
            raise ValueError("project is only used with relay, which is not given")
        return ""
    name, value = ("project", argument) if argument is not None else ("README_METRICS_PROJECT", environment.project())
    if value is None:
        raise ValueError("relay needs project: the name under which the relay knows your ReadMe key")
    from readme_metrics.relay import address

    return address.checked_project(name, value)
