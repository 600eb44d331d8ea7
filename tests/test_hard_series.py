"""Series as they should not be, through every function of capacity: an answer or a refusal, never a number made up."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from resilience.analysis.exhaustion import course, exhaustion
from resilience.analysis.forecast import forecast, peaks
from resilience.analysis.headroom import headroom
from resilience.analysis.impact import impact
from resilience.analysis.safe_hours import safe_hours
from resilience.analysis.safe_windows import safe_windows
from resilience.analysis.what_if import what_if
from resilience.errors import InputError

from . import loads
from .loads import BERLIN

N = 60 * 168
AT = pd.Timestamp("2019-11-05T10:00", tz="UTC")
INCIDENT = pd.DataFrame(
    [
        {
            "incident_id": "I",
            "started_at": AT,
            "mitigated_at": AT + pd.Timedelta(hours=2),
            "resolved_at": pd.NaT,
            "services": "a",
        }
    ]
)


def _headroom(rows: pd.DataFrame) -> pd.DataFrame:
    answers = rows.assign(metric="p95", rollup="avg", value=0.5)
    return headroom(rows, answers, BERLIN, load_metric="hits", response_metric="p95", at_most=1.0).table


CALENDAR = pd.DataFrame(
    columns=["kind", "title", "starts_at", "ends_at", "services", "weekdays", "from_min", "until_min"]
)
AHEAD: dict[str, Any] = {
    "zone": BERLIN, "metric": "hits", "targets": ["a"], "minutes": 20.0,
    "between": (pd.Timestamp("2020-07-27", tz=BERLIN), pd.Timestamp("2020-08-03", tz=BERLIN)),
}  # fmt: skip

FUNCTIONS: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "course": lambda rows: course(rows, BERLIN, metric="hits", scope="service:a", limit=1000.0).table,
    "peaks": lambda rows: peaks(forecast(rows, BERLIN, metric="hits")),
    "safe_windows": lambda rows: safe_windows(rows, CALENDAR, **AHEAD).table,
    "safe_hours": lambda rows: safe_hours(rows, CALENDAR, **AHEAD).table,
    "exhaustion": lambda rows: exhaustion(rows, BERLIN, metric="hits", limits={"a": 1000.0}).table,
    "forecast": lambda rows: forecast(rows, BERLIN, metric="hits").table,
    "headroom": _headroom,
    "what_if": lambda rows: what_if(rows, BERLIN, metric="hits", limits={"a": 1000.0}, times=2.0).table,
    "impact": lambda rows: impact(rows, INCIDENT, BERLIN, metric="hits").table,
}
every = pytest.mark.parametrize("name", FUNCTIONS)


def result(name: str, values: Any, **given: Any) -> pd.Series | None:
    """First row; None where there is none."""
    table = FUNCTIONS[name](loads.rows(values, **given))
    return None if table.empty else table.iloc[0]


def refused(name: str, rows: pd.DataFrame, match: str) -> None:
    """Nothing is answered, and the reason `match` is given: as an error, or beside the target that it keeps out."""
    if name == "safe_hours":
        row = FUNCTIONS[name](rows).iloc[0]
        assert row["n"] == 0
        assert re.search(match, row["reason"])
        return
    with pytest.raises(InputError, match=match):
        FUNCTIONS[name](rows)


def test_a_constant() -> None:
    values = np.full(N, 100.0)
    row = result("exhaustion", values)
    assert row is not None
    assert row["state"] == "not within the horizon"
    assert row["growth_pct"] == pytest.approx(0, abs=0.01)
    row = result("forecast", values)
    assert row is not None
    assert row["expected"] == pytest.approx(100)
    assert row[["low80", "high95"]].isna().all(), "nothing ever strayed, so nothing says how far it may"
    row = result("headroom", values)
    assert row is not None
    assert (row["limit"], row["at_least"]) == (100.0, True)
    row = result("what_if", values)
    assert row is not None
    assert (row["state"], row["peak"]) == ("holds", 200.0)
    row = result("impact", values)
    assert row is not None
    assert (row["verdict"], row["lost"]) == ("not distinguishable", pytest.approx(0, abs=1e-6))
    row = result("course", values)
    assert row is not None
    assert row[["asked", "expected", "low", "high"]].tolist() == pytest.approx([100] * 4, rel=1e-3)
    row = result("safe_windows", values)
    assert row is not None
    assert row["room"] == pytest.approx(1 - 100 / (100 * 2 / 3)), "it carried 100, of which a third is lost"
    row = result("safe_hours", values)
    assert row is not None
    assert row["n_safe"] == 0
    row = result("peaks", values)
    assert row is not None
    assert row["expected"] == pytest.approx(100)


@every
@pytest.mark.parametrize("values", [np.full(N, np.nan), [100.0]], ids=["nulls", "one point"])
def test_nothing_is_made_of_nothing(name: str, values: Any) -> None:
    if name == "safe_windows":
        refused(name, loads.rows(values), "at least four are needed")
        return
    row = result(name, values)
    assert row is None or row["reason"]
    assert row is None or row.get("state", row.get("verdict", "not known")) in ("not known", "not measured")


def test_a_year_of_zeros() -> None:
    """Zero is a value: an hour without a request. But it has no level that could grow, and no load that was carried."""
    values = np.zeros(N)
    row = result("exhaustion", values)
    assert row is not None
    assert (row["state"], row["reason"]) == ("not known", "fewer than 26 ordinary weeks of values above zero")
    row = result("forecast", values)
    assert row is not None
    assert row["expected"] == 0
    assert row[["low80", "high80", "low95", "high95"]].isna().all()
    row = result("headroom", values)
    assert row is not None
    assert pd.isna(row["limit"])
    row = result("what_if", values)
    assert row is not None
    assert (row["state"], row["used"]) == ("holds", 0)
    assert pd.isna(row["carries_times"])
    row = result("impact", values)
    assert row is not None
    assert (row["verdict"], pd.isna(row["lost"])) == ("not measured", True)
    assert result("course", values) is None
    for name in ("safe_windows", "safe_hours"):
        refused(name, loads.rows(values), "at least four are needed")


@every
def test_infinities_and_gaps_are_missing(name: str) -> None:
    values = loads.weeks(60)
    rough, clean = values.copy(), values.copy()
    rough[1000:1010], rough[1010:1020] = np.inf, -np.inf
    clean[1000:1020] = np.nan
    one, other = (FUNCTIONS[name](loads.rows(v)) for v in (rough, clean))
    pd.testing.assert_frame_equal(one, other)
    found = one.select_dtypes("number").to_numpy(dtype=float)
    assert not np.isinf(found).any()


@every
def test_a_running_count_is_refused(name: str) -> None:
    values = np.cumsum(np.random.default_rng(0).poisson(20, N) + 1.0)
    values[N // 2 :] -= values[N // 2 - 1]
    refused(name, loads.rows(values, rollup="last"), r"running count|cannot be summed")


@every
def test_points_that_stand_twice_are_refused(name: str) -> None:
    rows = loads.rows(loads.weeks(30))
    refused(name, pd.concat([rows, rows.iloc[[77]]], ignore_index=True), "stand twice")


@every
def test_points_at_uneven_times_are_refused(name: str) -> None:
    rows = loads.rows(loads.weeks(30))
    late = pd.to_timedelta(np.random.default_rng(0).integers(0, 50, len(rows)), unit="s")
    refused(name, rows.assign(at=(rows["at"] + late).astype("datetime64[us, UTC]")), "off the grid")


@every
def test_one_that_cannot_be_read_keeps_no_other_from_its_answer(name: str) -> None:
    rows = loads.rows(loads.weeks(60))
    late = pd.to_timedelta(np.random.default_rng(0).integers(0, 50, len(rows)), unit="s")
    other = rows.assign(at=(rows["at"] + late).astype("datetime64[us, UTC]"), scope="service:b")
    both = FUNCTIONS[name](pd.concat([rows, other], ignore_index=True))
    pd.testing.assert_frame_equal(both, FUNCTIONS[name](rows))


def test_what_cannot_be_read_is_named() -> None:
    rows = loads.rows(loads.weeks(60))
    other = pd.concat([rows, rows.iloc[[7]]]).assign(scope="service:b")
    series = pd.concat([rows, other, other.assign(scope="service:c")], ignore_index=True)
    says = "Left aside, since it cannot be read: service:b, and 1 more. hits: 1 point(s) stand twice"
    for text in (
        exhaustion(series, BERLIN, metric="hits", limits={"a": 1000.0}).text,
        forecast(series, BERLIN, metric="hits").text,
        what_if(series, BERLIN, metric="hits", limits={"a": 1000.0}).text,
        impact(series, INCIDENT, BERLIN, metric="hits").text,
    ):
        assert says in text


@every
def test_mixed_intervals_are_refused_and_order_does_not_matter(name: str) -> None:
    rows = loads.rows(loads.weeks(30))
    refused(name, pd.concat([rows, loads.rows([1.0], interval_s=60.0)], ignore_index=True), "interval_s")
    mixed = rows.sample(frac=1, random_state=0).reset_index(drop=True)
    pd.testing.assert_frame_equal(FUNCTIONS[name](mixed), FUNCTIONS[name](rows))
    refused(name, rows.iloc[:0], "no series")
