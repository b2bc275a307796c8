"""`relay_checks`: the links between an app and its relay, for a configuration with `relay`."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

from readme_metrics import MetricsApiConfig
from readme_metrics.commands.checks.finding import Finding
from readme_metrics.relay import address, layout, scripts

#: A relay that has not been heard from for this long counts as gone. A live one reports every five seconds.
_LIVE_S = 60


def relay_checks(config: MetricsApiConfig) -> Iterator[Finding]:
    """One finding for each link. If a link is broken, the links behind it are not tried."""
    url = config.relay or ""
    keys = layout.Keys.of(config.project)
    yield Finding("route", True, f"the stream {keys.stream} in Redis at {address.masked(url)}, and from there a relay")
    if find_spec("redis") is None:
        yield Finding("redis", False, "redis-py is missing", 'pip install "readme-metrics[redis]"')
        return
    from readme_metrics.delivery.senders.redis import diagnosis
    from readme_metrics.relay.connection import Connection
    from readme_metrics.relay.server_facts import warnings

    try:
        connection = Connection(url, config.METRICS_API_TIMEOUT)
        relays = int(connection.run(scripts.LIVE_RELAYS, [keys.relays], _LIVE_S))
        told = list(warnings(connection))
        connection.close()
    except Exception as error:
        result = diagnosis(error, url, keys)
        advice = result.hint or f"nothing answers there, or not within {config.METRICS_API_TIMEOUT} s: check `relay`"
        yield Finding("redis", False, result.reason, advice)
        return
    yield Finding("redis", True, "answers" + "".join(f"; warning: {warning}" for warning in told))
    if relays:
        yield Finding("relay", True, f"{relays} of this project heard from in the last minute")
    else:
        advice = f"start one: readme-metrics relay --redis ... --project {config.project}=VARIABLE; till then logs wait"
        yield Finding("relay", False, f"none takes logs of project {config.project}", advice)
