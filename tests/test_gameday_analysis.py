"""Verdicts are what the planted series say, and nothing is decided by data that is not there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilience import schema
from resilience.analysis import gameday, steady_state
from resilience.errors import InputError

from .worlds import START, minutes, series
from .worlds import gameday as world


def calm(**changes: float) -> np.ndarray:
    """Three hours around the fault at 0.5 s; `before`, `during`, `after` set a window's level."""
    values = np.full(180, 0.5)
    for window, slot in {"before": slice(40, 60), "during": slice(60, 80), "after": slice(80, 100)}.items():
        values[slot] = changes.get(window, 0.5)
    return values


def verdict(values: np.ndarray | None, **experiment: Any) -> tuple[str, str]:
    tables = world(None if values is None else series(values), **experiment)
    row = gameday.analyse(tables).table.iloc[0]
    return row["verdict"], row["reason"]


@pytest.mark.parametrize(
    ("levels", "expected", "word"),
    [
        ({}, "held", "stayed within"),
        ({"during": 2.0}, "deviated", "during"),
        ({"after": 2.0}, "deviated", "afterwards"),
        ({"before": 2.0}, "inconclusive", "before the fault"),
        ({"during": np.nan}, "inconclusive", "Too little data during"),
        ({"before": np.nan, "during": 2.0}, "inconclusive", "Too little data before"),
        ({"after": np.nan}, "inconclusive", "too little data afterwards"),
    ],
)
def test_verdict_follows_the_planted_series(levels: dict[str, float], expected: str, word: str) -> None:
    found, reason = verdict(calm(**levels))
    assert found == expected
    assert word in reason


def test_no_data_no_probe_no_run_is_inconclusive() -> None:
    assert verdict(None)[0] == "inconclusive"
    assert verdict(calm(), outcome="not_run") == ("inconclusive", "It was not run.")
    assert verdict(calm(), fault_started_at=None, fault_ended_at=None)[1].startswith("Nobody recorded")
    tables = {**world(series(calm())), "experiment_probes": schema.frame("experiment_probes")}
    assert gameday.analyse(tables).table["reason"].iloc[0].startswith("No steady-state probe")


@given(missing=st.integers(0, 20))
def test_a_window_needs_four_fifths_of_its_points(missing: int) -> None:
    values = calm()
    values[60 : 60 + missing] = np.nan
    assert verdict(values)[0] == ("held" if missing <= 4 else "inconclusive")


@given(level=st.floats(0, 3))
def test_the_limit_itself_is_within(level: float) -> None:
    expected = "held" if np.full(20, level).mean() <= 1.0 else "deviated"
    assert verdict(calm(during=level))[0] == expected


def test_minutes_and_censoring() -> None:
    row = gameday.analyse(world(series(calm()))).table.iloc[0]
    assert (row["alerted_min"], row["mitigated_min"], row["censored"]) == (4.0, 15.0, False)
    assert np.isnan(row["diagnosed_min"])
    unsolved = gameday.analyse(world(series(calm()), outcome="not_solved")).table.iloc[0]
    assert unsolved["censored"]


def votes(*counts: tuple[str, int]) -> pd.DataFrame:
    key = {"gameday_id": "day", "experiment_key": "exp"}
    return schema.frame("experiment_votes", [{**key, "option": o, "votes": n} for o, n in counts])


@pytest.mark.parametrize(
    ("counts", "default", "ran", "chosen", "words"),
    [
        (
            [("production", 0), ("isolated", 0)],
            "production",
            "production",
            "production",
            "Nobody chose production.",
        ),
        ([("production", 0), ("isolated", 0)], None, "production", None, "nothing said what no vote means"),
        (
            [("production", 9), ("isolated", 3)],
            "production",
            "isolated",
            "production",
            "executed on isolated instead",
        ),
        (
            [("production", 9), ("isolated", 3)],
            None,
            "production",
            "production",
            "Voted production (isolated 3, production 9).",
        ),
        ([("production", 3), ("isolated", 3)], None, "production", None, "tie"),
    ],
)
def test_votes(counts: list, default: str | None, ran: str, chosen: str | None, words: str) -> None:
    tables = {
        **world(series(calm()), vote_default=default, environment=ran),
        "experiment_votes": votes(*counts),
    }
    row = gameday.analyse(tables).table.iloc[0]
    assert (row["voted"] if chosen else None) == chosen
    assert words in row["vote"]


def test_backlog_and_fallback_say_what_was_seen() -> None:
    queue = calm()
    queue[60:95] = np.arange(35) * 1000.0
    points = pd.concat([series(calm()), series(queue, metric="queue", scope="queue:q")], ignore_index=True)
    about = {
        "expected_backlog": 30000.0, "backlog_unit": "messages", "backlog_metric": "queue", "backlog_scope": "queue:q",
        "fallback": "cached prices", "fallback_exercised": True, "fallback_worked": True, "fallback_load": 67.0,
        "fallback_load_unit": "messages/s",
    }  # fmt: skip
    row = gameday.analyse(world(points, **about)).table.iloc[0]
    assert (row["observed_backlog"], row["backlog_n"]) == (34000.0, 40)
    assert row["fallback"] == "cached prices: held 1 of 1, at 67 messages/s, production."
    unused = gameday.analyse(world(points, **{**about, "fallback_exercised": False})).table.iloc[0]
    assert "not exercised" in unused["fallback"]


def test_the_finest_interval_is_used_and_rollups_are_not_mixed() -> None:
    hourly = series(np.full(3, 99.0)).assign(
        interval_s=3600.0, at=pd.date_range(START, periods=3, freq="h").as_unit("us")
    )
    assert verdict_of(pd.concat([series(calm()), hourly], ignore_index=True)) == "held"


def verdict_of(points: pd.DataFrame) -> str:
    return gameday.analyse(world(points)).table["verdict"].iloc[0]


def test_numbers_are_json_and_missing_is_null() -> None:
    import json

    numbers = gameday.analyse(world(series(calm(after=np.nan)))).numbers()
    assert json.loads(json.dumps(numbers, allow_nan=False))["experiments"][0]["expected_backlog"] is None
    assert numbers["gameday"]["held_on"] == "2021-03-04"
    assert numbers["probes"][0]["value"] == 0.5


def test_one_gameday_at_a_time() -> None:
    tables = world()
    with pytest.raises(InputError, match="0 were given"):
        gameday.analyse({**tables, "gamedays": tables["gamedays"].iloc[:0]})


def test_an_open_fault_uses_the_time_box() -> None:
    assert verdict(calm(), fault_ended_at=None)[0] == "held"
    assert verdict(calm(during=2.0), fault_ended_at=None)[0] == "deviated"
    assert (
        minutes(20) == steady_state.fault_window(world(fault_ended_at=None)["experiments"].iloc[0])[1] - START
    )
