"""`MetricsApiConfig`: what the user documentation promises, checked once at construction."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from readme_metrics._process import environment

if TYPE_CHECKING:
    from pathlib import Path

GroupingFunction = Callable[[Any], "dict[str, Any] | None"]

#: The library's logger. A NullHandler keeps an app that configured no logging quiet.
LOGGER = logging.getLogger("readme_metrics")
LOGGER.addHandler(logging.NullHandler())

MIB = 1024 * 1024


class MetricsApiConfig:
    """Configuration of one `MetricsMiddleware`. The parameters up to `timeout` are the published SDK's, in its order.

    Args:
        api_key: Your ReadMe API key. None or blank logs nothing, with one warning per middleware: a machine without
            the key (CI, a laptop) can still start the project.
        grouping_function: Called once per logged request with the framework's request (WSGI: a `werkzeug.Request`);
            returns a dict with `api_key` (or `id`) and, if known, `label` and `email`, or None if the request is not to
            be logged. A dotted path ("package.module.function") is imported by the first middleware that is made with
            this configuration, so that a Django settings file can name it. None logs nothing, as without a key.
        base_log_url: Your documentation site, for the `x-documentation-url` response header. None or "" asks ReadMe.
        buffer_length: Logs that wait before they are sent. Default 10.
        development_mode: Keep these logs apart from production's. Default False.
        background_worker_mode: Send from a background thread (True, the default) or on the request's own thread, after
            the response has been sent.
        allowlist: Names of headers, URL parameters, form fields and top-level JSON keys to send; all others are
            redacted. Default None: everything is sent.
        denylist: Names to redact. With both lists, this one alone applies. Default None.
        blacklist: The old name of `denylist`.
        whitelist: The old name of `allowlist`.
        allowed_http_hosts: Log only requests whose `Host` is one of these, without regard to case; an entry without a
            port matches any port. Default None: all.
        timeout: Seconds that one call to ReadMe may take, from the first byte to the last. Default 3, also for None.
        flush_interval: Seconds after which logs are sent although fewer than `buffer_length` wait. Default 5.0.
        shutdown_timeout: Seconds that the exit of a process may take for a last delivery. Default 2.0.
        queue_dir: Where the queue's files live. None picks the first that works of `README_METRICS_QUEUE_DIR`,
            `/dev/shm` and the temporary directory, and private memory where none does.
        queue_bytes: Bound of the queue, per process. Default 16 MiB, at least 1 MiB.
        max_body_bytes: What is kept of a body. Default 1 MiB.
        capture_unread_body: Read what the app left of a request's body once the response is out. Default True.
        trust_forwarded: Believe `X-Forwarded-Proto`, `-Host` and `-For`. Default False.
        ignore_paths: Paths that are not logged: exact, or a prefix with a trailing `*`. Default None.
        redact_nested: Apply the lists at every depth of JSON, with dotted paths and `*` in entries. Default False.
        compress: Send the logs gzipped. Default False.
        dry_run: Send nothing; write what would be sent to `LOGGER` (True) or, as lines of JSON, to a file (its path).
            The environment variable `README_METRICS_DRY_RUN` (`1` or a path) says so too. Default False.

    Raises:
        TypeError: An argument has the wrong type; the message names it.
        ValueError: An argument is out of its range, or has not the shape of a dotted path; the message names it.

    The upper-case attributes are the published SDK's and may be read at any time. `LOGGER` may be replaced.
    """

    README_API_URL: str = "https://dash.readme.com/api"
    METRICS_API: str = "https://metrics.readme.io"

    def __init__(
        self,
        api_key: str | None,
        grouping_function: GroupingFunction | str | None,
        base_log_url: str | None = None,
        buffer_length: int = 10,
        development_mode: bool = False,
        background_worker_mode: bool = True,
        allowlist: Iterable[str] | None = None,
        denylist: Iterable[str] | None = None,
        blacklist: Iterable[str] | None = None,
        whitelist: Iterable[str] | None = None,
        allowed_http_hosts: Iterable[str] | None = None,
        timeout: float | None = 3,
        *,
        flush_interval: float = 5.0,
        shutdown_timeout: float = 2.0,
        queue_dir: str | Path | None = None,
        queue_bytes: int = 16 * MIB,
        max_body_bytes: int = MIB,
        capture_unread_body: bool = True,
        trust_forwarded: bool = False,
        ignore_paths: Iterable[str] | None = None,
        redact_nested: bool = False,
        compress: bool = False,
        dry_run: bool | str | Path = False,
    ) -> None:
        self.README_API_KEY = _key("api_key", api_key)
        self.GROUPING_FUNCTION = _function_or_path("grouping_function", grouping_function)
        self.BASE_LOG_URL = None if base_log_url in (None, "") else _url("base_log_url", base_log_url)
        self.BUFFER_LENGTH = _whole("buffer_length", buffer_length, at_least=1)
        self.IS_DEVELOPMENT_MODE = _published_flag("development_mode", development_mode)
        self.IS_BACKGROUND_MODE = _published_flag("background_worker_mode", background_worker_mode)
        self.ALLOWLIST = _names("allowlist", allowlist) or _names("whitelist", whitelist)
        self.DENYLIST = _names("denylist", denylist) or _names("blacklist", blacklist)
        self.ALLOWED_HTTP_HOSTS = _names("allowed_http_hosts", allowed_http_hosts)
        self.METRICS_API_TIMEOUT = _seconds("timeout", 3 if timeout is None else timeout)
        self.flush_interval = _seconds("flush_interval", flush_interval)
        self.shutdown_timeout = _seconds("shutdown_timeout", shutdown_timeout, zero=True)
        self.queue_dir = _directory("queue_dir", queue_dir)
        self.queue_bytes = _whole("queue_bytes", queue_bytes, at_least=MIB)
        # Bodies are bounded below 1 GiB, so that every length in an entry fits msgpack's 32 bits.
        self.max_body_bytes = _whole("max_body_bytes", max_body_bytes, at_least=0, at_most=1024 * MIB)
        self.capture_unread_body = _flag("capture_unread_body", capture_unread_body)
        self.trust_forwarded = _flag("trust_forwarded", trust_forwarded)
        self.ignore_paths = _names("ignore_paths", ignore_paths)
        self.redact_nested = _flag("redact_nested", redact_nested)
        self.compress = _flag("compress", compress)
        self.dry_run = _dry_run("dry_run", dry_run) or _dry_run("README_METRICS_DRY_RUN", environment.dry_run())
        #: `README_METRICS_DISABLED=1` at construction: requests go straight to the app.
        self.is_disabled = environment.is_disabled()
        self.LOGGER: logging.Logger = LOGGER

    def missing_argument(self) -> str | None:
        """The name of the argument without which nothing is logged: `api_key`, `grouping_function`, or None."""
        if not self.README_API_KEY:
            return "api_key"
        return "grouping_function" if self.GROUPING_FUNCTION is None else None

    def imported_grouping_function(self) -> GroupingFunction | None:
        """The grouping function itself, imported if the configuration has its dotted path.

        Raises:
            ValueError: The path leads nowhere.
            TypeError: What it leads to cannot be called.
        """
        function = self.GROUPING_FUNCTION
        if isinstance(function, str):
            return _imported("grouping_function", function)
        return function


def _refuse(name: str, value: object, takes: str) -> TypeError:
    return TypeError(f"{name} takes {takes}, got {type(value).__name__}: {value!r:.80}")


def _key(name: str, value: object) -> str:
    """Empty if there is none."""
    if value is None:
        return ""
    if not isinstance(value, (str, int)) or isinstance(value, bool):
        # Not the value itself: a mistyped API key is a secret too.
        raise TypeError(f"{name} takes a string, got {type(value).__name__}")
    # The published SDK's HTTP client turned a number into a string.
    return str(value) if str(value).strip() else ""


def _url(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise _refuse(name, value, "a URL")
    url = value
    if not url.strip():
        raise ValueError(f"{name} is blank")
    # It becomes part of a response header: nothing that could end one header and begin another.
    if not (url.isascii() and url.isprintable()):
        raise ValueError(f"{name} takes a URL in printable ASCII, got {url!r:.80}")
    return url


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise _refuse(name, value, "True or False")
    return value


def _published_flag(name: str, value: object) -> bool:
    """Also takes 0, 1 and None, which work with the published SDK; a string such as "false" was true there."""
    return value == 1 if value is None or (isinstance(value, int) and value in (0, 1)) else _flag(name, value)


def _whole(name: str, value: object, at_least: int, at_most: int | None = None) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _refuse(name, value, "a whole number")
    if value < at_least or (at_most is not None and value > at_most):
        raise ValueError(f"{name} takes {at_least} or more{f', up to {at_most}' if at_most else ''}, got {value}")
    return value


def _seconds(name: str, value: object, zero: bool = False) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise _refuse(name, value, "a number of seconds")
    # The bound keeps every sum of times within what the operating system's waits accept.
    if not (0 < value <= 86_400 or (zero and value == 0)):
        raise ValueError(f"{name} takes seconds {'from' if zero else 'above'} 0 up to 86400, got {value}")
    return value


def _names(name: str, value: object) -> list[str]:
    if value is None:
        return []
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise _refuse(name, value, "a list of strings")
    names = list(value)
    for item in names:
        if not isinstance(item, str):
            raise _refuse(name, item, "a list of strings; one item")
    return names


def _directory(name: str, value: object) -> Path | None:
    if value is None:
        return None
    from pathlib import Path  # here alone: it takes a fifth of the whole import

    if not isinstance(value, (str, Path)):
        raise _refuse(name, value, "a path")
    return Path(value)


def _dry_run(name: str, value: object) -> bool | Path:
    return value if isinstance(value, bool) else _directory(name, value) or False


def _function_or_path(name: str, value: object) -> GroupingFunction | str | None:
    if isinstance(value, str):
        module_name, _, function_name = value.rpartition(".")
        if not all(part.isidentifier() for part in [*module_name.split("."), function_name]):
            raise ValueError(f"{name} takes a function or the dotted path of one; {value!r:.80} is no dotted path")
        return value
    if value is None or callable(value):
        return value
    raise _refuse(name, value, "a function or the dotted path of one")


def _imported(name: str, path: str) -> GroupingFunction:
    module_name, _, function_name = path.rpartition(".")
    try:
        function = getattr(importlib.import_module(module_name), function_name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(
            f"{name} takes a function or the dotted path of one; {path!r} leads nowhere: {error}"
        ) from error
    if not callable(function):
        raise _refuse(name, function, f"a function or the dotted path of one; {path!r} leads to something else")
    grouping_function: GroupingFunction = function
    return grouping_function
