"""Who calls whom, from files in a folder named `graph`: CSV, traces, Kubernetes manifests and Compose files.

One file is one declaration: what it no longer says is gone when it is read again. Documented in docs/service-graph.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from .. import schema
from ..errors import InputError
from . import text_csv, yaml_text
from .problems import problem
from .tracked import objects, under

MAX_BYTES = 50_000_000
FOLDER = "graph"
_DEEPEST = 200  # levels of YAML: schemas within manifests go deep
SUFFIXES = (".csv", ".json", ".yml", ".yaml")
CALLERS = ("caller", "source", "from", "consumer")
CALLEES = ("callee", "target", "to", "provider")
SERVICE_COLUMNS = ("team", "criticality", "kind")
_SPANS = {"TraceID", "SpanID", "ParentID"}
_POD = r"^(?P<service>.+?)-[a-z0-9]{6,10}-[a-z0-9]{5}$"  # deployment, replica set, pod


@dataclass(frozen=True)
class Graph:
    """Rows of `service_edges`, `services` and `problems` of one file."""

    edges: pd.DataFrame
    services: pd.DataFrame
    problems: pd.DataFrame


def read(path: Path, uri: str) -> Graph:
    """The graph of one file; `uri` names it in the store.

    A CSV with a column caller (or source, from) and callee (target, to); a CSV of services with team, criticality or kind;
    a CSV of spans (TraceID, SpanID, ParentID, PodName or Service); Jaeger's JSON; Kubernetes manifests; a Compose file;
    entities of a Backstage catalog.
    Raises InputError where it is none of these, cannot be parsed, or is over 50 MB.
    """
    if path.stat().st_size > MAX_BYTES:
        raise InputError("The file is over 50 MB.", where=uri, remedy="Save fewer traces, or split the file.")
    if path.suffix == ".csv":
        return _csv(path, uri)
    if path.suffix == ".json":
        return _graph(uri, "trace", _jaeger(path, uri))
    return _yaml(path, uri)


def _csv(path: Path, uri: str) -> Graph:
    rows = text_csv.read(path, uri, "Export it again.", skipinitialspace=True)
    if set(rows.columns) >= _SPANS:
        return _graph(uri, "trace", _spans(rows, uri))
    rows.columns = [str(name).strip().lower() for name in rows.columns]
    caller = next((name for name in CALLERS if name in rows), None)
    callee = next((name for name in CALLEES if name in rows), None)
    if caller and callee:
        pairs = [(a.strip(), b.strip()) for a, b in zip(rows[caller], rows[callee], strict=True)]
        bad = [i for i, (a, b) in enumerate(pairs) if not a or not b]
        found = _graph(uri, "csv", (pair for pair in pairs if all(pair)))
        why = "A call lacks its caller or callee.", "Name both, or remove the line."
        odd = [problem(uri, "missing", *why, line=i + 2, field=caller) for i in bad]
        return Graph(found.edges, found.services, schema.frame("problems", odd))
    if "service" in rows and any(name in rows for name in SERVICE_COLUMNS):
        return _services(rows, uri)
    raise InputError(
        f"This CSV is no service graph: its columns are {', '.join(rows.columns[:8])}.",
        where=uri,
        line=1,
        remedy="Give caller and callee; or service with team, criticality or kind; or spans (TraceID, SpanID, ParentID).",
    )


def _services(rows: pd.DataFrame, uri: str) -> Graph:
    odd, kept = [], {}
    for i, row in enumerate(rows.to_dict("records")):
        name = row["service"].strip()
        if not name or name in kept:
            why = "lacks a name" if not name else f"{name} stands twice; the first is kept"
            odd.append(
                problem(
                    uri, "contradiction", f"A service {why}.", "Name each once.", line=i + 2, field="service"
                )
            )
            continue
        level = row.get("criticality", "").strip()
        if level and not (level.isascii() and level.isdigit() and 0 < int(level) < 100):
            odd.append(
                problem(
                    uri, "unreadable", f"'{level[:40]}' is no criticality.", "Give a number: 1 is most critical.",
                    line=i + 2, field="criticality",
                )
            )  # fmt: skip
            level = ""
        kept[name] = {
            "service": name,
            "team": row.get("team", "").strip() or None,
            "criticality": int(level) if level else None,
            "kind": row.get("kind", "").strip() or None,
            "source": uri,
        }
    return Graph(
        schema.frame("service_edges"), schema.frame("services", kept.values()), schema.frame("problems", odd)
    )


def _spans(rows: pd.DataFrame, uri: str) -> Iterator[tuple[str, str]]:
    column = next((name for name in ("Service", "ServiceName", "PodName") if name in rows), None)
    if column is None:
        raise InputError(
            "The spans name neither service nor pod.",
            where=uri,
            line=1,
            remedy="Export a column Service or PodName.",
        )
    service = rows[column].str.extract(_POD)["service"].fillna(rows[column])
    place = pd.Series(service.to_numpy(), index=rows["TraceID"] + "/" + rows["SpanID"])
    place = place[~place.index.duplicated()]
    parent = (rows["TraceID"] + "/" + rows["ParentID"]).map(place)
    known = parent.notna() & (parent != service)
    yield from sorted(set(zip(parent[known], service[known], strict=True)))


def _jaeger(path: Path, uri: str) -> Iterator[tuple[str, str]]:
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        traces = body["data"] if isinstance(body, dict) else body
        found = set()
        for trace in traces:
            names = {key: value["serviceName"] for key, value in trace["processes"].items()}
            of = {span["spanID"]: names[span["processID"]] for span in trace["spans"]}
            for span in trace["spans"]:
                for reference in span.get("references", []):
                    caller, callee = of.get(reference["spanID"]), of[span["spanID"]]
                    if caller and caller != callee:
                        found.add((caller, callee))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InputError(
            "This JSON holds no traces as Jaeger saves them.",
            where=uri,
            remedy="Save them from its API or page.",
        ) from None
    yield from sorted(pair for pair in found if all(isinstance(name, str) and name.strip() for name in pair))


def _yaml(path: Path, uri: str) -> Graph:
    try:
        text = path.read_text("utf-8")
        for _ in yaml_text.shallow(text, uri, _DEEPEST):
            pass
        loaded = [d for d in yaml.load_all(text, Loader=yaml.CSafeLoader) if isinstance(d, dict)]
        documents = [
            one for d in loaded for one in (objects(d.get("items")) if d.get("kind") == "List" else [d])
        ]
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        raise InputError(
            "The file is not YAML.",
            where=uri,
            line=None if line is None else line + 1,
            remedy="Correct it there.",
        ) from None
    if len(documents) == 1 and isinstance(documents[0].get("services"), dict):
        return _graph(uri, "compose", _compose(documents[0]["services"]))
    manifests = [d for d in documents if "kind" in d and isinstance(d.get("metadata"), dict)]
    catalog = [d for d in manifests if str(d.get("apiVersion")).startswith("backstage.io/")]
    if catalog:
        found = _graph(uri, "catalog", _catalog(catalog))
        return Graph(found.edges, _owners(catalog, uri), found.problems)
    if manifests:
        return _graph(uri, "kubernetes", _kubernetes(manifests))
    raise InputError(
        "This YAML is neither a Compose file nor Kubernetes manifests nor a Backstage catalog.",
        where=uri,
        remedy="Put gameday.yml and settings elsewhere; a folder named graph holds who calls whom.",
    )


def _compose(services: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """`depends_on`, `links`, and environment values that name another service as a host."""
    for name, spec in services.items():
        if not isinstance(spec, dict):
            continue
        links = [link.split(":")[0] for link in _texts(spec.get("links"))]
        given = spec.get("environment")
        values = given.values() if isinstance(given, dict) else [v.partition("=")[2] for v in _texts(given)]
        hosts = (host for value in values for host in _hosts(value))
        for other in dict.fromkeys([*_texts(spec.get("depends_on")), *links, *hosts]):
            if other in services and other != name:
                yield str(name), other


def _catalog(entities: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Backstage: `dependsOn` of components and resources, and the APIs that a component consumes and another provides."""
    made = [(_entity(one["metadata"].get("name")), under(one, "spec") or {}) for one in entities]
    provider = {api: name for name, spec in made for api in map(_entity, _texts(spec.get("providesApis")))}
    for name, spec in made:
        others = [_entity(other) for other in _texts(spec.get("dependsOn"))]
        apis = [provider.get(api, api) for api in map(_entity, _texts(spec.get("consumesApis")))]
        for other in dict.fromkeys([*others, *apis]):
            if name and other and other != name:
                yield name, other


def _owners(entities: Sequence[Mapping[str, Any]], uri: str) -> pd.DataFrame:
    rows: dict[str, dict[str, Any]] = {}
    for one in entities:
        name, owner = _entity(one["metadata"].get("name")), under(one, "spec", "owner")
        if one["kind"] == "Component" and name and isinstance(owner, str):
            rows.setdefault(name, {"service": name, "team": _entity(owner), "source": uri})
    return schema.frame("services", rows.values())


def _entity(reference: object) -> str:
    """The name in 'component:default/cart', 'resource:db' or 'cart'."""
    return str(reference).rpartition(":")[2].rpartition("/")[2].strip()


def _kubernetes(manifests: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Environment values of a workload's containers that name a Service, or another workload, as a host."""
    known, workloads = set(), []
    for manifest in manifests:
        name = str(manifest["metadata"].get("name"))
        if manifest["kind"] in ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Rollout"):
            workloads.append((name, manifest))
            known.add(name)
        elif manifest["kind"] == "Service":
            known.add(name)
    for name, manifest in workloads:
        spec = under(manifest, "spec")
        spec = under(spec, "jobTemplate", "spec") or spec
        containers = objects(under(spec, "template", "spec", "containers"))
        values = [one.get("value") for container in containers for one in objects(container.get("env"))]
        for other in dict.fromkeys(host for value in values for host in _hosts(value)):
            if other in known and other != name:
                yield name, other


def _texts(value: object) -> list[str]:
    """The texts in a list, or the keys of an object; none where it is neither."""
    return [one for one in value if isinstance(one, str)] if isinstance(value, (list, dict)) else []


def _hosts(value: object) -> Iterator[str]:
    """Host names in 'search:8080', 'http://search.shop.svc:80/x,http://cart'; a bare word is one too."""
    for part in (value if isinstance(value, str) else "").replace(";", ",").split(","):
        rest = part.strip().rpartition("//")[2].rpartition("@")[2]
        host = rest.partition("/")[0].partition(":")[0].partition(".")[0]
        if host:
            yield host


def _graph(uri: str, kind: str, pairs: Iterable[tuple[str, str]]) -> Graph:
    rows = [
        {
            "edge_id": f"{uri}:{caller}>{callee}", "from_kind": "service", "from_name": caller, "relation": "calls",
            "to_kind": "service", "to_name": callee, "origin": kind, "source": uri,
        }
        for caller, callee in dict.fromkeys(pairs)
    ]  # fmt: skip
    if not rows:
        raise InputError(
            "Nobody calls anybody in this file.",
            where=uri,
            remedy="Give a file that holds calls between services.",
        )
    return Graph(schema.frame("service_edges", rows), schema.frame("services"), schema.frame("problems"))
