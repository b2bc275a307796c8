"""Which way out a configuration takes, and where it leads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from readme_metrics.delivery.senders.dry_run import DryRun
from readme_metrics.delivery.senders.http import Transport, server, without_credentials

if TYPE_CHECKING:
    from readme_metrics.config import MetricsApiConfig
    from readme_metrics.delivery.senders.outcome import Sender


def sender_for(config: MetricsApiConfig) -> Sender:
    """A new sender; nothing is opened before its first `post`."""
    return DryRun(config) if config.dry_run else Transport(config)


def destination(config: MetricsApiConfig) -> str:
    """Where the logs go, without credentials: for people, and part of the queue's name."""
    return DryRun.server if config.dry_run else without_credentials(server(config))
