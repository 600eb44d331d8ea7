"""Every reader on good files that somebody broke: cut, spliced with noise, nested, with huge numbers, NULs, other encodings.

What may come out is a table with its problems, or an InputError with a remedy: never another exception, never a hang.
"""

from __future__ import annotations

import io
import json
import os
import signal
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resilience import workspace
from resilience.archive import Archive
from resilience.errors import InputError
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
from .test_corrections import STARTED, UNLINK
from .test_trackers import EXPORTS, JIRA

EXAMPLES = 500 if os.environ.get("RESILIENCE_ACCEPTANCE") else 15
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
TABLE = "id,start,end,severity\n1,2020-03-04T10:00:00Z,2020-03-04T11:00:00Z,high\n"
V1 = orjson.dumps(World().reply_v1("m0", 1_577_836_800, 1_577_880_000, "avg:m0{*} by {service}"))
ASKED = {"interval": 3_600_000, "queries": [{"data_source": "metrics", "name": "a", "query": "avg:m0{*}"}]}
REPLY = World().reply("m0", 1_577_836_800, 1_577_880_000, 3600)
V2 = orjson.dumps({"request": {"data": {"attributes": ASKED}}, "response": REPLY})
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
    "incidents as CSV": ("i.csv", TABLE.encode(), incident_csv.read),
    "manifest": ("manifest.jsonl", MANIFEST, lambda file: Archive(file.parent)),
    "jira": ("j.csv", JIRA.encode(), lambda file: trackers.read(file, "j.csv", "jira")),
    **{
        kind: ("f.json", orjson.dumps(EXPORTS[kind]), lambda file, kind=kind: trackers.read(file, "f.json", kind))
        for kind in EXPORTS
    },
}  # fmt: skip


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
