"""What an incident cost: planted losses and catch-ups come back, with a range that holds them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from resilience.analysis import calendar as business
from resilience.analysis.impact import Impact, impact
from resilience.errors import InputError

from . import loads
from .loads import BERLIN

AT = loads.MONDAY + pd.Timedelta(weeks=14, hours=34)  # a Tuesday at 10


def incidents(
    *spans: tuple[pd.Timestamp, pd.Timestamp], services: str | None = "a", **given: Any
) -> pd.DataFrame:
    found = [
        {
            "incident_id": f"I-{i}",
            "started_at": a,
            "mitigated_at": b,
            "resolved_at": pd.NaT,
            "services": services,
            **given,
        }
        for i, (a, b) in enumerate(spans)
    ]
    for row in found:
        for name in ("started_at", "mitigated_at", "resolved_at"):
            row[name] = pd.NaT if pd.isna(row[name]) else pd.Timestamp(row[name]).tz_convert("UTC")
    return pd.DataFrame(found)


def find(values: np.ndarray, rows: pd.DataFrame, **given: Any) -> Impact:
    return impact(loads.rows(values), rows, BERLIN, metric="hits", **given)


def place(at: pd.Timestamp) -> int:
    return int((at - loads.MONDAY) / pd.Timedelta(hours=1))


def test_a_planted_loss_and_what_came_back() -> None:
    """Three hours at 200, of which 60 % is lost; half of it comes back within six hours."""
    values = loads.weeks(30, sigma=0.03)
    usual = values.copy()
    i = place(AT)
    values[i : i + 3] *= 0.4
    lost = (usual - values).sum()
    values[i + 3 : i + 9] += lost / 12
    row = find(values, incidents((AT, AT + pd.Timedelta(hours=3)))).table.iloc[0]
    assert row["verdict"] == "lost"
    assert row["lost_low"] <= lost <= row["lost_high"]
    assert row["lost"] == pytest.approx(lost, rel=0.1)
    assert row["lost_pct"] == pytest.approx(60, abs=5)
    assert row["came_back_low"] <= lost / 2 <= row["came_back_high"]
    assert row["net"] == pytest.approx(row["lost"] - row["came_back"])
    assert (row["n"], row["n_missing"], row["n_weeks"]) == (3, 0, 16)


def test_growth_is_no_loss_and_no_gain() -> None:
    values = loads.weeks(30, growth=3.0, sigma=0.02, seed=1)
    row = find(values, incidents((AT, AT + pd.Timedelta(hours=2)))).table.iloc[0]
    assert row["verdict"] == "not distinguishable"
    assert abs(row["lost_pct"]) < 5


def test_nothing_is_found_where_nothing_happened() -> None:
    """200 spans without any effect: a 95 % range that leaves zero out in about one of twenty."""
    rng = np.random.default_rng(3)
    starts = [loads.MONDAY + pd.Timedelta(hours=int(h)) for h in rng.integers(10 * 168, 50 * 168, 200)]
    spans = [(a, a + pd.Timedelta(hours=2)) for a in starts]
    found = find(loads.weeks(60, sigma=0.1), incidents(*spans)).table
    assert found["verdict"].isin(["lost", "more than usual"]).mean() <= 0.09


def test_a_gap_is_no_loss() -> None:
    values = loads.weeks(30, sigma=0.0)
    i = place(AT)
    values[i : i + 4] *= 0.5
    values[i + 2] = np.nan
    span = (AT, AT + pd.Timedelta(hours=4))
    row = find(values, incidents(span)).table.iloc[0]
    assert (row["n_missing"], row["lost"]) == (1, pytest.approx(300))
    values[i : i + 4] = np.nan
    row = find(values, incidents(span)).table.iloc[0]
    assert (row["verdict"], row["reason"]) == ("not measured", "too little was recorded during it")
    assert pd.isna(row["lost"])


@pytest.mark.parametrize("sunday", ["2020-03-29", "2019-10-27"])
def test_across_a_change_of_the_clock(sunday: str) -> None:
    """From Saturday 22:00 to Sunday 10:00 local: half is lost, and what the clock skips or repeats is no loss."""
    start = pd.Timestamp(sunday, tz=BERLIN) - pd.Timedelta(hours=2)
    end = pd.Timestamp(f"{sunday}T10:00", tz=BERLIN)
    values = loads.weeks(60, sigma=0.0)
    values[place(start) : place(end)] *= 0.5
    row = find(values, incidents((start, end))).table.iloc[0]
    assert row["lost_pct"] == pytest.approx(50, abs=0.5)
    assert row["verdict"] == "lost"


def test_what_cannot_be_measured_is_listed_with_its_reason() -> None:
    values = loads.weeks(30)
    hour = pd.Timedelta(hours=1)
    rows = pd.concat(
        [
            incidents((AT, pd.NaT)),
            incidents((AT, AT - hour)),
            incidents((AT, AT + hour), services="nobody"),
            incidents((AT, AT + hour), services=None),
            incidents((loads.MONDAY - 5 * hour, loads.MONDAY + hour)),
            incidents((loads.MONDAY + hour, loads.MONDAY + 2 * hour)),
        ],
        ignore_index=True,
    )
    found = find(values, rows)
    assert set(found.table["verdict"]) == {"not measured"}
    assert found.table["reason"].notna().all()
    assert found.table[["lost", "expected", "came_back"]].isna().all(axis=None)
    assert "6 could not be measured" in found.text
    assert find(values, rows.iloc[:0]).text == "There is no incident to measure."
    short = find(loads.weeks(4), incidents((AT - pd.Timedelta(weeks=12), AT - pd.Timedelta(weeks=12) + hour)))
    assert "ordinary weeks to compare with" in short.table["reason"].iloc[0]


def test_what_is_no_count_cannot_be_summed() -> None:
    series = loads.rows(loads.weeks(20), rollup="avg")
    with pytest.raises(InputError, match="cannot be summed"):
        impact(series, incidents((AT, AT + pd.Timedelta(hours=1))), BERLIN, metric="hits")


def test_the_planted_depth_of_simulated_incidents_lies_in_the_range() -> None:
    sample = loads.sample(2, "small")
    spans = business.unlike(sample.calendar, sample.incidents, kinds=("sale", "holiday")).spans
    found = impact(sample.hits, sample.incidents, BERLIN, metric="hits", exclude=spans).table
    depth = {"SEV1": 0.65, "SEV2": 0.35, "SEV3": 0.12, "SEV4": 0.03}
    of = {i["incident_id"]: i for i in sample.true["incidents"]}
    found = found[found["verdict"] != "not measured"]
    held = []
    for row in found.itertuples():
        true = of[row.incident_id]
        share = depth[true["severity"]] * (1.0 if row.service == true["services"][0] else 0.5)
        share = 1.0 if row.incident_id == sample.true["outage"]["incident_id"] else share
        hours = (row.ended_at - row.started_at) / pd.Timedelta(hours=1)
        lost = share * hours / row.n * row.expected
        held.append(row.lost_low <= lost <= row.lost_high)
    print(f"{len(held)} incidents x services, the planted loss within the 95 % range of {np.mean(held):.3f}")
    assert len(held) >= 200
    assert np.mean(held) >= 0.92
