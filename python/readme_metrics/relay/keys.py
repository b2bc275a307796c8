"""The ReadMe API key of each project, from environment variables or from a file that only its owner can read."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable

from readme_metrics.relay import address


class BadArguments(Exception):
    """The relay cannot start; the message says why, and shows no key."""


def from_environment(arguments: Iterable[str]) -> dict[str, str]:
    """The keys by project, from arguments of the form `NAME=VARIABLE`.

    Raises:
        BadArguments: An argument has another form, or its variable is unset or empty.
    """
    keys: dict[str, str] = {}
    for argument in arguments:
        name, separator, variable = argument.partition("=")
        if not separator or not variable:
            raise BadArguments("--project takes NAME=VARIABLE: the environment variable that holds the project's key")
        _add(keys, name, os.environ.get(variable, ""), f"the environment variable {variable:.100} is unset or empty")
    return keys


def from_file(path: str) -> dict[str, str]:
    """The keys by project, from a file of lines `NAME=KEY`; empty lines and lines that begin with `#` are ignored.

    Raises:
        BadArguments: There is no such file, users other than its owner may read or write it, or a line has another
            form.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except (OSError, ValueError) as error:
        raise BadArguments(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    try:
        _check(path, os.fstat(descriptor))
    except BadArguments:
        os.close(descriptor)
        raise
    with os.fdopen(descriptor, encoding="utf-8", errors="replace") as file:
        keys: dict[str, str] = {}
        for number, line in enumerate(file.read().splitlines(), start=1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            name, separator, key = line.partition("=")
            if not separator:
                raise BadArguments(f"{path}, line {number}: not of the form NAME=KEY")
            _add(keys, name.strip(), key, f"{path}, line {number}: the key is empty")
    return keys


def _check(path: str, facts: os.stat_result) -> None:
    if not stat.S_ISREG(facts.st_mode):
        raise BadArguments(f"{path} is no regular file")
    if hasattr(os, "geteuid"):
        if facts.st_mode & 0o077:
            raise BadArguments(f"{path} can be read or changed by others: chmod 600 {path}")
        if facts.st_uid not in (os.geteuid(), 0):
            raise BadArguments(f"{path} belongs to another user")


def _add(keys: dict[str, str], name: str, key: str, problem: str) -> None:
    try:
        address.checked_project("a project's name", name)
    except ValueError as error:
        raise BadArguments(str(error)) from None
    key = key.strip()
    if not key:
        raise BadArguments(f"project {name}: {problem}")
    if not (key.isascii() and key.isprintable()):
        raise BadArguments(f"project {name}: the key has strange characters: copy it again")
    if name in keys:
        raise BadArguments(f"project {name} is given twice")
    keys[name] = key
