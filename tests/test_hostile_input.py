"""Every reader on good files that somebody broke: cut, spliced with noise, nested, with huge numbers, NULs, other encodings.

What may come out is a table with its problems, or an InputError with a remedy: never another exception, never a hang.
"""

from __future__ import annotations

import io
import json
import signal
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resilience import clean, sync_forecast, workspace
from resilience.archive import Archive
from resilience.errors import InputError
from resilience.report import provenance
from resilience.sources import (
    calendar,
    chaos_journal,
    corpus,
    corrections_file,
    datadog,
    datadog_config,
    deployments,
    gameday_docs,
    gamedays,
    graph,
    incident_csv,
    labels,
    reports,
    series,
    slack_export,
    trackers,
)

from .datadog_server import World
from .sizes import FULL
from .test_corrections import STARTED, UNLINK
from .test_trackers import EXPORTS, JIRA

EXAMPLES = 500 if FULL else 15
SECONDS = 20  # for one file of some kilobytes: beyond it a reader hangs

REPORT = """---
title: Checkout down
services: [cart, search]
---
# Checkout down

**Severity:** SEV-1
**Started:** 2020-03-04 10:00 UTC

| Time (UTC) | Event |
|---|---|
| 10:00 | deploy of cart 4.1 |
| 10:07 | alert: error rate over 5 % |
| 11:50 | rolled back, resolved |

## Root Cause
A full disk; the retry storm took 1h 50m. See [the ticket](https://example.org/IR-7).

## Action Items
- [ ] add a limit (ana, 2020-04-01)
"""
PAGE = "<html><body><h1>Down</h1><table><tr><th>Start</th><td>2020-03-04T10:00Z</td></tr></table><p>Text</p></body></html>"
MAPPING = "layout: wide\ntime: {column: t, zone: UTC}\ninterval: 60\nmetrics: [{column: v, metric: m, rollup: avg}]\n"
POINTS = "t,v\n2020-01-01 00:00:00,1\n2020-01-01 00:01:00,2.5\n2020-01-01 00:02:00,\n"
CONFIG = """zone: Europe/Berlin
since: 2019-06-01
queries:
  - {name: hits, expression: 'sum:hits{*} by {service}.as_count()', interval: 1h}
services: {tags: [service], names: {a: b}}
incidents: true
"""
LABELS = (
    "incident_id,failure_class,second_class,labelled_by,labelled_at,taxonomy_version\n"
    "INC-1,config,deploy,ana,2020-03-04T10:00:00Z,1\nINC-2,capacity,,ana,2020-03-05T10:00:00Z,1\n"
)
DEPLOYED = (
    "deployment_id,service,started_at,version\n1,cart,2020-03-04T10:00:00Z,4.1\n2,search,1583316000,2\n"
)
CALLS = "caller,callee\ncart,search\nsearch,db\n"
CALLED = [{"spanID": "1", "processID": "p1", "references": []},
          {"spanID": "2", "processID": "p2", "references": [{"refType": "CHILD_OF", "spanID": "1"}]}]  # fmt: skip
SPANS = {"data": [{"spans": CALLED, "processes": {"p1": {"serviceName": "a"}, "p2": {"serviceName": "b"}}}]}
COMPOSE = "services:\n  web: {image: a, depends_on: [db]}\n  db: {image: b}\n"
PODS = """kind: Service
metadata: {name: search}
---
kind: Deployment
metadata: {name: cart}
spec: {template: {spec: {containers: [{name: cart, env: [{name: SEARCH, value: 'http://search:80'}]}]}}}
"""
TABLE = "id,start,end,severity\n1,2020-03-04T10:00:00Z,2020-03-04T11:00:00Z,high\n"
V1 = orjson.dumps(World().reply_v1("m0", 1_577_836_800, 1_577_880_000, "avg:m0{*} by {service}"))
ASKED = {"interval": 3_600_000, "queries": [{"data_source": "metrics", "name": "a", "query": "avg:m0{*}"}]}
REPLY = World().reply("m0", 1_577_836_800, 1_577_880_000, 3600)
V2 = orjson.dumps({"request": {"data": {"attributes": ASKED}}, "response": REPLY})
LONG_MAPPING = """layout: long
time: {column: ts, format: unix_ms}
metric_column: name
value_column: value
scope: {host: host}
interval: 60
rollup: avg
metrics: [{name: cpu, metric: cpu}, {name: mem, metric: mem}]
"""
LONG = "ts,name,value,host\n1577836800000,cpu,0.5,a\n1577836860000,cpu,0.75,a\n1577836800000,mem,12,b\n"
MADE = b'{"versions": {"series": 3}, "inputs": "00", "outputs": {"report.html": "00"}}'
MANIFEST = b'{"kind":"slos","sha256":"00","request":{"a":1}}\n'
ACTED = {
    "activity": {"type": "action", "name": "kill"},
    "status": "succeeded",
    "start": "2020-03-04T10:00:00Z",
}
JOURNAL = {"experiment": {"title": "T", "tags": ["resilience", "config"], "steady-state-hypothesis": {"probes": [
    {"name": "p", "provider": {"arguments": ["resilience", "probe", "m", "s:a", "--high", "1"]}}]}}, "status": "failed",
    "run": [ACTED], "rollbacks": [ACTED],
    "steady_states": {"after": {"steady_state_met": False, "probes": [ACTED]}}}  # fmt: skip
TALK = [{"user": "U1", "ts": "1583316000.0001", "text": "<@U1> :a: production :b: isolated", "reactions": [
    {"name": "a", "users": ["U1", "U2"], "count": 2}]}]  # fmt: skip

CALENDAR = """freezes:
  - {title: Christmas, from: 2020-12-21, to: 2021-01-03, services: [cart, search]}
sales:
  - {title: Black Friday, from: 2020-11-27T00:00:00+01:00, to: 2020-11-28}
holidays:
  - {title: New Year, on: 2021-01-01}
support:
  - {title: office, days: [mon, Tuesday], from: 08:00, to: "18:00"}
"""

PIECES = st.binary(max_size=40) | st.sampled_from(
    [b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"[" * 3000, b"{\"a\":" * 3000, b"9" * 400, b"1e999", b"-1e308",
     b"NaN", b"null", b"true", b"[]", b"{}", b'""', b"\"", b"'", b"---\n", b"&a [*a]", b"!!python/object:os.system", b",,,,",
     b"\r", b"\r\n\r\n", b"\xe2\x80\xae", b"0000-00-00T99:99:99Z", b"2020-02-30", b"9999-12-31T23:59:59-23:59", b"|" * 500,
     b"`" * 500, b"*" * 500, b"<" * 500, b"#" * 500, b" " * 2000, b"![" * 300,
     b"1" * 30 + b" minutes", b"\\u0000", b"\\ud800"]
)  # fmt: skip


@st.composite
def broken(draw: st.DrawFn, whole: bytes) -> bytes:
    """`whole` with one to four spans of it, empty ones included, replaced; sometimes in another encoding or cut off."""
    raw = whole
    for _ in range(draw(st.integers(1, 4))):
        first = draw(st.integers(0, len(raw)))
        last = min(len(raw), first + draw(st.sampled_from([0, 0, 1, 5, 30])))
        raw = raw[:first] + draw(PIECES) + raw[last:]
    how = draw(st.sampled_from(["", "", "", "utf-16", "bom", "cut", "twice"]))
    if how == "utf-16":
        return raw.decode("utf-8", "replace").encode("utf-16", "replace")
    return {"": raw, "bom": b"\xef\xbb\xbf" + raw, "cut": raw[: len(raw) // 2], "twice": raw + raw}[how]


HOSTILE: list[Any] = [
    None, True, 0, -1, 0.5, 10**18, -(10**18), 1e308, "", " ", "x" * 5000, "\0", "\u202e", "9" * 400, "-1", "1e999", "NaN",
    "0000-00-00T99:99:99Z", "9999-12-31T23:59:59-23:59", "2020-02-30", "2020-01-01", "2020-01-01T00:00:00", [], {}, [[]],
    [None], [{}], {"": None}, {"name": {"name": []}}, [1, "a", None, {}], {"a": [{"b": []}] * 50}, ["x"] * 3000,
]  # fmt: skip
DEEP: Any = []
for _ in range(150):
    DEEP = [DEEP, {"a": 1}]


def places(node: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths of every node of a document, keys and indices."""
    yield at
    for key, inner in (
        node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    ):
        yield from places(inner, (*at, key))


@st.composite
def mistaken(draw: st.DrawFn, whole: bytes, text: bool) -> bytes:
    """A document, well-formed, in which one to three values are of another type, gone, doubled or beyond all measure."""
    doc = json.loads(json.dumps(list(yaml.safe_load_all(whole))[-1], default=str) if text else whole)
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(list(places(doc))))
        if not path:
            doc = deepcopy(draw(st.sampled_from([*HOSTILE, DEEP, [doc, doc], {"data": doc}])))
            continue
        holder = doc
        for key in path[:-1]:
            holder = holder[key]
        how = draw(st.sampled_from(["put", "put", "put", "drop", "double", "rename"]))
        if how == "put":
            holder[path[-1]] = deepcopy(draw(st.sampled_from([*HOSTILE, DEEP])))
        elif how == "drop":
            del holder[path[-1]]
        elif isinstance(holder, list):
            holder.append(holder[path[-1]])
        else:
            holder[draw(st.sampled_from(["brand_new", "id", "", "\0"]))] = holder[path[-1]]
    doc = json.loads(
        json.dumps(doc)
    )  # what was doubled is not the same node, which YAML would write as an alias
    return yaml.safe_dump(doc, allow_unicode=True).encode() if text else json.dumps(doc).encode()


@contextmanager
def within(seconds: int) -> Iterator[None]:
    def late(*_: Any) -> None:
        pytest.fail(f"a reader was not done after {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def beside(name: str, text: str) -> Callable[[Path], None]:
    return lambda file: (file.parent / name).write_text(text, encoding="utf-8") and None


def of_long_series(file: Path) -> Any:
    beside("f.mapping.yml", LONG_MAPPING)(file)
    return series.read(file)


def of_page(file: Path) -> Any:
    found = provenance.read(file.parent)
    return found and provenance.altered(file.parent, found)


def of_mapping(file: Path) -> Any:
    (file.parent / "f.csv").write_text(POINTS, encoding="utf-8")
    return series.read(file.parent / "f.csv", file)


def of_series(file: Path) -> Any:
    beside("f.mapping.yml", MAPPING)(file)
    return series.read(file)


def of_corpus(file: Path) -> Any:
    (folder := file.parent / "reports").mkdir(exist_ok=True)
    (folder / "INC-1.md").write_text(REPORT, encoding="utf-8")
    return corpus.read(folder, file)


def packed(name: str, whole: bytes) -> bytes:
    with zipfile.ZipFile(file := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr(name, whole)
    return file.getvalue()


READERS: dict[str, tuple[str, bytes, Callable[[Path], Any]]] = {
    "report": ("2020-03-04-down.md", REPORT.encode(), reports.read),
    "report as HTML": ("down.html", PAGE.encode(), reports.read),
    "series": ("f.csv", POINTS.encode(), of_series),
    "mapping": ("f.mapping.yml", MAPPING.encode(), of_mapping),
    "saved v1": ("f.json", V1, datadog.read_saved),
    "saved v2": ("f.json", V2, datadog.read_saved),
    "gameday": ("gameday.yml", gameday_docs.example().encode(), gamedays.read),
    "journal": ("j.json", orjson.dumps(JOURNAL), lambda file: chaos_journal.read(file, "j.json", times_in="UTC")),
    "channel": ("2020-03-04.json", orjson.dumps(TALK), lambda file: slack_export.read(file.parent)),
    "packed channel": ("x.zip", packed("general/2020-03-04.json", orjson.dumps(TALK)), slack_export.read),
    "labels": ("root_cause.csv", LABELS.encode(), labels.read),
    "corpus": ("labels.csv", b"file,cause\nINC-1.md,config\n", of_corpus),
    "corrections": ("c.yml", (STARTED + UNLINK).encode(), lambda file: corrections_file.read(file, "c.yml")),
    "datadog.yml": ("datadog.yml", CONFIG.encode(), datadog_config.read),
    "resilience.yml": ("resilience.yml", b"title: T\nzone: UTC\n", lambda file: workspace.find(file.parent)),
    "calendar": ("calendar.yml", CALENDAR.encode(), lambda file: calendar.read(file, "c.yml", "Europe/Berlin")),
    "deployments": ("deployments.csv", DEPLOYED.encode(), lambda file: deployments.read(file, "d.csv")),
    "calls": ("g.csv", CALLS.encode(), lambda file: graph.read(file, "g.csv")),
    "traces": ("g.json", json.dumps(SPANS).encode(), lambda file: graph.read(file, "g.json")),
    "compose": ("g.yml", COMPOSE.encode(), lambda file: graph.read(file, "g.yml")),
    "pods": ("k.yml", PODS.encode(), lambda file: graph.read(file, "k.yml")),
    "incidents as CSV": ("i.csv", TABLE.encode(), incident_csv.read),
    "long series": ("f.csv", LONG.encode(), of_long_series),
    "provenance": ("provenance.json", b'{"versions": {"series": 3}}', lambda file: clean.named_versions([file.parent])),
    "provenance of a page": ("provenance.json", MADE, of_page),
    "limits": ("limits.json", b'{"slos": {"name": "", "calls": 9, "period_s": 9}}', sync_forecast.remembered),
    "manifest": ("manifest.jsonl", MANIFEST, lambda file: Archive(file.parent)),
    "jira": ("j.csv", JIRA.encode(), lambda file: trackers.read(file, "j.csv", "jira")),
    **{
        kind: ("f.json", orjson.dumps(EXPORTS[kind]), lambda file, kind=kind: trackers.read(file, "f.json", kind))
        for kind in EXPORTS
    },
}  # fmt: skip


DOCUMENTS = [name for name, (file, _, _) in READERS.items() if file.endswith((".yml", ".json"))]


@pytest.mark.parametrize("name", DOCUMENTS)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(pick=st.data())
def test_a_well_formed_file_of_wrong_values_is_a_table_with_problems_or_a_clear_error(
    tmp_path: Path, name: str, pick: Any
) -> None:
    file, whole, read = READERS[name]
    (tmp_path / file).write_bytes(pick.draw(mistaken(whole, file.endswith(".yml"))))
    with within(SECONDS), suppress(InputError):
        read(tmp_path / file)


@pytest.mark.parametrize("name", READERS)
def test_the_good_file_is_read(tmp_path: Path, name: str) -> None:
    file, whole, read = READERS[name]
    (tmp_path / file).write_bytes(whole)
    read(tmp_path / file)


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(pick=st.data())
def test_a_broken_file_is_a_table_with_problems_or_a_clear_error(
    tmp_path: Path, name: str, pick: Any
) -> None:
    file, whole, read = READERS[name]
    (tmp_path / file).write_bytes(pick.draw(broken(whole)))
    with within(SECONDS), suppress(InputError):
        read(tmp_path / file)


def test_a_small_table_is_never_read_one_column_off(tmp_path: Path) -> None:
    (path := tmp_path / "root_cause.csv").write_text(LABELS.replace("Z,1\n", "Z,1,more\n"), encoding="utf-8")
    with pytest.raises(InputError, match="more cells than the header"):
        labels.read(path)


def test_aliases_that_multiply_are_not_followed(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x]", *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30))]
    inner = "{links: *a29, environment: *a29, depends_on: *a29}"
    (path := tmp_path / "g.yml").write_text(
        "\n".join([*lines, f"services: {{web: {inner}, x: {{}}}}"]), encoding="utf-8"
    )
    with within(SECONDS), pytest.raises(InputError, match="Nobody calls anybody"):
        graph.read(path, "g.yml")
