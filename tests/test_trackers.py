"""Tracker exports: recognised by content, clocks as documented, and no input that costs more than its own rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resilience import pipeline
from resilience.cli import records
from resilience.errors import InputError
from resilience.sources import tracked, trackers
from resilience.store import Store

from .conftest import ROOT
from .test_datadog_incidents import incident as datadog_incident
from .test_datadog_incidents import replies

T = "2021-03-04T10:{:02}:00Z".format

PAGERDUTY = {
    "id": "PABC123",
    "type": "incident",
    "incident_number": 12,
    "title": "Search down",
    "status": "resolved",
    "urgency": "high",
    "created_at": T(1),
    "resolved_at": T(50),
    "priority": {"summary": "P1"},
    "service": {"summary": "search"},
    "teams": [{"summary": "discovery"}],
    "acknowledgements": [{"at": T(7)}, {"at": T(5)}],
    "html_url": "https://acme.pagerduty.com/incidents/PABC123",
}
LOG = [
    {
        "type": f"{what}_log_entry",
        "created_at": T(at),
        "summary": what,
        "incident": {"id": "PABC123", "summary": "Search down"},
    }
    for what, at in (("resolve", 49), ("acknowledge", 6), ("acknowledge", 4), ("trigger", 1))
]
ANALYTICS = {
    "id": "PABC123",
    "created_at": T(1),
    "seconds_to_first_ack": 180,
    "seconds_to_resolve": 0,
    "service_name": "search",
    "priority_name": "P1",
    "description": "Search down",
}
STATUSPAGE = {
    "id": "x1",
    "name": "Search is slow",
    "impact": "major",
    "status": "resolved",
    "created_at": T(30),
    "monitoring_at": T(41),
    "resolved_at": T(59),
    "components": [{"name": "Search"}],
    "incident_updates": [
        {"status": "resolved", "body": "Over.", "display_at": T(55)},
        {"status": "monitoring", "body": "A fix is in.", "display_at": T(40)},
        {"status": "investigating", "body": "We look.", "display_at": T(20)},
    ],
}
GITHUB = {
    "number": 5,
    "title": "Checkout outage",
    "body": "Disk full",
    "labels": [{"name": "sev1"}, {"name": "service:checkout"}],
    "created_at": T(3),
    "closed_at": T(33),
    "html_url": "https://github.com/acme/ops/issues/5",
}
INCIDENT_IO = {
    "id": "01ABC",
    "reference": "INC-9",
    "name": "Payments fail",
    "mode": "real",
    "severity": {"name": "Major"},
    "created_at": T(9),
    "incident_timestamp_values": [
        {"incident_timestamp": {"name": name}, "value": {"value": value}}
        for name, value in (
            ("Impact started", T(1)),
            ("Fixed at", T(20)),
            ("Resolved at", T(30)),
            ("Closed at", T(40)),
        )
    ],
}
FIREHYDRANT = {
    "id": "fh-1",
    "name": "Payments fail",
    "severity": "SEV1",
    "created_at": T(9),
    "milestones": [
        {"type": t, "occurred_at": T(i)}
        for i, t in enumerate(("started", "detected", "acknowledged", "mitigated", "resolved"))
    ],
}
JIRA = (
    "Issue key,Summary,Status,Created,Resolved,Priority,Labels,Labels,Description\n"
    'OPS-1,Search down,Done,2021-03-04T10:01:00+01:00,2021-03-04T11:00:00+01:00,High,sev2,service:search,"two\nlines"\n'
    "OPS-2,Older,Done,04/Mar/21 10:05 AM,,Low,gameday,,\n"
)

EXPORTS: dict[str, Any] = {
    "datadog": {"data": [datadog_incident(customer_impact_start=T(0), resolved=T(9))], "meta": {}},
    "pagerduty": {"incidents": [PAGERDUTY], "more": False},
    "pagerduty-log": {"log_entries": LOG},
    "pagerduty-analytics": {"data": [ANALYTICS]},
    "statuspage": {"page": {"name": "Acme"}, "incidents": [STATUSPAGE]},
    "github": [GITHUB],
    "incident-io": {"incidents": [INCIDENT_IO], "pagination_meta": {}},
    "firehydrant": {"data": [FIREHYDRANT]},
}
# minute of the hour per moment: started, detected, declared, acknowledged, mitigated, resolved
MINUTES: dict[str, list[int | None]] = {
    "datadog": [0, None, None, None, None, 9],
    "pagerduty": [None, 1, None, 5, None, 50],
    "pagerduty-log": [None, 1, None, 4, None, 49],
    "pagerduty-analytics": [None, 1, None, 4, None, None],
    "statuspage": [None, None, 20, None, 40, 55],
    "github": [None, None, 3, None, None, 33],
    "incident-io": [1, None, 9, None, 20, 30],
    "firehydrant": [0, 1, 9, 2, 3, 4],
}


def read(tmp_path: Path, data: Any, kind: str | None = None, name: str = "f.json") -> trackers.Tracked:
    path = tmp_path / name
    path.write_bytes(data if isinstance(data, bytes) else orjson.dumps(data))
    return trackers.read(path, name, kind)


@pytest.mark.parametrize("kind", EXPORTS)
def test_each_is_recognised_and_its_clocks_are_those_documented(kind: str, tmp_path: Path) -> None:
    assert trackers.kind_of(EXPORTS[kind]) == kind
    found = read(tmp_path, EXPORTS[kind])
    (row,) = found.incidents.to_dict("records")
    assert [None if pd.isna(row[f"{m}_at"]) else row[f"{m}_at"].minute for m in tracked.MOMENTS] == MINUTES[
        kind
    ]
    missing = {f"{m}_at" for m, minute in zip(tracked.MOMENTS, MINUTES[kind], strict=True) if minute is None}
    told = set(found.problems.loc[found.problems["kind"] == "missing", "field"])
    assert missing - {"declared_at", "resolved_at"} <= told
    assert row["text"]
    assert row["title"]


@pytest.mark.parametrize("kind", trackers.KINDS)
def test_the_page_of_sources_shows_the_clocks_of_the_code(kind: str) -> None:
    page = (ROOT / "docs" / "sources.md").read_text(encoding="utf-8")
    cells = [kind, *(trackers.CLOCKS[kind][m] or "–" for m in tracked.MOMENTS)]
    assert f"| {' | '.join(cells)} |" in page


def test_jira_csv(tmp_path: Path) -> None:
    path = tmp_path / "jira.csv"
    path.write_text(JIRA, encoding="utf-8-sig")
    assert trackers.recognise(path) == "jira"
    found = trackers.read(path, "jira.csv")
    one, two = found.incidents.sort_values("incident_id").to_dict("records")
    assert (one["incident_id"], one["severity"], one["services"]) == ("jira:OPS-1", "sev2", "search")
    assert one["declared_at"] == pd.Timestamp("2021-03-04T09:01Z")
    assert "two\nlines" in one["text"]
    assert two["kind"] == "drill"
    assert pd.isna(two["declared_at"])
    (said,) = [m for m in found.problems["message"] if "Created has no zone" in m]
    assert "04/Mar/21 10:05 AM" in said


@pytest.mark.parametrize(
    ("kind", "changed", "expected"),
    [
        ("datadog", {"data": [datadog_incident(is_test=True)]}, "test"),
        ("incident-io", {"incidents": [{**INCIDENT_IO, "mode": "test"}]}, "test"),
        ("incident-io", {"incidents": [{**INCIDENT_IO, "mode": "tutorial"}]}, "test"),
        ("incident-io", {"incidents": [{**INCIDENT_IO, "mode": "retrospective"}]}, "real"),
        ("github", [{**GITHUB, "labels": [{"name": "GameDay"}]}], "drill"),
        ("github", [{**GITHUB, "labels": ["training"]}], "test"),
        ("pagerduty", {"incidents": [{**PAGERDUTY, "title": "[TEST] Search down"}]}, "test"),
        ("pagerduty", {"incidents": [{**PAGERDUTY, "title": "Test of search down"}]}, "real"),
    ],
)
def test_tests_and_drills_are_kept_apart(kind: str, changed: Any, expected: str, tmp_path: Path) -> None:
    assert read(tmp_path, changed, kind).incidents["kind"].tolist() == [expected]


@pytest.mark.parametrize(
    ("labels", "severity"),
    [
        (["SEV1"], "SEV1"),
        (["severity: high"], "severity: high"),
        (["p2"], "p2"),
        (["several", "severe"], None),
    ],
)
def test_labels_of_severity(labels: list[str], severity: str | None, tmp_path: Path) -> None:
    found = read(tmp_path, [{**GITHUB, "labels": labels}]).incidents["severity"].tolist()
    assert found == [severity] if severity else pd.isna(found).all()


def test_what_is_no_incident_is_left_out_and_counted(tmp_path: Path) -> None:
    page = {"page": {}, "incidents": [STATUSPAGE, {**STATUSPAGE, "id": "m", "impact": "maintenance"}]}
    found = read(tmp_path, page)
    assert len(found.incidents) == 1
    assert any("1 of the file's records: scheduled maintenance" in m for m in found.problems["message"])
    found = read(tmp_path, [GITHUB, {**GITHUB, "number": 6, "pull_request": {}}])
    assert len(found.incidents) == 1
    assert any("pull request" in m for m in found.problems["message"])


def test_a_page_that_is_not_the_last_and_a_page_of_fifty_say_so(tmp_path: Path) -> None:
    found = read(tmp_path, {"incidents": [PAGERDUTY], "more": True})
    assert any("more follow" in m for m in found.problems["message"])
    found = read(tmp_path, {"page": {}, "incidents": [{**STATUSPAGE, "id": f"x{i}"} for i in range(50)]})
    assert any("older ones may be missing" in m for m in found.problems["message"])


def test_recorded_datadog_replies_are_recognised(shared_data: Path, tmp_path: Path) -> None:
    seen = 0
    for _, reply in replies(shared_data):
        if trackers.kind_of(reply) == "datadog":
            found = read(tmp_path, reply)
            seen += len(found.incidents)
    assert seen >= 12
    assert read(tmp_path, {"data": [], "meta": {"pagination": {"offset": 0, "size": 0}}}).incidents.empty


@pytest.mark.parametrize(
    ("content", "kind", "complaint"),
    [
        (b"", "github", "cut off"),
        (b"\0\0", "github", "cut off"),
        (b"<html>", "github", "HTML"),
        (b'[{"number": 1', "github", "cut off"),
        (b'["\xff"]', "github", "broken"),
        (b"[" * 100_000, "github", "nested"),
        (b'{"error": {"message": "no"}}', "pagerduty", "error reply"),
        (b"3", "pagerduty", "no list of records"),
        (b'{"a": 1}', None, "no export of a tracker"),
        (b"a,b\n1,2\n", "jira", "no column Issue key"),
        (b"Issue key,Summary,Created\n\xff,a,b\n", "jira", "not a CSV in UTF-8"),
        (b"", "jira", "not a CSV"),
    ],
)
def test_what_cannot_be_read_is_a_clear_error(
    content: bytes, kind: str | None, complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=complaint) as error:
        read(tmp_path, content, kind)
    assert error.value.remedy
    assert error.value.where == "f.json"


def test_an_export_that_is_too_large_is_recognised_and_refused(tmp_path: Path) -> None:
    path = tmp_path / "f.json"
    path.write_bytes(orjson.dumps([GITHUB]) + b" " * trackers.MAX_BYTES)
    assert trackers.recognise(path) == "github"
    with pytest.raises(InputError, match="is the limit"):
        trackers.read(path, "f.json")


def test_a_byte_order_mark_is_read_over(tmp_path: Path) -> None:
    assert len(read(tmp_path, b"\xef\xbb\xbf" + orjson.dumps(EXPORTS["github"])).incidents) == 1


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=30)
    | st.sampled_from(
        ["", "\0", "\u202e", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", T(3), "2021-03-04"]
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in nested JSON."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(p for key, one in inner for p in paths(one, (*at, key)))]


def with_value(value: Any, at: tuple[Any, ...], new: Any) -> Any:
    if not at:
        return new
    copied = dict(value) if isinstance(value, dict) else list(value)
    copied[at[0]] = with_value(copied[at[0]], at[1:], new)
    return copied


@st.composite
def damaged(draw: st.DrawFn) -> tuple[str, Any]:
    """A real shape with up to four of its values, at any depth, replaced by anything."""
    kind = draw(st.sampled_from(sorted(EXPORTS)))
    data = EXPORTS[kind]
    for _ in range(draw(st.integers(1, 4))):
        data = with_value(data, draw(st.sampled_from(paths(data))), draw(VALUES))
    return kind, data


def table_or_error(path: Path, kind: str | None) -> None:
    """A table with its problems, or a clear error: nothing else."""
    try:
        found = trackers.read(path, "f", kind)
    except InputError:  # it cannot be made without a remedy
        return
    assert found.incidents["incident_id"].is_unique
    assert set(found.names["incident_id"]) <= set(found.incidents["incident_id"])


ANYTHING = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@ANYTHING
@given(damaged())
def test_damaged_exports(tmp_path: Path, what: tuple[str, Any]) -> None:
    kind, data = what
    path = tmp_path / "f.json"
    path.write_bytes(orjson.dumps(data))
    table_or_error(path, kind)
    trackers.recognise(path)


@ANYTHING
@given(st.sampled_from(trackers.KINDS), VALUES)
def test_any_json_as_any_kind(tmp_path: Path, kind: str, data: Any) -> None:
    path = tmp_path / "f.json"
    path.write_bytes(orjson.dumps([data, {"id": data, "number": 1, "incident": data}]))
    table_or_error(path, kind)


@ANYTHING
@given(st.sampled_from([None, *trackers.KINDS]), st.binary(max_size=300), st.integers(0, 400))
def test_any_bytes_and_any_cut(tmp_path: Path, kind: str | None, noise: bytes, place: int) -> None:
    whole = JIRA.encode() if kind == "jira" else orjson.dumps(EXPORTS.get(kind or "github"))
    for suffix in ("json", "csv"):
        path = tmp_path / f"f.{suffix}"
        path.write_bytes(whole[:place] + noise + whole[place:])
        table_or_error(path, kind)
        trackers.recognise(path)


def test_the_command_line_names_every_kind() -> None:
    assert records.TRACKERS == trackers.KINDS


def write_exports(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for kind, data in EXPORTS.items():
        (folder / f"{kind}.json").write_bytes(orjson.dumps(data))
    (folder / "jira.csv").write_text(JIRA, encoding="utf-8")
    return folder


def test_a_folder_of_exports_twice(tmp_path: Path) -> None:
    store, folder = Store(tmp_path / "store"), write_exports(tmp_path / "in")
    (folder / "series.json").write_text(
        '{"status":"ok","series":[{"metric":"cpu","scope":"*","interval":60,"unit":null,'
        '"expression":"avg:cpu{*}","pointlist":[[1614852000000,1]]}]}'
    )
    done = pipeline.ingest(store, [folder])
    assert done.files == {"tracker": 9, "json": 1}
    assert done.refused.empty
    incidents = store.load("incidents")
    assert sorted(incidents["source"].unique()) == sorted(kind.replace("-", "_") for kind in trackers.KINDS)
    assert len(store.load("series")) == 1
    services = store.load("incident_services")
    assert services.loc[services["incident_id"] == "pagerduty:PABC123", "service"].tolist() == ["search"]
    before = store.versions()
    assert pipeline.ingest(store, [folder]).commits == []
    assert store.versions() == before


def test_a_forced_kind_and_a_refused_file(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "odd.json").write_bytes(
        orjson.dumps({"issues": 1, "data": [{"number": 3, "title": "x"}]})
    )
    (tmp_path / "in" / "no.json").write_text("{")
    done = pipeline.ingest(Store(tmp_path / "store"), [tmp_path / "in"], kind="github")
    assert Store(tmp_path / "store").load("incidents")["title"].tolist() == ["x"]
    assert done.refused["source_uri"].tolist() == ["in/no.json"]


def test_an_incident_that_a_later_export_forgot_stays_and_the_newest_state_wins(tmp_path: Path) -> None:
    store, folder = Store(tmp_path / "store"), tmp_path / "in"
    folder.mkdir()
    older = {**PAGERDUTY, "title": "open", "updated_at": T(10)}
    newer = {**PAGERDUTY, "title": "closed", "updated_at": T(20)}
    (folder / "a.json").write_bytes(orjson.dumps({"incidents": [newer, {**PAGERDUTY, "id": "PGONE99"}]}))
    (folder / "b.json").write_bytes(orjson.dumps({"incidents": [older]}))
    pipeline.ingest(store, [folder])
    (folder / "a.json").write_bytes(orjson.dumps({"incidents": [newer]}))
    pipeline.ingest(store, [folder])
    titles = store.load("incidents").set_index("incident_id")["title"].to_dict()
    assert titles == {"pagerduty:PABC123": "closed", "pagerduty:PGONE99": "Search down"}


def test_exports_that_differ_without_saying_when_are_told(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a", "b"):
        (tmp_path / "in" / f"{name}.json").write_bytes(
            orjson.dumps({"incidents": [{**PAGERDUTY, "title": name}]})
        )
    store = Store(tmp_path / "store")
    pipeline.ingest(store, [tmp_path / "in"])
    assert store.load("incidents")["title"].tolist() == ["b"]
    problems = store.load("problems")
    assert problems.loc[problems["kind"] == "contradiction", "source_uri"].tolist() == ["in/b.json"]


def test_a_report_is_not_overwritten_by_an_export(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.md").write_text("---\nid: pagerduty:PABC123\n---\n# Ours\n\nText\n")
    (tmp_path / "in" / "b.json").write_bytes(orjson.dumps(EXPORTS["pagerduty"]))
    store = Store(tmp_path / "store")
    pipeline.ingest(store, [tmp_path / "in"])
    assert store.load("incidents")["title"].tolist() == ["Ours"]
    assert store.load("problems")["message"].str.contains("is the id of a report too").any()


JIRA_JSON = {
    "startAt": 0,
    "total": 2,
    "issues": [
        {
            "key": "OPS-1",
            "fields": {
                "summary": "Search answers 503",
                "created": "2022-03-01T10:02:00.000+0100",
                "resolutiondate": "2022-03-01T11:31:00.000+0100",
                "updated": "2022-03-02T09:00:00.000+0100",
                "priority": {"name": "P1"},
                "labels": ["incident", "team:search"],
                "components": [{"name": "search"}],
                "description": {
                    "type": "doc",
                    "content": [{"type": "paragraph", "content": [{"type": "text", "text": "A full disk"}]}],
                },
            },
        },
        {
            "key": "OPS-2",
            "fields": {
                "summary": "[drill] x",
                "created": "2022-03-02T10:00:00.000+0000",
                "resolutiondate": None,
            },
        },
    ],
}


def test_jira_json_has_zones(tmp_path: Path) -> None:
    path = tmp_path / "search.json"
    path.write_bytes(orjson.dumps(JIRA_JSON))
    assert trackers.recognise(path) == "jira"
    found = trackers.read(path, "search.json")
    one, two = found.incidents.to_dict("records")
    assert f"{one['declared_at']:%H:%M} {one['resolved_at']:%H:%M}" == "09:02 10:31"
    assert (one["severity"], one["services"], one["teams"]) == ("P1", "search", "search")
    assert "A full disk" in one["text"]
    assert (two["kind"], pd.isna(two["resolved_at"])) == ("drill", True)
    assert not found.problems["message"].str.contains("zone").any()
