"""Exported experiments: formats by their own validators, gameday.yml by our reader, limits by held-out windows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from resilience.analysis import backlog, faults, programme, tolerances
from resilience.analysis.plan import Plan, Rules, choose
from resilience.report import experiments
from resilience.sources import gamedays

from .ledger_worlds import book, facts, touches
from .sizes import FULL

CATALOGUE = {fault.key: fault for fault in faults.packaged()}
DAY = pd.Timestamp("2021-12-09")
HOURS = pd.date_range("2021-01-01", "2021-06-01", freq="h", tz="UTC", inclusive="left").as_unit("us")


def _series(seed: int, service: str = "pay") -> pd.DataFrame:
    """Five months of hours: latency, errors and traffic with the shape of a week and AR(1) noise."""
    rng = np.random.default_rng(seed)
    local = HOURS.tz_convert("Europe/Berlin")
    shape = (
        1
        + 0.6 * np.sin((np.asarray(local.hour) - 9) / 24 * 2 * np.pi)
        - 0.2 * (np.asarray(local.day_of_week) >= 5)
    )

    def noise(sigma: float) -> np.ndarray:
        shocks = rng.normal(0, sigma, len(HOURS))
        for t in range(1, len(shocks)):
            shocks[t] += 0.5 * shocks[t - 1]
        return np.exp(shocks)

    parts = [
        ("trace.http.request.duration.p95", 0.2 * (0.8 + 0.2 * shape) * noise(0.05), "s", "avg"),
        ("trace.http.request.errors.pct", 0.2 * noise(0.2), "%", "avg"),
        ("trace.http.request.hits", 90_000 * shape * noise(0.04), "req", "sum"),
    ]
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "metric": m,
                    "scope": f"service:{service}",
                    "at": HOURS,
                    "value": v,
                    "interval_s": 3600.0,
                    "rollup": r,
                    "unit": u,
                }
            )
            for m, v, u, r in parts
        ],
        ignore_index=True,
    )


def _kept(limits: pd.DataFrame, values: dict[str, float]) -> bool:
    """Whether all limits hold for the values per metric; counts per minute."""
    return all(
        (pd.isna(row.high) or values[row.metric] <= row.high)
        and (pd.isna(row.low) or values[row.metric] >= row.low)
        for row in limits.itertuples()
    )


def test_limits_hold_in_ordinary_windows_and_fail_in_faults() -> None:
    """Held-out hours after the profile: jointly kept in 95 %; latency x1.5, 3 % errors or a third of traffic
    lost break them."""
    kept, caught, n = 0, {"latency": 0, "errors": 0, "traffic": 0}, 0
    cut = pd.Timestamp("2021-05-01", tz="UTC")
    for seed in range(20 if FULL else 4):
        series = _series(seed)
        wide = series[series["at"] >= cut].pivot_table("value", "at", "metric")
        for at in wide.index[seed::24][:28]:
            limits = tolerances.limits(series[series["at"] < cut], at, "Europe/Berlin")
            assert len(limits) == 3
            latency, errors, hits = wide.loc[at, sorted(wide)]
            now = dict(zip(sorted(wide), (latency, errors, hits / 60), strict=True))
            metrics = sorted(wide)
            n += 1
            kept += _kept(limits, now)
            caught["latency"] += not _kept(limits, {**now, metrics[0]: 1.5 * latency})
            caught["errors"] += not _kept(limits, {**now, metrics[1]: errors + 3.0})
            caught["traffic"] += not _kept(limits, {**now, metrics[2]: hits / 60 * 2 / 3})
    print(kept / n, {k: v / n for k, v in caught.items()})
    assert kept / n >= 0.95
    assert min(caught.values()) / n >= 0.8


def test_series_without_enough_make_no_limit() -> None:
    series = _series(1)
    at = pd.Timestamp("2021-05-03 09:00", tz="UTC")
    assert tolerances.limits(series.head(8), at, "UTC").empty
    assert tolerances.limits(series.assign(value=np.nan), at, "UTC").empty
    assert tolerances.limits(series.assign(value=0.0), at, "UTC").empty, "a year of zeros has no usual level"
    assert tolerances.limits(series.assign(metric="queue.age"), at, "UTC").empty, "no side is known"


def _planned(**more: Any) -> tuple[Plan, experiments.Export]:
    rows = [
        (f"{c}{s}{i}", c, s, f"2020-0{1 + i}-05")
        for c, s, n in (
            ("third-party", "pay", 7),
            ("hardware-power", "stock", 6),
            ("config", "shop", 5),
            ("datastore", "cart", 4),
        )
        for i in range(n)
    ]
    made = choose(book(touches(rows), known=facts("pay", "stock", "shop", "cart")), Rules())
    limits = {
        "pay": tolerances.limits(_series(3), pd.Timestamp("2021-12-09 09:30", tz="UTC"), "Europe/Berlin")
    }
    settings = {
        "gameday_id": "next",
        "title": "Next GameDay",
        "date": DAY,
        "zone": "Europe/Berlin",
        "begins": programme.starts(made.chosen, DAY, "Europe/Berlin", 20.0),
    } | more
    return made, experiments.export(
        made,
        CATALOGUE,
        limits,
        callers={"pay": ["shop", "cart"]},
        backlog={"cart": backlog.backlog(np.full(8, 20_000), 5, 20)},
        **settings,
    )


def _every_fault() -> list[dict[str, str]]:
    """Files of one experiment per fault of the catalogue."""
    made, _ = _planned()
    found = []
    for key, fault in CATALOGUE.items():
        chosen = made.chosen.head(1).assign(fault=key, failure_class=fault.classes[0])
        one = Plan(chosen, made.rejected, "One.", made.rules, made.as_of)
        limits = {
            "pay": tolerances.limits(_series(3), pd.Timestamp("2021-12-09 09:30", tz="UTC"), "Europe/Berlin")
        }
        given = experiments.export(
            one, CATALOGUE, limits, gameday_id="next", title="T", date=DAY, zone="UTC",
            begins=programme.starts(chosen, DAY, "UTC", 20.0),
        )  # fmt: skip
        found.append(dict(given.files))
    return found


def test_every_chaos_toolkit_file_is_valid_and_runs_dry() -> None:
    chaoslib = pytest.importorskip("chaoslib.experiment", reason="chaostoolkit-lib is not installed")
    from chaoslib.types import Dry

    for files in [*_every_fault(), dict(_planned()[1].files)]:
        for name, text in files.items():
            if not name.endswith("experiment.json"):
                continue
            given = json.loads(text)
            chaoslib.ensure_experiment_is_valid(given)
            journal = chaoslib.run_experiment({**given, "dry": Dry.ACTIVITIES})
            assert journal["status"] == "completed", name
            assert len(given["steady-state-hypothesis"]["probes"]) in (0, 3)
            assert given["rollbacks"], name


def test_every_fis_template_is_valid() -> None:
    session = pytest.importorskip("botocore.session", reason="botocore is not installed")
    from botocore.validate import ParamValidator

    shape = (
        session.get_session().get_service_model("fis").operation_model("CreateExperimentTemplate").input_shape
    )
    templates = [
        json.loads(t) for files in _every_fault() for n, t in files.items() if n.endswith("fis-template.json")
    ]
    assert len(templates) == sum(bool(f.fis) for f in CATALOGUE.values()) >= 5
    for template in templates:
        assert not (report := ParamValidator().validate(template, shape)).has_errors(), (
            report.generate_report()
        )
        assert template["stopConditions"][0]["source"] != "none", "an experiment that nothing stops"


def test_gameday_yml_is_read_by_our_own_reader(tmp_path: Path) -> None:
    _, made = _planned(simulated=True)
    experiments.write(made, tmp_path / "next")
    read = gamedays.read(tmp_path / "next" / "gameday.yml")
    assert len(read.tables["experiments"] if hasattr(read, "tables") else read.experiments) == 4
    problems = read.tables["problems"] if hasattr(read, "tables") else read.problems
    assert set(problems["kind"]) <= {"missing", "doubtful"}, problems["message"].tolist()


def test_hostile_names_change_no_structure(tmp_path: Path) -> None:
    """A service named to break out of YAML, shell, Slack or a path stays a name."""
    evil = 'x"; rm -rf / #\n../../etc {target} ${namespace}'
    rows = touches([(f"I{i}", "third-party", evil, f"2020-0{1 + i}-05") for i in range(5)])
    made = choose(book(rows, known=facts(evil)), Rules(slots=1))
    given = experiments.export(
        made, CATALOGUE, {}, gameday_id="next", title="T", date=DAY, zone="UTC",
        begins=programme.starts(made.chosen, DAY, "UTC", 20.0),
    )  # fmt: skip
    assert all(".." not in name and not name.startswith("/") for name in given.files)
    written = experiments.write(given, tmp_path / "out")
    assert all(path.resolve().is_relative_to(tmp_path.resolve()) for path in written)
    steps = json.loads(next(t for n, t in given.files.items() if n.endswith("experiment.json")))["method"]
    assert all(isinstance(step["provider"]["arguments"], list) for step in steps), "no shell reads a name"


def test_briefing_sheet_and_calendar_hold_what_people_need() -> None:
    _, made = _planned()
    briefing = next(t for n, t in made.files.items() if n.startswith("1-") and n.endswith("briefing.md"))
    for word in (
        "Symptom",
        "Where to look",
        "20 minutes",
        "Vote",
        "No vote means staging",
        "Did you know",
        "STOP",
    ):
        assert word in briefing, word
    assert "third-party" not in briefing, "heroes are not told the cause"
    sheet = next(t for n, t in made.files.items() if n.startswith("1-") and n.endswith("sheet.md"))
    for word in (
        "Prediction",
        "Blast radius",
        "Expected backlog",
        "Rollback tested",
        "Abort owner",
        "Warned",
        "chaos run",
    ):
        assert word in sheet, word
    assert any("80,000 messages" in t for n, t in made.files.items() if n.endswith("sheet.md"))
    calendar = made.files["calendar.ics"]
    assert calendar.count("BEGIN:VEVENT") == 5 + 4
    assert all(len(line.encode()) <= 75 for line in calendar.split("\r\n"))
    assert "DTSTART:20211125T130000Z" in calendar, "a fortnight before, at two in Berlin"


def test_the_same_plan_gives_the_same_bytes() -> None:
    assert _planned()[1].files == _planned()[1].files


def test_a_hidden_dependency_is_watched_at_the_service_that_may_depend() -> None:
    """Its own steady state is what the fault puts to the question; the target's is broken on purpose."""
    made, _ = _planned()
    row = made.chosen.head(1).assign(
        kind="dependency",
        fault="dependency-slow",
        failure_class="dependency",
        service="pay",
        follower="search",
    )
    at = pd.Timestamp("2021-12-09 09:30", tz="UTC")
    given = experiments.export(
        Plan(row, made.rejected, "One.", made.rules, made.as_of), CATALOGUE,
        {name: tolerances.limits(_series(3, name), at, "Europe/Berlin") for name in ("pay", "search")},
        gameday_id="next", title="T", date=DAY, zone="UTC", begins=programme.starts(row, DAY, "UTC", 20.0),
    )  # fmt: skip
    text = next(t for n, t in given.files.items() if n.endswith("experiment.json"))
    probes = json.loads(text)["steady-state-hypothesis"]["probes"]
    assert {probe["provider"]["arguments"][3] for probe in probes} == {"service:search"}
    assert "search keeps working while pay is slow" in given.files["gameday.yml"]


def test_experiments_are_numbered_as_they_follow_and_stop_at_stated_values() -> None:
    made, _ = _planned()
    begins = programme.starts(made.chosen, DAY, "Europe/Berlin", 20.0)
    turned = dict(zip(begins, reversed(begins.values()), strict=True))
    _, given = _planned(begins=turned)
    first = next(iter(reversed(begins)))
    assert next(n for n in given.files if n.startswith("1-")).startswith(f"1-{first}-")
    table = [line for line in given.files["README.md"].splitlines() if line.startswith("| [")]
    assert [line.split("|")[2].split(",")[-1].strip() for line in table] == [
        "10:00",
        "10:45",
        "11:30",
        "12:15",
    ]
    sheet = next(t for n, t in given.files.items() if "-pay-" in n and n.endswith("sheet.md"))
    limit = tolerances.limits(_series(3), pd.Timestamp("2021-12-09 09:30", tz="UTC"), "Europe/Berlin").iloc[0]
    assert f"{limit.probe} is above {2 * limit.high - limit.usual:.4g} {limit.unit} for five minutes" in sheet


def test_workshops_that_would_have_been_are_said_and_not_invited_to() -> None:
    made, _ = _planned()
    soon = pd.Timestamp(made.as_of.date()) + pd.Timedelta(weeks=5)
    begins = programme.starts(made.chosen, soon, "Europe/Berlin", 20.0)
    _, given = _planned(date=soon, begins=begins)
    assert given.files["calendar.ics"].count("BEGIN:VEVENT") == 2 + 4
    assert "Too late for its own workshop" in given.files["README.md"]
