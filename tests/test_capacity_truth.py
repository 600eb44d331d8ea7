"""The sample's two holes in monitoring and its one great outage, as capacity tells them: a gap is no zero, a zero no gap."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from resilience.analysis import trend
from resilience.analysis.grid import read
from resilience.analysis.impact import impact
from resilience.analysis.profile import profile

from . import loads
from .loads import BERLIN

HOUR = pd.Timedelta(hours=1)


@pytest.fixture(scope="module")
def sample() -> loads.Sample:
    return loads.sample(2, "small")


def dark(sample: loads.Sample) -> dict[str, int]:
    """Service -> hours that monitoring did not see."""
    found = dict.fromkeys((s.name for s in sample.world.services), 0)
    for gap in sample.true["telemetry_gaps"]:
        for name in gap["services"]:
            found[name] += int((pd.Timestamp(gap["to"]) - pd.Timestamp(gap["from"])) / HOUR)
    return found


def test_telemetry_gaps_are_missing_hour_by_hour(sample: loads.Sample) -> None:
    scopes = profile(sample.hits, BERLIN, metric="hits").scopes
    missing = scopes.set_index(scopes["scope"].str.removeprefix("service:"))["n_missing"]
    assert missing.to_dict() == dark(sample)
    assert {gap["how"] for gap in sample.true["telemetry_gaps"]} == {"null", "absent"}
    assert set(scopes["n"] + scopes["n_missing"]) == {731 * 24}


def test_a_week_with_a_gap_is_no_quieter(sample: loads.Sample) -> None:
    (gap,) = (g for g in sample.true["telemetry_gaps"] if g["how"] == "null")
    hits = sample.hits[sample.hits["scope"].isin([f"service:{n}" for n in gap["services"]])]
    hole = (pd.Timestamp(gap["from"]) - pd.Timestamp("1969-12-29", tz="UTC")) // pd.Timedelta(weeks=1)
    for grid in read(hits, "hits", None, sample.unlike).grids:
        line = trend.fit(grid, BERLIN)
        assert line is not None
        at = int(np.flatnonzero(line.week == hole)[0])
        if not np.isnan(line.level[at]):
            assert line.level[at] == pytest.approx(line.levels(np.array([hole + 0.5]))[0], rel=0.1)


def test_a_gap_costs_nothing_and_the_outage_everything(sample: loads.Sample) -> None:
    outage = sample.true["outage"]
    (gap,) = (g for g in sample.true["telemetry_gaps"] if g["how"] == "null")
    rows = [
        {"incident_id": "gap", "services": ", ".join(gap["services"]), "from": gap["from"], "to": gap["to"]},
        {"incident_id": "outage", "services": ", ".join(outage["services"]), **{k: outage[k] for k in ("from", "to")}},
    ]  # fmt: skip
    known = pd.DataFrame(rows).assign(resolved_at=pd.NaT)
    for name, column in (("started_at", "from"), ("mitigated_at", "to")):
        known[name] = pd.to_datetime(known[column])
    found = impact(sample.hits, known, BERLIN, metric="hits", exclude=sample.unlike).table
    dark = found[found["incident_id"] == "gap"]
    assert dark["verdict"].tolist() == ["not measured"] * len(gap["services"])
    assert dark[["lost", "actual"]].isna().all(axis=None)
    assert set(dark["reason"]) == {"too little was recorded during it"}
    out = found[found["incident_id"] == "outage"]
    assert out["verdict"].tolist() == ["lost"] * len(outage["services"])
    assert (out["n_missing"] == 0).all()
    assert (out["lost_pct"] > 99).all()
