"""Candidate dependencies: planted ones are found, declared and chance ones are not; in the sample over many seeds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from resilience.analysis import dependencies
from resilience.errors import InputError, RefusedError
from resilience.sample import series as sample_series
from resilience.sample import truth
from resilience.sample.world import FIRST, streams

from .sizes import FULL, SIZE

ZONE = "Europe/Berlin"


def edges(*pairs: tuple[str, str]) -> pd.DataFrame:
    rows = [("service", a, "calls", "service", b) for a, b in pairs]
    return pd.DataFrame(
        rows, columns=["from_kind", "from_name", "relation", "to_kind", "to_name"], dtype="str"
    )


def long(values: dict[str, np.ndarray]) -> pd.DataFrame:
    """Hourly rows of `series`."""
    n = len(next(iter(values.values())))
    at = pd.date_range("2024-01-01", periods=n, freq="h", tz="UTC").as_unit("us")
    return pd.DataFrame(
        {
            "metric": "hits",
            "scope": np.repeat([f"service:{name}" for name in values], n),
            "at": np.tile(at, len(values)),
            "value": np.concatenate(list(values.values())),
            "interval_s": 3600.0,
            "rollup": "sum",
        }
    )


def week(hours: int, wobble: np.ndarray) -> np.ndarray:
    shape = 1.5 + np.sin(2 * np.pi * np.arange(hours) / 24) + 0.3 * np.sin(2 * np.pi * np.arange(hours) / 168)
    return 1000 * shape * np.exp(wobble)


def world(seed: int, hours: int = 168 * 20) -> dict[str, np.ndarray]:
    """Twelve services on their own, of which `late` moves three hours after `early`."""
    rng = np.random.default_rng(seed)
    wobble = rng.normal(0, 0.05, (12, hours))
    shared = rng.normal(0, 0.05, hours)
    names = ["early", "late", *(f"s{i:02d}" for i in range(10))]
    wobble[0] += shared
    wobble[1] += np.roll(shared, 3)
    return {name: week(hours, row) for name, row in zip(names, wobble, strict=True)}


def test_a_follower_is_found_with_its_lag() -> None:
    found = dependencies.candidates(long(world(1)), edges(), metric="hits", zone=ZONE)
    (row,) = found.table.to_dict("records")
    assert (row["service"], row["follower"], row["lag_h"]) == ("early", "late", 3)
    assert row["correlation"] == pytest.approx(0.5, abs=0.1)
    assert row["evidence"].startswith("late moves with early 3 h later (correlation +0.")
    assert row["evidence"].endswith("Verify by experiment.")
    assert found.tested == 66
    assert "1 candidate dependencies among 66 pairs" in found.text


def test_what_is_declared_is_no_candidate() -> None:
    """Neither directly nor through others, and calls may go in circles."""
    declared = edges(("early", "s00"), ("s00", "late"), ("late", "early"))
    found = dependencies.candidates(long(world(1)), declared, metric="hits", zone=ZONE)
    assert found.table.empty
    assert found.declared == 3


def test_a_common_cause_is_no_pair() -> None:
    values = world(2)
    everybody = np.exp(np.random.default_rng(3).normal(0, 0.2, len(values["early"])))
    shaken = {name: row * everybody for name, row in values.items()}
    found = dependencies.candidates(long(shaken), edges(), metric="hits", zone=ZONE)
    assert found.table[["service", "follower"]].to_numpy().tolist() == [["early", "late"]]


def test_incidents_add_pairs_and_evidence() -> None:
    names = [f"s{i:02d}" for i in range(10)]
    rng = np.random.default_rng(4)
    rows = [(f"I{k}", names[int(rng.integers(2, 10))]) for k in range(80)]
    rows += [(f"B{k}", name) for k in range(5) for name in ("s00", "s01")]
    rows += [(f"C{k}", name) for k in range(5) for name in ("s02", "s03")]
    table = pd.DataFrame(rows, columns=["incident_id", "service"])
    found = dependencies.candidates(long(world(5)), edges(("s02", "s03")), table, metric="hits", zone=ZONE)
    by_pair = found.table.set_index(["service", "follower"])
    assert by_pair.index.tolist() == [("early", "late"), ("s00", "s01")]
    assert by_pair.loc[("s00", "s01"), "together"] == 5
    assert "5 of 5 incidents of either name both" in by_pair.loc[("s00", "s01"), "evidence"]
    assert by_pair.loc[("early", "late"), "together"] == 0


def test_too_little_is_refused() -> None:
    few = {name: row[:200] for name, row in world(1).items()}
    with pytest.raises(RefusedError, match="too few to tell a pair from chance"):
        dependencies.candidates(long(few), edges(), metric="hits", zone=ZONE)
    with pytest.raises(InputError, match="no hourly series of other"):
        dependencies.candidates(long(world(1)), edges(), metric="other", zone=ZONE)
    with pytest.raises(InputError, match="no time zone"):
        dependencies.candidates(long(world(1)), edges(), metric="hits", zone="Mars/Phobos")
    silent = {name: np.zeros(168 * 9) for name in ("a", "b", "c")}
    with pytest.raises(RefusedError, match="0 services have values"):
        dependencies.candidates(long(silent), edges(), metric="hits", zone=ZONE)


@dataclass(frozen=True)
class Marketplace:
    """A world of the sample: its hourly requests, declared calls, services of its reports, and what is hidden."""

    requests: pd.DataFrame
    declared: pd.DataFrame
    incidents: pd.DataFrame
    hidden: dict[frozenset[str], tuple[str, int]]


def marketplace(seed: int, name: str, size: str) -> Marketplace:
    known = truth.plan(seed, world=name, size=size).world
    hours = sample_series.calm(known, streams(seed)["series"])
    sample_series.apply(known, hours)
    seen, kept = sample_series.measured(known, hours)
    names = [s.name for s in known.services]
    at = pd.date_range(FIRST, periods=len(kept), freq="h").as_unit("us")[kept]
    requests = pd.DataFrame(
        {
            "metric": "hits",
            "scope": np.repeat([f"service:{n}" for n in names], len(at)),
            "at": np.tile(at, len(names)),
            "value": seen.hits[:, kept].ravel(),
            "interval_s": 3600.0,
            "rollup": "sum",
        }
    )
    declared = edges(*((s.name, callee) for s in known.services for callee in s.calls))
    of = pd.DataFrame(
        [{"incident_id": i.incident_id, "service": s} for i in known.incidents for s in i.services]
    )
    hidden = {frozenset((e.service, e.follower)): (e.service, e.lag_h) for e in known.edges}
    return Marketplace(requests, declared, of, hidden)


def found_in(world: Marketplace) -> dependencies.Candidates:
    return dependencies.candidates(world.requests, world.declared, world.incidents, metric="hits", zone=ZONE)


def test_hidden_edges_of_the_sample_are_found_and_few_others() -> None:
    wrong, recalled = [], []
    for seed in range(20 if FULL else 2):
        world = marketplace(seed, "base", SIZE)
        table = found_in(world).table
        pairs = [frozenset((row.service, row.follower)) for row in table.itertuples()]
        right = [pair in world.hidden for pair in pairs]
        wrong.append(1 - sum(right) / len(right) if right else 0.0)
        recalled.append(sum(right) / len(world.hidden))
        for row, pair, known in zip(table.itertuples(), pairs, right, strict=True):
            if known and pd.notna(row.correlation):
                assert (row.service, row.lag_h) == world.hidden[pair]
    assert np.mean(wrong) <= 0.1
    assert np.mean(recalled) >= 0.5


def test_where_nothing_is_hidden_nothing_is_found() -> None:
    seeds = range(20 if FULL else 2)
    size = SIZE
    some = [len(found_in(marketplace(seed, "no-hidden-edges", size)).table) > 0 for seed in seeds]
    assert sum(some) <= (2 if FULL else 0)


def test_odd_series_are_left_aside_and_never_paired() -> None:
    """Two of each kind, so that a pair of them would be there to find; the planted pair still is."""
    values = world(1)
    n = len(values["early"])
    noise = np.random.default_rng(6).normal(1000, 50, (2, n))
    rare = np.where(np.arange(n) % 3 == 0, np.inf, 1.0)
    for i in (1, 2):
        values |= {
            f"constant{i}": np.full(n, 5.0),
            f"zeros{i}": np.zeros(n),
            f"null{i}": np.full(n, np.nan),
            f"one{i}": np.where(np.arange(n) == 900, 4.0, np.nan),
            f"infinite{i}": noise[i - 1] * rare,
        }
    found = dependencies.candidates(long(values), edges(), metric="hits", zone=ZONE).table
    named = set(found["service"]) | set(found["follower"])
    odd = {name for name in values if name[-1] in "12" and not name.startswith("s")}
    assert not named & odd
    assert {"early", "late"} <= named


def test_a_counter_and_times_that_repeat_are_refused() -> None:
    values = world(1)
    n = len(values["early"])
    counter = long({**values, "counter": np.arange(n) % 700 * 40.0}).assign(rollup="avg")
    with pytest.raises(RefusedError, match="running count"):
        dependencies.candidates(counter, edges(), metric="hits", zone=ZONE)
    rows = long(values)
    with pytest.raises(RefusedError, match="twice"):
        dependencies.candidates(pd.concat([rows, rows.iloc[40:60]]), edges(), metric="hits", zone=ZONE)
    half = rows.iloc[40:60].assign(at=rows["at"].iloc[40:60] + pd.Timedelta(minutes=30))
    with pytest.raises(RefusedError, match="twice in the same hour"):
        dependencies.candidates(pd.concat([rows, half]), edges(), metric="hits", zone=ZONE)
    late = rows.assign(at=rows["at"] + pd.to_timedelta(np.arange(len(rows)) * 7919 % 1800, unit="s"))
    uneven = dependencies.candidates(late, edges(), metric="hits", zone=ZONE).table
    assert set(uneven.loc[0, ["service", "follower"]]) == {"early", "late"}
