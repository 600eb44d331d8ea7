"""The weeks ahead: intervals that hold as often as they say, on planted weeks and on two years of real traffic."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from resilience.analysis.forecast import forecast, peaks
from resilience.errors import InputError, RefusedError

from . import loads
from .loads import BERLIN


def test_a_planted_week_is_expected_again_in_local_time() -> None:
    """Two years without noise end before the clock changes: noon stays noon, in spring and in autumn."""
    for n in (41, 72):  # the weeks ahead hold 29 March and 25 October 2020
        values = loads.weeks(n, sigma=0.0)
        found = forecast(loads.rows(values), BERLIN, metric="hits", weeks=5).table
        local = found["at"].dt.tz_convert(BERLIN)
        assert len(found) == 5 * 168
        assert found["at"].is_unique
        assert found["at"].diff().dropna().eq(pd.Timedelta(hours=1)).all()
        assert len({at.utcoffset() for at in local}) == 2, "no change of the clock was crossed"
        noon = found[(local.dt.day_of_week == 0) & (local.dt.hour == 12)]
        assert noon["expected"].to_numpy() == pytest.approx(300)
        assert found["expected"].nlargest(6).iloc[-1] < 201


def test_intervals_hold_as_often_as_they_say() -> None:
    """The future is drawn from the same weeks as the past, and compared with."""
    whole = loads.weeks(84, sigma=0.2, seed=5)
    found = forecast(loads.rows(whole[: 80 * 168]), BERLIN, metric="hits", weeks=4)
    y = whole[80 * 168 :]
    table = found.table
    assert 0.75 <= np.mean((y >= table["low80"]) & (y <= table["high80"])) <= 0.85
    assert 0.92 <= np.mean((y >= table["low95"]) & (y <= table["high95"])) <= 0.97
    tried = found.backtest
    assert tried["covered80"].between(75, 85).all()
    assert tried["covered95"].between(92, 97).all()
    assert (tried["gain_pct"] > 15).all()
    assert (table["low95"] <= table["low80"]).all()
    assert (table["high80"] <= table["high95"]).all()
    one = peaks(found)
    assert one["expected"].iloc[0] == table["expected"].max()
    assert "errs" in found.text
    assert "less than taking the last week again" in found.text


def test_the_backtest_knows_nothing_of_what_comes_after() -> None:
    """Another future leaves what was forecast before it alone."""
    values = loads.weeks(60, sigma=0.1)
    other = values.copy()
    other[50 * 168 :] *= 3
    first, second = (
        forecast(loads.rows(v[: 50 * 168]), BERLIN, metric="hits", weeks=2).table for v in (values, other)
    )
    pd.testing.assert_frame_equal(first, second)
    grown = forecast(loads.rows(other), BERLIN, metric="hits", weeks=2).backtest
    assert (grown["covered80"] < 90).all()


def test_a_week_that_has_just_begun_is_a_week_ahead() -> None:
    values = loads.weeks(30, sigma=0.0)
    found = forecast(loads.rows(values[: 29 * 168 + 40]), BERLIN, metric="hits", weeks=2).table
    assert found["expected"].notna().all()
    assert found["weeks_ahead"].iloc[[0, 128, 129, -1]].tolist() == [1, 1, 2, 2]


def test_what_cannot_be_forecast_says_why() -> None:
    short = forecast(loads.rows(loads.weeks(11)), BERLIN, metric="hits")
    assert short.table.empty
    assert set(short.backtest["reason"]) == {"11 weeks with values; 12 are needed"}
    assert short.text.endswith("on 0 of 1 service: 11 weeks with values; 12 are needed.")
    for wrong in (0, 9):
        with pytest.raises(InputError, match="cannot be forecast"):
            forecast(loads.rows(loads.weeks(20)), BERLIN, metric="hits", weeks=wrong)
    with pytest.raises(RefusedError, match="does not divide a week"):
        forecast(loads.rows(np.ones(5000), interval_s=1000.0), BERLIN, metric="hits")


def test_gaps_and_what_was_left_out_are_not_zero() -> None:
    values = loads.weeks(40, sigma=0.0)
    values[36 * 168 : 38 * 168] = np.nan
    values[39 * 168 :] *= 5
    start = loads.MONDAY.tz_convert("UTC") + pd.Timedelta(weeks=39)
    span = [(start, start + pd.Timedelta(weeks=1))]
    found = forecast(loads.rows(values), BERLIN, metric="hits", exclude=span).table
    assert found["expected"].max() == pytest.approx(300)
    assert found["expected"].min() == pytest.approx(100)


def test_real_traffic_of_two_years(shared_data: Path) -> None:
    """Bicycles hired by the hour: every week from the 27th on forecast from what was known one to four weeks before it."""
    rows = pd.read_csv(shared_data / "traffic" / "bike_sharing_dataset_clean.csv", parse_dates=["date_time"])
    start = rows["date_time"].iloc[0].tz_localize("UTC")
    found = forecast(loads.rows(rows["users"].to_numpy(), start=start), "UTC", metric="hits", weeks=4)
    tried = found.backtest
    print(tried.to_string())
    assert (tried["n_weeks"] >= 75).all()
    assert (tried["error"] < 0.9 * tried["naive_error"]).all()
    assert tried["covered80"].between(75, 85).all()
    assert tried["covered95"].between(92, 97).all()
    assert (found.table["low95"] >= 0).all()
