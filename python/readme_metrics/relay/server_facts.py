"""`warnings`: which settings of a Redis server may lose the logs that wait in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from readme_metrics.relay.connection import Connection


def warnings(connection: Connection) -> Iterator[str]:
    """One warning for each setting that may lose logs, with the value to set. Needs the permission `+info`, and warns
    if the user does not have it.

    Raises:
        redis.exceptions.RedisError: The server does not answer.
    """
    try:
        facts = _facts(connection("INFO"))
    except Exception as error:
        if type(error).__name__ != "NoPermissionError":
            raise
        yield "its settings cannot be read (the user lacks +info): it should have noeviction and AOF"
        return
    policy = facts.get("maxmemory_policy", "noeviction")
    if policy.startswith("allkeys") and facts.get("maxmemory", "0") != "0":
        yield (
            f"maxmemory_policy is {policy}: when memory is full, it evicts whole streams and their logs are lost. "
            "Set maxmemory-policy noeviction, or use a server of its own"
        )
    elif policy.startswith("allkeys"):
        yield f"maxmemory_policy is {policy}: with a maxmemory, it would evict whole streams. Set it to noeviction"
    if facts.get("aof_enabled", "1") == "0":
        yield "aof_enabled is 0: a restart loses the logs that wait since the last snapshot. Set appendonly yes"
    if facts.get("cluster_enabled") == "1":
        yield "it is part of a cluster: give the address of the node that serves the project's keys"


def _facts(text: bytes) -> dict[str, str]:
    lines = text.decode("utf-8", "replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)
