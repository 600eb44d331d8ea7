"""The command line as a user meets it: good files come in, bad ones are listed, nothing is lost, exit codes are right."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from resilience.cli import main
from resilience.store import Store

REPORT = """\
---
id: INC-1
title: {title}
severity: SEV2
services: [search, checkout]
started: 2021-03-04T10:00:00+01:00
detected: 2021-03-04T10:12:00+01:00
mitigated: 2021-03-04T10:50:00+01:00
resolved: 2021-03-04T11:30:00+01:00
detected_by: monitor
---
# {title}

## Summary

A bad configuration value was rolled out to search.
"""


def run(*args: str | Path, code: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(a) for a in args])
    assert result.exit_code == code, result.output + str(result.exception)
    assert "Traceback" not in result.output
    return result


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace, made by `resilience init`, with one good report ingested."""
    monkeypatch.chdir(tmp_path)
    run("init", "ws", "--title", "Ours", "--zone", "Europe/Berlin")
    monkeypatch.chdir(tmp_path / "ws")
    (tmp_path / "ws/data/incidents/one.md").write_text(
        REPORT.format(title="Search was slow"), encoding="utf-8"
    )
    run("ingest")
    return tmp_path / "ws"


def versions(space: Path) -> dict[str, int]:
    return Store(space / "data/store").versions()


def test_init_gives_a_workspace_that_explains_itself(space: Path) -> None:
    assert sorted(p.name for p in space.iterdir()) == [
        "README.md",
        "data",
        "notebooks",
        "reports",
        "resilience.yml",
    ]
    assert {p.stem for p in (space / "notebooks").iterdir()} >= {
        "gameday",
        "failure_classes",
        "time_to_restore",
        "capacity",
    }
    assert "title: Ours" in (space / "resilience.yml").read_text()
    assert "already is a workspace" in run("init", ".", code=2).output


def test_a_second_ingest_changes_nothing_and_an_edited_report_is_updated(space: Path) -> None:
    before = versions(space)
    assert "Nothing changed" in run("ingest").output
    assert versions(space) == before
    report = space / "data/incidents/one.md"
    report.write_text(report.read_text().replace("SEV2", "SEV1").replace("search, checkout", "search"))
    run("ingest")
    store = Store(space / "data/store")
    assert store.load("incidents")["severity"].tolist() == ["SEV1"]
    assert store.load("incident_services")["service"].tolist() == ["search"]


def test_reading_verbs_print_tables_json_and_csv(space: Path) -> None:
    row = json.loads(run("times", "--clock", "detect", "--format", "json").output)[0]
    assert (row["n"], row["median_min"], row["median_low"]) == (1, 12.0, None)
    assert run("times", "--by", "service", "--format", "csv").output.count("\n") == 3
    for verb in (["problems"], ["causes"], ["status"], ["gameday", "list"]):
        for form in ("table", "json", "csv"):
            run(*verb, "--format", form)
    assert "INC-1" in run("causes", "--incidents", "--format", "csv").output
    assert "no trace.http.request.hits at 3600 s" in run("capacity", code=2).output
    elsewhere = str(space / "data/store")
    assert json.loads(run("status", "--store", elsewhere, "--format", "json").output)[0]["rows"] == 1


def test_status_names_the_clock_of_each_table_and_how_old_its_newest_row_is(space: Path) -> None:
    store = Store(space / "data/store")
    found = json.loads(run("status", "--now", "2030-01-01T00:00Z", "--format", "json").output)
    assert {row["table"]: row["rows"] for row in found} == {t: len(store.load(t)) for t in store.versions()}
    clocks = {row["table"]: row["clock"] for row in found}
    assert (clocks["incidents"], clocks["timeline"], clocks["actions"]) == ("started_at", "at", None)
    newest = store.load("incidents")["started_at"].max()
    row = next(row for row in found if row["table"] == "incidents")
    assert row["last_utc"] == f"{newest:%Y-%m-%d %H:%M}"
    assert row["age_days"] == pytest.approx(
        (pd.Timestamp("2030-01-01", tz="UTC") - newest) / pd.Timedelta(days=1)
    )


@pytest.mark.parametrize("wanted", ["../../x", "nowhere"])
def test_a_report_that_cannot_be_made_is_refused(space: Path, wanted: str) -> None:
    assert "can be made" in run("render", wanted, code=2).output
    assert list((space / "reports").iterdir()) == []


def bad(name: str, folder: Path) -> tuple[Path, str]:
    """A bad input, and a word that its message must hold."""
    if name == "an empty folder":
        (folder / "empty").mkdir()
        return folder / "empty", "nothing here"
    if name == "no such path":
        return folder / "gone", "no such"
    if name == "a binary file named .md":
        (folder / "photo.md").write_bytes(bytes(range(256)) * 40)
        return folder / "photo.md", "photo.md"
    if name == "a 50 MB Markdown file":
        (folder / "huge.md").write_bytes(b"# Huge\n" + b"word " * 10_000_000)
        return folder / "huge.md", "huge.md"
    if name == "a YAML bomb":
        layers = "\n".join(
            f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
        )
        (folder / "gd").mkdir()
        (folder / "gd" / "gameday.yml").write_text(f"a: &a [x]\n{layers}\n")
        return folder / "gd", "gameday.yml"
    if name == "a CSV with a missing column":
        (folder / "m.csv").write_text("time,other\n2021-01-01T00:00:00Z,1\n")
        metrics = "metrics:\n  - {column: cpu, metric: cpu, rollup: avg}\n"
        time = "layout: wide\ntime: {column: time, format: iso}\ninterval: 60\n"
        (folder / "m.mapping.yml").write_text(time + metrics)
        return folder / "m.csv", "cpu"
    if name == "a truncated JSON response":
        (folder / "r.json").write_text('{"status":"ok","series":[{"metric":"m","pointlist":[[1,')
        return folder / "r.json", "r.json"
    (folder / "x..").mkdir()
    (folder / "x.." / "gameday.yml").write_text("title: x\n")
    return folder / "x..", "x.."


@pytest.mark.parametrize(
    "name",
    [
        "an empty folder",
        "no such path",
        "a binary file named .md",
        "a 50 MB Markdown file",
        "a YAML bomb",
        "a CSV with a missing column",
        "a truncated JSON response",
        "a GameDay id that is none",
    ],
)
def test_bad_input_is_named_with_a_remedy_and_the_tables_stay(space: Path, tmp_path: Path, name: str) -> None:
    path, word = bad(name, tmp_path)
    before = {table: v for table, v in versions(space).items() if table != "problems"}
    result = run("ingest", path, code=2)
    assert word in result.output
    assert {table: v for table, v in versions(space).items() if table != "problems"} == before
    assert len(Store(space / "data/store").load("incidents")) == 1


def test_good_files_come_in_beside_bad_ones_and_a_mended_file_is_no_problem_any_more(space: Path) -> None:
    (space / "data/incidents/two.md").write_text(
        REPORT.replace("INC-1", "INC-2").format(title="Two"), encoding="utf-8"
    )
    photo = space / "data/incidents/photo.md"
    photo.write_bytes(b"\x00\x01\xff" * 999)
    assert "photo.md" in run("ingest", code=2).output
    store = Store(space / "data/store")
    assert sorted(store.load("incidents")["incident_id"]) == ["INC-1", "INC-2"]
    assert "photo.md" in run("problems", "--all").output
    photo.write_text(REPORT.replace("INC-1", "INC-3").format(title="Three"), encoding="utf-8")
    run("ingest")
    assert len(store.load("incidents")) == 3
    problems = store.load("problems")
    refused = problems[problems["kind"] == "unreadable"]
    assert not refused["source_uri"].str.contains("photo").any()
    assert "overlaps with" in problems["message"].str.cat()  # three at one time on one service


def test_an_id_that_another_file_has_is_kept_apart_and_said(space: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "one.md").write_text(REPORT.format(title="Another story"), encoding="utf-8")
    run("ingest", tmp_path / "other")
    store = Store(space / "data/store")
    ids = sorted(store.load("incidents")["incident_id"])
    assert len(ids) == 2
    assert ids[1].startswith("INC-1~")
    assert (store.load("problems")["kind"] == "contradiction").any()
    before = versions(space)
    run("ingest", tmp_path / "other")
    assert versions(space) == before


def test_a_moved_report_stays_one_incident(space: Path) -> None:
    (space / "data/incidents/2021").mkdir()
    shutil.move(space / "data/incidents/one.md", space / "data/incidents/2021/one.md")
    run("ingest")
    assert len(Store(space / "data/store").load("incidents")) == 1


def test_control_characters_of_a_report_do_not_reach_the_terminal(space: Path) -> None:
    title = "\x1b[31mred\x1b]0;owned\x07 <script>alert(1)</script>"
    (space / "data/incidents/evil.md").write_text(
        REPORT.replace("INC-1", "INC-9").format(title="x") + f"\n## {title}\n"
    )
    result = CliRunner().invoke(main, ["ingest"])
    shown = run("causes", "--incidents").output + run("problems", "--all").output + result.output
    assert "\x1b" not in shown
    assert "\x07" not in shown


def test_usage_errors_exit_with_2(space: Path) -> None:
    run("render", code=2)
    run("times", "--clock", "mttr", code=2)
    (space / "resilience.yml").write_text("zone: Mars/Base\n")
    assert "not a zone" in run("ingest", code=2).output
    (space / "resilience.yml").write_text("zome: UTC\n")
    assert "no setting" in run("status", code=2).output or "no setting" in run("ingest", code=2).output


def test_help_lists_every_command_once_under_a_question_with_its_whole_first_sentence() -> None:
    said = run("--help").output
    listed = [line.split()[0] for line in said.splitlines() if line.startswith("  ") and line[2:3].isalpha()]
    for name, command in main.commands.items():
        assert listed.count(name) == (0 if command.hidden else 1), name
    assert len([line for line in said.splitlines() if line.endswith("?") and line[0].isalpha()]) == 4
    assert "..." not in said.split("Begin")[1]
