"""Onsets: scores that look back only, places in simulated residuals, the family's threshold, and odd series."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from resilience.analysis import baseline, onset
from resilience.errors import InputError, RefusedError

from .sizes import FULL

START = pd.Timestamp("2024-01-01", tz="UTC")


def residuals(seed: int, rows: int, n: int, rho: float) -> np.ndarray:
    """AR(1) with mean 0 and variance 1, (rows, n)."""
    found = np.random.default_rng(seed).normal(size=(rows, n))
    found[:, 1:] *= np.sqrt(1 - rho**2)
    for t in range(1, n):
        found[:, t] += rho * found[:, t - 1]
    return found


def minutes(n: int, start: pd.Timestamp = START, every: str = "min") -> pd.DatetimeIndex:
    return pd.date_range(start, periods=n, freq=every).as_unit("us")


def long(table: np.ndarray) -> pd.DataFrame:
    """Rows of `series` of a table (services, minutes)."""
    rows, n = table.shape
    scopes = np.repeat([f"env:prod,service:s{i:04d}" for i in range(rows)], n)
    at = np.tile(minutes(n), rows)
    return pd.DataFrame({"metric": "hits", "scope": scopes, "at": at, "value": table.ravel()}).assign(
        interval_s=60.0, rollup="avg"
    )


# scores and alerts


def week(n_weeks: int, seed: int = 3) -> tuple[np.ndarray, pd.DatetimeIndex]:
    """Hourly traffic with days, weekends and noise."""
    at = minutes(n_weeks * 168, every="h")
    shape = 100 * (1.5 + np.sin(2 * np.pi * at.hour / 24)) * np.where(at.day_of_week >= 5, 0.6, 1.0)
    return np.asarray(shape) * np.exp(np.random.default_rng(seed).normal(0, 0.03, len(at))), at


def test_scores_look_back_only() -> None:
    values, at = week(8)
    values[1200:] *= 1.7
    whole = onset.scores(values, at)
    for end in (60, 400, 1201, 1210):
        np.testing.assert_array_equal(onset.scores(values[:end], at[:end]), whole[:end])
    assert ((whole >= 0) & (whole <= 1)).all()
    assert whole[1200] > 0.9 > whole[200:1200].max()


def test_the_week_is_not_an_anomaly() -> None:
    values, at = week(12)
    quiet = onset.alerts(values, at)
    assert len(quiet) <= 1
    values[1500:1504] *= 0.4  # a level that Sunday nights have too, but not this hour
    (first,) = onset.alerts(values, at).to_dict("records")
    assert first["position"] == 1500
    assert first["at"] == at[1500]


def test_alerts_are_grouped() -> None:
    values, at = week(8)
    values[1000] *= 3
    values[1005] *= 5
    together = onset.alerts(values, at)
    assert together["position"].tolist() == [1000]
    assert together["n"].tolist() == [2]
    assert together["until"].tolist() == [at[1005]]
    apart = onset.alerts(values, at, refractory_min=120)
    assert apart["position"].tolist() == [1000, 1005]


def test_regular_and_irregular_paths_agree() -> None:
    """Minutes with one point of every hour twice, half a minute apart and equal, take the path by sorting."""
    at = minutes(60 * 24 * 9)
    values = np.random.default_rng(4).gamma(9, 3, len(at)).round(3)
    fast = onset.scores(values, at)
    rows = np.random.default_rng(5).permutation(len(at))
    shuffled = onset.scores(values[rows], at[rows])
    np.testing.assert_array_equal(shuffled, fast[rows])
    holed = np.where(np.arange(len(at)) == len(at) - 1, np.nan, values)
    np.testing.assert_allclose(onset.scores(holed, at)[:-1], fast[:-1], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("known", [1.0, 0.95, 0.4])
@pytest.mark.parametrize("weeks", [2, 8, 9, 20])
def test_the_same_hour_of_earlier_weeks_is_their_median(weeks: int, known: float) -> None:
    rng = np.random.default_rng(weeks)
    values = rng.normal(size=weeks * 168 + 5)
    values[rng.random(len(values)) > known] = np.nan
    at = np.arange(len(values)) * baseline.HOUR_US
    found = baseline.weekly(baseline.blocks(values, at, baseline.HOUR_US))
    for hour in range(len(values)):
        before = values[max(hour % 168, hour - 8 * 168) : hour : 168]
        before = before[~np.isnan(before)]
        assert found[hour] == np.median(before) if len(before) >= 3 else np.isnan(found[hour])


def test_hours_of_several_points_and_hours_of_none_keep_their_values() -> None:
    """As many points as hours, but not one in each."""
    at = np.array([0, 1, 2, 2, 4, 5]) * baseline.HOUR_US + np.array([0, 0, 0, 600_000_000, 0, 0])
    cut = baseline.blocks(np.array([1.0, 2.0, 3.0, 5.0, 6.0, 7.0]), at, baseline.HOUR_US)
    np.testing.assert_array_equal(cut.median, [1, 2, 4, np.nan, 6, 7])


@pytest.mark.parametrize("hours", [5, 20, 36, 48, 200])
def test_intervals_that_divide_no_day_are_scored(hours: int) -> None:
    values = np.random.default_rng(hours).normal(100, 3, 400)
    values[300:] += 60
    found = onset.scores(values, minutes(400, every=f"{hours}h"))
    assert found[300] > 0.9 > found[:300].max()


def test_one_absurd_value_is_forgotten_after_eight_weeks() -> None:
    """It is no part of any total that is kept: what comes later is scored as if it had never been."""
    values, at = week(30)
    odd = values.copy()
    odd[1500] = 1e30
    values[4000:] *= 1.7
    odd[4000:] *= 1.7
    late = slice(1500 + 9 * 168, None)
    np.testing.assert_allclose(onset.scores(odd, at)[late], onset.scores(values, at)[late], atol=0.02)
    assert onset.scores(odd, at)[4000] > onset.THRESHOLD
    odd[1500] = np.finfo(float).max  # what some exporters write where they know nothing
    assert np.isnan(onset.scores(odd, at)[1500])


# find


@pytest.mark.parametrize(
    ("rho", "length", "within"), [(0.3, 1, 0.9), (0.7, 1, 0.9), (0.3, 20, 0.5), (0.7, 20, 0.5)]
)
def test_steps_and_ramps_in_simulated_residuals(rho: float, length: int, within: float) -> None:
    runs, at = 2000 if FULL else 400, minutes(240)
    table = residuals(11, runs, len(at), rho)
    places = np.random.default_rng(12).integers(160, 201, runs)
    near = held = 0
    for row, place in zip(table, places, strict=True):
        row[place:] += 4 * np.minimum((np.arange(len(at) - place) + 1) / length, 1)
        found = onset.find(row, at, at[180])
        if found is not None:
            near += abs((found.at - at[place]) / pd.Timedelta("1min")) <= 5
            held += found.earliest <= at[place] <= found.latest
    assert near >= within * runs
    assert held >= 0.9 * runs


@pytest.mark.parametrize("lasts", [8, 20])
def test_a_fault_of_some_minutes_is_placed_as_exactly_as_one_that_stays(lasts: int) -> None:
    at = minutes(240)
    spans = []
    for row in residuals(3, 40, len(at), 0.3):
        row[170 : 170 + lasts] += 8
        found = onset.find(row, at, at[180])
        assert found is not None
        assert found.earliest <= at[170] <= found.latest
        assert found.strength > 5
        spans.append((found.latest - found.earliest) / pd.Timedelta("1min"))
    assert np.median(spans) <= 6


def test_an_onset_says_where_and_how_sure() -> None:
    at = minutes(240)
    values = 100 + residuals(1, 1, 240, 0.3)[0]
    values[170:] -= 9
    found = onset.find(values, at, at[180])
    assert found is not None
    assert (found.at, found.kind) == (at[170], "step")
    assert found.earliest <= at[169]
    assert found.latest >= at[171]
    assert found.strength == pytest.approx(-9, abs=2)
    assert "fell at once from 2024-01-01 02:50 UTC" in found.text
    assert onset.find(values[:165], at[:165], at[150]) is None


# a family


def test_family_rarely_moves_by_chance_and_shows_what_moved() -> None:
    runs, rows, length = (30, 1200, 60) if FULL else (12, 60, 30)
    any_moved, hits = 0, {4: 0.0, 6: 0.0}
    for seed in range(runs):
        n = length * 26
        table = residuals(seed, rows, n, 0.7)
        at = minutes(n + 1)
        spans = (at[n - length], at[n]), (at[0], at[n - length])
        found = onset.moved(long(table), *spans)
        assert found.alpha <= 0.05
        any_moved += bool(found.table["moved"].any())
        planted = [f"s{i:04d}" for i in range(0, rows, 20)]
        for sigmas in hits:
            faulty = table.copy()
            faulty[::20, n - length + 8 :] += sigmas
            services = onset.moved(long(faulty), *spans).services.set_index("service")
            hits[sigmas] += services.loc[planted, "moved"].mean() / runs
    assert any_moved <= (0.1 if FULL else 0.25) * runs
    assert hits[4] >= 0.75
    assert hits[6] >= 0.95


def test_which_moved_first() -> None:
    table = residuals(2, 5, 60 * 12, 0.3)
    at = minutes(60 * 12 + 1)
    table[1, 680:] += 8
    table[3, 690:] -= 8
    found = onset.moved(long(table), (at[660], at[720]), (at[0], at[660]))
    services = found.services
    assert services["service"].tolist()[:2] == ["s0001", "s0003"]
    assert services["moved"].sum() == 2
    assert services["onset_at"].tolist()[:2] == [at[680], at[690]]
    assert services["strength"].iloc[0] > 6
    assert services["strength"].iloc[1] < -6
    assert "2 of 5 series moved, first hits of env:prod,service:s0001" in found.text


def test_spans_are_checked() -> None:
    table, at = long(residuals(2, 2, 200, 0.3)), minutes(200)
    with pytest.raises(InputError, match="is no span"):
        onset.moved(table, (at[20], at[10]), (at[30], at[60]))
    with pytest.raises(RefusedError, match="No fault-free window"):
        onset.moved(table, (at[100], at[160]), (at[0], at[60]))


# odd series

AT = minutes(24 * 60 * 3)


@pytest.mark.parametrize(
    ("values", "most"),
    [
        (np.full(len(AT), 7.0), 0.0),
        (np.zeros(len(AT)), 0.0),
        (np.arange(len(AT)) % 1440 * 3.0, 1.0),  # a counter that starts again every day
        (np.where(np.arange(len(AT)) % 9 == 4, np.inf, 5.0), 0.0),
        (np.full(len(AT), 0.1) * np.where(np.arange(len(AT)) % 2, 1, -1), 1.0),
    ],
)
def test_odd_series_have_scores_without_invention(values: np.ndarray, most: float) -> None:
    found = onset.scores(values, AT)
    assert (np.isnan(found) == ~np.isfinite(values)).all()
    assert np.nanmax(found) <= most
    assert len(onset.alerts(values, AT)) <= 3


def test_nothing_and_one_point() -> None:
    assert len(onset.scores([], pd.DatetimeIndex([], tz="UTC"))) == 0
    assert onset.scores([4.0], AT[:1]).tolist() == [0.0]
    assert np.isnan(onset.scores([None] * 200, AT[:200])).all()
    assert onset.alerts([None] * 200, AT[:200]).empty
    for values in ([4.0], [None]):
        with pytest.raises(RefusedError, match="too few to say what is usual"):
            onset.find(values, AT[:1], AT[0])
    with pytest.raises(RefusedError, match="too few to say what is usual"):
        onset.find([None] * 200, AT[:200], AT[150])
    with pytest.raises(InputError, match="are not one series"):
        onset.scores([1.0, 2.0], AT[:1])


def test_a_constant_that_changes_has_an_onset() -> None:
    values = np.full(240, 5.0)
    assert onset.find(values, AT[:240], AT[180]) is None
    values[170:] = 6.0
    found = onset.find(values, AT[:240], AT[180])
    assert found is not None
    assert found.at == AT[170]


def test_duplicated_times_are_refused_where_one_value_must_be_chosen() -> None:
    at = AT[:240].append(AT[100:101])
    values = np.r_[np.random.default_rng(1).normal(size=240), 3.0]
    with pytest.raises(RefusedError, match="stand twice"):
        onset.find(values, at, AT[180])
    assert len(onset.scores(values, at)) == 241


def test_a_running_count_has_no_onset() -> None:
    counts = np.arange(240) % 150 * 3.0
    with pytest.raises(RefusedError, match=r"falls to nothing 1 time\(s\): a running count"):
        onset.find(counts, AT[:240], AT[180])


def test_irregular_times_are_answered() -> None:
    rng = np.random.default_rng(8)
    gaps = rng.choice([20, 60, 61, 600], size=4000)
    at = START + pd.to_timedelta(np.cumsum(gaps), unit="s")
    values = 50 + rng.normal(size=len(at))
    values[3000:3010] += 30
    found = onset.alerts(values, at)
    assert 3000 in found["position"].tolist()
    assert len(found) <= 2


def test_odd_series_in_a_family_are_judged_or_named() -> None:
    n = 720
    at = minutes(n + 1)
    calm = residuals(6, 1, n, 0.3)[0]
    odd = {
        "calm": calm,
        "constant": np.full(n, 3.0),
        "zeros": np.zeros(n),
        "null": np.full(n, np.nan),
        "infinite": np.where(np.arange(n) % 3 == 0, np.inf, calm),
        "late": np.where(np.arange(n) < 650, np.nan, calm),
        "one": np.where(np.arange(n) == 700, 1.0, np.nan),
        "reset": np.arange(n) % 500 * 7.0,
    }
    table = long(np.stack(list(odd.values()))).assign(scope=np.repeat([f"service:{name}" for name in odd], n))
    twice = table[table["scope"] == "service:calm"].assign(scope="service:twice")
    found = onset.moved(pd.concat([table, twice, twice.head(3)]), (at[690], at[720]), (at[0], at[690]))
    rows = found.table.set_index("service")
    assert rows.loc[["calm", "constant", "zeros"], "moved"].tolist() == [False, False, False]
    assert rows.loc[["null", "late", "one", "reset", "twice"], "moved"].isna().all()
    assert "fault-free windows were recorded" in rows.loc["null", "reason"]
    assert rows.loc["twice", "reason"] == "points stand twice at the same time"
    assert found.table.loc[found.table["moved"].isna(), ["onset_at", "kind"]].isna().all().all()
    assert "could not be judged" in found.text
    faulty = table.copy()
    faulty.loc[(faulty["scope"] == "service:constant") & (faulty["at"] >= at[700]), "value"] = 4.0
    again = onset.moved(faulty, (at[690], at[720]), (at[0], at[690])).services.set_index("service")
    assert again.index[0] == "constant"
    assert again.loc["constant", "onset_at"] == at[700]
