"""`load`: the configuration that a command works on."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path
from typing import Any

from readme_metrics import MetricsApiConfig
from readme_metrics._process import environment


class NoConfiguration(Exception):
    """No configuration was named, or it cannot be loaded; the message says why."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config",
        metavar="MODULE:NAME",
        help="a MetricsApiConfig, one of our middlewares, or an app that has one: Flask, FastAPI, Django, WSGI or ASGI "
        "(default: the API key in README_API_KEY or the relay in README_METRICS_RELAY, and defaults for the rest)",
    )
    parser.add_argument("--queue-dir", metavar="DIR", help="instead of the configuration's `queue_dir`")


def load(options: argparse.Namespace) -> MetricsApiConfig:
    """The configuration that the options name, or that of the environment. Raises NoConfiguration."""
    if options.config:
        config = _imported(options.config)
    elif (key := environment.api_key()) or environment.relay():
        try:
            config = MetricsApiConfig(key, lambda _: None)
        except (ImportError, ValueError) as problem:
            raise NoConfiguration(str(problem)) from problem
    else:
        names = "README_API_KEY or README_METRICS_RELAY"
        raise NoConfiguration(f"no configuration: name it with --config MODULE:NAME, or set {names}")
    if options.queue_dir:
        config.queue_dir = Path(options.queue_dir)
    return config


def _imported(path: str) -> MetricsApiConfig:
    module_name, _, name = path.partition(":")
    sys.path.insert(0, str(Path.cwd()))
    try:
        found: Any = importlib.import_module(module_name)
        for part in name.split("."):
            found = getattr(found, part)
    except Exception as error:
        raise NoConfiguration(f"{path} cannot be imported: {type(error).__name__}: {error}") from error
    config = _config_of(found)
    if config is None:
        raise NoConfiguration(f"{path} is neither a MetricsApiConfig nor an app with one of our middlewares")
    return config


#: The attributes in which middlewares and frameworks keep the app that they wrap.
_INNER = ("wsgi_app", "app", "asgi_app", "application", "wrapped_app")
#: How many objects are looked at; no app is wrapped in as many middlewares.
_DEEPEST = 50


def _config_of(found: Any) -> MetricsApiConfig | None:
    """The configuration of the outermost of our middlewares in `found`."""
    waiting = [found]
    for _ in range(_DEEPEST):
        if not waiting:
            break
        found = waiting.pop(0)
        config = found if isinstance(found, MetricsApiConfig) else getattr(found, "config", None)
        if isinstance(config, MetricsApiConfig):
            return config
        if type(found).__module__.startswith("django.core.handlers."):
            from django.conf import settings

            waiting.append(getattr(settings, "README_METRICS_CONFIG", None))
        # Starlette keeps added middlewares here and makes them at the first request.
        for added in getattr(found, "user_middleware", None) or ():
            waiting.append(getattr(added, "kwargs", {}).get("config"))
        waiting += [inner for name in _INNER if (inner := getattr(found, name, None)) is not None]
    return None
