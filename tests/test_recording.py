"""Recording against reality, drill times, signals: planted rows whose answers are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from resilience import schema
from resilience.analysis import drills, recording, signals, times
from resilience.errors import InputError, RefusedError

from .histories import CHANGE, FIRST, history


def test_recorded_time_to_detect_is_the_true_one_less_how_late_the_start_is() -> None:
    rows, onsets = history(1, late=(0.5, 0.5))
    onsets.loc[::4, ["onset", "earliest", "latest"]] = pd.NaT
    found = recording.against_reality(rows, onsets)
    table = found.table
    known = table["true_min"].notna()
    assert (found.anchored, found.n) == (int(known.sum()), len(rows))
    gap = table["recorded_min"] - (table["true_min"] - table["start_late_min"])
    assert gap[known].abs().max() < 1e-6
    assert (table["true_high"] - table["true_low"])[known].round(6).eq(4).all()
    lone = ~known
    assert (table["true_low"][lone] == table["recorded_min"][lone]).all()
    assert table["true_high"][lone].isna().all()
    assert set(table["bound"][lone]) == {"at least"}
    assert "75% anchored" in found.text
    medians = found.medians.set_index("group")
    both = table[["recorded_min", "true_min"]][known].dropna()
    assert medians.loc["as recorded", ["n", "median_min"]].tolist() == [
        len(both),
        both["recorded_min"].median(),
    ]
    assert medians.loc["from the onset", "median_min"] == both["true_min"].median()
    assert (medians["median_low"] < medians["median_min"]).all()


def test_without_onsets_every_incident_is_a_bound() -> None:
    rows, _ = history(1, n=20)
    rows.loc[0, "started_at"] = pd.NaT
    found = recording.against_reality(rows)
    assert found.anchored == 0
    assert found.table["bound"].isna().tolist() == [True] + [False] * 19
    assert found.medians["n"].tolist() == [0, 0]


def quality(rows: pd.DataFrame, before: float, after: float) -> pd.DataFrame:
    late = (rows["started_at"] >= CHANGE).to_numpy()
    spread = np.arange(len(rows)) % 100 / 100
    present = np.where(late, spread < after, spread < before)
    made = {"incident_id": rows["incident_id"], "component": "messages", "present": present}
    return schema.frame("incident_quality", pd.DataFrame(made))


def test_components_around_a_gameday() -> None:
    rows, _ = history(1, n=3000)
    days = pd.DataFrame({"gameday_id": ["d"], "held_on": [CHANGE]})
    (row,) = recording.around(rows, quality(rows, 0.2, 0.7), days).to_dict("records")
    assert row["share_before"] == pytest.approx(0.2, abs=0.08)
    assert row["share_after"] == pytest.approx(0.7, abs=0.08)
    assert 0 < row["low"] < 0.5 < row["high"]
    few = recording.around(
        rows, quality(rows, 0.2, 0.7), days.assign(held_on=FIRST - pd.Timedelta(days=1))
    ).iloc[0]
    assert few["n_before"] == 0
    assert np.isnan(few["low"])


def test_the_difference_of_shares_equals_newcombe() -> None:
    # Newcombe (1998), Statistics in Medicine 17, 873-890, table II, method 10: 56/70 - 48/80 is 0.0524 to 0.3339
    row = {"n_before": 80, "present_before": 48, "n_after": 70, "present_after": 56}
    assert recording._difference(row) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_components_per_quarter_count_every_report() -> None:
    rows, _ = history(1, n=100)
    table = recording.components(rows, quality(rows, 0.5, 0.5))
    assert table["n"].sum() == 100
    assert (table["low"] <= table["share"]).all()


# --- signals


def test_one_long_incident_and_a_run_are_signals() -> None:
    rows, _ = history(1, n=60, sigma=0.3)
    rows = rows.sort_values("started_at", ignore_index=True)
    minutes = np.full(60, 60.0) * np.where(np.arange(60) % 2, 1.2, 0.8)
    minutes[20], minutes[40:50] = 5000, 75
    rows["resolved_at"] = (rows["started_at"] + pd.to_timedelta(minutes, unit="min")).astype(
        rows["started_at"].dtype
    )
    found = signals.xmr(rows, "restore")
    assert found.table["signal"][20] == signals.BEYOND
    assert set(found.table["signal"][41:49]) == {signals.RUN}
    assert found.low < found.centre < found.high
    assert "not a trend" in found.text


def test_limits_by_hand() -> None:
    """Logs 0 and 1 in turn: mean .5, moving range 1, limits .5 -+ 2.66."""
    rows, _ = history(1, n=10)
    minutes = np.exp(np.arange(10) % 2)
    rows["resolved_at"] = (rows["started_at"] + pd.to_timedelta(minutes, unit="min")).astype(
        rows["started_at"].dtype
    )
    found = signals.xmr(rows, "restore")
    assert np.log([found.low, found.centre, found.high]) == pytest.approx([-2.16, 0.5, 3.16], abs=1e-4)
    assert np.isnan(signals.xmr(rows.head(9), "restore").centre)
    with pytest.raises(RefusedError):
        signals.xmr(rows.assign(kind=["real", "drill"] * 5), "restore")


# --- drills


def gameday(
    *rows: dict[str, Any], style: str = "informed"
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    start = pd.Timestamp("2021-03-04 10:00", tz="UTC")
    days = pd.DataFrame({"gameday_id": ["d"], "style": [style]})
    experiments, events = [], []
    for i, row in enumerate(rows):
        key = {"gameday_id": "d", "experiment_key": f"e{i}"}
        about = {
            "title": f"E{i}",
            "environment": "production",
            "planned_min": 20.0,
            "fault_started_at": start,
        }
        experiments.append({**key, **about, "outcome": row.get("outcome", "solved")})
        events += [
            {**key, "moment": moment, "at": start + pd.Timedelta(minutes=row[moment])}
            for moment in ("alerted", "diagnosed", "mitigated")
            if moment in row
        ]
    columns = ["gameday_id", "experiment_key", "moment", "at"]
    return days, pd.DataFrame(experiments), pd.DataFrame(events, columns=columns)


def test_unsolved_experiments_are_kept_to_the_end_of_their_box() -> None:
    rows = gameday(
        {"alerted": 2, "mitigated": 8},
        {"alerted": 3, "mitigated": 31},
        {"outcome": "not_solved"},
        {"outcome": "not_run"},
    )
    found = drills.times(*rows)
    assert found.table["lasted_min"].tolist() == [8, 20, 20]
    assert found.table["over"].tolist() == [True, False, False]
    assert found.curve["left"].tolist() == pytest.approx([1, 2 / 3])
    assert "2 not within the box, kept" in found.text
    assert "half of them not within the time box" in found.text
    assert drills.times(*rows, clock="alert").table["minutes"].tolist()[:2] == [2, 3]


def test_informed_drills_have_no_time_to_detect() -> None:
    rows = gameday({"alerted": 2, "mitigated": 8})
    with pytest.raises(RefusedError, match="told that something fails"):
        drills.times(*rows, clock="detect")
    with pytest.raises(InputError, match="no clock"):
        drills.times(*rows, clock="restore")
    quiet = gameday({"alerted": 2, "mitigated": 8}, style="uninformed")
    assert drills.times(*quiet, clock="detect", style="uninformed").table["minutes"].tolist() == [2]


def test_styles_stay_apart() -> None:
    one, two = gameday({"mitigated": 5}), gameday({"mitigated": 9}, style="uninformed")
    both = [
        pd.concat([a, b.assign(gameday_id="u")], ignore_index=True) for a, b in zip(one, two, strict=True)
    ]
    found = drills.times(*both)
    assert set(found.curve["style"]) == {"informed", "uninformed"}
    assert found.text.count("drills:") == 2
    assert "no drill times" in drills.times(*gameday({"outcome": "not_run"})).text


# --- who found it, who was told, and what is still open


def test_customers_stand_first_and_the_silent_are_counted() -> None:
    rows, _ = history(1, n=100)
    rows.loc[:19, "detected_by"] = "unknown"
    found = times.found_by(rows)
    assert found.table["detected_by"].iloc[0] == "customer"
    assert (found.n, found.n_unknown) == (80, 20)
    assert found.table["n"].sum() == 80
    assert "20 do not say" in found.text
    assert "not measured" in times.found_by(rows.assign(detected_by="unknown")).text


def test_time_to_inform_is_by_audience_and_silence_is_missing() -> None:
    rows, _ = history(1, n=12)
    told = pd.DataFrame(
        {
            "incident_id": rows["incident_id"],
            "audience": "customers",
            "at": rows["detected_at"] + pd.Timedelta("30min"),
            "text": "t",
            "line": 1,
        }
    )
    found = times.summarise(
        times.informed(rows, schema.frame("incident_messages", told)), "inform", by="audience"
    )
    table = found.table.set_index("group")
    assert table.loc["customers", "median_min"] == 30
    assert table.loc["inside", ["n", "n_missing"]].tolist() == [0, 12]
    with pytest.raises(InputError, match=r"times\.informed"):
        times.summarise(rows, "inform")


def test_open_incidents_count_as_long_as_they_have_lasted() -> None:
    rows, _ = history(1, n=40)
    rows.loc[:24, ["mitigated_at", "resolved_at"]] = pd.NaT
    row = times.summarise(rows, "restore").table.iloc[0]
    assert (row["n"], row["n_open"]) == (15, 25)
    assert row["km_median_min"] > row["median_min"]
    assert row["restricted_min"] <= row["restricted_to_min"]
    text = times.summarise(
        rows.assign(resolved_at=rows["resolved_at"].where(rows.index > 38)), "restore"
    ).text
    assert "not reached" in text or "counted as long" in text
    few = times.summarise(rows.tail(15), "restore").table.iloc[0]
    assert np.isnan(few["restricted_min"])
    later = times.summarise(rows, "restore", until=pd.Timestamp("2030-01-01", tz="UTC")).table.iloc[0]
    assert later["km_median_min"] >= row["km_median_min"]
