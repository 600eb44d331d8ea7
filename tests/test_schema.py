"""Rules of tables: the quick check and pandera say the same, whatever is broken."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandera.errors import SchemaErrors

from resilience import schema
from resilience.errors import InputError
from resilience.schema import checks, tables

VALUES: dict[str, list[Any]] = {
    "str": ["a", "", "real", "avg", "monitor", "service:a", None],
    "float64": [0.0, -1.0, 1.0, 1e300, float("nan"), float("inf")],
    "Int64": [0, -1, 1, 100, None],
    "int64": [0, -1, 1, 100],
    "bool": [True, False],
    "boolean": [True, False, None],
}
TIMES = [pd.Timestamp("2020-01-01", tz="UTC"), pd.NaT]


def column(spec: Any, draw: Any, rows: int) -> pd.Series:
    """Mostly what `spec` allows, since a row of many columns would hardly ever pass otherwise."""
    dtype = spec.dtype.type
    values = TIMES if isinstance(dtype, pd.DatetimeTZDtype) else VALUES[str(dtype)]
    usual = next(
        (list(rule.statistics["allowed_values"]) for rule in spec.checks if rule.name == "isin"), None
    )
    usual = usual or [v for v in values if not pd.isna(v) and v not in (-1, -1.0)][:1]
    return pd.Series(
        [draw(st.sampled_from(values if draw(st.integers(0, 19)) == 0 else usual)) for _ in range(rows)],
        dtype=dtype,
    )


@st.composite
def frames(draw: Any) -> tuple[str, pd.DataFrame]:
    """A table's name and rows of the right types, many of whose values no rule allows; at times a column is off."""
    name, rows = draw(st.sampled_from(sorted(schema.TABLES))), draw(st.integers(0, 3))
    found = pd.DataFrame({c: column(spec, draw, rows) for c, spec in tables.columns(name).items()})
    first = found.columns[0]
    off = draw(st.sampled_from(["", "", "", "missing", "more", "type"]))
    if off == "missing":
        found = found.drop(columns=first)
    if off == "more":
        found = found.assign(more=1)
    if off == "type":
        found = found.assign(**{first: range(rows)})
    return name, found


def allowed(name: str, rows: pd.DataFrame) -> bool:
    try:
        schema.TABLES[name][0].validate(rows, lazy=True)
    except SchemaErrors:
        return False
    return True


@given(frames())
def test_the_quick_check_says_what_pandera_says(given: tuple[str, pd.DataFrame]) -> None:
    name, rows = given
    assert checks._obeys(name, rows) == allowed(name, rows)


@pytest.mark.parametrize("name", sorted(schema.TABLES))
def test_every_rule_of_every_column_is_known_to_the_quick_check(name: str) -> None:
    empty = schema.frame(name)
    assert allowed(name, empty)
    assert {rule.name for column in tables.columns(name).values() for rule in column.checks} <= set(
        checks._BREAKS
    )


def test_what_breaks_a_rule_is_still_named() -> None:
    with pytest.raises(InputError, match=r"incidents\.kind: 1 value\(s\) break .* row\(s\) 0: 'rumour'"):
        schema.frame("incidents", [{"incident_id": "a", "title": "t", "kind": "rumour", "detected_by": "monitor",
                                    "text": "", "simulated": False, "source": "s", "source_uri": "u"}])  # fmt: skip


def test_columns_are_known_without_dask_and_whoever_wants_dask_still_has_it() -> None:
    said = (
        "import sys; from resilience import schema; schema.dtypes('incidents'); "
        "assert 'dask.dataframe' not in sys.modules; import dask.dataframe"
    )
    subprocess.run([sys.executable, "-c", said], check=True, timeout=120)
