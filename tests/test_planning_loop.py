"""The whole loop from real reports: ingest, ledger, plan, export, and back in; and the pages a planner opens."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner, Result

from resilience import evidence
from resilience.analysis import probing
from resilience.cli import main

from .ledger_worlds import at
from .worlds import START, minutes, series

DFDS = Path(__file__).resolve().parents[2] / "shared" / "data" / "dfds-postmortems"
DAY = """\
title: Platform day
date: 2025-01-15
zone: Europe/Copenhagen
style: informed
environment: staging
experiments:
  - experiment_key: dns-gone
    title: Names do not resolve
    symptom: Deployments fail
    targets: [cluster-dns]
    failure_class: network-dns
    planned_min: 20
    fault: {started: "10:00", ended: "10:20"}
    outcome: solved
  - experiment_key: bad-release
    title: A release that does not start
    symptom: The portal is old
    targets: [portal]
    failure_class: deploy
    planned_min: 20
    fault: {started: "11:00", ended: "11:20"}
    outcome: not_solved
"""


def _run(*arguments: str) -> Result:
    result = CliRunner().invoke(main, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


@pytest.mark.skipif(not DFDS.is_dir(), reason="../shared/data/dfds-postmortems is not here")
def test_real_reports_and_a_gameday_by_hand_go_through_the_whole_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    _run("init", "ws", "--zone", "Europe/Copenhagen")
    monkeypatch.chdir(tmp_path / "ws")
    shutil.copytree(DFDS, "data/incidents/dfds")
    Path("data/gamedays/platform").mkdir()
    Path("data/gamedays/platform/gameday.yml").write_text(DAY, encoding="utf-8")
    _run("ingest")
    rows = json.loads(_run("ledger", "--format", "json").stdout)
    rehearsed = {(r["failure_class"], r["service"]): r["state"] for r in rows if r["last_verdict"]}
    assert rehearsed == dict.fromkeys(
        [("network-dns", "cluster-dns"), ("deploy", "portal")], "rehearsed, inconclusive"
    )
    assert sum(r["n"] for r in rows) == pytest.approx(39, abs=0.5), "every report counts once"
    _run("plan", "--export", "out", "--date", "2025-06")
    assert (Path("out") / "README.md").is_file()
    _run("ledger", "--html")
    assert "What fails" in Path("reports/ledger.html").read_text(encoding="utf-8")
    before = len(json.loads(_run("ledger", "--format", "json").stdout))
    shutil.copytree("out", "data/gamedays/next")  # the briefings too: what is to happen is no report
    _run("ingest")
    again = json.loads(_run("ledger", "--format", "json").stdout)
    assert {r["state"] for r in again if r["last_verdict"]} == {"rehearsed, inconclusive"}, (
        "not run rehearses nothing"
    )
    assert len(again) == before
    assert sum(r["n"] for r in again) == pytest.approx(39, abs=0.5), "no exported file is an incident"
    assert "The last GameDay, platform of 2025-01-15, moved 2 cells" in _run("ledger").stdout
    file = Path("data/gamedays/next/gameday.yml")
    day = yaml.safe_load(file.read_text(encoding="utf-8"))
    for number, ran in enumerate(day["experiments"]):
        ran |= {"fault": {"started": f"1{number}:00", "ended": f"1{number}:20"}, "outcome": "solved"}
    file.write_text(yaml.safe_dump(day), encoding="utf-8")
    _run("ingest")
    told = _run("ledger").stdout
    cells = [(ran["failure_class"], ran["targets"][0]) for ran in day["experiments"]]
    new = [cell for cell in cells if cell not in rehearsed]
    assert new, "the plan repeats nothing but what was rehearsed"
    assert f"The last GameDay, next of {day['date']}, moved {len(new)} cell" in told
    for cell, service in new:
        (line,) = [line for line in told.splitlines() if line.startswith(f"  {cell} at {service}: ")]
        assert "never rehearsed → rehearsed, inconclusive" in line, (
            "no series: that is said, and not called held"
        )


def test_a_probe_is_inside_outside_or_without_data() -> None:
    points = series(np.array([1.0] * 40 + [9.0] * 20))
    end = START
    inside = probing.probe(points, at=end - minutes(20), minutes=20, statistic="mean", high=2.0)
    assert (inside.code, inside.value, inside.n) == (probing.INSIDE, 1.0, 20)
    assert probing.probe(points, at=end, minutes=20, statistic="mean", high=2.0).code == probing.OUTSIDE
    assert (
        probing.probe(points, at=end + minutes(90), minutes=20, statistic="mean", high=2.0).code
        == probing.NO_DATA
    )
    assert probing.probe(points, at=end, minutes=20, statistic="sum", per_minute=True).value == pytest.approx(
        180
    )


def test_confirm_without_a_person_stops_the_experiment() -> None:
    assert CliRunner().invoke(main, ["confirm", "Pull the plug"]).exit_code == 1


def test_moments_are_read_or_refused() -> None:
    assert evidence.moment("2020-11-30") == at("2020-11-30")
    assert evidence.moment("") is None
    result = CliRunner().invoke(main, ["ledger", "--as-of", "someday"])
    assert result.exit_code == 2
    assert "is no date and no time" in result.output
