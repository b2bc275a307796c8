"""Which way out a configuration takes, and where it leads."""

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
    """Where the logs go, without credentials: for people, and part of the queue's name."""
    if config.dry_run:
        return DryRun.server
    return redis.server(config) if config.relay else http.without_credentials(http.server(config))


def project_base_url(config: MetricsApiConfig, timeout_s: float) -> str | None:
    """Where the project's documentation is, as ReadMe says, or as a relay has noted. None where they do not say.

    Raises:
        Exception: They cannot be asked.
    """
    ask = redis.project_base_url if config.relay else http.project_base_url
    return ask(config, timeout_s)
