"""`BeforeSend`: shows each log to the user's function before it is posted, and takes what that makes of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from readme_metrics.delivery.recheck import Recheck

if TYPE_CHECKING:
    from readme_metrics._process.reporter import HeldReports
    from readme_metrics.config import MetricsApiConfig
    from readme_metrics.delivery.batch_queue import Batch


class Prepared(NamedTuple):
    """What is posted of a batch."""

    body: bytes
    logs: int
    #: The places in the batch's array whose logs are dropped.
    left_out: list[int]


class BeforeSend:
    """The user's function. A log is sent as it was returned, or not at all: never unseen.

    Args:
        config: Has the function and the lists.
        reporter: Hears of a function that raised or returned what is no log.
    """

    def __init__(self, config: MetricsApiConfig, reporter: HeldReports) -> None:
        self._function = config.imported_before_send()
        self._recheck = Recheck(config)
        self._reporter = reporter
        # Of the batch before, by id: what could not be delivered comes again, and is not shown twice.
        self._done: dict[str, bytes | None] = {}

    def prepare(self, batch: Batch) -> Prepared:
        """Shows the logs of a batch to the function, those that it has not seen."""
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
            # The type alone: an exception's text may quote the log.
            self._reporter.error("before_send", "before_send failed, and its log is dropped: %s", type(error).__name__)
            return None


def before_send_of(config: MetricsApiConfig, reporter: HeldReports) -> BeforeSend | None:
    """What shows each log to the configuration's `before_send`, if it has one."""
    return None if config.before_send is None else BeforeSend(config, reporter)
