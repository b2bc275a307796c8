"""`logging_check`: whether the log lines of readme-metrics itself reach anybody."""

from __future__ import annotations

import logging

from readme_metrics import MetricsApiConfig
from readme_metrics.commands.checks.finding import Finding


def logging_check(config: MetricsApiConfig) -> Finding:
    """Checks the app's logging as it is after the app was imported: warnings of dropped logs must be seen."""
    logger = config.LOGGER
    if not isinstance(logger, logging.Logger):
        return Finding("logging", True, f"a LOGGER of the app's own: {type(logger).__name__}")
    advice = "losses would go unseen: name readme_metrics in the app's logging configuration"
    if logger.disabled:
        detail = f"the logger {logger.name} is disabled, as logging.config.dictConfig does to loggers it does not name"
        return Finding("logging", False, detail, f'{advice}, or set "disable_existing_loggers": False in it')
    if not logger.isEnabledFor(logging.WARNING):
        return Finding("logging", False, f"the logger {logger.name} lets no warnings through", advice)
    if not logger.hasHandlers():
        where = "nowhere" if logging.lastResort is None else "to stderr, since no logging is configured"
        return Finding("logging", logging.lastResort is not None, f"warnings go {where}", advice)
    return Finding("logging", True, "warnings go to the app's handlers")
