"""Redacts JSON, as `rust/redact/json.rs`."""

from __future__ import annotations

import json
import re

from reference.json_values import Value, json_values
from reference.marker import Malformed, redacted
from reference.rules import Rules, is_surrogate
from reference.url.hidden import Denied


def looks_like_json(text: str) -> bool:
    """Whether a text that is not declared as JSON is certainly meant as JSON."""
    blanks = "[\\s\x00-\x1f\x7f-\x9f\ufeff]*"
    if re.match(f'{blanks}(?:{{{blanks}["}}]|\\[{blanks}["{{\\[])', text):
        return True
    # It may have been encoded more than once: quotes, blanks and escapes of both stand before it.
    if not re.match(f'{blanks}"', text):
        return False
    escape = re.compile(r"\\+(?:u([0-9a-fA-F]{4})|([bfnrt]))|\\+", re.DOTALL)
    text = escape.sub(lambda found: chr(int(found[1], 16)) if found[1] else "\n" if found[2] else "", text)
    return re.match(f'{blanks}"[\\s\x00-\x1f\x7f-\x9f\ufeff"]*[{{\\[]', text) is not None


def denied_in_json(rules: Rules, text: str) -> list[Denied] | None:
    """The denied values of a field that is JSON; strings without their quotes. `None` if the field is not JSON."""
    try:
        values = judged_values(rules, text, is_field=True)
    except Malformed:
        return None
    found = []
    for value in values:
        source = text[value.start : value.end]
        if source.startswith('"'):
            found.append(Denied(value.start + 1, value.end - 1, len(json.loads(source))))
        else:
            found.append(Denied(value.start, value.end, None))
    return found


def judge_value(rules: Rules, value: Value, is_field: bool) -> str:
    """What happens to a value: as `Rules.judge`, or `whole` if a value around it has been judged as a whole."""
    parent = value.parent
    if parent is None:
        return "enter" if rules.is_allowlist and not is_field else "keep"
    value.is_inside_member = parent.is_inside_member or parent.key is not None
    if parent.verdict in ("redact", "whole") or (value.is_inside_member and not rules.nested):
        return "whole"
    return parent.verdict if value.key is None else rules.judge(value.path())


def judged_values(rules: Rules, text: str, is_field: bool = False) -> list[Value]:
    """The values of a JSON text that must be redacted."""
    found = []
    for value in json_values(text):
        value.verdict = judge_value(rules, value, is_field)
        is_top_level_string = value.key is None and not value.is_inside_member and text[value.start] == '"'
        if (
            value.verdict == "redact"
            or (value.verdict == "enter" and not value.closing)
            or (
                value.verdict == "keep"
                and is_top_level_string
                and hides_json(rules, json.loads(text[slice(value.start, value.end)]))
            )
        ):
            found.append(value)
    return found


def hides_json(rules: Rules, text: str) -> bool:
    """Whether a string at the top level holds JSON in which something is denied, or which parsers read differently."""
    if not looks_like_json(text):
        return False
    if any(is_surrogate(character) for character in text):
        return True
    try:
        return judged_values(rules, text) != []
    except Malformed:
        return True


def redact_json(rules: Rules, text: str) -> str:
    """Replace the denied values of a JSON text, and nothing else."""
    pieces, copied = [], 0
    for value in judged_values(rules, text):
        source = text[value.start : value.end]
        marker = redacted(json.loads(source)) if source.startswith('"') else "[REDACTED]"
        pieces += [text[copied : value.start], f'"{marker}"']
        copied = value.end
    return "".join([*pieces, text[copied:]])
