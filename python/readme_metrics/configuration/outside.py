"""Options from the environment and from a TOML file: turns texts into values, and remembers where each is from."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from readme_metrics.configuration import checks
from readme_metrics.configuration.rules import rules_of

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from readme_metrics.config import MetricsApiConfig
    from readme_metrics.rule import Rule

PREFIX = "README_METRICS_"
KEY_VARIABLE = "README_API_KEY"
_YES = ("1", "true", "yes", "on")
_NO = ("0", "false", "no", "off")


class Kind(NamedTuple):
    """How the text of a variable becomes an option's value."""

    takes: str
    read: Callable[[str], object]


def _flag(text: str) -> bool:
    if text.lower() not in (*_YES, *_NO):
        raise ValueError
    return text.lower() in _YES


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _rules(text: str) -> list[Rule]:
    return rules_of(json.loads(text))


TEXT = Kind("a text", str)
FLAG = Kind("1 or 0", _flag)
WHOLE = Kind("a whole number", int)
SECONDS = Kind("a number of seconds", float)
DAYS = Kind("a number of days", float)
NAMES = Kind("texts, separated by commas", _names)
RULES = Kind('a JSON list of objects, as in [{"path": "/health", "log": false}]', _rules)


class Option(NamedTuple):
    """One option: how its text is read, and which attribute of a configuration has its value."""

    kind: Kind
    attribute: str
    #: The environment variable that every configuration without this option reads; empty if there is none.
    always: str = ""


#: In the order of the constructor's arguments, without `grouping_function`.
OPTIONS = {
    "api_key": Option(TEXT, "README_API_KEY"),
    "base_log_url": Option(TEXT, "BASE_LOG_URL"),
    "buffer_length": Option(WHOLE, "BUFFER_LENGTH"),
    "development_mode": Option(FLAG, "IS_DEVELOPMENT_MODE"),
    "background_worker_mode": Option(FLAG, "IS_BACKGROUND_MODE"),
    "allowlist": Option(NAMES, "ALLOWLIST"),
    "denylist": Option(NAMES, "DENYLIST"),
    "blacklist": Option(NAMES, "DENYLIST"),
    "whitelist": Option(NAMES, "ALLOWLIST"),
    "allowed_http_hosts": Option(NAMES, "ALLOWED_HTTP_HOSTS"),
    "timeout": Option(SECONDS, "METRICS_API_TIMEOUT"),
    "flush_interval": Option(SECONDS, "flush_interval"),
    "shutdown_timeout": Option(SECONDS, "shutdown_timeout"),
    "queue_dir": Option(TEXT, "queue_dir", "README_METRICS_QUEUE_DIR"),
    "queue_bytes": Option(WHOLE, "queue_bytes"),
    "orphan_days": Option(DAYS, "orphan_days"),
    "label": Option(TEXT, "label"),
    "max_body_bytes": Option(WHOLE, "max_body_bytes"),
    "capture_unread_body": Option(FLAG, "capture_unread_body"),
    "trust_forwarded": Option(FLAG, "trust_forwarded"),
    "ignore_paths": Option(NAMES, "ignore_paths"),
    "rules": Option(RULES, "rules"),
    "before_send": Option(TEXT, "before_send"),
    "redact_nested": Option(FLAG, "redact_nested"),
    "compress": Option(FLAG, "compress"),
    "dry_run": Option(TEXT, "dry_run", "README_METRICS_DRY_RUN"),
    "relay": Option(TEXT, "relay", "README_METRICS_RELAY"),
    "project": Option(TEXT, "project", "README_METRICS_PROJECT"),
    "relay_bytes": Option(WHOLE, "relay_bytes"),
}
#: Variables that are no options.
_OTHERS = {"README_METRICS_SERVER", "README_METRICS_DISABLED", "README_METRICS_ROUTES"}


def from_environment(environ: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str], list[str]]:
    """The options that the environment sets, without those that every configuration reads by itself.

    Returns:
        The values by option, the names of their variables by option, and the variables that begin with
        `README_METRICS_` and name no option.

    Raises:
        ValueError: A variable has a wrong value; the message names the variable.
    """
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for name, option in OPTIONS.items():
        variable = KEY_VARIABLE if name == "api_key" else PREFIX + name.upper()
        text = environ.get(variable, "")
        if not text.strip() or option.always:
            continue
        try:
            with checks.within(variable):
                values[name] = _read(option.kind, text)
        except (TypeError, ValueError) as error:
            raise ValueError(str(error)) from None
        origins[name] = variable
    known = {PREFIX + name.upper() for name in OPTIONS} | _OTHERS
    return values, origins, sorted(name for name in environ if name.startswith(PREFIX) and name not in known)


def _read(kind: Kind, text: str) -> object:
    try:
        return kind.read(text.strip())
    except TypeError:
        raise
    except ValueError as error:
        # The error of a rule says what the rule takes; that of `int` or `float` does not say what an option takes.
        why = str(error) if kind is RULES and not isinstance(error, json.JSONDecodeError) else ""
        raise ValueError(why or f"it takes {kind.takes}, got {text!r:.80}") from None


def from_toml(path: str | Path, table: str) -> tuple[dict[str, Any], dict[str, str]]:
    """The options in a table of a TOML file: their values and where they are from.

    Raises:
        OSError: There is no such file.
        ValueError: The file is not TOML, it has no such table, or the table has a key that is no option; the message
            says which.
    """
    where = f"{path} [{table}]"
    with Path(path).open("rb") as file, checks.within(str(path)):
        found: Any = tomllib.load(file)
    for part in table.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    if not isinstance(found, dict):
        raise ValueError(f"{path} has no table [{table}]")
    if unknown := sorted(set(found) - set(OPTIONS) - {"grouping_function"}):
        raise ValueError(f"{where}: {unknown[0]} is no option; see docs/options.md")
    if "rules" in found:
        with checks.within(where):
            found = {**found, "rules": rules_of(found["rules"])}
    return found, dict.fromkeys(found, where)


def made(
    cls: type[MetricsApiConfig], values: dict[str, Any], origins: dict[str, str], overrides: dict[str, Any]
) -> MetricsApiConfig:
    """Makes a configuration from `values` and `overrides`, which take precedence. It knows where each value is from.

    Raises:
        TypeError, ValueError: As from the constructor; the message begins with where the value is from.
    """
    arguments = {**values, **overrides}
    origins = {**origins, **dict.fromkeys(overrides, "argument")}
    try:
        config = cls(**{"api_key": None, "grouping_function": None, **arguments})
    except (TypeError, ValueError) as error:
        name = str(error).partition(" ")[0].partition("[")[0]
        where = origins.get(name, "argument")
        raise (error if where == "argument" else type(error)(f"{where}: {error}")) from None
    config.origins = origins
    return config


def effective(config: MetricsApiConfig) -> list[tuple[str, str, str]]:
    """Each option with its value (secrets left out) and where that value is from."""
    defaults = type(config)(None, None)
    rows = []
    for name, option in OPTIONS.items():
        if name in ("blacklist", "whitelist"):  # old names: their lists are shown under the new ones
            continue
        value = getattr(config, option.attribute)
        old_name = {"denylist": "blacklist", "allowlist": "whitelist"}.get(name, name)
        origin = config.origins.get(name) or config.origins.get(old_name)
        if origin is None and option.always and os.environ.get(option.always):
            origin = option.always
        if origin is None:
            origin = "default" if value == getattr(defaults, option.attribute) else "argument"
        rows.append((name, _shown(name, value), origin))
    return rows


def _shown(name: str, value: Any) -> str:
    if name == "api_key":
        return f"{len(value)} characters" if value else "none"
    if name == "relay" and value:
        return str(value).rpartition("@")[2] if "@" in str(value) else str(value)
    return str(value) if isinstance(value, Path) else repr(value)
