"""The `rules` of a configuration: a list of `Rule`, or the tables of a file that become one."""

from __future__ import annotations

from collections.abc import Iterable

from readme_metrics.configuration.checks import refuse, within
from readme_metrics.rule import Rule


def checked_rules(name: str, value: object) -> list[Rule]:
    """The rules, in order. Refuses a rule that can never decide, because an earlier one decides on all its requests."""
    if value is None:
        return []
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise refuse(name, value, "a list of Rule")
    rules = list(value)
    earlier: dict[str, int] = {}
    for number, rule in enumerate(rules):
        if not isinstance(rule, Rule):
            raise refuse(f"{name}[{number}]", rule, "a Rule (those of PROBES with a star: [*PROBES, ...])")
        conditions = rule.conditions()
        for shown in (repr((None,) * len(conditions)), repr(conditions)):
            if (before := earlier.get(shown)) is not None:
                raise ValueError(
                    f"{name}[{number}], {rule!r}, is never reached: {name}[{before}] decides about all its requests"
                )
        earlier[repr(conditions)] = number
    return rules


def rules_of(tables: object) -> list[Rule]:
    """Makes rules from tables (TOML) or objects (JSON), each of which holds the arguments of one rule.

    Raises:
        TypeError: `tables` is not a list of tables, or an argument is unknown or has the wrong type; the message says
            which.
        ValueError: As from `Rule`.
    """
    if not isinstance(tables, list):
        raise refuse("rules", tables, "a list of tables")
    rules = []
    for number, table in enumerate(tables):
        with within(f"rules[{number}]"):
            if not isinstance(table, dict):
                raise refuse("a rule", table, "a table")
            if unknown := sorted(set(table) - set(Rule.__init__.__kwdefaults__ or {})):
                raise TypeError(f"{unknown[0]} is no argument of a rule")
            rules.append(Rule(**table))
    return rules
