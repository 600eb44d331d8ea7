"""Planted days: names stay hidden, surprises are what nobody declared, and no outcome is claimed beyond its record."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from resilience import schema
from resilience.analysis import (
    blast_radius,
    claims,
    detection,
    gameday,
    outcomes,
    reach,
    recording,
    rehearsal,
    rehearsed_cells,
    roles,
)
from resilience.report import gameday_experiment, gameday_panels, time_panels

from .worlds import START, minutes, series
from .worlds import gameday as world

KEY = {"gameday_id": "day", "experiment_key": "exp"}


def named(text: str, names: str = "Mara Lindqvist, Will Hunt") -> dict[str, pd.DataFrame]:
    note = {**KEY, "kind": "surprise", "position": 0, "text": text}
    return {
        **world(),
        "gameday_roles": schema.frame(
            "gameday_roles", [{"gameday_id": "day", "role": "villain", "people": 2, "names": names}]
        ),
        "gameday_notes": schema.frame("gameday_notes", [note]),
    }


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Mara Lindqvist pulled the plug", "A villain pulled the plug"),
        ("It was MARA LINDQVIST", "It was a villain"),
        ("Then Lindqvist's laptop died", "Then a villain's laptop died"),
        ("Will it hold? We will see", "Will it hold? We will see"),
        ("We will ask. Then Will did", "We will ask. Then a villain did"),
        ("Maratona is no name", "Maratona is no name"),
    ],
)
def test_names_become_roles(text: str, shown: str) -> None:
    hidden = roles.hidden(named(text))
    assert hidden["gameday_notes"]["text"].tolist() == [shown]
    assert hidden["gameday_roles"]["names"].isna().all()


def test_names_reach_neither_numbers_nor_tables_unless_asked_for() -> None:
    tables = named("Mara Lindqvist did it")
    said = json.dumps(gameday.analyse(tables).numbers())
    assert "Mara" not in said
    assert "Lindqvist" not in said
    assert "Mara Lindqvist" in json.dumps(
        gameday.analyse(tables, names=True).tables["gameday_notes"]["text"].tolist()
    )


def edges(*pairs: tuple[str, str]) -> pd.DataFrame:
    rows = [
        {"edge_id": f"{a}-{b}", "from_kind": "service", "from_name": a, "relation": "calls", "to_kind": "service",
         "to_name": b, "source": "test"}
        for a, b in pairs
    ]  # fmt: skip
    return schema.frame("service_edges", rows)


def reached(*services: str) -> reach.Reach:
    at = {"at": START + minutes(2), "earliest": START + minutes(1), "latest": START + minutes(3)}
    moved = pd.DataFrame(
        [{"experiment_key": "exp", "service": s, "metric": "latency", **at} for s in services]
    )
    return reach.Reach(moved, {"exp": 5}, {})


def test_a_surprise_is_neither_target_nor_declared() -> None:
    tables = world()
    found = blast_radius.radius(
        tables["experiments"], tables["experiment_targets"], reached("a", "front", "store", "other"),
        edges(("front", "a"), ("a", "store"), ("front", "other")),
    )  # fmt: skip
    said = found.table.set_index("service")
    assert said["relation"].to_dict() == {
        "a": "target", "front": "declared", "store": "declared", "other": "surprise",
    }  # fmt: skip
    assert said.loc["front", "path"] == "a is called by front"
    assert said["after_min"].eq(2.0).all()
    assert "4 of 5 services" in found.text("exp")
    nothing = blast_radius.radius(
        tables["experiments"], tables["experiment_targets"], reached("other"), edges()
    )
    assert nothing.table["relation"].tolist() == ["no graph"]
    assert "not known" in nothing.text("exp")


def test_surprise_edges_join_what_moved_to_each_target() -> None:
    tables = world()
    targets = pd.concat(
        [tables["experiment_targets"], tables["experiment_targets"].assign(service="b")], ignore_index=True
    )
    found = blast_radius.radius(
        tables["experiments"], targets, reached("a", "front", "other"), edges(("front", "a"))
    )
    said = blast_radius.surprise_edges(found, targets)
    assert said.columns.tolist() == blast_radius.SURPRISES
    assert said[["target", "service"]].to_numpy().tolist() == [["a", "other"], ["b", "other"]]
    assert said["moved_at"].eq(START + minutes(2)).all()
    assert gameday.analyse(tables).surprise_edges.columns.tolist() == blast_radius.SURPRISES


def classified(before: int, after: int) -> pd.DataFrame:
    days = [*np.linspace(-360, -2, before), *np.linspace(2, 360, after), -365, 365]
    rows = [
        {"incident_id": f"I{i}", "started_at": START.normalize() + pd.Timedelta(days=float(d)), "detected_at": pd.NaT,
         "services": "a" if i < before + after else "z", "failure_class": "capacity"}
        for i, d in enumerate(days)
    ]  # fmt: skip
    return pd.DataFrame(rows).assign(
        detected_at=pd.Series(pd.NaT, index=range(len(rows)), dtype="datetime64[us, UTC]")
    )


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [(30, 5, "supported: fewer after"), (5, 30, "supported: more after"), (20, 18, "not distinguishable"),
     (2, 0, "not measurable"), (0, 0, "not measurable")],
)  # fmt: skip
def test_cells_before_and_after(before: int, after: int, verdict: str) -> None:
    tables = world()
    found = rehearsed_cells.changes(
        tables["experiments"], tables["experiment_targets"], classified(before, after), START.normalize()
    )
    assert (found.verdict, found.table["verdict"].tolist()) == (verdict, [verdict])
    assert "because of" not in found.text.replace("not because of", "")
    row = found.table.iloc[0]
    assert row["before_low"] <= row["before"] <= row["before_high"]


@pytest.mark.parametrize(("chance", "state"), [(0.02, "evidenced"), (0.1, "not measured")])
def test_what_chance_would_show_is_no_evidence_of_a_hidden_dependency(chance: float, state: str) -> None:
    found = dataclasses.replace(reached("a", "other"), chance={"exp": chance})
    day = gameday.analyse(world(), gameday.Around(found, edges(("front", "a"))))
    said = day.outcomes.set_index("outcome").loc["Hidden interdependencies found"]
    assert said["state"] == state
    assert "other" in said["why"]


def noticed(before: float, after: float, n: int = 60) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Incidents a few days apart on either side of the day, noticed after about so many minutes; and their onsets."""
    rng = np.random.default_rng(5)
    days = [*np.linspace(-300, -3, n), *np.linspace(3, 300, n)]
    took = np.r_[np.full(n, before), np.full(n, after)] * rng.lognormal(0, 0.4, 2 * n)
    began = [START.normalize() + pd.Timedelta(days=float(d)) for d in days]
    rows = [
        {"incident_id": f"I{i}", "title": "T", "kind": "real", "environment": "production", "severity": 2, "services": "a",
         "detected_by": "monitor", "text": "t", "simulated": False, "source": "test", "source_uri": f"{i}.md",
         "started_at": at, "detected_at": at + pd.Timedelta(minutes=float(t))}
        for i, (at, t) in enumerate(zip(began, took, strict=True))
    ]  # fmt: skip
    incidents = schema.frame("incidents", rows)
    return incidents, pd.DataFrame(
        {"incident_id": incidents["incident_id"], "onset_at": incidents["started_at"]}
    )


@pytest.mark.parametrize(
    ("after", "anchored", "state", "says"),
    [(10, True, "evidenced", "% shorter"), (40, True, "contradicted", "longer"), (20, True, "not measured", "not disting"),
     (10, False, "not measured", "Not measurable: the series show when it began for 0%")],
)  # fmt: skip
def test_time_to_detect_is_claimed_only_from_what_the_series_show(
    after: float, anchored: bool, state: str, says: str
) -> None:
    incidents, onsets = noticed(20, after)
    found = detection.around(
        incidents, onsets if anchored else onsets.assign(onset_at=pd.NaT), START.normalize()
    )
    day = gameday.analyse(world(), gameday.Around(detection=found))
    said = day.outcomes.set_index("outcome").loc["Time to detect improved"]
    assert said["state"] == state
    assert says in said["why"]
    assert day.numbers()["detection"]["verdict"] == found.verdict


def test_who_had_an_incident_on_the_day_itself_had_not_learnt_from_it() -> None:
    """The GameDay's page and the one about times split the years at one moment: when the day after begins."""
    held_on = START.normalize()
    incidents, _ = noticed(20, 10)
    to_its_evening = held_on + pd.Timedelta(hours=20) - incidents["started_at"].iloc[59]  # of the 60th of 120
    incidents[["started_at", "detected_at"]] += to_its_evening
    found = detection.around(
        incidents, incidents[["incident_id"]].assign(onset_at=incidents["started_at"]), held_on
    )
    assert "60 before, 60 after" in found.short
    made = world()
    classed = incidents.assign(failure_class="capacity", services="a")
    cells = rehearsed_cells.changes(made["experiments"], made["experiment_targets"], classed, held_on)
    assert "60 in the" in cells.text.split("after")[0]
    split = time_panels.day("", made["gamedays"])
    assert [len(side) for side in claims.split(incidents, split)[:2]] == [60, 60]
    stated = pd.DataFrame({"incident_id": incidents["incident_id"], "component": "cause", "present": True})
    around = recording.around(incidents, stated, made["gamedays"], days=400).iloc[0]
    assert (around["n_before"], around["n_after"]) == (60, 60)


def test_eleven_outcomes_and_no_claim_without_a_record() -> None:
    found = gameday.analyse(world()).outcomes
    assert len(found) == 11
    assert set(found["state"]) <= set(outcomes.STATES)
    bare = found.set_index("outcome")["state"]
    assert bare["Hidden interdependencies found"] == "not measured"
    assert bare["Trust and confidence grew"] == "not measured"
    assert bare["Fallbacks validated"] == "not measured"
    failed = {"fallback": "cache", "fallback_exercised": True, "fallback_worked": False}
    failing = gameday.analyse(world(**failed)).outcomes.set_index("outcome")["state"]
    assert failing["Fallbacks validated"] == "contradicted"
    late = gameday.analyse(world(outcome="not_solved")).outcomes.set_index("outcome")["state"]
    assert late["Incident process validated"] == "contradicted"


@pytest.mark.parametrize(
    ("after", "n", "state"),
    [(4.5, 60, "evidenced"), (3.1, 60, "not measured"), (4.5, 3, "not measured"), (1.0, 60, "contradicted")],
)
def test_trust_needs_more_than_a_higher_mean(after: float, n: int, state: str) -> None:
    asked = {"gameday_id": "day", "question": "Trust?", "asked": 99, "answered": n, "scale_max": 5.0}
    rows = [{**asked, "moment": "before", "score": 3.0}, {**asked, "moment": "after", "score": after}]
    tables = {**world(), "gameday_surveys": schema.frame("gameday_surveys", rows)}
    found = gameday.analyse(tables).outcomes.set_index("outcome")["state"]
    assert found["Trust and confidence grew"] == state


def test_teams_stand_by_name_and_each_score_has_its_experiment() -> None:
    score = {"gameday_id": "day", "reason": "x"}
    rows = [
        {**score, "position": 0, "team": "Z", "at": START + minutes(5), "points": 30.0},
        {**score, "position": 1, "team": "A", "at": START + minutes(9), "points": -10.0},
        {**score, "position": 2, "team": "A", "at": START + minutes(90), "points": 5.0},
    ]
    found = rehearsal.survived(world()["experiments"], schema.frame("gameday_scores", rows))
    assert found["team"].tolist() == ["A", "A", "Z"]
    assert found["experiment_key"].fillna("none").tolist() == ["exp", "none", "exp"]
    assert found["lost"].tolist() == [10.0, 0.0, 0.0]
    assert found["first_gain_min"].iloc[2] == 5.0


def test_the_first_screen_uses_no_jargon() -> None:
    brief = gameday.analyse(world()).brief
    said = " ".join([brief.tried, brief.happened, brief.customers, brief.next])
    assert not any(
        word in said.lower()
        for word in ("deviated", "hypothesis", "probe", "latency", "hero", "inconclusive")
    )
    assert "live system" in brief.tried
    copy = gameday.analyse(world(environment="isolated")).brief
    assert copy.customers.startswith("Customers could not notice")


def test_who_was_told_no_symptom_reads_what_was_broken() -> None:
    tables = world(symptom="None given", environment="isolated", failure_class="third-party")
    tables["gamedays"]["style"] = "uninformed"
    assert gameday.analyse(tables).brief.table["tried"].tolist() == [
        "Third party at a. In a separate copy (no customers)."
    ]


@pytest.mark.parametrize(
    ("peak", "said"), [(3.0, "Left its limits during the fault"), (0.6, "Stayed within its limits")]
)
def test_an_experiment_says_first_what_left_its_limits_and_draws_before_it_lists(
    peak: float, said: str
) -> None:
    values = np.full(180, 0.5)
    values[60:80] = peak
    panel, rest = gameday_experiment.experiments(gameday.analyse(world(series(values)))).panels[1:]
    assert panel.text.startswith(f"{said}: latency (mean {peak:g} s, 0.5 before; at most 1 allowed).")
    assert "20 of 20 points" in panel.text
    assert panel.figure is not None
    assert "What we predicted" not in panel.body, "nobody wrote one"
    assert "Capacity at a" not in rest.body
    assert "Time box" in rest.body
    assert "Time box" not in panel.body


def test_few_experiments_are_drawn_by_name_as_the_day_ran() -> None:
    result = gameday.analyse(world(series(np.full(180, 0.5))))
    first, about = gameday_panels.overview(result).panels
    assert [label for trace in first.figure.data for label in trace.y] == ["Slow"]
    assert "Deviated: it left them" in about.body


@pytest.mark.parametrize(("after", "words"), [(-1.4, "1 min before"), (0.2, "with"), (3.0, "3 min after")])
def test_what_moved_before_the_fault_did_not_move_minutes_after_it(after: float, words: str) -> None:
    assert gameday._from_fault(after) == words
