"""data/corrections.yml: applied as a whole or not at all, undone by removing an entry, loud when stale."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resilience import cli, pipeline, views
from resilience.errors import InputError
from resilience.sources import corrections_file
from resilience.store import Store

BY = "reason: the log says so\n  by: ana\n  at: 2021-06-01T10:00:00Z\n"
REPORT = (
    "---\nid: INC-1\nservices: [search]\nstarted: 2021-03-04T10:00:00Z\nresolved: 2021-03-04T11:00:00Z\n---\n"
    "# Search returns errors\n\nText.\n"
)
EXPORT = {
    "incidents": [
        {
            "id": "PABC123",
            "incident_number": 1,
            "title": "Search errors",
            "created_at": "2021-03-04T10:05:00Z",
            "resolved_at": "2021-03-04T11:30:00Z",
            "service": {"summary": "search"},
        }
    ]
}
STARTED = (
    "- table: incidents\n  key: {incident_id: INC-1}\n  field: started_at\n"
    "  old: 2021-03-04T10:00:00Z\n  new: 2021-03-04T10:40:00Z\n  " + BY
)
ODD_KIND = (
    STARTED.replace("started_at", "kind")
    .replace("2021-03-04T10:00:00Z", "real")
    .replace("2021-03-04T10:40:00Z", "odd")
)
UNLINK = "- unlink: [INC-1, 'pagerduty:PABC123']\n  " + BY


@pytest.fixture
def world(tmp_path: Path) -> Path:
    (tmp_path / "data" / "incidents").mkdir(parents=True)
    (tmp_path / "data" / "incidents" / "a.md").write_text(REPORT)
    (tmp_path / "data" / "incidents" / "b.json").write_bytes(orjson.dumps(EXPORT))
    return tmp_path


def ingest(world: Path, text: str | None = None) -> pipeline.Ingested:
    file = world / "data" / "corrections.yml"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    return pipeline.ingest(
        Store(world / "store"), [world / "data" / "incidents"], base=world, corrections=file
    )


def counted(world: Path) -> list[tuple[str, Any]]:
    rows = views.incidents(Store(world / "store"), kind="real")
    return list(
        rows[["incident_id", "linked_ids"]]
        .astype(object)
        .where(rows[["incident_id", "linked_ids"]].notna(), None)
        .itertuples(index=False, name=None)
    )


def test_linked_incidents_are_counted_once_and_can_be_parted_and_linked_again(world: Path) -> None:
    ingest(world)
    assert counted(world) == [("INC-1", "pagerduty:PABC123")]
    ingest(world, UNLINK)
    assert counted(world) == [("INC-1", None), ("pagerduty:PABC123", None)]
    ingest(world, UNLINK.replace("unlink", "link"))
    assert counted(world) == [("INC-1", "pagerduty:PABC123")]
    links = Store(world / "store").load("incident_links")
    assert links["decided_by"].tolist() == ["person"]
    assert "ana" in links["reason"].iloc[0]
    ingest(world, "")
    assert Store(world / "store").load("incident_links")["decided_by"].tolist() == ["similarity"]
    assert len(Store(world / "store").load("incidents")) == 2


def test_the_same_file_again_commits_nothing(world: Path) -> None:
    ingest(world, STARTED + UNLINK)
    assert ingest(world).commits == []


def test_a_correction_is_used_where_it_is_analysed_and_the_stored_row_stays_raw(world: Path) -> None:
    ingest(world, STARTED)
    store = Store(world / "store")
    raw = store.load("incidents", where={"incident_id": ["INC-1"]})
    assert raw["started_at"].tolist() == [pd.Timestamp("2021-03-04T10:00Z")]
    seen = views.incidents(store, kind="real").set_index("incident_id")
    assert seen.loc["INC-1", "started_at"] == pd.Timestamp("2021-03-04T10:40Z")
    ingest(world, "")
    assert views.incidents(store, kind="real")["started_at"].tolist()[0] == pd.Timestamp("2021-03-04T10:00Z")


def test_a_stale_old_value_is_loud_in_ingest_and_in_analysis_and_nothing_is_half_applied(world: Path) -> None:
    severity = STARTED.replace("started_at", "severity").replace(
        "2021-03-04T10:00:00Z\n  new: 2021-03-04T10:40:00Z", "null\n  new: SEV1"
    )
    ingest(world, STARTED)
    with pytest.raises(InputError, match="should be 'SEV9'") as error:
        ingest(world, severity.replace("old: null", "old: SEV9") + STARTED.replace("10:40", "10:50"))
    assert (error.value.where, error.value.line) == ("data/corrections.yml", 1)
    rows = views.incidents(Store(world / "store"), kind="real").set_index("incident_id")
    assert rows.loc["INC-1", "started_at"] == pd.Timestamp("2021-03-04T10:40Z")  # as before the failed ingest
    assert pd.isna(rows.loc["INC-1", "severity"])
    (world / "data" / "incidents" / "a.md").write_text(REPORT.replace("T10:00", "T10:40"))
    with pytest.raises(InputError, match="already the new value"):
        ingest(world, STARTED)
    with pytest.raises(InputError, match=r"data/corrections\.yml:1"):
        views.incidents(Store(world / "store"), kind="real")
    ingest(world, "[]")
    assert len(counted(world)) == 1


@pytest.mark.parametrize(
    ("text", "line", "complaint"),
    [
        ("a: b", 1, "list of entries"),
        ("- table: incidents\n", 1, "key is missing"),
        (STARTED + STARTED, 9, "corrected in line 1 too"),
        (STARTED.replace("table: incidents", "table: nothing"), 1, "no table 'nothing'"),
        (STARTED.replace("table: incidents", "table: incident_services"), 1, "is not corrected itself"),
        (STARTED.replace("incident_id: INC-1", "id: INC-1"), 1, "has the key incident_id"),
        (STARTED.replace("field: started_at", "field: incident_id"), 1, "cannot be corrected"),
        (STARTED.replace("INC-1", "INC-9"), 1, "no row with incident_id INC-9"),
        (STARTED.replace("new: 2021-03-04T10:40:00Z", "new: 10 o'clock"), 1, "no time with its zone"),
        (STARTED.replace("new: 2021-03-04T10:40:00Z", "new: 12"), 1, "no time with its zone"),
        (ODD_KIND, 1, "isin"),
        (STARTED.replace("reason: the log says so", "reason: ''"), 6, "reason"),
        (STARTED.replace("at: 2021-06-01T10:00:00Z", "at: yesterday"), 8, "no time"),
        (UNLINK.replace("'pagerduty:PABC123'", "INC-1"), 1, "are the same"),
        (UNLINK.replace("PABC123", "PNONE"), None, "not in the store: pagerduty:PNONE"),
        (UNLINK + UNLINK.replace("unlink", "link"), 5, "stand in another entry too"),
    ],
)  # fmt: skip
def test_an_entry_that_cannot_be_used_names_file_and_line(
    world: Path, text: str, line: int | None, complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint) as error:
        ingest(world, text)
    assert error.value.where == "data/corrections.yml"
    if line is not None:
        assert error.value.line == line
    assert Store(world / "store").load("corrections").empty
    assert error.value.remedy


def test_a_file_that_is_gone_is_not_an_undo(world: Path) -> None:
    ingest(world, STARTED)
    (world / "data" / "corrections.yml").unlink()
    with pytest.raises(InputError, match="The file is gone"):
        ingest(world)


def test_a_label_of_a_linked_row_counts_for_the_incident(world: Path) -> None:
    (world / "data" / "labels").mkdir()
    (world / "data" / "labels" / "root_cause.csv").write_text(
        "incident_id,failure_class,second_class,labelled_by,labelled_at,taxonomy_version\n"
        "pagerduty:PABC123,config,,ana,2021-06-01T10:00:00Z,1\n"
    )
    store = Store(world / "store")
    pipeline.ingest(store, [world / "data"], base=world)
    assert views.labels(store)["incident_id"].tolist() == ["INC-1"]
    assert views.incidents(store, kind="real", by="cause")["cause"].tolist() == ["config"]
    assert views.incidents(store, kind="real", by="service")["service"].tolist() == ["search"]


def test_sources_that_disagree_are_a_problem_until_a_person_decides(world: Path) -> None:
    ingest(world)
    problems = Store(world / "store").load("problems")
    (said,) = problems.loc[problems["source_uri"] == "data/corrections.yml", "message"]
    assert "resolved_at of INC-1 is 2021-03-04 11:00:00+00:00 by INC-1" in said
    assert "pagerduty:PABC123: 2021-03-04 11:30" in said
    ingest(world, UNLINK)
    assert not (Store(world / "store").load("problems")["source_uri"] == "data/corrections.yml").any()


def test_the_commands_show_links_fields_and_corrections(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (world / "resilience.yml").write_text("title: T\nzone: UTC\n")
    (world / "data" / "corrections.yml").write_text(STARTED)
    monkeypatch.chdir(world)
    run = CliRunner()
    assert run.invoke(cli.main, ["ingest"]).exit_code == 0
    shown = {
        name: run.invoke(cli.main, [*name.split(), "--format", "csv"]).output
        for name in ("links", "links --fields", "corrections", "times")
    }
    assert "INC-1,pagerduty:PABC123,True," in shown["links"]
    assert "INC-1,resolved_at,INC-1,markdown," in shown["links --fields"]
    assert "the log says so,ana," in shown["corrections"]
    assert "counted once: 1" in run.invoke(cli.main, ["times"]).output
    (world / "data" / "corrections.yml").write_text(STARTED.replace("T10:00", "T10:01"))
    failed = run.invoke(cli.main, ["ingest"])
    assert failed.exit_code == 2
    assert "data/corrections.yml:1:" in failed.output


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=80), st.integers(0, 400))
def test_any_bytes_are_entries_or_a_clear_error(tmp_path: Path, noise: bytes, place: int) -> None:
    whole = (STARTED + UNLINK).encode()
    path = tmp_path / "corrections.yml"
    path.write_bytes(whole[:place] + noise + whole[place:])
    try:
        found = corrections_file.read(path, "c.yml")
    except InputError:
        return
    assert len(found.corrections) + len(found.links) <= 2 + noise.count(b"-")
