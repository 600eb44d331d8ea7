"""Each switch changes what it says and nothing else: truths of the worlds of one seed, compared."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from scipy import stats

from resilience.analysis import attribution
from resilience.cli import main
from resilience.sample import draw, effects, marketplace, series, switches, truth
from resilience.sample.world import streams

CHANGE = switches.CHANGE.strftime("%Y-%m-%dT%H:%M:%SZ")
NAMES = {"world", "switches", "periods", "planted"}  # these say in words and counts what the switches are


@cache
def world(name: str) -> dict[str, Any]:
    """Many incidents, so that shares are close to what the switches say."""
    return truth.plan(2019, world=name, size="small", n_incidents=1500).as_dict()


def by_number(rows: list[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    return {row["number"]: row for row in rows}


def happened(known: dict[str, Any]) -> dict[int, dict[str, Any]]:
    return by_number([*known["incidents"], *known["unwritten"]])


def minutes(row: dict[str, Any], first: str, second: str) -> float:
    return (pd.Timestamp(row[second]) - pd.Timestamp(row[first])) / pd.Timedelta(minutes=1)


def differences(one: dict[str, Any], other: dict[str, Any]) -> set[str]:
    """Names of top-level parts of two truths that differ."""
    assert one.keys() == other.keys()
    return {key for key in one if one[key] != other[key]}


def fields(one: dict[int, dict[str, Any]], other: dict[int, dict[str, Any]]) -> set[str]:
    """Fields that differ in any incident of both."""
    return {key for n in one.keys() & other.keys() for key in one[n] if one[n][key] != other[n][key]}


def late_share(known: dict[str, Any], when: Callable[[str], bool]) -> float:
    able = [i for i in known["incidents"] if i["resolved"] and when(i["started"])]
    able = [i for i in able if minutes(i, "started", "detected") > 1]  # within one minute nobody can be late
    return mean("started" in i["recorded"] for i in able)


def before(at: str) -> bool:
    return at < CHANGE


def after(at: str) -> bool:
    return at >= CHANGE


@pytest.mark.parametrize(("name", "later"), [("recording-earlier", 0.05), ("recording-later", 0.9)])
def test_recording_changes_with_detection_unchanged(name: str, later: float) -> None:
    known, placebo = world(name), world("placebo")
    assert differences(known, placebo) == {*NAMES, "incidents", "unwritten"}
    one, other = by_number(known["incidents"]), by_number(placebo["incidents"])
    assert one.keys() == other.keys()
    assert fields(one, other) == {"recorded", "report_holds"}
    assert all(one[n] == other[n] for n in one if before(one[n]["started"]))
    assert late_share(known, before) == late_share(placebo, before) == pytest.approx(0.45, abs=0.06)
    assert late_share(placebo, after) == pytest.approx(0.45, abs=0.07)
    assert late_share(known, after) == pytest.approx(later, abs=0.07)


def test_a_late_start_is_late_by_what_the_periods_say() -> None:
    shares = []
    for row in world("recording-later")["incidents"]:
        if "started" in row["recorded"]:
            late = minutes({"a": row["started"], "b": row["recorded"]["started"]}, "a", "b")
            true = minutes(row, "started", "detected")
            assert 0 < late < true
            if true > 60:
                shares.append(late / true)
    low, high = switches.OFFSET
    assert low - 0.01 <= min(shares)
    assert max(shares) <= high + 0.01
    assert mean(shares) == pytest.approx((low + high) / 2, abs=0.05)


def test_detection_halves_and_repair_stays() -> None:
    known, only_recording = world("recording-earlier-detection-halved"), world("recording-earlier")
    one, other = happened(known), happened(only_recording)
    assert one.keys() == other.keys()
    moments = {"detected", "acknowledged", "mitigated", "resolved"}
    assert fields(one, other) == {*moments, "recorded", "report_holds"}
    ratios = []
    for n, row in one.items():
        assert minutes(row, "started", "detected") > 0
        if row["mitigated"]:
            assert minutes(row, "detected", "mitigated") == minutes(other[n], "detected", "mitigated")
        if before(row["started"]):
            assert row == other[n]
        elif minutes(other[n], "started", "detected") > 30 and row["resolved"]:
            ratios.append(minutes(row, "started", "detected") / minutes(other[n], "started", "detected"))
    assert all(ratio == pytest.approx(0.5, abs=0.02) for ratio in ratios)
    assert len(ratios) > 50


def test_capture_rises_and_what_happens_stays() -> None:
    known, placebo = world("capture-rising"), world("placebo")
    one, other = happened(known), happened(placebo)
    assert one.keys() == other.keys()
    # an id is given when a report is written; what a report would say is the same
    assert fields(one, other) == {"incident_id"}
    assert known["services"] == placebo["services"]
    written = {n["number"] for n in known["incidents"]}
    minor = [row for row in one.values() if row["severity"] == "SEV4" and row["resolved"]]
    assert written >= {n for n, row in one.items() if row["severity"] != "SEV4"}
    for when, share in ((before, 0.3), (after, 0.8)):
        found = [row["number"] in written for row in minor if when(row["started"])]
        assert len(found) > 60
        assert mean(found) == pytest.approx(share, abs=0.1)


def test_gamedays_change_detection_and_rehearsed_cells_and_nothing_before() -> None:
    known, placebo = world("base"), world("placebo")
    one, other = happened(known), happened(placebo)
    assert differences(known, placebo) <= {
        *NAMES, "gamedays", "incidents", "unwritten", "prevented", "deployments_behind", "hidden_edges"
    }  # fmt: skip
    prevented = by_number(known["prevented"])
    assert one.keys() | prevented.keys() == other.keys()
    assert not one.keys() & prevented.keys()
    assert not placebo["prevented"]
    first, second = known["gamedays"]
    cells = {
        (c["failure_class"], c["service"]): (day["effective_from"], c)
        for day in (first, second)
        for c in day["cells"]
    }
    for row in prevented.values():
        since, cell = cells[row["failure_class"], row["services"][0]]
        assert row["started"] >= since
        assert cell["rate_factor"] < 1
    for n, row in one.items():
        if row["started"] < first["effective_from"]:
            assert {**row, "incident_id": None} == {**other[n], "incident_id": None}
        elif row["resolved"] and (row["failure_class"], row["services"][0]) not in cells:
            factor = first["detect_factor"]
            factor *= second["detect_factor"] if row["started"] >= second["effective_from"] else 1
            true = minutes(other[n], "started", "detected")
            assert minutes(row, "started", "detected") == pytest.approx(max(1, factor * true), abs=0.51)
    for day in placebo["gamedays"]:
        assert {day["detect_factor"], *(c["rate_factor"] for c in day["cells"])} == {1.0}


def test_the_rate_of_a_repaired_cell_falls_by_its_factor() -> None:
    made = truth.plan(2019, size="small")
    (cell,) = [c for c in made.effects.cells if (c.failure_class, c.service) == ("third-party", "payments")]
    (some,) = [i for i in made.world.incidents if i.outage]
    ordinary = replace(
        some, outage=False, failure_class=cell.failure_class, services=(cell.service,), severity=2
    )
    for start, share in ((cell.since, cell.rate), (cell.since - timedelta(minutes=1), 1.0)):
        moved = [
            replace(ordinary, number=n, started=start, detected=start + timedelta(hours=1))
            for n in range(2000)
        ]
        kept, _, gone = draw.happen(2019, moved, made.switches, made.effects, {})
        assert len(kept) + len(gone) == 2000
        assert len(kept) / 2000 == pytest.approx(share, abs=0.04)


def test_costly_cells_were_never_rehearsed_and_the_rates_are_those_of_what_was_drawn() -> None:
    known = world("base")
    rehearsed = {(c["failure_class"], c["service"]) for day in known["gamedays"] for c in day["cells"]}
    costly = {(c["failure_class"], c["service"]) for c in known["planted"]["costly_unrehearsed"]}
    assert costly == set(draw.COSTLY)
    assert not costly & rehearsed
    told = known["cell_rates"]
    everything = [*known["incidents"], *known["unwritten"], *known["prevented"]]
    exempt = {known["outage"]["incident_id"], *known["planted"]["open"]}
    drawn = Counter(i["failure_class"] for i in everything if i["incident_id"] not in exempt)
    for failure_class, row in zip(told["classes"], told["rates"], strict=True):
        assert 2 * sum(row) == pytest.approx(drawn[failure_class], abs=0.01)


@pytest.mark.parametrize("size", switches.SIZES)
def test_costly_cells_are_costly_by_their_true_rates_whatever_the_seed(size: str) -> None:
    """Each is among the first ten that nobody rehearsed, its class is more than it, and two years nearly always show it."""
    services, reports_about = switches.SIZES[size]
    rehearsed = {(c.failure_class, c.service) for c in effects.of_gamedays(True).cells}
    weight, minor = attribution.SEVERITY_WEIGHTS, draw.MINOR - 1
    for seed in range(12):
        rngs = streams(seed)
        known = marketplace.services(rngs["services"], services)
        rates = draw.draw(rngs["incidents"], known, truth.drawn_for(reports_about), {}).cell_rates
        expected = {tier: np.dot(shares, list(weight.values())) for tier, shares in draw.SEVERITY.items()}
        cells = [(c, s) for c in draw.SHARES for s in known]
        loss = {(c, s.name): r * expected[s.tier] for (c, s), r in zip(cells, rates.ravel(), strict=True)}
        others = sorted(v for cell, v in loss.items() if cell not in rehearsed | set(draw.COSTLY))
        assert min(loss[cell] for cell in draw.COSTLY) > 1.5 * others[len(draw.COSTLY) - 11]
        for (c, s), rate in zip(cells, rates.ravel(), strict=True):
            if (c, s.name) in draw.COSTLY:
                assert rate == pytest.approx(draw.COSTLY_A_YEAR, rel=0.05)
                of_class = rates[list(draw.SHARES).index(c)].sum()
                assert rate < 0.5 * of_class
                capture = switches.Switches().capture[0]
                written = rate / of_class * (1 - (1 - capture) * draw.SEVERITY[s.tier][minor])
                assert stats.binom.cdf(4, round(2 * of_class), written) < 0.05


def test_without_hidden_edges_nothing_else_changes() -> None:
    known, base = world("no-hidden-edges"), world("base")
    assert differences(known, base) == {*NAMES - {"periods"}, "incidents", "unwritten", "hidden_edges"} | (
        differences(known, base) & {"prevented", "duplicates"}  # some of them took a hidden edge
    )
    assert known["hidden_edges"] == []
    one, other = happened(known), happened(base)
    assert one.keys() == other.keys()
    assert fields(one, other) == {"services", "teams", "over_hidden_edge_to"}
    touched = {n for n in one if one[n] != other[n]}
    assert touched == {n for n, row in other.items() if row["over_hidden_edge_to"]}
    assert all(row["over_hidden_edge_to"] is None for row in one.values())
    for n in touched:
        assert set(other[n]["services"]) - set(one[n]["services"]) <= {other[n]["over_hidden_edge_to"]}


def test_the_series_differ_by_the_hidden_edges_alone() -> None:
    one, other = (truth.plan(2019, world=name, size="small").world for name in ("base", "no-hidden-edges"))
    hours, without = (series.calm(w, streams(2019)["series"]) for w in (one, other))
    ends = {name for edge in one.edges for name in (edge.service, edge.follower)}
    for i, service in enumerate(one.services):
        assert np.array_equal(hours.hits[i], without.hits[i]) == (service.name not in ends), service.name


def test_every_world_at_the_size_of_the_sample() -> None:
    plans = {name: truth.plan(2019, world=name).as_dict() for name in switches.WORLDS}
    base = plans["base"]
    assert 280 <= len(base["incidents"]) <= 325
    assert len(base["services"]) == 150
    assert sum(s["saturates_on"] is not None for s in base["services"]) >= 40
    assert len(base["planted"]["saturating"]) >= 40
    assert len(base["hidden_edges"]) >= 20
    assert all(edge["incidents"] for edge in base["hidden_edges"])
    for name, known in plans.items():
        assert known["world"] == name
        assert len(known["duplicates"]) == base["planted"]["duplicates"] >= 8, name
        told_twice = {d["number"] for d in known["duplicates"]}
        assert told_twice == {d["number"] for d in base["duplicates"]}, name
        assert len(known["planted"]["contradictions"]) == 6, name
        assert [s["limit_rps"] for s in known["services"]] == [s["limit_rps"] for s in base["services"]]
        assert known["experiments"] == base["experiments"]


def test_the_command_writes_the_world_that_it_is_told_and_never_over_another(tmp_path: Path) -> None:
    def run(*options: str) -> Result:
        return CliRunner().invoke(main, ["sample", str(tmp_path), "--size", "small", *options])

    assert run("--world", "placebo", "--seed", "5").exit_code == 0
    known = json.loads((tmp_path / "data" / "truth.json").read_bytes())
    assert (known["world"], known["size"], known["seed"]) == ("placebo", "small", 5)
    assert known == json.loads(json.dumps(truth.plan(5, world="placebo", size="small").as_dict()))
    files = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
    for other in (["--seed", "5"], ["--seed", "6", "--world", "placebo"]):
        refused = run(*other)
        assert refused.exit_code == 2
        assert "seed 5, world placebo, size small" in refused.output
    assert run("--world", "nowhere").exit_code == 2
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")} == files


def test_every_world_is_described() -> None:
    docs = Path(__file__).resolve().parents[1] / "docs"
    for page in ("sample.md", "commands.md"):
        text = (docs / page).read_text(encoding="utf-8")
        assert all(f"`{name}`" in text for name in switches.WORLDS), page
