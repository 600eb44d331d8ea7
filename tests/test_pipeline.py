"""Ingest: each file to its reader, twice is once, two at a time is each once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from resilience import pipeline
from resilience.errors import InputError
from resilience.store import Store

from .sizes import FULL

REPORT = (
    "---\nid: {0}\nservices: [a, b]\nstarted: 2021-03-04T10:00:00Z\n---\n# Report {0}\n\n"
    "## Timeline (UTC)\n\n- 2021-03-04 10:05 x\n"
)

ROUNDS = """
import sys
from pathlib import Path
from resilience import pipeline
from resilience.store import Store
root, folder = map(Path, sys.argv[1:])
for path in sorted(folder.iterdir()):
    pipeline.ingest(Store(root), [path])
"""


def write(folder: Path, *ids: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for one in ids:
        (folder / f"{one}.md").write_text(REPORT.format(one), encoding="utf-8")
    return folder


def test_two_processes_ingesting_different_files_at_once(tmp_path: Path) -> None:
    rounds = {name: [f"{name}-{i:02}" for i in range(20 if FULL else 8)] for name in ("X", "Y")}
    folders = [write(tmp_path / name, *ids) for name, ids in rounds.items()]
    running = [
        subprocess.Popen([sys.executable, "-c", ROUNDS, tmp_path / "store", folder]) for folder in folders
    ]
    assert [process.wait(240) for process in running] == [0, 0]
    store, ids = Store(tmp_path / "store"), sorted(i for each in rounds.values() for i in each)
    assert sorted(store.load("incidents")["incident_id"]) == ids
    assert sorted(store.load("timeline")["incident_id"]) == ids
    assert sorted(store.load("incident_services")["incident_id"]) == sorted([*ids, *ids])


def test_public_postmortems_twice(tmp_path: Path, shared_data: Path) -> None:
    store, folder = Store(tmp_path), shared_data / "dfds-postmortems"
    done = pipeline.ingest(store, [folder])
    assert done.refused.empty
    incidents = store.load("incidents").set_index("source_uri")
    gold = pd.read_csv(folder / "gold_from_reports.csv")
    assert len(incidents) == len(gold) == 39
    for column, mine in (("ttd_min", "stated_detect_min"), ("ttr_min", "stated_restore_min")):
        found = incidents.loc["dfds-postmortems/" + gold["file"], mine].to_numpy()
        pd.testing.assert_series_equal(pd.Series(found), gold[column].astype(float), check_names=False)
        assert gold[column].notna().sum() == 30
    problems = store.load("problems")
    (template,) = problems[problems["source_uri"].str.contains("template")]["kind"]
    assert template == "skipped"
    before = store.versions()
    again = pipeline.ingest(store, [folder])
    assert (again.commits, store.versions()) == ([], before)


def test_a_folder_of_everything_goes_to_each_reader(tmp_path: Path) -> None:
    write(tmp_path / "in" / "incidents", "INC-1")
    (tmp_path / "in" / "labels").mkdir()
    (tmp_path / "in" / "labels" / "root_cause.csv").write_text(
        "incident_id,failure_class,second_class,labelled_by,labelled_at,taxonomy_version\n"
        "INC-1,config,,ana,2021-06-01T10:00:00Z,1\n"
    )
    (tmp_path / "in" / "series.json").write_text(
        '{"status":"ok","series":[{"metric":"cpu","scope":"service:a","interval":60,"unit":null,'
        '"expression":"avg:cpu{*} by {service}","pointlist":[[1614852000000,1.5],[1614852060000,null]]}]}'
    )
    (tmp_path / "in" / "notes.csv").write_text("a,b\n1,2\n")
    done = pipeline.ingest(Store(tmp_path / "store"), [tmp_path / "in"])
    assert done.files == {"report": 1, "labels": 1, "json": 1, "table": 1}
    assert done.refused.empty
    store = Store(tmp_path / "store")
    assert store.load("labels")["failure_class"].tolist() == ["config"]
    assert store.load("series")["value"].isna().tolist() == [False, True]
    assert store.load("problems")["kind"].value_counts()["skipped"] == 1


def test_points_that_two_files_tell_differently_are_empty_and_said(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name, value in (("one", 1.0), ("two", 2.0)):
        (tmp_path / "in" / f"{name}.json").write_text(
            '{"status":"ok","series":[{"metric":"cpu","scope":"*","interval":60,"unit":null,'
            f'"expression":"avg:cpu{{*}}","pointlist":[[1614852000000,{value}],[1614852060000,5]]}}]}}'
        )
    store = Store(tmp_path / "store")
    pipeline.ingest(store, [tmp_path / "in"])
    assert store.load("series")["value"].fillna(-1).tolist() == [-1, 5]
    (said,) = store.load("problems")["message"]
    assert "1 point(s) of cpu" in said
    assert "one.json" in said
    assert "two.json" in said


def test_labels_that_cannot_be_used_name_the_line(tmp_path: Path) -> None:
    (tmp_path / "root_cause.csv").write_text(
        "incident_id,failure_class,second_class,labelled_by,labelled_at,taxonomy_version\n"
        "INC-1,config,,ana,2021-06-01T10:00:00Z,1\nINC-2,gremlins,,ana,2021-06-01T10:00:00Z,1\n"
    )
    done = pipeline.ingest(Store(tmp_path / "store"), [tmp_path / "root_cause.csv"])
    (row,) = done.refused.to_dict("records")
    assert row["line"] == 3
    assert "gremlins" in row["message"]
    assert Store(tmp_path / "store").version("labels") is None


def test_what_is_not_there_stores_nothing(tmp_path: Path) -> None:
    write(tmp_path / "in", "INC-1")
    with pytest.raises(InputError, match="no such"):
        pipeline.ingest(Store(tmp_path / "store"), [tmp_path / "in", tmp_path / "gone"])
    assert Store(tmp_path / "store").versions() == {}
