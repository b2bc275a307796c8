"""`BeforeSend`: passes each log to the user's `before_send` function and posts what the function returns."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from readme_metrics.delivery.recheck import Recheck

if TYPE_CHECKING:
    from readme_metrics._process.reporter import HeldReports
    from readme_metrics.config import MetricsApiConfig
    from readme_metrics.delivery.batch_queue import Batch


class Prepared(NamedTuple):
    """The part of a batch that is posted."""

    body: bytes
    logs: int
    #: The positions in the batch's array whose logs are dropped.
    left_out: list[int]


class BeforeSend:
    """The user's function. Every log is sent as the function returned it, or not at all.

    Args:
        config: Has the function and the lists.
        reporter: Gets an error if the function raises or returns something that is no log.
    """

    def __init__(self, config: MetricsApiConfig, reporter: HeldReports) -> None:
        self._function = config.imported_before_send()
        self._recheck = Recheck(config)
        self._reporter = reporter
        # The results of the previous batch, by id: a log that could not be delivered comes again, and is not passed to
        # the function a second time.
        self._done: dict[str, bytes | None] = {}

    def prepare(self, batch: Batch) -> Prepared:
        """Passes the logs of a batch to the function, except for those that it has already seen."""
        done: dict[str, bytes | None] = {}
        kept, left_out = [], []
        for place, log in enumerate(json.loads(batch.json)):
            log_id = log["_id"]
            result = self._done[log_id] if log_id in self._done else self._shown(log)
            done[log_id] = result
            if result is None:
                left_out.append(place)
            else:
                kept.append(result)
        self._done = done
        return Prepared(b"[" + b",".join(kept) + b"]", len(kept), left_out)

    def _shown(self, log: dict[str, Any]) -> bytes | None:
        original = json.dumps(log)
        try:
            answer = self._function(log)
            if answer is None:
                return None
            if not isinstance(answer, dict):
                raise TypeError(f"it returned {type(answer).__name__} and should return a dict or None")
            checked = self._recheck.checked(json.loads(original), json.loads(json.dumps(answer, allow_nan=False)))
            return json.dumps(checked, ensure_ascii=False).encode()
        except Exception as error:
            # Only the exception's type is reported: its text may quote the log.
            self._reporter.error("before_send", "before_send failed, and its log is dropped: %s", type(error).__name__)
            return None


def before_send_of(config: MetricsApiConfig, reporter: HeldReports) -> BeforeSend | None:
    """The `BeforeSend` of a configuration; None if it has no such function."""
    return None if config.before_send is None else BeforeSend(config, reporter)
