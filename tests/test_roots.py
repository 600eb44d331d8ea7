"""Root services: what moved furthest, handed down along declared calls."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import nezha
from resilience.analysis import dependencies

from .sizes import at_full_size

START = pd.Timestamp("2024-01-01", tz="UTC")


def world(moves: dict[str, float]) -> tuple[pd.DataFrame, tuple[pd.Timestamp, ...], tuple[pd.Timestamp, ...]]:
    """Five services by the minute for a day; `moves`: by how much each moves in the last 20 minutes."""
    rng, n = np.random.default_rng(3), 1440
    at = pd.date_range(START, periods=n + 1, freq="min").as_unit("us")
    rows = []
    for name in ("front", "mid", "leaf", "other", "calm"):
        values = 100 + rng.normal(0, 1, n)
        values[n - 20 :] += moves.get(name, 0.0)
        rows.append(pd.DataFrame({"scope": f"service:{name}", "at": at[:-1], "value": values}))
    series = pd.concat(rows).assign(metric="latency", interval_s=60.0, rollup="avg")
    return series, (at[n - 30], at[n]), (at[0], at[n - 30])


def test_rank_is_handed_down_to_what_is_called() -> None:
    series, window, reference = world({"front": 12, "mid": 12, "leaf": 12})
    calls = {"front": frozenset({"mid"}), "mid": frozenset({"leaf"})}
    found = dependencies.rank(series, window, reference, calls)
    assert found.table["service"].tolist()[:3] == ["leaf", "mid", "front"]
    assert found.table["rank"].tolist() == [1, 2, 3, 4, 5]
    assert found.table["share"].sum() == pytest.approx(1)
    assert found.table.set_index("service")["moved"].to_dict() == {
        "front": True, "mid": True, "leaf": True, "other": False, "calm": False,
    }  # fmt: skip
    assert found.text.startswith("Look at leaf, mid, front first, of 5 services; 3 moved.")


def test_without_a_graph_it_is_what_moved_furthest() -> None:
    series, window, reference = world({"other": -30, "mid": 8})
    table = dependencies.rank(series, window, reference, {}).table
    assert table["service"].tolist()[:2] == ["other", "mid"]
    assert table["metric"].iloc[0] == "latency"
    assert table["onset_at"].iloc[0] == START + pd.Timedelta("1420min")


def test_nothing_that_can_be_judged() -> None:
    series, window, reference = world({})
    empty = series.assign(value=np.nan)
    found = dependencies.rank(empty, window, reference, {})
    assert found.table.empty
    assert found.text == "No service has a series that could be judged."


@pytest.mark.acceptance
@at_full_size("minutes of real fault injections")
@pytest.mark.parametrize("day", ["2022-08-22", "2023-01-29"])
def test_real_faults_are_seen_and_quiet_minutes_are_not(shared_data: Path, day: str) -> None:
    """Both rates, since one alone says nothing; and the root service well above chance."""
    found = nezha.measure(shared_data / "nezha", day, every=4)
    assert found.faults["detected"].mean() >= 0.8
    assert np.mean(found.in_turn) <= 0.15
    assert (found.faults["rank"] <= 5).mean() > 5 / found.services
