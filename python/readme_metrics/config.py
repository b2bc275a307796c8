"""`MetricsApiConfig`: what the user documentation promises, checked once at construction."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from readme_metrics._process import environment
from readme_metrics.configuration import checks, lists, relay_arguments
from readme_metrics.configuration.checks import BeforeSendFunction, GroupingFunction
from readme_metrics.configuration.rules import checked_rules

if TYPE_CHECKING:
    from pathlib import Path

    from readme_metrics.rule import Rule

#: The library's logger. We add no handler to it: if the app has not configured logging, Python's last-resort handler
#: prints warnings, those about dropped logs among them, to stderr.
LOGGER = logging.getLogger("readme_metrics")

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
        base_log_url: Your documentation site, for the `x-documentation-url` response header. None or "" asks ReadMe
            for its address.
        buffer_length: Logs that wait before they are sent. Default 10.
        development_mode: Keep these logs apart from production's. Default False.
        background_worker_mode: Send from a background thread (True, the default) or on the request's own thread, after
            the response has been sent.
        allowlist: Names of headers, URL parameters, form fields and top-level JSON keys to send; all others are
            redacted. Default None: everything is sent. An empty list lets nothing through.
        denylist: Names to redact. If both lists are given, only the denylist applies. Default None.
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
        orphan_days: Days after which logs that wait for a key which no process uses any more are dropped and counted.
            Default 7.
        label: What `readme-metrics status` calls the app. None takes the program's name.
        max_body_bytes: What is kept of a body. Default 1 MiB.
        capture_unread_body: Read what the app left of a request's body once the response is out. Default True.
        trust_forwarded: Believe `X-Forwarded-Proto`, `-Host` and `-For`. Default False.
        ignore_paths: Paths that are not logged: exact, or a prefix with a trailing `*`. Default None.
        rules: Which requests are logged, and how much of them: see `Rule`. The first that matches decides. Default
            None: all, as the other options say.
        before_send: Called with each log (a dict, redacted already) before it is sent; returns the dict, changed or
            not, or None to drop it. A dotted path is imported by the first middleware. Default None.
        redact_nested: Apply the lists at every depth of JSON, with dotted paths and `*` in entries. Default False.
        compress: Send the logs gzipped. Default False.
        dry_run: Send nothing; write what would be sent to `LOGGER` (True) or, as lines of JSON, to a file (its path).
            The environment variable `README_METRICS_DRY_RUN` (`1` or a path) does the same. Default False.
        relay: Send to a Redis stream in place of ReadMe: a `redis://` or `rediss://` URL, as redis-py takes it.
            With a relay, `api_key` may be None. Default None: the value of `README_METRICS_RELAY`, if that is set.
        project: The name under which `readme-metrics relay` knows the key; required with `relay`. Default None: the
            value of `README_METRICS_PROJECT`.
        relay_bytes: Bound of the project's stream. Default 256 MiB, at least 1 MiB.

    Raises:
        ImportError: `relay` is given and redis-py is not installed; the message names the extra.
        TypeError: An argument has the wrong type; the message names it.
        ValueError: An argument is out of its range or is no dotted path where one is expected; the message names it.

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
        orphan_days: float = 7,
        label: str | None = None,
        max_body_bytes: int = MIB,
        capture_unread_body: bool = True,
        trust_forwarded: bool = False,
        ignore_paths: Iterable[str] | None = None,
        rules: Iterable[Rule] | None = None,
        before_send: BeforeSendFunction | str | None = None,
        redact_nested: bool = False,
        compress: bool = False,
        dry_run: bool | str | Path = False,
        relay: str | None = None,
        project: str | None = None,
        relay_bytes: int = 256 * MIB,
    ) -> None:
        self.README_API_KEY = checks.key("api_key", api_key)
        self.GROUPING_FUNCTION = checks.function_or_path("grouping_function", grouping_function)
        self.BASE_LOG_URL = None if base_log_url in (None, "") else checks.url("base_log_url", base_log_url)
        self.BUFFER_LENGTH = checks.whole("buffer_length", buffer_length, at_least=1)
        self.IS_DEVELOPMENT_MODE = checks.published_flag("development_mode", development_mode)
        self.IS_BACKGROUND_MODE = checks.published_flag("background_worker_mode", background_worker_mode)
        is_nested = checks.flag("redact_nested", redact_nested)
        allowed = lists.merged("allowlist", allowlist, "whitelist", whitelist, is_nested=is_nested)
        self._is_allowlist_given = allowed is not None
        self.ALLOWLIST = allowed or []
        self.DENYLIST = lists.merged("denylist", denylist, "blacklist", blacklist, is_nested=is_nested) or []
        self.ALLOWED_HTTP_HOSTS = checks.names("allowed_http_hosts", allowed_http_hosts)
        self.METRICS_API_TIMEOUT = checks.seconds("timeout", 3 if timeout is None else timeout)
        self.flush_interval = checks.seconds("flush_interval", flush_interval)
        self.shutdown_timeout = checks.seconds("shutdown_timeout", shutdown_timeout, zero=True)
        self.queue_dir = checks.directory("queue_dir", queue_dir)
        self.queue_bytes = checks.whole("queue_bytes", queue_bytes, at_least=MIB)
        self.label = checks.label("label", label)
        self.orphan_days = checks.days("orphan_days", orphan_days)
        # Bodies are bounded below 1 GiB, so that every length in an entry fits msgpack's 32 bits.
        self.max_body_bytes = checks.whole("max_body_bytes", max_body_bytes, at_least=0, at_most=1024 * MIB)
        self.capture_unread_body = checks.flag("capture_unread_body", capture_unread_body)
        self.trust_forwarded = checks.flag("trust_forwarded", trust_forwarded)
        self.ignore_paths = checks.names("ignore_paths", ignore_paths)
        self.rules = checked_rules("rules", rules)
        self.before_send = checks.function_or_path("before_send", before_send)
        self.redact_nested = is_nested
        self.compress = checks.flag("compress", compress)
        self.dry_run = checks.dry_run("dry_run", dry_run) or checks.dry_run(
            "README_METRICS_DRY_RUN", environment.dry_run()
        )
        #: The URL of the Redis server to which logs go in place of ReadMe; None where they go to ReadMe.
        self.relay = relay_arguments.url(relay)
        #: The name under which the relay knows this configuration's key; empty without `relay`.
        self.project = relay_arguments.project(project, self.relay)
        self.relay_bytes = checks.whole("relay_bytes", relay_bytes, at_least=MIB)
        #: `README_METRICS_DISABLED=1` at construction: requests go straight to the app.
        self.is_disabled = environment.is_disabled()
        #: Where `from_env` or `from_toml` found the value of each option, by the option's name.
        self.origins: dict[str, str] = {}
        self.LOGGER: logging.Logger = LOGGER

    @classmethod
    def from_env(cls, grouping_function: GroupingFunction | str | None, **overrides: Any) -> MetricsApiConfig:
        """Makes a configuration from environment variables: `README_API_KEY`, and `README_METRICS_` with an option's
        name, for instance `README_METRICS_BUFFER_LENGTH`. Lists are separated by commas, flags are 1 or 0, rules are
        JSON. A variable that begins with `README_METRICS_` and names no option is reported on `LOGGER`.

        Args:
            grouping_function: As the constructor's.
            overrides: Options that take precedence over the environment.

        Raises:
            ValueError, TypeError: As from the constructor; the message names the variable that is wrong.
        """
        from readme_metrics.configuration import outside

        values, origins, strange = outside.from_environment(os.environ)
        for variable in strange:
            LOGGER.warning("%s is set, and is no option of readme-metrics", variable)
        return outside.made(cls, values, origins, {"grouping_function": grouping_function, **overrides})

    @classmethod
    def from_toml(cls, path: str | Path, table: str = "tool.readme-metrics", **overrides: Any) -> MetricsApiConfig:
        """Makes a configuration from a table in a TOML file, with the constructor's arguments as keys.

        Args:
            path: The path of the file.
            table: The table's name. In the table, `grouping_function` is a dotted path; `rules` are tables of their own
                (`[[tool.readme-metrics.rules]]`). No environment variable is read: a key
                belongs in no such file, so pass it as an override (`api_key=os.getenv("README_API_KEY")`).
            overrides: Options that take precedence over the file.

        Raises:
            OSError: There is no such file.
            ValueError, TypeError: As from the constructor; the message names the file. Also: there is no such table, or
                the table has a key that is no option.
        """
        from readme_metrics.configuration import outside

        values, origins = outside.from_toml(path, table)
        return outside.made(cls, values, origins, overrides)

    def effective_allowlist(self) -> list[str] | None:
        """The names that may be sent; None if there is no allowlist. An empty allowlist lets nothing through."""
        return self.ALLOWLIST if self.ALLOWLIST or self._is_allowlist_given else None

    def missing_argument(self) -> str | None:
        """The name of the argument without which nothing is logged: `api_key`, `grouping_function`, or None."""
        if not self.README_API_KEY and self.relay is None:
            return "api_key"
        return "grouping_function" if self.GROUPING_FUNCTION is None else None

    def imported_grouping_function(self) -> GroupingFunction | None:
        """The grouping function itself, imported if the configuration has its dotted path.

        Raises:
            ValueError: Nothing can be imported from the path.
            TypeError: The imported object cannot be called.
        """
        function = self.GROUPING_FUNCTION
        if isinstance(function, str):
            return checks.imported_function("grouping_function", function)
        return function

    def imported_before_send(self) -> BeforeSendFunction:
        """The `before_send` function itself, imported if the configuration has its dotted path.

        Raises:
            ValueError: Nothing can be imported from the path.
            TypeError: The imported object cannot be called.
        """
        function: Any = self.before_send
        if isinstance(function, str):
            function = checks.imported_function("before_send", function)
        found: BeforeSendFunction = function or (lambda log: log)
        return found
