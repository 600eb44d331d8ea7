"""Files of other tools and other habits: read, or refused by name with what to do; never passed over in silence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from resilience.cli import main
from resilience.pipeline import ingest
from resilience.sources import foreign
from resilience.store import Store

V1: dict[str, Any] = {
    "status": "ok",
    "series": [
        {
            "metric": "m",
            "scope": "*",
            "pointlist": [[1646128800000.0, 1.0], [1646128860000.0, None]],
            "interval": 60,
            "expression": "avg:m{*}",
            "unit": None,
        }
    ],
}


def told(tmp_path: Path, name: str, content: str | bytes) -> dict[str, str]:
    """Message and remedy of the one problem that a file among others costs."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "good.md").write_text("# T\n\nStart: 2021-01-01 10:00 UTC\n")
    file = folder / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    rows = ingest(Store(tmp_path / "store"), [folder], base=tmp_path).problems
    rows = rows[rows["source_uri"] == f"data/{name}"]
    assert len(rows) == 1
    return rows.iloc[0][["kind", "message", "remedy"]].to_dict()


@pytest.mark.parametrize(
    ("content", "named", "remedy"),
    [
        ([{"type": "message", "ts": "1646128920.0001", "text": "x"}], "Slack export", "gameday import"),
        ({"status": "success", "data": {"resultType": "matrix", "result": []}}, "Prometheus", "series-files"),
        ({"steady_states": {}, "experiment": {}, "run": []}, "Chaos Toolkit journal", "gameday import"),
        ({"title": "x", "method": [], "steady-state-hypothesis": {}}, "plan of a Chaos", "journal"),
        ({"experiment": {"id": "E", "experimentTemplateId": "T"}}, "AWS FIS", "gameday.yml"),
        (
            {"apiVersion": "litmuschaos.io/v1", "kind": "ChaosResult"},
            "ChaosResult of litmuschaos",
            "gameday.yml",
        ),
        ({"guid": "g", "stage": "Successful"}, "Gremlin", "gameday.yml"),
        ({"data": [{"tinyId": "1", "message": "x"}], "took": 1}, "Opsgenie", "placebo"),
        ({"result": [{"sys_id": "1", "number": "INC1"}]}, "ServiceNow", "placebo"),
        ([V1], "list of replies", "file of its own"),
        ({"took": 1, "rows": []}, "an object with took, rows", "docs/sources.md"),
        (3, "neither an object nor a list", "docs/sources.md"),
    ],
)
def test_json_of_other_tools_is_named(content: Any, named: str, remedy: str) -> None:
    what, way_on = foreign.about_json(content)
    assert named in what
    assert remedy in way_on


def test_json_that_nobody_reads_is_a_problem_of_its_file(tmp_path: Path) -> None:
    row = told(tmp_path, "x.json", json.dumps({"guid": "g", "stage": "Successful"}))
    assert row["kind"] == "unreadable"
    assert "Gremlin" in row["message"]


WAYS_ON = {
    "reports.zip": "Unpack",
    "series.csv.gz": "Unpack",
    "sheet.xlsx": "CSV",
    "report.docx": "Markdown",
    "points.parquet": "CSV with a mapping",
    "deployment.yaml": "folder graph",
    "TABLE.CSV": "mapping file",
}


def test_files_that_nobody_reads_are_listed_with_a_way_on(tmp_path: Path) -> None:
    for name in WAYS_ON:
        (tmp_path / name).write_text("a,b\n1,2\n")
    (tmp_path / "good.md").write_text("# T\n\nStart: 2021-01-01 10:00 UTC\n")
    rows = ingest(Store(tmp_path / "store"), [tmp_path], base=tmp_path).problems
    rows = rows[rows["source_uri"].isin(WAYS_ON)].set_index("source_uri")
    assert {name: rows.loc[name, "kind"] for name in WAYS_ON} == dict.fromkeys(WAYS_ON, "skipped")
    assert [name for name, way in WAYS_ON.items() if way not in rows.loc[name, "remedy"]] == []


def test_suffixes_in_capitals_are_read(tmp_path: Path) -> None:
    (tmp_path / "A.JSON").write_text(json.dumps(V1))
    (tmp_path / "B.MD").write_text("# T\n\nStart: 2021-01-01 10:00 UTC\n")
    store = Store(tmp_path / "store")
    assert dict(ingest(store, [tmp_path / "A.JSON", tmp_path / "B.MD"]).files) == {"json": 1, "report": 1}
    assert len(store.load("series")) == 2


def test_a_folder_that_no_reader_looks_into_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "resilience.yml").write_text("title: T\n")
    (tmp_path / "data" / "reports").mkdir(parents=True)
    (tmp_path / "data" / "reports" / "a.md").write_text("# T\n")
    monkeypatch.chdir(tmp_path)
    nothing = CliRunner().invoke(main, ["ingest"])
    assert nothing.exit_code != 0
    assert "data/ holds reports, which no reader looks into" in nothing.output
    (tmp_path / "data" / "incidents").mkdir()
    (tmp_path / "data" / "incidents" / "a.md").write_text("# T\n\nStart: 2021-01-01 10:00 UTC\n")
    some = CliRunner().invoke(main, ["ingest"])
    assert some.exit_code == 0, some.output
    assert "Left out: data/ holds reports" in some.output
    again = CliRunner().invoke(main, ["ingest"])
    assert "Nothing changed." in again.output


def test_links_and_odd_names_are_read_under_the_name_that_is_seen(tmp_path: Path) -> None:
    kept, folder = tmp_path / "elsewhere", tmp_path / "team" / "data"
    kept.mkdir()
    folder.mkdir(parents=True)
    (kept / "v1.json").write_text(json.dumps(V1))
    (kept / "jira.csv").write_text("Issue key,Summary,Created\nA-1,x,2022-03-01T10:00:00Z\n")
    (kept / "table.csv").write_text("a,b\n1,2\n")
    for name in ("v1.json", "jira.csv", "table.csv"):
        (folder / name).symlink_to(kept / name)
    (folder / "round").symlink_to(folder)
    (folder / "nowhere.md").symlink_to(kept / "nowhere.md")
    odd = ["new\nline.json", "fire 🚒.json", "bad\udcff.json"]
    for i, name in enumerate(odd):
        series = V1["series"][0] | {"metric": f"m{i}"}
        (folder / name).write_text(json.dumps(V1 | {"series": [series]}))
    store = Store(tmp_path / "store")
    done = ingest(store, [folder])
    assert done.refused.empty, done.refused[["source_uri", "message"]].to_dict("records")
    assert len(store.load("series")) == 8
    assert list(store.load("incidents")["source_uri"]) == ["data/jira.csv"]
    assert list(done.problems.loc[done.problems["kind"] == "skipped", "source_uri"]) == ["data/table.csv"]
    assert not ingest(store, [folder]).commits


DEPLOYED = [["service", "deployed_at", "version"], ["web", "2022-01-01T10:00:00Z", "1,5"]]
CALLS = [["Source", "Target"], ["web", "api"]]
ISSUES = [["Summary", "Issue key", "Created"], ["Down; again", "A-1", "2022-03-01T10:00:00Z"]]


@pytest.mark.parametrize(("separator", "encoding"), [(",", "utf-8-sig"), (";", "utf-8"), ("\t", "utf-16")])
def test_tables_as_spreadsheets_save_them(tmp_path: Path, separator: str, encoding: str) -> None:
    folder = tmp_path / "data"
    (folder / "graph").mkdir(parents=True)
    for name, rows in (("deploys.csv", DEPLOYED), ("graph/calls.csv", CALLS), ("jira.csv", ISSUES)):
        text = "\r\n".join(separator.join(f'"{cell}"' for cell in row) for row in rows)
        (folder / name).write_bytes(text.encode(encoding))
    store = Store(tmp_path / "store")
    assert ingest(store, [folder]).refused.empty
    assert list(store.load("deployments")["version"]) == ["1,5"]
    assert store.load("service_edges")[["from_name", "to_name"]].to_numpy().tolist() == [["web", "api"]]
    assert list(store.load("incidents")["title"]) == ["Down; again"]


CATALOG = """apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: checkout}
spec: {type: service, owner: group:default/pay, dependsOn: ["component:default/cart", "resource:db"], consumesApis: [prices]}
---
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: pricing}
spec: {owner: shop, providesApis: [prices]}
"""
LISTED = """apiVersion: v1
kind: List
items:
- kind: Deployment
  apiVersion: apps/v1
  metadata: {name: checkout}
  spec: {template: {spec: {containers: [{name: c, env: [{name: CART, value: "http://cart:7070/x"}]}]}}}
- kind: Service
  apiVersion: v1
  metadata: {name: cart}
"""


def test_graphs_of_a_catalog_and_of_a_list(tmp_path: Path) -> None:
    folder = tmp_path / "graph"
    folder.mkdir()
    (folder / "catalog-info.yaml").write_text(CATALOG)
    (folder / "all.yaml").write_text(LISTED)
    store = Store(tmp_path / "store")
    assert ingest(store, [folder]).refused.empty
    edges = set(zip(*store.load("service_edges")[["from_name", "to_name"]].to_numpy().T, strict=True))
    assert edges == {("checkout", "cart"), ("checkout", "db"), ("checkout", "pricing")}
    assert store.load("services").set_index("service")["team"].to_dict() == {
        "checkout": "pay",
        "pricing": "shop",
    }
