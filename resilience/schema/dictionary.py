"""The tables in words."""

from __future__ import annotations

import pandera.pandas as pa

from .tables import TABLES, columns

_RULES = {
    "isin": "one of",
    "greater_than_or_equal_to": "at least",
    "greater_than": "above",
    "less_than_or_equal_to": "at most",
    "str_matches": "matches",
}


def _rule(check: pa.Check) -> str:
    """A check in words, from its name and argument."""
    (argument,) = check.statistics.values()
    shown = f"`{argument}`" if check.name == "str_matches" else argument
    return f"{_RULES[str(check.name)]} {', '.join(argument) if check.name == 'isin' else shown}"


def data_dictionary() -> str:
    """`docs/data-dictionary.md`, made from this module; a test fails where the file is stale."""
    lines = [
        "# Data dictionary",
        "",
        "Made by `resilience docs data-dictionary`; do not edit. Times are UTC in microseconds, durations are",
        "float minutes named `*_min`. Missing is null, never zero.",
    ]
    for name, (model, keys) in TABLES.items():
        lines += [
            "",
            f"## {name}",
            "",
            " ".join((model.__doc__ or "").split()),
            "",
            f"Key: {', '.join(keys)}.",
            "",
        ]
        lines += ["| column | type | unit | may be missing | meaning | rule |", "|---|---|---|---|---|---|"]
        for column, spec in columns(name).items():
            rules = "; ".join(_rule(check) for check in spec.checks)
            kind = str(spec.dtype).replace("string[pyarrow]", "str")
            unit = (spec.metadata or {}).get("unit", "")
            lines.append(
                f"| {column} | {kind} | {unit} | {'yes' if spec.nullable else 'no'} | {spec.description} | {rules} |"
            )
    return "\n".join(lines) + "\n"
