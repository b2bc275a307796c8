"""The environment variables that we read, each in one place.

Each is read when it is asked for, never at import: a program may set them before it makes its configuration.
"""

from __future__ import annotations

import os

#: How an environment variable says no, or yes.
_NO = ("", "0", "false", "no", "off")
_YES = ("1", "true", "yes", "on")


def api_key() -> str | None:
    """The key that the commands use where no configuration is named. None where it is unset or empty."""
    return os.environ.get("README_API_KEY") or None


def server() -> str | None:
    """Where logs go in place of ReadMe: a URL without path. None where it is unset or empty."""
    return os.environ.get("README_METRICS_SERVER") or None


def relay() -> str | None:
    """The Redis server that takes the logs in place of ReadMe. None where it is unset or empty."""
    return os.environ.get("README_METRICS_RELAY") or None


def project() -> str | None:
    """Whose logs they are there. None where it is unset or empty."""
    return os.environ.get("README_METRICS_PROJECT") or None


def queue_dir() -> str | None:
    """Where the queue's files live, unless the configuration says so. None where it is unset or empty."""
    return os.environ.get("README_METRICS_QUEUE_DIR") or None


def dry_run() -> bool | str:
    """Whether to send nothing, or the path of the file to which the logs go instead."""
    value = os.environ.get("README_METRICS_DRY_RUN", "")
    return value if value.lower() not in (*_NO, *_YES) else value.lower() in _YES


def is_disabled() -> bool:
    """Whether requests go straight to the app."""
    return os.environ.get("README_METRICS_DISABLED", "").lower() not in _NO


def temporary_directory() -> str:
    """What programs of this host use for temporary files."""
    return os.environ.get("TMPDIR") or "/tmp"
