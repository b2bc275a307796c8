"""The arguments of a configuration that say which relay the logs take, or the environment in their place."""

from __future__ import annotations

import importlib
import importlib.util

from readme_metrics._process import environment
from readme_metrics.relay import address


def url(argument: object) -> str | None:
    """The URL of the Redis server, None where there is none.

    Raises:
        TypeError: It is no string.
        ValueError: It is no URL of a Redis server. The message shows nothing of it.
        ImportError: redis-py is not installed.
    """
    name, value = ("relay", argument) if argument is not None else ("README_METRICS_RELAY", environment.relay())
    if value is None:
        return None
    checked = address.checked_url(name, value)
    if importlib.util.find_spec("redis") is None:
        raise ImportError(f'{name} needs redis-py: pip install "readme-metrics[redis]"')
    # A module that redis-py needs, and that cannot be imported any more once the interpreter has begun to end (it
    # registers an exit hook): then a process that ends soon after its first log could not send it. It takes a few
    # milliseconds; redis-py, a tenth of a second, is left to the flusher.
    importlib.import_module("concurrent.futures.thread")
    return checked


def project(argument: object, relay: str | None) -> str:
    """The project's name; empty where there is no relay.

    Raises:
        TypeError: It is no string.
        ValueError: It is missing, no name, or given without a relay.
    """
    if relay is None:
        if argument is not None:
            raise ValueError("project is of use with relay alone, which is not given")
        return ""
    name, value = ("project", argument) if argument is not None else ("README_METRICS_PROJECT", environment.project())
    if value is None:
        raise ValueError("relay needs project: the name under which the relay knows your ReadMe key")
    return address.checked_project(name, value)
