"""Odd histories through the ledger and the planner, as people meet them: rows with reasons, and never a traceback."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from resilience import failure_classes, schema, workspace
from resilience.analysis import taxonomy
from resilience.cli import main
from resilience.report import render
from resilience.store import Store

from .sizes import FULL
from .test_odd_histories import HISTORIES, answered, stored
from .test_planning_loop import DAY

ASKED: tuple[tuple[str, ...], ...] = (
    ("ledger", "--all"),
    ("ledger", "--html"),
    ("plan", "--explain"),
    ("plan", "--as-of", "2019-12-01", "--reveal", "60m"),
)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> workspace.Workspace:
    made = workspace.create(tmp_path / "ws", title="Test", zone="Europe/Berlin")
    monkeypatch.chdir(made.root)
    return made


def ask(*words: str) -> Result:
    return CliRunner().invoke(main, list(words))


def rows(*words: str) -> list[dict[str, object]]:
    done = ask(*words, "--format", "json")
    assert done.exit_code == 0, done.output
    found: list[dict[str, object]] = json.loads(done.stdout)
    return found


def failed(place: workspace.Workspace, environment: str, *services: str) -> None:
    """Four incidents of each service, whose database failed."""
    at = [pd.Timestamp(f"2020-0{i}-05 10:00", tz="UTC") for i in range(1, 5)]
    made = [
        {
            "incident_id": f"{service}-{environment}-{i}", "kind": "real", "title": f"{service} is down", "severity": "SEV2",
            "services": service, "environment": environment, "detected_by": "monitor", "started_at": start,
            "mitigated_at": start + pd.Timedelta(hours=1), "source": "t", "source_uri": f"{service}-{environment}-{i}.md",
            "simulated": False, "text": "Deadlocks and replication lag in PostgreSQL: the database ran out of connections.",
        }
        for service in services
        for i, start in enumerate(at)
    ]  # fmt: skip
    Store(place.store).upsert("incidents", schema.frame("incidents", made))


def held(place: workspace.Workspace, text: str = DAY) -> Result:
    folder = place.root / "data" / "gamedays" / "platform"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "gameday.yml").write_text(text, encoding="utf-8")
    return ask("ingest")


@pytest.mark.parametrize("name", HISTORIES if FULL else ["none", "one", "one mistyped year"])
def test_every_question_of_an_odd_history_is_answered(name: str, place: workspace.Workspace) -> None:
    stored(place, HISTORIES[name])
    for asked in ASKED:
        answered(ask(*asked))
    if name == "none":
        assert "there is nothing to rehearse yet" in ask("ledger").output
        done = ask("plan", "--export", "out")
        assert (done.exit_code, Path("out").exists()) == (2, False)
        assert "Nothing was exported" in done.output


def test_gamedays_without_incidents_are_rows_a_plan_and_a_report(place: workspace.Workspace) -> None:
    assert held(place).exit_code == 0
    for asked in ASKED:
        answered(ask(*asked))
    found = rows("ledger")
    assert {(r["failure_class"], r["service"], r["n"]) for r in found} == {
        ("network-dns", "cluster-dns", 0),
        ("deploy", "portal", 0),
    }
    assert "No incident is on record" in ask("ledger").output
    assert {r["service"] for r in rows("plan")} == {"cluster-dns", "portal"}
    assert "next-experiments" in {job.report_id for job in render.jobs(Store(place.store), place)}
    if FULL:
        assert ask("render", "next-experiments").exit_code == 0


def test_a_class_that_was_renamed_is_read_under_its_new_name(
    place: workspace.Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In files that still say the old one, and in what was stored when that was the name."""
    failed(place, "production", "portal")
    old = DAY.replace("failure_class: deploy", "failure_class: release-mistake")
    assert "not one of the known words" in held(place, old).output
    monkeypatch.setitem(failure_classes.RENAMED, "release-mistake", "deploy")
    assert held(place, old).exit_code == 0
    assert ("deploy", "portal") in {
        (r["failure_class"], r["service"]) for r in rows("ledger") if r["last_verdict"]
    }
    store = Store(place.store)
    stored_then = store.load("experiments").assign(
        failure_class=lambda r: r["failure_class"].replace("deploy", "release-mistake")
    )
    store.upsert("experiments", stored_then)
    gone = [r for r in rows("ledger") if r["failure_class"] == "release-mistake"]
    assert [r["note"] for r in gone] == ["the taxonomy has no such class any more"]
    monkeypatch.setitem(taxonomy.packaged().renamed, "release-mistake", "deploy")
    assert not [r for r in rows("ledger") if r["failure_class"] == "release-mistake"]


def test_two_services_of_one_name_in_two_environments_stay_apart(place: workspace.Workspace) -> None:
    failed(place, "production", "cart")
    failed(place, "staging", "cart")
    found = [r for r in rows("ledger") if r["failure_class"] == "datastore"]
    assert {r["environment"]: r["state"] for r in found} == {
        "production": "costly, never rehearsed",
        "staging": "seen, never rehearsed",
    }, "what breaks on staging costs no customer"
    heads, *told = [line.split() for line in ask("ledger").stdout.splitlines()[1:] if line.strip()]
    assert heads.count("incidents") == 1, heads
    assert {tuple(line[:3]) for line in told} >= {
        ("datastore", "cart", "(staging)"),
        ("datastore", "cart", "costly,"),
    }
    assert [r["service"] for r in rows("plan")] == ["cart"]
    assert all(r["environment"] != "staging" or r["fault"] for r in rows("plan", "--explain"))


def test_a_service_that_no_longer_exists_is_shown_and_never_chosen(place: workspace.Workspace) -> None:
    failed(place, "production", "cart", "old-basket")
    at = pd.date_range("2020-03-20", "2020-04-05", freq="h", inclusive="left", tz="UTC").as_unit("us")
    traffic = {
        "metric": "trace.http.request.hits", "scope": "service:cart", "at": at, "value": 3600.0, "interval_s": 3600.0,
        "rollup": "sum", "unit": "req", "source": "t",
    }  # fmt: skip
    Store(place.store).upsert("series", schema.frame("series", pd.DataFrame(traffic)))
    notes = {str(r["service"]): str(r["note"]) for r in rows("ledger")}
    assert notes == {"cart": "", "old-basket": "the service is no longer declared and sends no traffic"}
    assert "old-basket" not in {r["service"] for r in rows("plan")}
    why = {r["reason"] for r in rows("plan", "--explain") if r["service"] == "old-basket"}
    assert any("The service is no longer there" in str(reason) for reason in why)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--slots", "0"], "hold no experiment"),
        (["--minutes", "0"], "1 to 1440 minutes"),
        (["--minutes", "nan"], "1 to 1440 minutes"),
        (["--blast-radius", "-1"], "not in the range"),
        (["--avoid", "carr"], "Known: cart"),
        (["--date", "2019-12"], "a plan looks ahead"),
        (["--date", "2020-04-04"], "a plan looks ahead"),
        (["--date", "2020"], "no month or day"),
        (["--date", "2020-06-31"], "no month or day"),
        (["--date", "9999-12"], "no month or day"),
        (["--reveal", "6m"], "needs --as-of"),
        (["--as-of", "2020-03-01", "--reveal", "0m"], "no span"),
        (["--as-of", "2020-03-01", "--reveal", "99999y"], "no span"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_says_why(place: workspace.Workspace, words: list[str], says: str) -> None:
    failed(place, "production", "cart")
    done = ask("plan", *words)
    answered(done)
    assert (done.exit_code, says in done.output) == (2, True), done.output


def test_what_lies_beyond_the_record_is_said(place: workspace.Workspace) -> None:
    failed(place, "production", "cart")
    told = ask("plan", "--as-of", "2020-03-01", "--reveal", "5y").output
    assert "The last thing on record is of 2020-04-05; what came after that is not known." in told
    assert "nothing is taken to fail" in ask("ledger", "--as-of", "2022-01-01").output
    assert ask("ledger", "--state", "nonsense").exit_code == 2


@pytest.mark.parametrize("day", ["2020-10-25", "2021-03-28"])
def test_a_day_on_which_the_clock_changes_has_its_experiments(place: workspace.Workspace, day: str) -> None:
    failed(place, "production", "cart")
    assert ask("plan", "--date", day, "--export", "out").exit_code == 0
    assert f"date: '{day}'" in Path("out/gameday.yml").read_text(encoding="utf-8")
    assert "10:00" in Path("out/README.md").read_text(encoding="utf-8")


def test_an_export_overwrites_nothing_and_ends_what_was_cut_short(place: workspace.Workspace) -> None:
    failed(place, "production", "cart")
    assert ask("plan", "--export", "out").exit_code == 0
    files = {path: path.read_bytes() for path in Path("out").rglob("*") if path.is_file()}
    Path("out/README.md").unlink()  # what a killed run leaves: it is written last
    Path("out/gameday.yml.1-1.part").write_text("half", encoding="utf-8")
    assert ask("plan", "--export", "out").exit_code == 0
    assert {path: path.read_bytes() for path in Path("out").rglob("*") if path.is_file()} == files
    Path("out/gameday.yml").write_text("filled in\n", encoding="utf-8")
    done = ask("plan", "--export", "out")
    assert (done.exit_code, "filled in, or is of another plan" in done.output) == (2, True)
    assert Path("out/gameday.yml").read_text(encoding="utf-8") == "filled in\n"
    Path("afile").write_text("x", encoding="utf-8")
    for there in ("afile", "afile/out", "/proc/out"):
        assert ask("plan", "--export", there).exit_code == 2
