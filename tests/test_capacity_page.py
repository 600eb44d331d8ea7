"""What the page about capacity says and draws: every count stands in a sentence, and nothing unknown is drawn as known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from resilience.analysis import capacity
from resilience.report import capacity_panels as show

from . import loads
from .loads import BERLIN

SPANS = {"": [(loads.MONDAY + pd.Timedelta(weeks=3), loads.MONDAY + pd.Timedelta(weeks=4))]}
GIVEN: dict[str, Any] = {"metric": "hits", "exclude": SPANS}
LIMITS: dict[str, Any] = {"limits": {"a": 280.0, "b": 5000.0}, "at_least": ["b"]}


@pytest.fixture(scope="module")
def series() -> pd.DataFrame:
    values = loads.weeks(60)
    values[1000:1003] = np.nan
    both = [loads.rows(values), loads.rows(loads.weeks(60, seed=1) * 10, scope="service:b")]
    return pd.concat(both, ignore_index=True)


@pytest.fixture(scope="module")
def profile(series: pd.DataFrame) -> capacity.Profile:
    return capacity.profile(series, BERLIN, **GIVEN)


def test_it_says_what_it_rests_on(profile: capacity.Profile) -> None:
    text = show.rests_on(profile, "hits", "Left out: one week.").text
    assert text.startswith("2 services of hits, 2019-06-02 to 2020-07-26: 19,821 values used, 3 missing")
    assert "336 left out. Left out: one week." in text


def test_the_week_says_n_and_what_was_left_out(series: pd.DataFrame, profile: capacity.Profile) -> None:
    panel = show.week(profile, "hits")
    assert "The week of b" in panel.text
    assert "over 9,912 values (0 missing, 168 left out)" in panel.text
    assert "of what was left out, sales among it," in panel.text
    assert len(panel.figure.data[0].z) == 7
    assert show.per(series) == "hits per hour"
    assert show.per(series.assign(rollup="avg", unit="second")) == "second"


def test_room_is_drawn_with_the_interval_of_the_limit(series: pd.DataFrame) -> None:
    left = capacity.exhaustion(series, BERLIN, **GIVEN, **LIMITS)
    limits = pd.DataFrame({"scope": ["service:a"], "low": [270.0], "high": [290.0]})
    short, first = show.room(capacity.Headroom(limits, "", "Objective: x."), left).panels[:2]
    assert short.text.startswith(
        "1 of 2 services were seen to break their objective under load, so what they carry is known: 1"
    )
    assert (
        "The other 1 were never at their limit: they carry at least the most that was asked of them"
        in short.text
    )
    assert "Objective: x." in first.text
    known, vague = first.figure.data
    assert list(known.y) == ["a"]
    busiest = left.table.set_index("service").loc["a", "busiest"]
    assert known.x[0] + known.error_x.array[0] == pytest.approx(100 * busiest / 270)
    assert known.x[0] - known.error_x.arrayminus[0] == pytest.approx(100 * busiest / 290)
    assert (list(vague.y), vague.marker.symbol) == (["b"], "circle-open")


def test_more_load_breaks_more_services_and_unknown_ones_are_drawn_apart(series: pd.DataFrame) -> None:
    given = {**GIVEN, "limits": {"a": 450.0, "b": 5000.0}, "at_least": ["b"]}
    as_was, gone, more = (
        capacity.what_if(series, BERLIN, **given, **asked) for asked in ({}, {"instances": 3}, {"times": 2.0})
    )
    panel = show.what_if(as_was, gone, more, 3)
    assert "Of 1 service whose limit is known 0 were asked" in panel.text
    assert "with one of 3 instances gone it would have been 1, at 2 times the load 1" in panel.text
    assert "Pale: of 1 more" in panel.text
    sure, every = panel.figure.data
    assert (max(sure.y), max(every.y)) == (1, 2)
    carries = as_was.table.set_index("service").loc["a", "carries_times"]
    assert sure.x[list(sure.y).index(1)] == pytest.approx(carries, abs=0.001)
    assert {line.x0 for line in panel.figure.layout.shapes} == {1.0, 1.5, 2.0}
    alone = capacity.what_if(series, BERLIN, **given, instances=1)
    assert {line.x0 for line in show.what_if(as_was, alone, more, 1).figure.layout.shapes} == {1.0, 2.0}


def test_what_is_no_count_has_no_cost(series: pd.DataFrame) -> None:
    incidents = pd.DataFrame(columns=["incident_id", "started_at", "mitigated_at", "resolved_at", "services"])
    panel = show.cost(series.assign(rollup="avg"), incidents, SPANS, "hits", BERLIN)
    assert panel.figure is None
    assert "was not measured: hits is no count" in panel.text
