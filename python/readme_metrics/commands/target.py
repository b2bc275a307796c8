"""The configuration that a command is about."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path
from typing import Any

from readme_metrics import MetricsApiConfig, MetricsMiddleware
from readme_metrics._process import environment


class Unusable(Exception):
    """There is no configuration; the message says why."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config",
        metavar="MODULE:NAME",
        help="a MetricsApiConfig, a MetricsMiddleware or an app that is wrapped in one "
        "(default: the API key in README_API_KEY or the relay in README_METRICS_RELAY, and defaults for the rest)",
    )
    parser.add_argument("--queue-dir", metavar="DIR", help="instead of the configuration's `queue_dir`")


def load(options: argparse.Namespace) -> MetricsApiConfig:
    """Raises Unusable."""
    if options.config:
        config = _imported(options.config)
    elif (key := environment.api_key()) or environment.relay():
        try:
            config = MetricsApiConfig(key, lambda _: None)
        except (ImportError, ValueError) as problem:
            raise Unusable(str(problem)) from problem
    else:
        names = "README_API_KEY or README_METRICS_RELAY"
        raise Unusable(f"no configuration: name it with --config MODULE:NAME, or set {names}")
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
        raise Unusable(f"{path} cannot be imported: {type(error).__name__}: {error}") from error
    for wrapper in (found, getattr(found, "wsgi_app", None)):
        if isinstance(wrapper, MetricsMiddleware):
            return wrapper.config
    if isinstance(found, MetricsApiConfig):
        return found
    raise Unusable(f"{path} is neither a MetricsApiConfig nor wrapped in a MetricsMiddleware")
