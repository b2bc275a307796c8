"""The environment variables that we read, each in one place.

No variable is read at import: a program may set it before it makes its configuration.
"""

from __future__ import annotations

import os

#: Values of an environment variable that mean no, and those that mean yes.
_NO = ("", "0", "false", "no", "off")
_YES = ("1", "true", "yes", "on")


def api_key() -> str | None:
    """The API key that the commands use if no configuration is named. None if the variable is unset or empty."""
    return os.environ.get("README_API_KEY") or None


def server() -> str | None:
    """The server that gets the logs in place of ReadMe: a URL without path. None if the variable is unset or empty."""
    return os.environ.get("README_METRICS_SERVER") or None


def relay() -> str | None:
    """The Redis server that gets the logs in place of ReadMe. None if the variable is unset or empty."""
    return os.environ.get("README_METRICS_RELAY") or None


def project() -> str | None:
    """The name under which the relay knows the app's API key. None if the variable is unset or empty."""
    return os.environ.get("README_METRICS_PROJECT") or None


def queue_dir() -> str | None:
    """Where the queue's files live, unless the configuration says so. None if the variable is unset or empty."""
    return os.environ.get("README_METRICS_QUEUE_DIR") or None


def dry_run() -> bool | str:
    """Whether this is a dry run, which sends nothing; or the path of the file that gets the logs of a dry run."""
    value = os.environ.get("README_METRICS_DRY_RUN", "")
    return value if value.lower() not in (*_NO, *_YES) else value.lower() in _YES


def is_disabled() -> bool:
    """Whether the middlewares pass each request straight to the app and log nothing."""
    return os.environ.get("README_METRICS_DISABLED", "").lower() not in _NO


def shows_routes() -> bool:
    """Whether each log has the framework's template of its path: for a page on this machine, not for ReadMe."""
    return os.environ.get("README_METRICS_ROUTES", "").lower() in _YES


def temporary_directory() -> str:
    """The directory for temporary files."""
    return os.environ.get("TMPDIR") or "/tmp"
