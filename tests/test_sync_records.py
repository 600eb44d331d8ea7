"""Records of Datadog: recorded exchanges replayed by a real server, a stand-in with pages and faults, hostile replies."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from resilience import pipeline, schema, sync_records, views
from resilience.archive import Archive
from resilience.errors import InputError
from resilience.sources import datadog, datadog_incidents, datadog_records, trackers
from resilience.sources.datadog_api import Api, Patience
from resilience.sources.datadog_config import Config, Services
from resilience.sources.datadog_records import Records
from resilience.store import Store, content_hash

from .datadog_server import World, serving
from .test_sync import HASTY, KEYS

ALL = Config(incidents=True, events=True, monitors=True, slos=True, relations=True, deployments=True)
SINCE, UNTIL = datetime(2020, 1, 10, tzinfo=UTC), datetime(2020, 4, 20, tzinfo=UTC)


def fetch(
    host: str,
    root: Path,
    config: Config = ALL,
    since: datetime = SINCE,
    until: datetime = UNTIL,
    into: Store | None = None,
) -> tuple[Any, Api]:
    api = Api(KEYS, host=host, patience=HASTY)
    archive = Archive(root / "raw")
    done = sync_records.records(api, into or Store(root), archive, config, since, until, say=lambda *_: None)
    return done, api


def moment(day: int, hour: int = 0) -> str:
    return (pd.Timestamp("2020-01-10", tz="UTC") + pd.Timedelta(days=day, hours=hour)).isoformat()


def full_world() -> World:
    incidents = [
        {
            "id": f"uuid-{i}", "type": "incidents",
            "attributes": {
                "public_id": i, "title": f"Incident {i}", "is_test": i == 3,
                "severity": "SEV-2" if i else "UNKNOWN",
                "customer_impact_start": moment(i), "detected": moment(i, 1), "created": moment(i, 1),
                "declared": moment(i, 2),
                "customer_impact_end": moment(i, 5), "resolved": moment(i, 6) if i != 4 else None,
                "time_to_detect": 3600 if i % 2 else 0, "time_to_repair": 0, "time_to_resolve": 18_000,
                "brand_new": {"x": [1]},
                "fields": {
                    "services": {"type": "autocomplete", "value": ["search-v2", "cart"]}, "teams": {"value": ["shop"]},
                    "detection_method": {"value": ["monitor", "employee", "customer", "other"][i % 4]},
                    "summary": {"value": f"Summary {i}"}, "root_cause": {"value": "full disk"},
                },
            },
            "relationships": {"impacts": {"data": [{"id": "x"}] if i == 5 else []},
                              "attachments": {"data": [{"id": "y"}] if i == 5 else []}},
        }
        for i in range(23)
    ]  # fmt: skip
    searched = [
        {**one, "attributes": {**one["attributes"], "field_analytics": {"state": {
            "active": {"spans": [{"start": 1_578_600_000, "end": 1_578_610_000}]},
            "resolved": {"spans": [{"start": 1_578_610_000, "end": None}]}}}}}
        for one in incidents[:6]
    ]  # fmt: skip
    events = [
        {"id": f"event-{i}", "attributes": {"timestamp": moment(i // 3, i % 24), "message": f"m{i}",
         "tags": ["service:cart", "env:prod"], "attributes": {"title": f"Event {i}", "status": "info"}}}
        for i in range(120)
    ]  # fmt: skip
    impact = {"description": "No checkout", "start_at": moment(5), "end_at": moment(5, 5)}
    postmortem = {"title": "Postmortem", "documentUrl": "https://x"}
    return World(
        records={
            "incidents": incidents,
            "searched": searched,
            "impacts uuid-5": [{"attributes": impact}],
            "attachments uuid-5": [{"attributes": {"attachment_type": "postmortem", "attachment": postmortem}}],
            "monitors": [{"id": i, "name": f"Monitor {i}", "overall_state": "OK", "tags": ["service:cart"]}
                         for i in range(5)],
            "slos": [{"id": f"slo-{i}", "name": f"SLO {i}", "type": "metric", "created_at": 1_577_836_800, "tags": [],
                      "thresholds": [{"timeframe": "7d", "target": 99.5}]} for i in range(4)],
            "relations": [{"id": f"edge-{i}", "attributes": {"from": {"kind": "service", "name": "cart"},
                           "to": {"kind": "service", "name": f"s{i}"}, "type": "RelationTypeDependsOn"}} for i in range(31)],
            "deployments": [{"id": f"d{i}", "attributes": {"service": "cart", "started_at": moment(0, i)}}
                            for i in range(1500)],
            "events": sorted(events, key=lambda e: e["attributes"]["timestamp"]),
        }
    )  # fmt: skip


def test_every_record_arrives_once_in_spite_of_faults_and_odd_pages(tmp_path: Path) -> None:
    world, config = full_world(), ALL.model_copy(update={"services": Services(names={"search-v2": "search"})})
    with serving(world, faults=0.3, seed=5) as server:
        done, _ = fetch(server.url, tmp_path, config)
    assert done.failed == []
    store = Store(tmp_path)
    incidents = store.load("incidents").set_index("incident_id")
    assert len(incidents) == 23
    assert (incidents["kind"] == "test").sum() == 1
    assert incidents["kind"]["datadog:3"] == "test"
    assert incidents["stated_detect_min"]["datadog:1"] == 60
    assert pd.isna(incidents["stated_detect_min"]["datadog:2"]), "0 is unset"
    assert incidents["stated_restore_min"].isna().all(), "time_to_resolve counts from creation"
    assert pd.isna(incidents["resolved_at"]["datadog:4"])
    assert incidents["services"]["datadog:0"] == "cart, search"
    assert pd.isna(incidents["severity"]["datadog:0"])
    assert "No checkout" in incidents["text"]["datadog:5"]
    assert "https://x" in incidents["text"]["datadog:5"]
    detected = [incidents["detected_by"][f"datadog:{i}"] for i in range(4)]
    assert detected == ["monitor", "colleague", "customer", "unknown"]
    assert len(store.load("incident_services")) == 46
    assert len(store.load("timeline")) == 12
    assert list(store.load("events")["event_id"]) == sorted(f"event-{i}" for i in range(120))
    assert len(store.load("monitors")) == 5
    assert len(store.load("service_edges")) == 31
    assert len(store.load("deployments")) == 1500, "a full page is asked for in halves"
    months = store.load("slo_history")
    assert len(months) == 4 * 4
    assert months["value_percent"].isna().sum() == 4, "a month without data is not 0 and not 100"
    assert set(months["error"].dropna()) == {"no data"}
    (row,) = store.load("problems").itertuples()
    assert row.message.startswith(
        "23 of 23 incidents have no acknowledged_at (Datadog states no such moment)"
    )


def test_an_incident_of_a_sync_a_saved_reply_and_a_report_is_one(tmp_path: Path) -> None:
    world, store = full_world(), Store(tmp_path / "store")
    folder = tmp_path / "files"
    folder.mkdir()
    report = f"# Checkout down\n\n| **Started** | {moment(7)} |\n|---|---|\n\n## Summary\n\nTracked as IR-7 in Datadog.\n"
    (folder / "2020-01-17-checkout.md").write_text(report, encoding="utf-8")
    old = [
        {**one, "attributes": {**one["attributes"], "title": "Old title"}}
        for one in world.records["incidents"]
    ]
    (folder / "saved.json").write_text(json.dumps({"data": old}), encoding="utf-8")
    pipeline.ingest(store, [folder])
    with serving(world) as server:
        fetch(server.url, tmp_path, Config(incidents=True), into=store)
        assert fetch(server.url, tmp_path, Config(incidents=True), into=store)[0].commits == []
    assert len(store.load("incident_names", where={"incident_id": ["datadog:7"]})) == 3
    (link,) = store.load("incident_links").itertuples()
    assert {link.incident_id, link.other_id} >= {"datadog:7"}
    assert (link.decided_by, link.score) == ("id", 1.0)
    counted = views.incidents(store, kind="real")  # one of the 23 is a test
    assert (len(store.load("incidents")), len(counted)) == (24, 22)
    done = pipeline.ingest(store, [folder])
    assert [c.table for c in done.commits if c.table != "problems"] == []
    assert "23 incident(s) of this file come from" in " ".join(done.problems["message"])
    titles = store.load("incidents").set_index("incident_id")["title"]
    assert titles["datadog:7"] == "Incident 7", "a saved reply does not undo what a sync has seen"


def test_a_second_run_commits_nothing_and_asks_for_nothing_old(tmp_path: Path) -> None:
    world = full_world()
    with serving(world) as server:
        fetch(server.url, tmp_path)
        versions = Store(tmp_path).versions()
        server.seen.clear()
        done, _ = fetch(server.url, tmp_path)
        assert (done.commits, Store(tmp_path).versions()) == ([], versions)
        paths = [path for path, _ in server.seen]
        assert not any("impacts" in path for path in paths)
        again = [asked for path, asked in server.seen if path.endswith("/history")]
        assert {asked["from_ts"][0] for asked in again} == {
            str(int(pd.Timestamp("2020-03-01", tz="UTC").timestamp()))
        }
        assert len(again) == 4, "the month that ended less than 31 days ago, once per SLO"
        assert len(paths) <= 5 + 3 + 1 + 5 + 3 + 2 + 2 + 4, paths


def test_what_changed_at_datadog_changes_here_and_the_old_reply_stays(tmp_path: Path) -> None:
    world = full_world()
    with serving(world) as server:
        fetch(server.url, tmp_path)
        about = world.records["incidents"][4]["attributes"]
        about.update(resolved=moment(9), modified=moment(9))
        fetch(server.url, tmp_path)
    incidents = Store(tmp_path).load("incidents").set_index("incident_id")
    assert incidents["resolved_at"]["datadog:4"] == pd.Timestamp(moment(9))
    archive = Archive(tmp_path / "raw")
    replies = [archive.read(e["kind"], e["sha256"]) for e in archive.entries() if e["kind"] == "incidents"]
    assert sum(b"uuid-4" in raw for raw in replies) == 2


def test_a_correction_of_a_month_that_is_just_over_is_seen(tmp_path: Path) -> None:
    world, only = full_world(), Config(slos=True)
    with serving(world) as server:
        fetch(server.url, tmp_path, only)
        world.corrected = {1: 50.0, 3: 97.5}
        fetch(server.url, tmp_path, only)
    months = (
        Store(tmp_path).load("slo_history").drop_duplicates("month_at").set_index("month_at")["value_percent"]
    )
    assert months[pd.Timestamp("2020-03-01", tz="UTC")] == 97.5
    assert months[pd.Timestamp("2020-01-01", tz="UTC")] == 99.01, "too long ago: it stays as it was archived"


@pytest.mark.parametrize(("paging", "calls"), [("", 5), ("next", 4), ("next, always", 5), ("total", 4)])
def test_however_a_list_says_what_follows_none_is_lost(tmp_path: Path, paging: str, calls: int) -> None:
    world = full_world()
    world.paging = paging
    with serving(world) as server:
        done, _ = fetch(server.url, tmp_path, Config(incidents=True))
        assert sum(path == "/api/v2/incidents" for path, _ in server.seen) == calls
    assert done.failed == []
    assert len(Store(tmp_path).load("incidents")) == 23


def test_a_full_page_is_not_believed_to_be_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sync_records.PAGE, "incidents", 7)
    world = full_world()
    world.paging = "nothing useful"
    with serving(world) as server:
        fetch(server.url, tmp_path, Config(incidents=True))
    assert len(Store(tmp_path).load("incidents")) == 23


def test_a_server_that_never_turns_the_page_is_given_up_with_what_it_told(tmp_path: Path) -> None:
    world = full_world()
    world.paging, world.records["searched"] = "stuck", []
    with serving(world) as server:
        done, _ = fetch(server.url, tmp_path, Config(incidents=True))
        assert sum(path == "/api/v2/incidents" for path, _ in server.seen) < 10
    assert any("repeats earlier ones" in line for line in done.failed)
    assert len(Store(tmp_path).load("incidents")) == 7


def test_more_deployments_in_a_minute_than_a_reply_holds_are_told(tmp_path: Path) -> None:
    world = full_world()
    world.records["deployments"] = [
        {"id": f"d{i}", "attributes": {"service": "cart", "started_at": moment(3)}} for i in range(1200)
    ]
    with serving(world) as server:
        done, _ = fetch(server.url, tmp_path, Config(deployments=True))
    assert len(Store(tmp_path).load("deployments")) == 1000
    assert any("more may be missing" in line for line in done.failed)


@pytest.mark.parametrize("unit", [1, 1_000, 1_000_000, 1_000_000_000])
def test_times_in_any_unit_are_the_same_moment(unit: int) -> None:
    into = Records(Services(), "deployments")
    about = {"service": "cart", "started_at": 1_583_316_000 * unit, "finished_at": 1_583_316_060 * unit}
    datadog_records.deployment(into, {"id": "d", "attributes": about})
    (row,) = into.frames()["deployments"].itertuples()
    assert (str(row.started_at), str(row.finished_at)) == (
        "2020-03-04 10:00:00+00:00",
        "2020-03-04 10:01:00+00:00",
    )


def test_a_part_that_is_refused_does_not_stop_the_others(tmp_path: Path) -> None:
    world = full_world()
    with serving(world) as server:
        server.refused = "/api/v2/dora/deployments"
        done, _ = fetch(server.url, tmp_path)
    (line,) = done.failed
    assert "HTTP 404" in line
    assert len(Store(tmp_path).load("events")) == 120


def test_a_damaged_archive_says_so(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    path = archive.put("incidents", {"page": 1}, b'{"data": []}')
    (tmp_path / "manifest.jsonl").open("ab").write(b'\n{"kind": "inc')
    archive = Archive(tmp_path)
    digest = archive.last("incidents", {"page": 1})
    assert digest is not None
    assert archive.read("incidents", digest) == b'{"data": []}'
    archive.put("incidents", {"page": 2}, b"[]")
    assert len(list(Archive(tmp_path).entries())) == 2, "a line that was cut off spoils no other"
    (tmp_path / path).write_bytes(b"other")
    with pytest.raises(InputError, match="missing or was changed"):
        archive.read("incidents", digest)


# Recorded exchanges


EMPTY = {
    "/api/v1/monitor": b"[]",
    "/api/v2/incidents/search": b'{"data":{"attributes":{"incidents":[]}}}',
}


@contextmanager
def replaying(cassette: Path) -> Iterator[str]:
    """A server that answers each address with what was recorded for it, in order; then with the empty form of it."""
    told: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for one in yaml.load(cassette.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))[
        "interactions"
    ]:
        parts = urlsplit(one["request"]["uri"])
        told.setdefault((one["request"]["method"], parts.path), []).append(one["response"])

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            """Silent."""

        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = urlsplit(self.path).path
            left = told.get((self.command, path), [])
            empty = EMPTY.get(path, b'{"data":[]}')
            answer = left.pop(0) if left else None
            raw = answer["body"]["string"].encode() if answer else empty
            self.send_response(answer["status"]["code"] if answer else 200)
            for name, values in (answer["headers"] if answer else {}).items():
                self.send_header(name, values[0])
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_POST = do_GET

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def recorded(cassette: Path, path: str) -> set[str]:
    """Ids of the records that the replies to a listing hold."""
    found: set[str] = set()
    for one in yaml.load(cassette.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))[
        "interactions"
    ]:
        asked = one["request"]
        if urlsplit(asked["uri"]).path != path:
            continue
        if asked["method"] == "POST" and path not in ("/api/v2/events/search", "/api/v2/dora/deployments"):
            continue
        data = json.loads(one["response"]["body"]["string"] or "[]")
        data = data if isinstance(data, list) else data["data"]
        data = data if isinstance(data, list) else [x["data"] for x in data["attributes"]["incidents"]]
        found |= {str(record["id"]) for record in data}
    return found


LISTS = {
    "incidents": "/api/v2/incidents", "search": "/api/v2/incidents/search", "events": "/api/v2/events/search",
    "monitors": "/api/v1/monitor", "slos": "/api/v1/slo", "relations": "/api/v2/catalog/relation",
    "deployments": "/api/v2/dora/deployments",
}  # fmt: skip
CASSETTES = [
    ("incidents", "v2/test_get_a_list_of_incidents_returns_ok_response", "source_uri"),
    ("incidents", "v2/test_get_a_list_of_incidents_returns_ok_response_with_pagination", "source_uri"),
    ("search", "v2/test_search_for_incidents_returns_ok_response", "source_uri"),
    ("search", "v2/test_search_for_incidents_returns_ok_response_with_pagination", "source_uri"),
    ("events", "v2/test_search_events_returns_ok_response", "event_id"),
    ("events", "v2/test_search_events_returns_ok_response_with_pagination", "event_id"),
    ("monitors", "v1/test_get_all_monitors_returns_ok_response_with_pagination", "monitor_id"),
    ("slos", "v1/test_get_all_slos_returns_ok_response", "slo_id"),
    ("slos", "v1/test_get_all_slos_returns_ok_response_with_pagination", "slo_id"),
    ("relations", "v2/test_get_a_list_of_entity_relations_returns_ok_response", "edge_id"),
    ("relations", "v2/test_get_a_list_of_entity_relations_returns_ok_response_with_pagination", "edge_id"),
    ("deployments", "v2/test_get_a_list_of_deployment_events_returns_ok_response", "deployment_id"),
    (
        "deployments",
        "v2/test_get_a_list_of_deployment_events_returns_deployments_with_datetime_timestamps",
        "deployment_id",
    ),
]
TABLE = {"search": "incidents", "slos": "slo_history", "relations": "service_edges"}


@pytest.mark.parametrize(("part", "name", "column"), CASSETTES, ids=[c[1][8:70] for c in CASSETTES])
def test_recorded_exchanges_lose_no_record(
    tmp_path: Path, shared_data: Path, part: str, name: str, column: str
) -> None:
    since, until = datetime(2024, 1, 3, tzinfo=UTC), datetime(2024, 1, 9, tzinfo=UTC)
    cassette = shared_data / "datadog-cassettes" / f"{name}.yaml"
    config = Config.model_validate({"incidents" if part == "search" else part: True})
    with replaying(cassette) as host:
        done, _ = fetch(host, tmp_path, config, since, until)
    assert done.failed == []
    found = Store(tmp_path).load(TABLE.get(part, part))[column]
    assert {value.removeprefix("datadog incident ") for value in found} == recorded(cassette, LISTS[part])


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("v2/test_list_an_incidents_impacts_returns_ok_response", "impacts"),
        ("v1/test_get_an_slos_history_returns_ok_response", "slo_history"),
    ],
)
def test_recorded_details_are_read(shared_data: Path, name: str, call: str) -> None:
    cassette = shared_data / "datadog-cassettes" / f"{name}.yaml"
    uri = next(
        one["request"]["uri"]
        for one in yaml.safe_load(cassette.read_text(encoding="utf-8"))["interactions"]
        if {"impacts": "/impacts", "slo_history": "/history"}[call] in one["request"]["uri"]
    )  # fmt: skip
    piece = urlsplit(uri).path.split("/")[-2]
    given: dict[str, Any] = {
        "impacts": {"incident_id": piece},
        "slo_history": {"slo_id": piece, "from_ts": 1704236088, "to_ts": 1704322488},
    }
    with replaying(cassette) as host:
        reply = Api(KEYS, host=host, patience=HASTY).call(call, **given[call])
    if call == "slo_history":
        into, month = Records(Services(), "slos"), pd.Timestamp("2024-01-01", tz="UTC")
        datadog_records.slo_month(into, {"id": piece, "name": "x"}, reply.data, month, month)
        (row,) = into.frames()["slo_history"].itertuples()
        assert pd.isna(row.value_percent)
        assert row.error == "The denominator is zero valued"
    else:
        assert reply.data == {"data": []}


TIMESERIES = "v2/test_timeseries_cross_product_query*_returns_ok_response.yaml"


def test_recorded_timeseries_are_read_whole(shared_data: Path) -> None:
    cassettes = sorted((shared_data / "datadog-cassettes").glob(TIMESERIES))
    assert len(cassettes) > 15
    points = 0
    for cassette in cassettes:
        (one,) = yaml.safe_load(cassette.read_text(encoding="utf-8"))["interactions"]
        request, answer = json.loads(one["request"]["body"]), json.loads(one["response"]["body"]["string"])
        with replaying(cassette) as host:
            reply = Api(KEYS, host=host, patience=HASTY).call("timeseries", body=request)
        interval = request["data"]["attributes"]["interval"] / 1000
        found = datadog.points(request, reply.data, where=cassette.name, interval_s=interval)
        about = answer["data"]["attributes"]
        assert len(found) == len(about["series"]), cassette.name
        for one_read, values in zip(found, about["values"], strict=True):
            assert [None if v != v else v for v in one_read.value] == values
            points += len(values)
    assert points > 10


READ_AS = {
    r"/api/v2/incidents(/search|/import|/[^/]+)?": "incidents",
    r"/api/v2/incidents/[^/]+/impacts": "impacts",
    r"/api/v2/events(/search)?": "events",
    r"/api/v1/monitor(/\d+)?": "monitors",
    r"/api/v1/slo": "slo_history",
    r"/api/v2/catalog/relation": "service_edges",
    r"/api/v2/dora/deployments": "deployments",
}
INTAKE = "event-management-intake.datadoghq.com"  # it takes events in, and tells of none


def test_no_recorded_reply_of_these_endpoints_loses_a_record(shared_data: Path) -> None:
    """Every cassette, not only those of listings: what was created, changed and imported is told in the same form."""
    read: dict[str, int] = {}
    for cassette in sorted((shared_data / "datadog-cassettes").glob("v*/*.yaml")):
        if not re.search("incident|event|monitor|slo|relation|deployment", cassette.name):
            continue
        text = cassette.read_text(encoding="utf-8")
        for one in yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))["interactions"]:
            uri, raw = urlsplit(one["request"]["uri"]), one["response"]["body"]["string"]
            table = next((t for path, t in READ_AS.items() if re.fullmatch(path, uri.path)), None)
            refused = one["response"]["status"]["code"] >= 300 or one["request"]["method"] == "DELETE"
            if table is None or refused or not raw or uri.hostname == INTAKE:
                continue
            reply = json.loads(raw)
            held = reply["data"] if isinstance(reply, dict) and "data" in reply else reply
            if isinstance(held, dict) and "incidents" in held.get("attributes", {}):
                held = held["attributes"]["incidents"]
            records = held if isinstance(held, list) else [held]
            found = rows_of(table, records)
            assert found == len({str(r.get("id") or r["data"]["id"]) for r in records}), (
                cassette.name,
                uri.path,
            )
            read[table] = read.get(table, 0) + found
    assert min(read[t] for t in READ_AS.values() if t != "impacts") >= 1, read
    assert read["incidents"] >= 30
    assert read["impacts"] == 2


def rows_of(table: str, records: list[Any]) -> int:
    """How many rows the readers make of records of one reply; problems other than empty moments are none of them."""
    if table in ("incidents", "impacts"):
        about = {"id": "x", "attributes": {"public_id": 1, "title": "t"}}
        given = records if table == "incidents" else [about]
        beside = {} if table == "incidents" else {"x": datadog_incidents.Beside(records, [])}
        out = datadog_incidents.collect(given, "f", beside)
        assert {row["kind"] for row in out.problems} <= {"missing"}
        if table == "impacts":
            (row,) = out.incidents
            return len(records) if row["started_at"] is not None else 0
        return len(trackers.frames(out).incidents)
    into, month = Records(Services(), table), pd.Timestamp("2024-01-01", tz="UTC")
    for record in records:
        if table == "slo_history":
            datadog_records.slo_month(into, record, {"data": {"overall": {"sli_value": 1.0}}}, month, month)
        else:
            reader = {
                "events": "event",
                "monitors": "monitor",
                "service_edges": "relation",
                "deployments": "deployment",
            }
            getattr(datadog_records, reader[table])(into, record)
    assert not into.problems, list(into.problems.values())
    return len(into.frames().get(table, ()))


# Hostile replies

texts = st.text(max_size=20) | st.sampled_from(
    ["2020-01-01T00:00:00Z", "\0", "9" * 400, "\ud800", "service:"]
)
numbers = st.integers() | st.floats() | st.sampled_from([0, 1e308, 10**30, -1])
leaves = st.none() | st.booleans() | numbers | texts
NAMES = ["id", "attributes", "fields", "value", "public_id", "title", "detected", "time_to_detect", "timestamp", "services",
         "field_analytics", "state", "spans", "start", "tags", "from", "to", "kind", "name", "type", "thresholds", "target",
         "overall", "sli_value", "errors", "service", "started_at", "data", "severity", "is_test"]  # fmt: skip
hostile = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=8),
    max_leaves=30,
)
records = st.fixed_dictionaries(
    {"id": st.text(max_size=5) | st.integers()}, optional=dict.fromkeys(NAMES[1:], hostile)
)
few = st.lists(hostile, max_size=3)
series = st.fixed_dictionaries({"series": few, "times": few, "values": few})
replies = hostile | st.fixed_dictionaries({"data": st.fixed_dictionaries({"attributes": series})})


@given(given=st.lists(hostile | records, max_size=5), more=st.lists(hostile, max_size=2))
def test_no_record_however_broken_stops_the_others(given: list[Any], more: list[Any]) -> None:
    into, month = Records(Services(), "all"), pd.Timestamp("2020-01-01", tz="UTC")
    good = {"id": "good", "attributes": {"public_id": "good", "title": "Good"}}
    for value in [*given, good]:
        datadog_records.event(into, value)
        datadog_records.monitor(into, value)
        datadog_records.slo_month(into, value, more[0] if more else None, month, month)
        datadog_records.relation(into, value)
        datadog_records.deployment(into, value)
    beside = {
        str(value.get("id")): datadog_incidents.Beside(more, more)
        for value in given
        if isinstance(value, dict)
    }
    incidents = datadog_incidents.collect([*given, good], "f", beside)
    read = trackers.frames(incidents)
    frames = {**into.frames(), "incidents": read.incidents, "incident_names": read.names,
              "timeline": schema.frame("timeline", incidents.timeline)}  # fmt: skip
    for table, rows in frames.items():
        schema.check(table, rows)
        content_hash(rows)
    assert "datadog:good" in set(frames["incidents"]["incident_id"])
    for value in given:
        if not isinstance(value, dict):
            assert len(frames["problems"])


@given(reply=replies)
def test_a_broken_timeseries_reply_is_an_error_that_says_so(reply: Any) -> None:
    query = {"data_source": "metrics", "name": "a", "query": "avg:m{*}"}
    about = {"interval": 60_000, "queries": [query], "formulas": [{"formula": "a"}]}
    try:
        found = datadog.points({"data": {"attributes": about}}, reply, where="query m", interval_s=60)
    except InputError:
        return
    assert all(len(p.at) == len(p.value) for p in found)


@pytest.mark.parametrize(
    "raw",
    [
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        b"{\x00}",
        b"[" * 100_000,
        b'{"a": 1e999',
        b"",
        b"NaN",
        b'"\xed\xa0\x80"',
    ],
)
def test_bytes_that_are_no_json_are_given_up_with_a_reason(raw: bytes) -> None:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            """Silent."""

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        api = Api(
            KEYS, host=f"http://127.0.0.1:{server.server_address[1]}", patience=Patience(tries=2, wait_s=0.01)
        )
        with pytest.raises(InputError, match="gave up after 2 attempts"):
            api.call("monitors", page_size=1, page=0)
    finally:
        server.shutdown()
        server.server_close()
