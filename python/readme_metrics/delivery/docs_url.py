"""`DocsUrl`: the address of the project's documentation, for the `x-documentation-url` header."""

from __future__ import annotations

from typing import TYPE_CHECKING

from readme_metrics import _core
from readme_metrics._process import threads
from readme_metrics.delivery.senders.choice import project_base_url

if TYPE_CHECKING:
    from collections.abc import Callable

    from readme_metrics.config import MetricsApiConfig

    #: Asks for the address. The second argument is the seconds that this may take. May raise.
    Ask = Callable[[MetricsApiConfig, float], str | None]

#: Seconds until ReadMe is asked again after it could not be asked.
RETRY_S = 60.0


class DocsUrl:
    """The configured `base_log_url`, or the address that ReadMe answers.

    A thread of its own asks ReadMe and ends with the answer or the timeout. So a host that cannot be reached, or whose
    DNS query takes half a minute, holds up no batch and no exit.

    Args:
        config: If it has a `base_log_url`, nobody is asked.
        ask: Asks for the address.
    """

    def __init__(self, config: MetricsApiConfig, ask: Ask = project_base_url) -> None:
        self.base_url: str | None = config.BASE_LOG_URL.rstrip("/") if config.BASE_LOG_URL else None
        self._config = config
        self._question = ask
        self._ask_again_at_s = 0.0

    def look_up(self, inline_s: float | None = None) -> None:
        """Asks for the address if it is not known and the last try is long enough ago. Call it after logs were sent.

        Args:
            inline_s: If given, asks on the caller's thread, for at most this many seconds. None asks on a thread of its
                own and does not wait.
        """
        now_s = _core.monotonic()
        if self.base_url is not None or now_s < self._ask_again_at_s:
            return
        self._ask_again_at_s = now_s + RETRY_S
        if inline_s is not None:
            self._ask(inline_s)
            return
        timeout_s = self._config.METRICS_API_TIMEOUT
        try:
            threads.start(lambda: self._ask(timeout_s), "readme-metrics.DocsUrl")
        except RuntimeError:  # no thread can be started: the next call tries again
            pass

    def _ask(self, timeout_s: float) -> None:
        try:
            base_url = self._question(self._config, timeout_s)
            # The address becomes part of a response header, so it must not hold a line break that would begin another.
            if base_url and base_url.isascii() and base_url.isprintable():
                self.base_url = base_url.rstrip("/")
        except Exception:  # noqa: S110 - asked again in a minute
            pass
