"""`DocsUrl`: where the project's documentation is, for the `x-documentation-url` header."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from readme_metrics.config import MetricsApiConfig
    from readme_metrics.delivery.senders.outcome import Sender

#: A failed question is asked again after this long.
RETRY_S = 60.0


class DocsUrl:
    """`base_log_url` as configured, else what ReadMe answers; asked by the flusher, never by a request."""

    def __init__(self, config: MetricsApiConfig) -> None:
        self.base_url: str | None = config.BASE_LOG_URL.rstrip("/") if config.BASE_LOG_URL else None
        self._ask_again_at_s = 0.0

    def refresh(self, transport: Sender) -> None:
        now = time.monotonic()
        if self.base_url is None and now >= self._ask_again_at_s:
            self._ask_again_at_s = now + RETRY_S
            base_url = transport.project_base_url()
            # It becomes a response header of the app's: nothing that could end one header and begin another.
            if base_url and base_url.isascii() and base_url.isprintable():
                self.base_url = base_url.rstrip("/")
