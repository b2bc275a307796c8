"""A configuration with every option. What each does is in docs/options.md."""

from __future__ import annotations

from caller import who_called

from readme_metrics import PROBES, MetricsApiConfig, Rule

config = MetricsApiConfig(
    "rdme_example",
    who_called,
    base_log_url="https://docs.example.com",
    buffer_length=20,
    development_mode=True,
    background_worker_mode=True,
    allowlist=None,
    denylist=["password", "token", "X-Api-Key", "card.number"],
    blacklist=None,
    whitelist=None,
    allowed_http_hosts=["api.example.com", "localhost"],
    timeout=2.5,
    flush_interval=2,
    shutdown_timeout=1,
    queue_dir="/var/tmp",
    queue_bytes=32 * 1024 * 1024,
    orphan_days=7,
    label="shop",
    max_body_bytes=64 * 1024,
    capture_unread_body=False,
    trust_forwarded=True,
    ignore_paths=["/health", "/static/*"],
    rules=[*PROBES, Rule(status="4xx-5xx"), Rule(sample=0.1)],
    before_send=lambda log: log,
    redact_nested=True,
    compress=True,
    dry_run=True,
    relay=None,
    project=None,
    relay_bytes=64 * 1024 * 1024,
)
