"""Service graphs from files: CSV, traces, manifests, Compose files; into the store and out of it again."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from resilience import pipeline, schema
from resilience.analysis import service_graph
from resilience.errors import InputError
from resilience.sources import graph
from resilience.store import Store


def pairs(found: graph.Graph) -> set[tuple[str, str]]:
    schema.check("service_edges", found.edges)
    return set(zip(found.edges["from_name"], found.edges["to_name"], strict=True))


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / "graph" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "header", ["caller,callee", "Source,Target,Weight", "from, to", "\ufeffcaller,callee,declared_in"]
)
def test_calls_as_csv(tmp_path: Path, header: str) -> None:
    more = ",1" * (header.count(",") - 1)
    path = written(
        tmp_path, "edges.csv", f"{header}\n" + "".join(f"{pair}{more}\n" for pair in ("a,b", "b,c", "a,b"))
    )
    assert pairs(graph.read(path, "edges.csv")) == {("a", "b"), ("b", "c")}


def test_an_incomplete_call_is_told(tmp_path: Path) -> None:
    found = graph.read(written(tmp_path, "e.csv", "caller,callee\na,b\n,c\n"), "e.csv")
    assert pairs(found) == {("a", "b")}
    assert found.problems[["kind", "line"]].to_numpy().tolist() == [["missing", 3]]


def test_services_as_csv(tmp_path: Path) -> None:
    text = "service,team,criticality,kind\na,shop,1,page\nb,,high,\na,other,2,\n,x,1,\n"
    found = graph.read(written(tmp_path, "services.csv", text), "services.csv")
    assert found.services["service"].tolist() == ["a", "b"]
    assert found.services["team"].fillna("-").tolist() == ["shop", "-"]
    assert found.services["kind"].fillna("-").tolist() == ["page", "-"]
    assert found.services["criticality"].fillna(0).tolist() == [1, 0]
    assert found.problems["line"].tolist() == [3, 4, 5]


def test_spans_as_csv(tmp_path: Path) -> None:
    text = (
        "TraceID,SpanID,ParentID,PodName\nt,1,root,front-579b9bff58-t2dbm\nt,2,1,cart-svc-579b9bff58-zzzzz\n"
        "t,3,2,cart-svc-579b9bff58-zzzzz\nu,4,1,lost-579b9bff58-aaaaa\n"
    )
    assert pairs(graph.read(written(tmp_path, "t.csv", text), "t.csv")) == {("front", "cart-svc")}


def test_traces_as_jaeger_saves_them(tmp_path: Path) -> None:
    span = {"spanID": "1", "processID": "p1", "references": []}
    child = {"spanID": "2", "processID": "p2", "references": [{"refType": "CHILD_OF", "spanID": "1"}]}
    trace = {"spans": [span, child], "processes": {"p1": {"serviceName": "a"}, "p2": {"serviceName": "b"}}}
    path = written(tmp_path, "t.json", json.dumps({"data": [trace]}))
    assert pairs(graph.read(path, "t.json")) == {("a", "b")}


def test_compose(tmp_path: Path) -> None:
    text = """
x-common: &common {restart: always}
services:
  web: {<<: *common, depends_on: [cart], environment: ["SEARCH=http://search:80/x", "MODE=fast"]}
  cart: {depends_on: {db: {condition: service_started}}, links: ["search:s"]}
  search: {environment: {DB: "postgres://u@db:5432/x", OTHER: 3}}
  db: {}
"""
    assert pairs(graph.read(written(tmp_path, "c.yml", text), "c.yml")) == {
        ("web", "cart"), ("web", "search"), ("cart", "db"), ("cart", "search"), ("search", "db"),
    }  # fmt: skip


def test_kubernetes(tmp_path: Path) -> None:
    text = """
apiVersion: v1
kind: Service
metadata: {name: cart}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    spec:
      containers:
        - env: [{name: CART, value: "cart.shop.svc:7070"}, {name: PORT, value: "80"}, {name: K, valueFrom: {}}]
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec: {jobTemplate: {spec: {template: {spec: {containers: [{env: [{name: A, value: web}]}]}}}}}
"""
    assert pairs(graph.read(written(tmp_path, "k.yaml", text), "k.yaml")) == {
        ("web", "cart"),
        ("nightly", "web"),
    }


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.csv", "x,y\n1,2\n", "is no service graph"),
        ("a.csv", "", "not a CSV"),
        ("a.csv", "caller,callee\n", "Nobody calls anybody"),
        ("a.json", "{}", "no traces as Jaeger"),
        ("a.json", "[1]", "no traces as Jaeger"),
        ("a.yml", "a: [", "not YAML"),
        ("a.yml", "[" * 200_000 + "]" * 200_000, "nesting deeper than 200"),
        ("a.yml", "title: x", "neither a Compose file nor"),
        ("a.csv", "TraceID,SpanID,ParentID\n1,2,3\n", "neither service nor pod"),
    ],
)
def test_what_is_no_graph_is_a_sentence(tmp_path: Path, name: str, text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        graph.read(written(tmp_path, name, text), name)


def test_relations_of_a_catalog_are_read_in_either_direction_and_owners_call_nobody() -> None:
    rows = [
        ("service", "cart", "RelationTypeDependsOn", "service", "stock"),
        ("service", "stock", "RelationTypeDependencyOf", "service", "cart"),
        ("service", "pay", "used by", "service", "cart"),
        ("service", "search", "depends_on", "datastore", "index"),
        ("service", "cart", "RelationTypePartOf", "service", "shop"),
        ("service", "cart", "RelationTypeOwnedBy", "team", "checkout"),
    ]
    edges = pd.DataFrame(rows, columns=["from_kind", "from_name", "relation", "to_kind", "to_name"])
    assert service_graph.callees(edges) == {"cart": {"pay", "stock"}}
    every = service_graph.calls(edges, services_only=False)
    assert every.to_numpy().tolist() == [["cart", "pay"], ["cart", "stock"], ["search", "index"]]
    assert service_graph.calls(edges.head(0)).empty


def test_ingest_replaces_what_a_file_no_longer_says(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    written(tmp_path, "edges.csv", "caller,callee\na,b\nb,c\n")
    written(tmp_path, "services.csv", "service,team,criticality\na,x,1\n")
    written(tmp_path, "bad.yml", "a: [")
    first = pipeline.ingest(store, [tmp_path / "graph"], base=tmp_path)
    assert first.files["graph"] == 3
    assert first.refused["source_uri"].tolist() == ["graph/bad.yml"]
    assert service_graph.callees(store.load("service_edges")) == {"a": {"b"}, "b": {"c"}}
    assert store.load("services")["team"].tolist() == ["x"]
    again = pipeline.ingest(store, [tmp_path / "graph"], base=tmp_path)
    assert not again.commits
    written(tmp_path, "edges.csv", "caller,callee\na,c\n")
    pipeline.ingest(store, [tmp_path / "graph"], base=tmp_path)
    assert service_graph.callees(store.load("service_edges")) == {"a": {"c"}}


@pytest.mark.parametrize(
    ("file", "count", "some"),
    [
        ("online_boutique_kubernetes-manifests.yaml", 16, ("checkoutservice", "paymentservice")),
        ("dsb_hotelReservation_docker-compose.yml", 22, ("profile", "mongodb-profile")),
        ("dsb_socialNetwork_docker-compose.yml", 19, ("social-graph-service", "social-graph-mongodb")),
        ("nezha_rca_data_2022-08-22_trace_04_20_trace.csv", 13, ("checkoutservice", "paymentservice")),
        ("nezha_rca_data_2023-01-29_trace_08_43_trace.csv", 49, ("ts-basic-service", "ts-price-service")),
    ],
)
def test_real_files(shared_data: Path, file: str, count: int, some: tuple[str, str]) -> None:
    found = pairs(graph.read(shared_data / "service-graphs" / file, file))
    assert len(found) == count
    assert some in found
