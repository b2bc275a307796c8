"""Which sender a configuration uses, and where that sends to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from readme_metrics.delivery.senders import http, redis
from readme_metrics.delivery.senders.dry_run import DryRun
from readme_metrics.delivery.senders.http import Transport
from readme_metrics.delivery.senders.redis import RedisStream

if TYPE_CHECKING:
    from readme_metrics.config import MetricsApiConfig
    from readme_metrics.delivery.senders.outcome import Sender


def sender_for(config: MetricsApiConfig) -> Sender:
    """A new sender; nothing is opened before its first `post`."""
    if config.dry_run:
        return DryRun(config)
    return RedisStream(config) if config.relay else Transport(config)


def destination(config: MetricsApiConfig) -> str:
    """Where the logs are sent, without credentials. Shown to users, and part of the queue's name."""
    if config.dry_run:
        return DryRun.server
    return redis.server(config) if config.relay else http.without_credentials(http.server(config))


def project_base_url(config: MetricsApiConfig, timeout_s: float) -> str | None:
    """The address of the project's documentation, from ReadMe or from the relay's Redis. None if they have none.

    Raises:
        Exception: ReadMe or Redis cannot be asked.
    """
    ask = redis.project_base_url if config.relay else http.project_base_url
    return ask(config, timeout_s)
