"""`DryRun`: a sender that writes the logs to a logger or a file, and sends nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from readme_metrics._process.private_file import NotPrivate, open_private
from readme_metrics.delivery.senders.outcome import Outcome, Result

if TYPE_CHECKING:
    from readme_metrics.config import MetricsApiConfig


class DryRun:
    """Writes each log as a line of JSON, to the config's LOGGER (level INFO) or to a file of mode 0600."""

    #: Part of the queue's name, so that logs of a dry run are never sent.
    server = "dry-run:"
    knows_base_url = False

    def __init__(self, config: MetricsApiConfig) -> None:
        self._config = config
        self._path = config.dry_run if isinstance(config.dry_run, Path) else None

    def load(self) -> None:
        """Imports nothing."""

    def post(self, body: bytes, count: int, timeout_s: float | None = None) -> Result:  # noqa: ARG002 - neither matters
        lines = [json.dumps(log) for log in json.loads(body)]
        try:
            if self._path is None:
                for line in lines:
                    self._config.LOGGER.info("Dry run: %s", line)
            else:
                with os.fdopen(open_private(self._path), "ab") as file:
                    # One write, since the processes of a server append to the same file.
                    file.write("".join(line + "\n" for line in lines).encode())
        except NotPrivate as refusal:
            return Result(Outcome.DENIED, type(refusal).__name__, hint=str(refusal), is_own_trouble=True)
        except Exception as error:
            return Result(Outcome.RETRY, type(error).__name__)
        return Result(Outcome.SENT, "dry run")

    def close(self) -> None:
        pass
