"""A monitor is judged by what it would have told, and by what it would have cried."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from resilience.analysis import monitors
from resilience.errors import RefusedError

START = pd.Timestamp("2024-01-01", tz="UTC")


def hourly(values: np.ndarray, service: str) -> pd.DataFrame:
    at = pd.date_range(START, periods=len(values), freq="h").as_unit("us")
    return pd.DataFrame({"metric": "p95", "scope": f"service:{service}", "at": at, "value": values}).assign(
        interval_s=3600.0, rollup="avg"
    )


def incident(name: str, hour: int, detected_h: float, hours: int) -> dict[str, object]:
    started = START + pd.Timedelta(hours=hour)
    detected, end = started + pd.Timedelta(hours=detected_h), started + pd.Timedelta(hours=hours)
    return {
        "incident_id": name,
        "started_at": started,
        "detected_at": detected,
        "mitigated_at": pd.NaT,
        "resolved_at": end,
    }


@pytest.fixture
def world() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """`a`: told 3 h before somebody did, then late, then silent; and one alert of nothing. `b`: calm."""
    rng = np.random.default_rng(1)
    values = 10 + rng.normal(0, 1, (2, 24 * 100))
    for hour in (1200, 1500, 2100):
        values[0, hour : hour + 5] += 12
    incidents = pd.DataFrame(
        [incident("early", 1200, 4, 6), incident("late", 1500, 0.5, 6), incident("silent", 1800, 3, 6)]
    )
    for name in ("started_at", "detected_at", "mitigated_at", "resolved_at"):
        incidents[name] = pd.to_datetime(incidents[name], utc=True).astype("datetime64[us, UTC]")
    services = pd.DataFrame({"incident_id": incidents["incident_id"], "service": "a"})
    return pd.concat([hourly(values[0], "a"), hourly(values[1], "b")]), incidents, services


def test_what_it_would_have_told_and_cried(world: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]) -> None:
    found = monitors.judge(*world, threshold=0.88)
    table = found.table.set_index("service")
    row = table.loc["a"]
    assert (row["n_incidents"], row["n_told"], row["n_late"], row["n_silent"]) == (3, 1, 1, 1)
    assert row["saved_min"] == 180  # the hour that told was over three hours before
    assert row["n_wolf"] == 1
    assert row["wolf_per_year"] == pytest.approx(1 / row["years"])
    assert row["years"] == pytest.approx(100 / 365.25)
    assert (table.loc["b", "n_incidents"], table.loc["b", "n_told"]) == (0, 0)
    assert "p95 of a would have told of 1 of 3, by 180 min" in found.text


def test_a_short_recording_is_no_monitor(world: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]) -> None:
    series, incidents, services = world
    with pytest.raises(RefusedError, match="recorded for 56 days"):
        monitors.judge(series[series["at"] < START + pd.Timedelta(days=50)], incidents, services)


def test_odd_series_are_monitors_that_say_nothing_or_are_none(
    world: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame],
) -> None:
    """What cannot tell has no time saved, and what never moves cries never: nothing is made up."""
    series, incidents, services = world
    calm = hourly(np.random.default_rng(2).normal(10, 1, 24 * 100), "calm")
    n = len(calm)
    infinite = calm["value"].where(np.arange(n) % 3 > 0, np.inf)
    odd = {
        "constant": calm.assign(value=7.0),
        "zeros": hourly(np.zeros(24 * 365), "zeros"),
        "null": calm.assign(value=np.nan),
        "infinite": calm.assign(value=infinite),
        "nulls": calm.assign(value=infinite.where(np.isfinite(infinite))),
        "reset": calm.assign(value=np.arange(n) % 500 * 3.0),
        "irregular": calm.assign(at=calm["at"] + pd.to_timedelta(np.arange(n) * 7919 % 1800, unit="s")),
        "twice": pd.concat([calm, calm.iloc[40:60]]),
        "one": calm.head(1),
    }
    rows = [part.assign(scope=f"service:{name}") for name, part in odd.items()]
    every = pd.DataFrame(
        [(i, name) for i in incidents["incident_id"] for name in odd], columns=["incident_id", "service"]
    )
    found = monitors.judge(pd.concat([series, *rows]), incidents, pd.concat([services, every]))
    table = found.table.set_index("service")
    assert not {"one", "null", "reset"} & set(table.index)
    assert "Running counts left out: 1." in found.text
    still = table.loc[["constant", "zeros"]]
    assert (still[["n_alerts", "n_wolf", "n_told"]] == 0).all(axis=None)
    assert still["saved_min"].isna().all()
    alike = ["n_told", "n_silent", "n_alerts", "n_wolf"]
    assert table.loc["infinite", alike].tolist() == table.loc["nulls", alike].tolist()
    told = table["n_told"] > 0
    assert table.loc[~told, "saved_min"].isna().all()
    assert np.isfinite(table["wolf_per_year"]).all()
    assert table.loc["irregular", "years"] == pytest.approx(table.loc["a", "years"], rel=0.01)
