"""`DocsUrl`: where the project's documentation is, for the `x-documentation-url` header."""

from __future__ import annotations

from typing import TYPE_CHECKING

from readme_metrics import _core
from readme_metrics._process import threads
from readme_metrics.delivery.senders.choice import project_base_url

if TYPE_CHECKING:
    from collections.abc import Callable

    from readme_metrics.config import MetricsApiConfig

    #: Seconds it may take are its second argument; it may raise.
    Ask = Callable[[MetricsApiConfig, float], str | None]

#: A failed question is asked again after this long.
RETRY_S = 60.0


class DocsUrl:
    """`base_log_url` as configured, else what ReadMe answers.

    Asking has a thread of its own, which ends with the answer or its timeout: a host that cannot be reached, or whose
    name is looked up for half a minute, holds up no batch and no exit.

    Args:
        config: May say it already, by `base_log_url`.
        ask: Finds it out.
    """

    def __init__(self, config: MetricsApiConfig, ask: Ask = project_base_url) -> None:
        self.base_url: str | None = config.BASE_LOG_URL.rstrip("/") if config.BASE_LOG_URL else None
        self._config = config
        self._question = ask
        self._ask_again_at_s = 0.0

    def look_up(self, inline_s: float | None = None) -> None:
        """Asks, if nothing is known and it is time to. To be called once logs have been sent.

        Args:
            inline_s: Asks on the caller's thread, for so many seconds at most, where no thread is to be started. None
                asks on a thread and does not wait for it.
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
        except RuntimeError:  # out of threads: the header is worth no more than another try
            pass

    def _ask(self, timeout_s: float) -> None:
        try:
            base_url = self._question(self._config, timeout_s)
            # It becomes a response header of the app's: nothing that could end one header and begin another.
            if base_url and base_url.isascii() and base_url.isprintable():
                self.base_url = base_url.rstrip("/")
        except Exception:  # noqa: S110 - asked again in a minute
            pass
