"""Planted days: what moved is found between faults too, and nothing is said where ordinary hours do not compare."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from resilience import schema
from resilience.analysis import reach
from resilience.sample import gamedays as sample
from resilience.sample import marketplace
from resilience.sample.world import streams

from .sizes import FULL
from .worlds import START, minutes, series
from .worlds import gameday as world

HOURS = 10
BEGAN = START - minutes(100)


def line(
    service: str, lifts: dict[int, float] | None = None, *, noise: np.ndarray | float = 0.05
) -> pd.DataFrame:
    """A series from `BEGAN` for ten hours, lifted for thirty minutes from each minute of `lifts`."""
    rng = np.random.default_rng([3, *map(ord, service)])
    values = 1 + noise * rng.standard_normal(HOURS * 60)
    for minute, lift in (lifts or {}).items():
        values[minute : minute + 30] += lift
    return series(values, scope=f"service:{service}", start=BEGAN + minutes(60))


def day(starts: list[int], *, lasted: float = 30, ended: bool = True) -> pd.DataFrame:
    """Experiments whose faults began at these minutes after `BEGAN`."""
    one = world()["experiments"].iloc[0]
    rows = [
        {**one, "experiment_key": f"e{at}", "fault_started_at": BEGAN + minutes(at),
         "fault_ended_at": BEGAN + minutes(at + int(lasted)) if ended else pd.NaT, "planned_min": lasted}
        for at in starts
    ]  # fmt: skip
    return schema.frame("experiments", rows)


STARTS = [100, 190, 300, 370, 440]  # as on a day of long faults with an hour of recording before the first


def test_a_planted_step_moves_and_a_calm_service_does_not() -> None:
    points = pd.concat([line("a", {100: 2.0, 300: -0.6}), line("b", {440: 1.0}), line("c")])
    found = reach.reach(day(STARTS), points)
    assert found.watched == dict.fromkeys((f"e{at}" for at in STARTS), 3)
    assert not found.why
    assert found.moved[["experiment_key", "service"]].to_numpy().tolist() == [
        ["e100", "a"], ["e300", "a"], ["e440", "b"],
    ]  # fmt: skip
    late = (found.moved["at"] - BEGAN).to_numpy() / np.timedelta64(1, "m") - [100, 300, 440]
    assert np.abs(late).max() <= 3


def test_who_had_an_incident_on_that_day_is_not_looked_at_and_hides_nobody() -> None:
    points = pd.concat([line("a", {100: 2.0}), line("b"), line("c", {250: 30.0})])
    incident = pd.DataFrame({"started_at": [BEGAN + minutes(250)], "services": ["c, d"]})
    assert reach.reach(day(STARTS), points).moved.empty  # the incident is taken for what is usual
    found = reach.reach(day(STARTS), points, incident)
    assert found.moved["service"].tolist() == ["a"]
    assert found.apart == ("c",)
    assert set(found.watched.values()) == {2}


def test_what_lies_around_faults_is_fault_free_only_where_an_end_is_known() -> None:
    def spans(**how: object) -> list[tuple[int, int]]:
        rows = day([100, 300], **how)  # type: ignore[arg-type]
        ran = [(r, r.fault_started_at, r.fault_started_at + minutes(30)) for r in rows.itertuples()]
        return [tuple(int((t - BEGAN) / minutes(1)) for t in span) for span in reach.fault_free(ran)]  # type: ignore[misc]

    assert spans() == [(-260, 100), (145, 300), (345, 690)]
    assert spans(ended=False) == [(-260, 100), (390, 690)]


def test_a_short_fault_is_looked_at_a_little_longer_unless_the_next_had_begun() -> None:
    points = pd.concat([line("a", {100: 2.0, 104: 2.0}), line("b")])
    assert reach.reach(day([100], lasted=4, ended=False), points).moved["service"].tolist() == ["a"]
    found = reach.reach(day([100, 104], lasted=4, ended=False), points)
    assert "4 of its intervals; 5 are needed" in found.why["e100"]
    assert found.watched == {"e104": 2}


def test_hours_calmer_than_the_time_around_a_fault_say_nothing() -> None:
    busy = np.where(np.arange(HOURS * 60) < 200, 0.12, 0.05)
    points = pd.concat([line(name, noise=busy) for name in "abcde"])
    found = reach.reach(day([150], ended=False), points)
    assert not found.watched
    assert found.moved.empty
    assert "fault-free hours of that day were calmer" in found.why["e150"]


@pytest.mark.parametrize("points", [series(np.zeros(0)), series(np.ones(600), scope="queue:x", start=BEGAN)])
def test_no_series_of_a_service_is_told(points: pd.DataFrame) -> None:
    found = reach.reach(day([100]), points)
    assert found.why == {"e100": "no series of any service was recorded around it"}


def test_series_without_a_single_value_are_judged_by_nobody_and_warn_nobody() -> None:
    empty = series(np.full(600, np.nan), scope="service:n", start=BEGAN + minutes(60))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = reach.reach(day(STARTS), pd.concat([empty, line("a", {100: 2.0})]))
        alone = reach.reach(day(STARTS), empty)
    assert found.watched == dict.fromkeys((f"e{at}" for at in STARTS), 1)
    assert not alone.watched
    assert set(alone.why) == {f"e{at}" for at in STARTS}


def recorded(name: str, seed: int) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, set[str]]]:
    """Experiments, series, and what each fault really moved, of a day that the sample simulates."""
    known = {s.name: s for s in marketplace.services(streams(2019)["services"], 150)}
    told = sample.record(SimpleNamespace(service=known.__getitem__), np.random.default_rng(seed), name)  # type: ignore[arg-type]
    points = [
        series(np.round(values[i], digits), metric=metric, scope=f"service:{service.removeprefix('staging/')}"
               f"{',env:staging' * service.startswith('staging/')}", start=pd.Timestamp(told.first) + minutes(60))
        for i, service in enumerate(told.names)
        for metric, values, digits in (("hits", told.hits, 0), ("p95", told.p95, 4), ("errors", told.errors, 2))
    ]  # fmt: skip
    faults = [(key, pd.Timestamp(a), pd.Timestamp(b)) for key, a, b in sample.faults(name)]
    one = world()["experiments"].iloc[0]
    ran = [{**one, "experiment_key": k, "fault_started_at": a, "fault_ended_at": b} for k, a, b in faults]
    truth = {
        key: {
            e.service.removeprefix("staging/") for e in sample._EFFECTS[name, key] if minutes(e.start) < b - a
        }
        for key, a, b in faults
    }
    return schema.frame("experiments", ran), pd.concat(points, ignore_index=True), truth


@pytest.mark.parametrize("name", sample.DAYS)
def test_what_a_simulated_gameday_moved_is_found_and_little_else(name: str) -> None:
    moved = found = experiments = spurious = 0
    for seed in range(12 if FULL else 1):
        ran, points, truth = recorded(name, seed)
        got = reach.reach(ran, points).moved.groupby("experiment_key")["service"].agg(set).to_dict()
        for key, services in truth.items():
            seen = got.get(key, set())
            moved, found = moved + len(services), found + len(services & seen)
            experiments, spurious = experiments + 1, spurious + bool(seen - services)
    print(f"{name}: {found} of {moved} services found; something spurious in {spurious} of {experiments}")
    assert found >= 0.75 * moved
    assert spurious <= 0.2 * experiments
