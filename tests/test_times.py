"""Clocks, durations and their summaries, on rows whose answers are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from resilience import schema
from resilience.analysis import times
from resilience.errors import InputError, RefusedError

DAY = pd.Timestamp("2020-01-06 09:00", tz="UTC")


def at(minutes: float | None) -> pd.Timestamp | None:
    return None if minutes is None else DAY + pd.Timedelta(minutes=minutes)


def incidents(*rows: dict[str, Any]) -> pd.DataFrame:
    """Rows of moments in minutes after DAY, such as started=0, resolved=90; other columns as given."""
    made = []
    for i, row in enumerate(rows):
        moments = {f"{m}_at": at(row[m]) for m in schema.MOMENTS if m in row}
        rest = {k: v for k, v in row.items() if k not in schema.MOMENTS}
        fixed = {
            "kind": "real",
            "title": "t",
            "detected_by": "unknown",
            "text": "t",
            "simulated": False,
            "source": "t",
        }
        made.append({"incident_id": f"i{i:03d}", **fixed, "source_uri": "t", **moments, **rest})
    return schema.frame("incidents", made)


def restored(minutes: list[float], **rest: Any) -> pd.DataFrame:
    return incidents(*({"started": 0, "resolved": m, **rest} for m in minutes))


def only(found: times.Times) -> pd.Series:
    assert len(found.table) == 1
    return found.table.iloc[0]


@pytest.mark.parametrize(
    ("clock", "minutes"),
    [("detect", 5), ("acknowledge", 3), ("mitigate", 40), ("restore", 90), ("repair", 35)],
)
def test_each_clock_measures_its_own_two_moments(clock: str, minutes: int) -> None:
    one = incidents({"started": 0, "detected": 5, "acknowledged": 8, "mitigated": 40, "resolved": 90})
    assert times.durations(one, clock)["minutes"].tolist() == [minutes]
    assert times.summarise(one, clock).clock is times.CLOCKS[clock]


def test_derived_wins_and_stated_stays_beside() -> None:
    found = times.durations(
        incidents(
            {"started": 0, "resolved": 60, "stated_restore_min": 45.0},
            {"started": 0, "stated_restore_min": 45.0},
            {"stated_restore_min": 15840.0},
        ),
        "restore",
    )
    assert found["minutes"].tolist() == [60, 45, 15840]
    assert found["basis"].tolist() == ["derived", "stated", "stated"]
    assert found["stated_min"].tolist() == [45, 45, 15840]
    assert not found["open"].any()
    assert found["reason"].isna().all()


def test_what_cannot_be_used_says_why() -> None:
    found = times.durations(
        incidents(
            {"started": 60, "resolved": 0, "stated_restore_min": 45.0},
            {"started": 0},
            {"resolved": 0},
            {},
            {"stated_restore_min": np.inf},
        ),
        "restore",
    )
    assert found["minutes"].isna().all()
    assert found["basis"].isna().all()
    neither = "started and resolved not recorded"
    assert found["reason"].tolist() == ["negative", "open", "started not recorded", neither, neither]
    assert found["open"].tolist() == [False, True, False, False, False]


def test_open_longer_than_the_archive_is_said_and_counts_as_long_as_the_archive() -> None:
    """One open since 20 years before all others: not running, and not 20 years of evidence."""
    ended = [{"started": 1440.0 * day, "resolved": 1440.0 * day + 60 + day} for day in range(30)]
    running = {"started": 1440.0 * 29}
    old = {"started": -20 * 525_600.0}
    plain, found = (times.summarise(incidents(*ended, running, *more), "restore") for more in ([], [old]))
    assert only(plain)[["n_open", "n_beyond"]].tolist() == [1, 0]
    assert "archive" not in plain.text
    row = only(found)
    assert row[["n", "n_open", "n_beyond", "n_missing"]].tolist() == [30, 2, 1, 0]
    assert "1 open longer than the archive (i031, since 2000-01-11)" in found.text
    assert times.durations(incidents(*ended, running, old), "restore")["reason"].tolist()[-2:] == [
        "open",
        "open longer than the archive",
    ]
    assert row["restricted_to_min"] == only(plain)["restricted_to_min"]
    assert only(plain)["km_median_min"] <= row["km_median_min"] <= only(plain)["km_median_min"] + 1
    alone = times.durations(incidents(old), "restore")
    assert alone["reason"].tolist() == ["open"]  # no other tells how long the archive is


def test_one_that_took_longer_than_all_others_span_is_pointed_at() -> None:
    ended = [{"started": 1440.0 * day, "resolved": 1440.0 * day + 60} for day in range(12)]
    typo = {"started": -20 * 525_600.0, "resolved": 60.0}
    assert "check its dates" not in times.summarise(incidents(*ended), "restore").text
    text = times.summarise(incidents(*ended, typo), "restore").text
    assert (
        "i012 took 7300.0 days, longer than the 11.0 days in which all others began: check its dates." in text
    )


def test_an_end_that_was_passed_over_is_missing_not_open() -> None:
    rows = incidents({"started": 0, "detected": 5, "resolved": 90}, {"started": 0, "detected": 5})
    assert times.durations(rows, "mitigate")["open"].tolist() == [False, True]
    assert times.durations(rows, "acknowledge")["open"].tolist() == [False, True]
    assert not times.durations(incidents({"started": 0}, {"started": 0, "resolved": 9}), "detect")[
        "open"
    ].any()


def test_summary_of_planted_lognormals() -> None:
    minutes = 60 * np.exp(norm.ppf((np.arange(200) + 0.5) / 200))
    row = only(times.summarise(restored(list(minutes)), "restore"))
    assert row["n"] == 200
    assert row["total_min"] == pytest.approx(minutes.sum(), rel=1e-6)
    assert row["median_low"] < 60 < row["median_high"]
    assert row["geomean_low"] < 60 < row["geomean_high"]
    assert row["mean_low"] < 60 * np.exp(0.5) < row["mean_high"]


def test_under_ten_there_are_points_and_no_interval() -> None:
    found = times.summarise(restored([1, 2, 3, 4, 5, 6, 7, 8, 9]), "restore")
    row = only(found)
    assert (row["median_min"], row["mean_min"]) == (5, 5)
    assert row[[c for c in row.index if c.endswith(("_low", "_high"))]].isna().all()
    assert "no interval" in found.text


def test_the_mean_gets_no_interval_off_the_lognormal() -> None:
    row = only(times.summarise(restored([*np.linspace(1, 2, 30), *np.linspace(900, 1000, 30)]), "restore"))
    assert np.isnan(row["mean_low"])
    assert row["median_low"] < row["median_min"] < row["median_high"]


def test_zero_minutes_are_counted_and_stand_for_half_a_minute_in_logs() -> None:
    row = only(times.summarise(restored([0, 0, 8]), "restore"))
    assert (row["n_zero"], row["median_min"], row["total_min"]) == (2, 0, 8)
    assert row["geomean_min"] == pytest.approx((0.5 * 0.5 * 8) ** (1 / 3))


def test_nothing_usable_is_null_and_never_zero() -> None:
    for rows, column in (
        (incidents({}, {}), "n_missing"),
        (incidents({"started": 0}, {"started": 1}), "n_open"),
    ):
        found = times.summarise(rows, "restore")
        row = only(found)
        assert (row["n"], row[column]) == (0, 2)
        assert row[["total_min", "median_min", "geomean_min", "mean_min", "median_low"]].isna().all()
        assert "none of 2" in found.text
    empty = times.summarise(incidents(), "restore")
    assert empty.table.empty
    assert "none of 0" in empty.text


def test_one_incident_and_equal_incidents_get_no_interval() -> None:
    assert only(times.summarise(restored([30]), "restore"))["median_min"] == 30
    row = only(times.summarise(restored([30] * 50), "restore"))
    assert row["geomean_min"] == pytest.approx(30)
    assert row[["median_low", "geomean_low", "mean_low"]].isna().all()


def test_the_text_counts_what_was_left_out() -> None:
    rows = incidents(
        *({"started": 0, "resolved": m} for m in range(1, 13)),
        {"started": 0},
        {},
        {"stated_restore_min": 9.0},
    )
    text = times.summarise(rows, "restore").text
    assert "of 13 incidents" in text
    assert "1 open" in text
    assert "1 without a usable duration" in text
    assert "1 of 13 are the reports' own figures" in text


def test_without_stated_figures() -> None:
    rows = incidents({"started": 0, "resolved": 10}, {"stated_restore_min": 45.0})
    row = only(times.summarise(rows, "restore", stated=False))
    assert (row["n"], row["n_stated"], row["n_missing"]) == (1, 0, 1)
    assert row["missing_reasons"] == "stated only: 1"


def test_groups_carry_the_rows_without_one() -> None:
    rows = incidents(
        {"started": 0, "resolved": 10, "severity": "SEV1"},
        {"started": 0, "resolved": 30, "severity": "SEV1"},
        {"started": 0, "resolved": 99},
    )
    found = times.summarise(rows, "restore", by="severity").table.set_index("group")
    assert found["n"].to_dict() == {"SEV1": 2, times.NOT_STATED: 1}
    assert found.loc["SEV1", "median_min"] == 20


def test_quarters_are_those_of_the_start_in_utc() -> None:
    rows = incidents(
        {"started": 0, "resolved": 10},
        {"started": 60 * 24 * 90, "resolved": 60 * 24 * 90 + 5},
        {"resolved": 5},
    )
    assert times.summarise(rows, "restore", by="quarter").table["group"].tolist() == [
        times.NOT_STATED,
        "2020Q1",
        "2020Q2",
    ]


def test_services_overlap_and_the_text_says_so() -> None:
    rows = restored([10, 20])
    exploded = pd.concat([rows.assign(service="a"), rows.iloc[:1].assign(service="b")], ignore_index=True)
    found = times.summarise(exploded, "restore", by="service")
    assert found.table["n"].tolist() == [2, 1]
    assert "overlap" in found.text
    with pytest.raises(RefusedError, match="repeat an incident"):
        times.summarise(exploded, "restore")


def test_kinds_are_never_pooled() -> None:
    mixed = pd.concat(
        [restored([10]), restored([20], kind="drill").assign(incident_id="d")], ignore_index=True
    )
    with pytest.raises(RefusedError, match="drill, real would be pooled"):
        times.summarise(mixed, "restore")
    with pytest.raises(RefusedError, match="pooled"):
        times.summarise(mixed, "restore", by="severity")
    assert times.summarise(mixed, "restore", by="kind").table["group"].tolist() == ["drill", "real"]


def test_a_drill_has_no_time_to_detect_unless_uninformed() -> None:
    drills = incidents({"started": 0, "detected": 4, "mitigated": 9, "kind": "drill"})
    with pytest.raises(RefusedError, match="no time to detect"):
        times.summarise(drills, "detect")
    with pytest.raises(RefusedError, match="no time to detect"):
        times.summarise(drills.assign(style="informed"), "detect")
    assert only(times.summarise(drills.assign(style="uninformed"), "detect"))["median_min"] == 4
    assert only(times.summarise(drills, "mitigate"))["median_min"] == 9


def test_informed_and_uninformed_drills_are_never_pooled() -> None:
    drills = restored([5, 9], kind="drill").assign(style=["informed", "uninformed"])
    with pytest.raises(RefusedError, match="Informed and uninformed"):
        times.summarise(drills, "restore")
    assert len(times.summarise(drills, "restore", by="style").table) == 2


def test_unknown_clock_and_column_name_what_there_is() -> None:
    with pytest.raises(InputError, match="detect, acknowledge"):
        times.durations(restored([1]), "mttr")
    with pytest.raises(InputError, match="service"):
        times.summarise(restored([1]), "restore", by="service")


def test_simulated_rows_are_said_to_be() -> None:
    assert "All are simulated" in times.summarise(restored([1, 2], simulated=True), "restore").text


lists = st.lists(st.integers(1, 100_000), min_size=1, max_size=40)


@settings(max_examples=25, deadline=None)
@given(lists, st.integers(2, 50), st.randoms(use_true_random=False))
def test_summary_scales_and_ignores_the_order_of_rows(minutes: list[int], factor: int, chance: Any) -> None:
    one = only(times.summarise(restored(list(minutes)), "restore"))
    shuffled = list(minutes)
    chance.shuffle(shuffled)
    other = only(times.summarise(restored([m * factor for m in shuffled]), "restore"))
    scaled = (
        c for c in one.index if c.endswith(("_min", "_low", "_high")) and not c.startswith("restricted")
    )
    for column in scaled:  # a mean is restricted to a round number of minutes, whatever the unit
        assert other[column] == pytest.approx(one[column] * factor, rel=1e-6, nan_ok=True), column


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(*[st.none() | st.integers(-500, 500)] * 2, st.none() | st.floats(0, 1e4)), max_size=30)
)
def test_every_row_is_used_open_or_missing(rows: list[tuple[int | None, int | None, float | None]]) -> None:
    frame = incidents(*({"started": s, "resolved": r, "stated_restore_min": d} for s, r, d in rows))
    found = times.summarise(frame, "restore").table
    assert int(found[["n", "n_open", "n_missing"]].sum().sum()) == len(rows)
    used = times.durations(frame, "restore")
    assert (used["minutes"].isna() == used["reason"].notna()).all()
    assert not (used["minutes"] < 0).any()
