"""Hour-of-week profiles and growth, on weeks whose shape is planted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resilience import schema
from resilience.analysis import capacity, selection
from resilience.errors import InputError, RefusedError

MONDAY = pd.Timestamp("2021-03-01", tz="UTC")
BERLIN = "Europe/Berlin"


def series(
    values: Any, *, start: pd.Timestamp = MONDAY, interval_s: float = 3600.0, **columns: Any
) -> pd.DataFrame:
    at = start + pd.to_timedelta(np.arange(len(values)) * interval_s, unit="s")
    common = {
        "metric": "hits",
        "scope": "service:a",
        "interval_s": interval_s,
        "rollup": "sum",
        "unit": "hits",
        "source": "t",
    }
    return schema.frame(
        "series", pd.DataFrame({"at": at.as_unit("us"), "value": values, **common, **columns})
    )


def week_of(at: pd.DatetimeIndex) -> np.ndarray:
    return (at.day_of_week * 24 + at.hour).to_numpy()


def test_a_planted_week_comes_back() -> None:
    found = capacity.profile(series(np.tile(np.arange(168.0), 6)), "UTC", metric="hits")
    assert found.table["hour_of_week"].tolist() == list(range(168))
    assert (found.table["n"] == 6).all()
    for column in capacity.QUANTILES:
        assert found.table[column].tolist() == list(range(168))
    assert found.peak_to_mean["service:a"] == pytest.approx(167 / 83.5)
    assert found.scopes["busiest_hour"].tolist() == [167]
    assert "Sunday 23:00" in found.text


def test_quantiles_equal_pandas() -> None:
    rng = np.random.default_rng(0)
    rows = series(rng.lognormal(3, 1, 24 * 7 * 9 + 31))
    rows = rows.drop(index=rng.choice(len(rows) - 2, 400, replace=False) + 1)
    found = capacity.profile(rows, BERLIN, metric="hits").table.set_index("hour_of_week")
    slot = week_of(pd.DatetimeIndex(rows["at"]).tz_convert(BERLIN))
    for column, level in capacity.QUANTILES.items():
        truth = rows["value"].groupby(slot).quantile(level)
        assert np.allclose(found.loc[truth.index, column], truth)


@pytest.mark.parametrize(
    ("sunday", "slot", "change"), [("2021-03-28", 6 * 24 + 2, -1), ("2021-10-31", 6 * 24 + 2, 1)]
)
def test_daylight_saving_skips_an_hour_in_spring_and_repeats_it_in_autumn(
    sunday: str, slot: int, change: int
) -> None:
    monday = pd.Timestamp(sunday, tz=BERLIN) - pd.Timedelta(days=6)
    end = (monday.tz_localize(None) + pd.Timedelta(days=7)).tz_localize(BERLIN)
    hours = int((end - monday) / pd.Timedelta(hours=1))
    assert hours == 168 + change
    rows = series(np.arange(float(hours)), start=monday.tz_convert("UTC"))
    found = capacity.profile(rows, BERLIN, metric="hits").table
    n = found.set_index("hour_of_week")["n"]
    assert n[slot] == 1 + change
    assert (n.drop(slot) == 1).all()
    assert found["n_missing"].sum() == 0
    assert found["p50"].isna().sum() == (change < 0)
    assert found.set_index("hour_of_week").loc[167, "p50"] == hours - 1


def test_zones_off_the_whole_hour_are_local_too() -> None:
    rows = series(np.ones(4 * 24 * 7), start=MONDAY, interval_s=900.0)
    found = capacity.profile(rows, "Asia/Kolkata", metric="hits").table  # UTC+5:30: Monday 00:00 UTC is 05:30
    assert (found["n"] == 4).all()
    short = capacity.profile(rows.iloc[:2], "Asia/Kolkata", metric="hits").table
    assert short.loc[short["n"] > 0, "hour_of_week"].tolist() == [5]


def test_gaps_stay_gaps_and_are_counted() -> None:
    rows = series(np.tile(np.arange(168.0), 2))
    rows.loc[5, "value"] = np.nan
    rows.loc[6, "value"] = np.inf
    rows = rows.drop(index=range(170, 173))
    found = capacity.profile(rows, "UTC", metric="hits")
    table = found.table.set_index("hour_of_week")
    assert table.loc[[2, 3, 4, 5, 6], "n_missing"].tolist() == [1] * 5
    assert table.loc[[2, 5], "p50"].tolist() == [2, 5]
    assert table["n_missing"].sum() == 5
    assert "Missing: 5 of 336 intervals" in found.text


def test_nothing_but_nulls_and_a_constant() -> None:
    found = capacity.profile(series([np.nan] * 50), "UTC", metric="hits")
    assert found.table[list(capacity.QUANTILES)].isna().all(axis=None)
    assert found.scopes["n_missing"].tolist() == [50]
    assert found.peak_to_mean.isna().all()
    assert "no value to show" in found.text
    constant = capacity.profile(series([3.0] * 400), "UTC", metric="hits")
    assert constant.peak_to_mean.tolist() == [1.0]
    zeros = capacity.profile(series([0.0] * 400), "UTC", metric="hits")
    assert zeros.peak_to_mean.isna().all()
    assert (zeros.table["p50"] == 0).all()


def test_one_point() -> None:
    found = capacity.profile(series([7.0]), "UTC", metric="hits")
    assert found.table["n"].sum() == 1
    assert found.table.loc[0, list(capacity.QUANTILES)].tolist() == [7.0] * 5


def test_scopes_stand_apart_and_can_be_chosen() -> None:
    rows = pd.concat(
        [series([1.0, 2.0], scope="service:b"), series([10.0], scope="service:a")], ignore_index=True
    )
    found = capacity.profile(rows, "UTC", metric="hits")
    assert found.scopes["scope"].tolist() == ["service:a", "service:b"]
    assert found.scopes["n"].tolist() == [1, 2]
    assert found.table.groupby("scope")["max"].max().to_dict() == {"service:a": 10.0, "service:b": 2.0}
    assert capacity.profile(rows, "UTC", metric="hits", scope="service:b").scopes["scope"].tolist() == [
        "service:b"
    ]


def test_excluded_spans_are_left_out_and_counted() -> None:
    rows = series(np.r_[np.ones(48), np.full(24, 99.0), np.ones(96)])
    span = (MONDAY + pd.Timedelta(hours=48, minutes=30), MONDAY + pd.Timedelta(hours=72))
    found = capacity.profile(rows, "UTC", metric="hits", exclude=[span])
    assert found.scopes[["n", "n_excluded", "n_missing"]].iloc[0].tolist() == [144, 24, 0]
    assert found.scopes["max"].tolist() == [1.0]
    assert "Left out on request: 24. The highest among them was 99 there" in found.text
    assert found.scopes["excluded_max"].tolist() == [99.0]
    for bad in ((MONDAY, MONDAY), (MONDAY.tz_localize(None), MONDAY)):
        with pytest.raises(InputError, match="cannot be left out"):
            capacity.profile(rows, "UTC", metric="hits", exclude=[bad])


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"interval_s": 60.0}, "interval_s"),
        ({"rollup": "avg"}, "rollup"),
        ({"unit": "bytes"}, "unit"),
        ({}, "stand twice"),
        ({"start": MONDAY + pd.Timedelta(days=36500 * 3)}, "on a grid of"),
    ],
)
def test_what_cannot_be_one_series_is_refused(other: dict[str, Any], why: str) -> None:
    rows = pd.concat([series([1.0, 2.0]), series([3.0], **other)], ignore_index=True)
    with pytest.raises(RefusedError, match=why):
        capacity.profile(rows, "UTC", metric="hits")


def plainly(rows: pd.DataFrame, zone: str) -> pd.DataFrame:
    """Quantiles by hour of week as pandas groups them."""
    at = pd.DatetimeIndex(rows["at"]).tz_convert(zone)
    value = rows["value"].where(np.isfinite(rows["value"]))
    grouped = value.groupby(at.day_of_week * 24 + at.hour)
    found = pd.DataFrame({name: grouped.quantile(level) for name, level in capacity.QUANTILES.items()})
    return found.assign(n=grouped.count()).reindex(range(168))


@pytest.mark.parametrize("zone", ["UTC", BERLIN, "Australia/Lord_Howe", "Asia/Kolkata"])
@pytest.mark.parametrize("interval_s", [60.0, 300.0, 3600.0, 420.0])
def test_every_way_through_gives_what_pandas_gives(zone: str, interval_s: float) -> None:
    """Two changes of the clock, a gap, an infinity; even, uneven, and a step that fits into no hour."""
    rng = np.random.default_rng(3)
    start = pd.Timestamp("2021-03-10T05:47:00", tz="UTC")
    days = 40 if interval_s < 3600 else 300
    rows = series(
        rng.lognormal(3, 1, int(days * 86400 / interval_s)).round(1), start=start, interval_s=interval_s
    )
    rows.loc[rng.choice(len(rows), 50, replace=False), "value"] = np.nan
    rows.loc[77, "value"] = np.inf
    rows = rows.drop(index=range(1000, 1400)).reset_index(drop=True)
    late = rows.assign(at=rows["at"] + pd.to_timedelta(rng.integers(0, 50, len(rows)), unit="s"))
    for one in (rows, late):
        found = capacity.profile(one, zone, metric="hits").table
        truth = plainly(one, zone)
        assert np.allclose(found[list(capacity.QUANTILES)], truth[list(capacity.QUANTILES)], equal_nan=True)
        assert found["n"].tolist() == truth["n"].fillna(0).tolist()
    assert found["n_missing"].isna().all()
    assert "uneven times" in capacity.profile(late, zone, metric="hits").text


def test_a_running_count_is_refused() -> None:
    rising = np.cumsum(np.random.default_rng(0).poisson(20, 500) + 1.0)
    rising[300:] -= rising[299]
    with pytest.raises(RefusedError, match="running count"):
        capacity.profile(series(rising, rollup="last"), "UTC", metric="hits")


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 6),
    st.lists(st.none() | st.floats(-1e300, 1e300) | st.integers(0, 3).map(float), min_size=1, max_size=120),
)
def test_selection_equals_sorting(rows: int, values: list[float | None]) -> None:
    table = np.resize(np.array(values, dtype=float), (rows, len(values)))
    levels = np.array([0.0, 0.1, 0.5, 0.95, 1.0])
    found, n = selection.row_quantiles(table, levels)
    for row, each, count in zip(table, found, n, strict=True):
        ranked = np.sort(row[~np.isnan(row)])
        assert count == len(ranked)
        if not len(ranked):
            assert np.isnan(each).all()
            continue
        rank = levels * (len(ranked) - 1)
        low = np.floor(rank).astype(int)
        high = np.minimum(low + 1, len(ranked) - 1)
        with np.errstate(over="ignore"):
            assert each.tolist() == (ranked[low] + (ranked[high] - ranked[low]) * (rank - low)).tolist()


@pytest.mark.parametrize("shape", ["gamma", "heavy", "ties", "outlier", "constant"])
def test_selection_equals_sorting_on_long_rows(shape: str) -> None:
    rng = np.random.default_rng(5)
    table = {
        "gamma": rng.gamma(4, 25, (30, 6000)),
        "heavy": rng.pareto(0.3, (30, 6000)),
        "ties": rng.poisson(2, (30, 6000)).astype(float),
        "outlier": np.c_[rng.normal(0, 1, (30, 5999)), np.full(30, 1e200)],
        "constant": np.full((30, 6000), 7.0),
    }[shape]
    table[:, ::7] = np.nan
    found, _ = selection.row_quantiles(table, np.array([0.1, 0.5, 0.9, 0.95, 1.0]))
    assert np.allclose(found, np.nanquantile(table, [0.1, 0.5, 0.9, 0.95, 1.0], axis=1).T, rtol=1e-14)


def test_days_have_no_hours_of_the_week() -> None:
    with pytest.raises(RefusedError, match="hours of a week"):
        capacity.profile(series([1.0, 2.0], interval_s=86400.0), "UTC", metric="hits")


def test_what_is_not_there_names_what_is() -> None:
    rows = series([1.0])
    with pytest.raises(InputError, match="Metrics here: hits"):
        capacity.profile(rows, "UTC", metric="misses")
    with pytest.raises(InputError, match="no scope service:z"):
        capacity.profile(rows, "UTC", metric="hits", scope=["service:z"])
    with pytest.raises(InputError, match="no time zone"):
        capacity.profile(rows, "Mars/Olympus", metric="hits")


def test_an_average_is_said_to_hide_peaks() -> None:
    assert (
        "true peaks are higher"
        in capacity.profile(series([1.0, 2.0], rollup="avg"), "UTC", metric="hits").text
    )


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.none() | st.floats(0, 1e6), min_size=1, max_size=400),
    st.sampled_from(["UTC", BERLIN, "America/New_York", "Australia/Lord_Howe"]),
    st.integers(0, 24 * 365),
    st.randoms(use_true_random=False),
)
def test_every_interval_is_used_missing_or_left_out(
    values: list[float | None], zone: str, hour: int, chance: Any
) -> None:
    start = MONDAY + pd.Timedelta(hours=hour)
    rows = series(np.array(values, dtype=float), start=start)
    span = (start + pd.Timedelta(hours=3), start + pd.Timedelta(hours=8))
    found = capacity.profile(rows, zone, metric="hits", exclude=[span])
    assert int(found.table[["n", "n_missing", "n_excluded"]].sum().sum()) == len(values)
    kept = rows["value"].notna() & ~rows["at"].between(*span, inclusive="left")
    assert found.table["n"].sum() == kept.sum()
    if kept.any():
        assert found.table["max"].max() == rows.loc[kept, "value"].max()
    order = list(range(len(rows)))
    chance.shuffle(order)
    pd.testing.assert_frame_equal(
        capacity.profile(rows.iloc[order], zone, metric="hits", exclude=[span]).table, found.table
    )


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=200), st.floats(0.01, 100))
def test_profile_scales_with_the_unit(values: list[float], factor: float) -> None:
    one = capacity.profile(series(values), "UTC", metric="hits").table
    other = capacity.profile(series(np.multiply(values, factor)), "UTC", metric="hits").table
    for column in capacity.QUANTILES:
        assert np.allclose(one[column] * factor, other[column], rtol=1e-9, equal_nan=True)


def test_real_traffic_peaks_in_the_commute(shared_data: Path) -> None:
    rows = pd.read_csv(shared_data / "traffic" / "bike_sharing_dataset_clean.csv", parse_dates=["date_time"])
    start = rows["date_time"].iloc[0].tz_localize("UTC")
    found = capacity.profile(
        series(rows["users"].to_numpy(), start=start, scope="city"), "UTC", metric="hits"
    )
    assert found.scopes[["n", "n_missing"]].iloc[0].tolist() == [17544, 0]
    weekday = found.table[found.table["hour_of_week"] < 120]
    assert set(
        weekday.assign(h=weekday["hour_of_week"] % 24).groupby("h")["p50"].median().nlargest(2).index
    ) <= {8, 17, 18}
    rides = series(rows["users"].to_numpy(), start=start, scope="city")
    growth = capacity.exhaustion(rides, "UTC", metric="hits", limits={}).table.iloc[0]
    assert 50 < growth["growth_pct"] < 100
