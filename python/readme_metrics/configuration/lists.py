"""The denylist and the allowlist, each merged with the list of its old name; warns of entries that match nothing."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable

from readme_metrics.configuration import checks
from readme_metrics.safe_defaults import SAFE_DEFAULTS

_SHIPPED = frozenset(SAFE_DEFAULTS)


def merged(
    name: str, value: Iterable[str] | None, old_name: str, old_value: Iterable[str] | None, *, is_nested: bool
) -> list[str] | None:
    """The union of a list and the list of its old name; None if neither is given.

    Args:
        name: The argument's name; `old_name` is the published SDK's other name for it.
        value: The argument's value; `old_value` is that of the old name.
        is_nested: Whether dotted paths and `*` are understood (`redact_nested`).

    Raises:
        TypeError: One of them is not a list of strings.
    """
    entries = checks.names(name, value) + checks.names(old_name, old_value)
    entries = list(dict.fromkeys(entries))
    for entry in entries:
        reason = _why_it_never_matches(entry, is_nested=is_nested)
        if reason and entry not in _SHIPPED:
            logging.getLogger("readme_metrics").warning("%s: the entry %r can match nothing: %s", name, entry, reason)
    return None if value is None and old_value is None else entries


def _why_it_never_matches(entry: str, *, is_nested: bool) -> str | None:
    if entry != entry.strip():
        return "it begins or ends with a blank"
    if entry.endswith(":"):
        return "it ends with a colon"
    if "," in entry:
        return "it has a comma inside; each name is an entry of its own"
    if re.fullmatch(r"(HTTP_|X_)[A-Z0-9_]+|CONTENT_(TYPE|LENGTH)", entry):
        header = entry.removeprefix("HTTP_").replace("_", "-").title()
        return f"headers are written with hyphens, {header!r}"
    if not is_nested and ("*" in entry or "." in entry):
        return "dotted paths and * need redact_nested=True"
    return None
