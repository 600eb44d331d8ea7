"""Reports in many house styles, written here from a grammar and read back; HTML; dates and their origins."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resilience.sources import report_clocks, reports

from .test_reports import read_one, told

MOMENTS = ("started", "detected", "mitigated", "resolved")


def at(text: str) -> pd.Timestamp:
    return pd.Timestamp(text, tz="UTC")


def moments(read: reports.Reports) -> dict[str, str]:
    row = read.incidents.iloc[0]
    return {m: f"{row[f'{m}_at']:%m-%d %H:%M}" for m in MOMENTS if pd.notna(row[f"{m}_at"])}


WANTED = {
    "started": "03-04 22:50",
    "detected": "03-04 23:05",
    "mitigated": "03-05 00:20",
    "resolved": "03-05 01:00",
}

HOUSES = {
    "SRE book": """# Search outage (incident #465)

**Date:** 2021-03-04

**Status:** Complete

## Timeline

2021-03-04 (*all times UTC*)

* 22:50 **OUTAGE BEGINS** - Backends start melting down
* 23:05 Alert fired
* 00:20 OUTAGE MITIGATED, updated all traffic
* 01:00 INCIDENT ENDS, reached exit criterion
""",
    "fields with bare clocks": """# T

| Field | Value (UTC) |
|---|---|
| Date | 4 March 2021 |
| Impact started | 22:50 |
| Detection time | 23:05 |
| Repaired | 00:20 |
| Closed | 01:00 |
""",
    "columns of moments": """# T

| Start Time (UTC) | Detection Time (UTC) | Mitigation Time (UTC) | Resolution Time (UTC) | TTD | TTM | TTR |
|---|---|---|---|---|---|---|
| 2021-03-04 22:50 | 2021-03-04 23:05 | 2021-03-05 00:20 | 2021-03-05 01:00 | 0:15 | 1h 30m | 130 minutes |
""",
    "headings that are times": """# T on March 4, 2021

## TIMELINE (UTC)

### 22:50 - Outage began

Queries failed.

### 23:05 - Alert fired

### 00:20 - Issue mitigated

### 01:00 - Incident resolved
""",
    "time in the second column": """# T

## Chronology of 04.03.2021

| Event | Time (UTC) |
|---|---|
| Outage began | 22:50 |
| Users reported errors | 23:05 |
| Impact ended | 00:20 |
| Service fully restored | 01:00 |
""",
    "bold headings and labels": """# T

**Timeline (UTC)**

- March 4, 2021 22:50 [Started] bad config out
- 23:05 Detected: page
- 00:20 Mitigated - traffic moved
- 01:00 Resolved | all well
""",
    "twelve hours": """# T

## Timeline 2021/03/04, all times UTC

- 10:50 PM: Outage began
- 11:05pm: Alert fired
- 12:20 AM: Issue mitigated
- 1am: Incident resolved
""",
    "day rows": """# T

## Timeline

| Date | Time (UTC) | Event |
|---|---|---|
| 2021-03-04 | 22:50 | Outage began |
| | 23:05 | Alert fired |
| 2021-03-05 | 00:20 | Issue mitigated |
| | 01:00 | Incident resolved |
""",
    "no year in the lines": """---
title: T
date: 2021-03-09
---
## Timeline (UTC)

Mar 4, 22:50 - Outage began
Mar 4, 23:05 - Alert fired
Mar 5, 00:20 - Issue mitigated
Mar 5, 01:00 - Incident resolved
""",
    "day after the clock": """# T

## Sequence of events

22:50 UTC on 4 March 2021 – Outage began

23:05 UTC, March 4, 2021 – Automated alerts fired

00:20 UTC on 5 Mar 2021 – Rolled back. Impact ended

01:00 UTC – Full recovery
""",
    "who and what": """# T

_All times are UTC_

| Timestamp | Who | What |
|---|---|---|
| 04.03.2021 22:50 | platform | Outage began |
| 23:05 | on-call | Alert fired |
| 00:20 | ops | Issue mitigated by a rollback |
| 01:00 | ops | Incident closed |
""",
    "newest first": """# T

## Incident timeline

- 2021-03-05 01:00 UTC Resolved - all well
- 2021-03-05 00:20 UTC Mitigated - moved
- 2021-03-04 23:05 UTC Detected - page
- 2021-03-04 22:50 UTC Outage began
""",
}


@pytest.mark.parametrize("text", HOUSES.values(), ids=HOUSES.keys())
def test_houses_tell_the_same_times(tmp_path: Path, text: str) -> None:
    read = read_one(tmp_path, text)
    assert moments(read) == WANTED
    assert not (read.problems["kind"] == "contradiction").any()


PAGE = """<!DOCTYPE html><html><head><title>Search &amp; cart down</title><style>h2 {color: red}</style>
<script>document.write("<h2>Timeline</h2>")</script></head><body>
<h1>Search &amp; cart down</h1>
<p><b>Severity:</b> SEV1<br>
<strong>Detected by:</strong> customers</p>
<table><tr><th>Field</th><th>Value</th></tr>
<tr><td>Started</td><td>2021-03-04 22:50 UTC</td></tr></table>
<h3>Timeline (UTC) of 2021-03-04</h3>
<ul><li><b>23:05</b> &ndash; Alert fired
<li>00:20 Issue
   mitigated</ul>
<h2>Root causes</h2><p>A <em>bad</em> deploy.</p>
<h2>Action items</h2><ol><li>Fix it (owner: ann)</li></ol></body></html>
"""


@pytest.mark.parametrize("suffix", [".html", ".HTM"])
def test_html_is_read_like_markdown(tmp_path: Path, suffix: str) -> None:
    read = read_one(tmp_path, PAGE, f"x{suffix}")
    row = read.incidents.iloc[0]
    assert (row["title"], row["severity"], row["detected_by"]) == ("Search & cart down", "SEV1", "customer")
    assert moments(read) == {k: v for k, v in WANTED.items() if k != "resolved"}
    assert read.timeline[["text", "date_from", "line"]].to_numpy().tolist() == [
        ["Alert fired", "heading", 9],
        ["Issue mitigated", "heading", 10],
    ]
    assert read.timeline["date_note"].tolist()[1] == "after midnight, as 23:05 stands above"
    assert read.incident_factors[["kind", "text", "line"]].to_numpy().tolist() == [
        ["root cause", "A bad deploy.", 12]
    ]
    assert read.actions[["text", "owner"]].to_numpy().tolist() == [["Fix it", "ann"]]


HOSTILE_HTML = {
    "open comments": "<!--" * 90_000,
    "open sections": "<![CDATA[" * 90_000,
    "open tags": "<a " * 90_000,
    "open quotes": '<a href="' * 90_000,
    "attributes": "<a " + "x='1' " * 300_000,
    "deep": "<div>" * 90_000,
    "deep tables": "<table><tr><td>" * 30_000,
    "deep lists": "<ul><li>a" * 45_000,
    "headings": "<h1>x" * 45_000,
    "open script": "<script>" + "</scrip" * 90_000,
    "entities": "&#" * 900_000,
    "long": "x" * 3_000_000,
}


@pytest.mark.parametrize("text", HOSTILE_HTML.values(), ids=HOSTILE_HTML.keys())
def test_hostile_html_is_quick(tmp_path: Path, text: str) -> None:
    begin = time.perf_counter()
    read = read_one(tmp_path, text, "x.html")
    assert time.perf_counter() - begin < 10
    assert len(read.incidents) + len(read.problems) > 0


TAGS = [
    "<h2>",
    "</h2>",
    "<li>",
    "<ul>",
    "</ul>",
    "<table>",
    "<tr>",
    "<td>",
    "</td>",
    "</table>",
    "<b>",
    "<!--",
    "-->",
]
WORDS = [
    "<script>",
    "</script>",
    "Timeline",
    "10:03",
    "2021-02-03",
    "UTC",
    "&lt;",
    "<",
    ">",
    '"',
    "\n",
    "\x00",
    "---",
]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(TAGS + WORDS) | st.text(max_size=6), max_size=60).map("".join))
def test_broken_html_never_fails(tmp_path: Path, text: str) -> None:
    read = read_one(tmp_path, text, "x.html")
    assert len(read.incidents) + read.problems["field"].isna().sum() == 1
    assert (read.timeline["line"] <= text.count("\n") + text.count("\r") + 1).all()


@pytest.mark.parametrize(
    ("name", "head", "row", "day", "origin"),
    [
        ("x.md", "# T\n", "2021-03-04 10:00 a", "2021-03-04", "line"),
        ("x.md", "# T of 4 March 2021\n", "10:00 a", "2021-03-04", "heading"),
        ("2021-03-09-x.md", "# T\n\nDate: 2021-03-04\n", "10:00 a", "2021-03-04", "field"),
        (
            "2021-03-09-x.md",
            "---\ntitle: Down on March 4, 2021\n---\n",
            "10:00 a",
            "2021-03-04",
            "front matter",
        ),
        (
            "2021-03-09-x.md",
            "---\ndate: 2021-03-04 09:00:00 +0100\n---\n",
            "10:00 a",
            "2021-03-04",
            "front matter",
        ),
        ("2021-03-04-x.md", "# T\n", "10:00 a", "2021-03-04", "file name"),
        ("20210304 x.md", "# T\n", "10:00 a", "2021-03-04", "file name"),
        ("2021-03-04-x.md", "# T\n\nYesterday we failed.\n", "10:00 a", None, None),
        ("x.md", "# From April 6 to April 11, 2023\n", "10:00 a", None, None),
        ("x.md", "# T\n", "10:00 a", None, None),
    ],
)
def test_the_origin_of_a_date_is_recorded(
    tmp_path: Path, name: str, head: str, row: str, day: str | None, origin: str | None
) -> None:
    read = read_one(tmp_path, f"{head}\n## Timeline (UTC)\n\n- {row}\n", name)
    (line,) = read.timeline.to_dict("records")
    assert (None if pd.isna(line["date_from"]) else line["date_from"]) == origin
    assert pd.isna(line["at"]) if day is None else line["at"] == at(f"{day} 10:00")
    doubtful = origin == "file name" or "date: 2021" in head
    assert ("doubtful" in set(told(read, "at")["kind"])) == doubtful
    assert ("missing" in set(told(read, "at")["kind"])) == (day is None)


def test_a_nearer_date_goes_first_and_an_unclear_step_back_ends_it(tmp_path: Path) -> None:
    lines = [
        "2021-03-03 20:00 a",
        "21:00 b",
        "20:58 c",
        "04:00 d",
        "23:00 e",
        "16:00 f",
        "17:00 g",
        "2021-03-06 09:00 h",
    ]
    text = "# T\n\n## Timeline 2021-03-01 (UTC)\n\n" + "".join(f"- {line}\n" for line in lines)
    rows = read_one(tmp_path, text).timeline
    known = [None if pd.isna(t) else f"{t:%d %H:%M}" for t in rows["at"]]
    assert known == ["03 20:00", "03 21:00", "03 20:58", "04 04:00", "04 23:00", None, None, "06 09:00"]
    assert rows["date_from"].fillna("").tolist() == ["line", *["row above"] * 4, "", "", "line"]


def test_a_step_back_is_told_with_both_lines(tmp_path: Path) -> None:
    read = read_one(tmp_path, "# T\n\n## Timeline 2021-03-01 (UTC)\n\n- 10:00 a\n- 09:58 b\n- 10:30 c\n")
    (row,) = read.problems[read.problems["kind"] == "contradiction"].to_dict("records")
    assert row["line"] == 6
    assert "'09:58' in line 6 after '10:00' in line 5" in row["message"]


@pytest.mark.parametrize(
    ("dates", "read_as", "note"),
    [
        (["03/04/2021", "13/04/2021"], date(2021, 4, 3), "day first, as in 13/04/2021"),
        (["03/04/2021", "04/13/2021"], date(2021, 3, 4), "month first, as in 04/13/2021"),
        (["03/04/2021", "April 3, 2021"], date(2021, 4, 3), "day first, as in 03/04/2021"),
        (["03/04/2021", "04/05/2021"], None, None),
        (["03/04/2021", "13/04/2021", "04/13/2021"], None, None),
    ],
)
def test_day_and_month_only_where_the_file_proves_it(
    tmp_path: Path, dates: list[str], read_as: date | None, note: str | None
) -> None:
    text = "# T\n\n## Timeline (UTC)\n\n" + "".join(f"- {day} 10:00 x\n" for day in dates)
    row = read_one(tmp_path, text).timeline.iloc[0]
    assert (None if pd.isna(row["at"]) else row["at"].date()) == read_as
    assert (None if pd.isna(row["date_note"]) else row["date_note"]) == note


@pytest.mark.parametrize("clock", ["12:15:00-08:00", "12:15-08:00", "12:15:00.5-0800"])
def test_an_iso_offset_is_no_range(clock: str) -> None:
    assert report_clocks.read(f"2012-12-22T{clock}").at.hour == 20  # type: ignore[union-attr]
    assert report_clocks.read("2012-12-22 12:15-14:00 UTC").stated == "2012-12-22 12:15-14:00 UTC"


def test_prose_with_times_where_there_is_no_timeline(tmp_path: Path) -> None:
    text = (
        "# Down on 4 March 2021\n\n## What happened\n\nAt **09:41** (GMT+1) we deployed\na version. It broke. "
        "Between 11:00 and 11:15 we met. Back at 09:47 (GMT+1).\n\n## Lessons\n\nDo not deploy at 09:00 UTC.\n"
    )
    rows = read_one(tmp_path, text).timeline
    assert rows["at"].tolist() == [at("2021-03-04 08:41"), at("2021-03-04 08:47")]
    assert rows["line"].tolist() == [5, 6]
    assert rows["moment"].isna().all()


PARTS = """# T

## Impact

One order in five failed.

## Root Causes

1. The pool was small.

## Contributing factors

- Old profile
  of traffic
- Alert on the mean

**Trigger**

A deployment.

**Incident commander:** Ann Example
**Responders:** Ann, Bob and Carl

## Timeline (UTC)

- 2021-02-03 10:00 Customers informed us of errors
- 2021-02-03 10:10 We informed customer service
- 2021-02-03 10:12 We did not inform customers
- 2021-02-03 10:20 Status page updated
- 2021-02-03 10:30 We notified customers
- 2021-02-03 10:40 All teams were informed

## Detection

{detection}
"""


def test_what_is_said_beyond_times(tmp_path: Path) -> None:
    read = read_one(tmp_path, PARTS.format(detection="A dashboard looked odd."))
    row = read.incidents.iloc[0]
    assert (row["impact"], row["responders"], row["roles"]) == (
        "One order in five failed.",
        3,
        "incident commander",
    )
    assert row["detected_by"] == "unknown"
    assert read.incident_factors[["kind", "text", "line"]].to_numpy().tolist() == [
        ["contributing factor", "Old profile of traffic", 13],
        ["contributing factor", "Alert on the mean", 15],
        ["root cause", "The pool was small.", 9],
        ["trigger", "A deployment.", 19],
    ]
    first = {r["audience"]: f"{r['at']:%H:%M}" for r in read.incident_messages.to_dict("records")}
    assert first == {"customer service": "10:10", "customers": "10:20", "inside": "10:40"}
    quality = read.incident_quality.set_index("component")
    assert quality.loc[["impact", "factors", "responders", "zone"], "present"].all()
    assert not quality.loc[["severity", "mitigated", "actions"], "present"].any()
    assert (quality.loc["timeline", "n"], quality.loc["timeline", "of"]) == (6, 6)
    assert "Ann" not in read.incident_quality["origin"].str.cat(sep=" ", na_rep="")


@pytest.mark.parametrize(
    ("words", "who"),
    [
        ("A customer reported that checkout was down.", "customer"),
        ("We were alerted by Datadog.", "monitor"),
        ("The on-call engineer noticed errors.", "colleague"),
        ("Detected by our payment supplier.", "partner"),
        ("Monitoring did not alert; a customer reported it.", "customer"),
        ("An alert fired, and customers complained.", "unknown"),
        ("Both the team and the customers detected it.", "unknown"),
        ("Customer service noticed many calls.", "unknown"),
        ("Our alerts should have fired.", "unknown"),
        ("It was luck.", "unknown"),
        ("**Detection:** PagerDuty alert on errors", "monitor"),
        ("**Detection:** No alert, no customer", "unknown"),
    ],
)
def test_who_found_it_by_prose(tmp_path: Path, words: str, who: str) -> None:
    assert read_one(tmp_path, PARTS.format(detection=words)).incidents["detected_by"].iloc[0] == who


def _folder(tmp_path: Path, **texts: str) -> reports.Reports:
    folder = tmp_path / "some"
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / f"{name}.md").write_text(text, encoding="utf-8")
    return reports.read(folder)


def test_pairs_are_told_and_nothing_is_merged(tmp_path: Path) -> None:
    fields = "\n**Started:** {} UTC\n**Resolved:** {} UTC\n**Services:** cart, pay\n"
    story = " ".join(f"word{i}" for i in range(200))
    read = _folder(
        tmp_path,
        a="# Cart down" + fields.format("2021-02-03 10:00", "2021-02-03 11:00"),
        b="# CART DOWN!" + fields.format("2021-02-03 10:02", "2021-02-03 11:00"),
        c="# Pay down" + fields.format("2021-02-03 10:30", "2021-02-03 10:40"),
        d="# Cart down" + fields.format("2021-05-03 10:00", "2021-05-03 11:00"),
        e=f"# One\n\n{story} early",
        f=f"# Two\n\n{story} late",
        g="# Three\n\n" + " ".join(f"other{i}" for i in range(200)),
    )
    assert len(read.incidents) == 7
    pairs = told(read, "incident_id")
    said = {(r["kind"], Path(r["source_uri"]).stem): r["message"] for r in pairs.to_dict("records")}
    assert set(said) == {("contradiction", "b"), ("contradiction", "f"), ("doubtful", "c")}
    assert "some/a.md" in said["contradiction", "b"]
    assert "10:02" in said["contradiction", "b"]
    assert "some/e.md" in said["contradiction", "f"]
    assert "2021-02-03 10:30 to 2021-02-03 10:40 UTC" in said["doubtful", "c"]


DATE_FORMS = {
    "ISO": "%Y-%m-%d",
    "slashes": "%Y/%m/%d",
    "dots": "%d.%m.%Y",
    "words": "%d %B %Y",
    "American": "%B %d, %Y",
    "short": "%a, %d %b %Y",
}
CLOCK_FORMS = ["%H:%M", "%I:%M %p", "%H:%M:%S"]
EVENTS = {
    "started": ["Outage began", "Impact started", "Incident starts", "Started: a bad deploy"],
    "detected": [
        "Alert fired",
        "Issue detected",
        "Users reported errors",
        "We were paged",
        "Detected - by a dashboard",
    ],
    "mitigated": ["Issue mitigated", "Mitigated: rolled back", "Impact ended", "[Repaired] the disk"],
    "resolved": ["Incident resolved", "Service restored", "Recovered: all well", "Outage is over"],
}
ZONES = {"UTC": 0.0, "CET": 1.0, "EDT": -4.0, "+05:30": 5.5, "UTC-8": -8.0}


@st.composite
def written(draw: st.DrawFn) -> tuple[str, str, list[datetime], str]:
    """A report's file name, text, its four moments as local time, and the zone."""
    start = draw(st.datetimes(datetime(2015, 1, 1), datetime(2030, 1, 1))).replace(second=0, microsecond=0)
    times = [start]
    for step in draw(st.lists(st.integers(1, 11 * 60), min_size=3, max_size=3)):
        times.append(times[-1] + timedelta(minutes=step))
    day_form, clock_form = (
        draw(st.sampled_from(sorted(DATE_FORMS.values()))),
        draw(st.sampled_from(CLOCK_FORMS)),
    )
    zone = draw(st.sampled_from(sorted(ZONES)))
    # bare clocks are written only where they cannot be taken for an earlier time of the same day
    own_dates = draw(st.booleans()) or any(
        b.time() < a.time() and timedelta(hours=24) - (b - a) < timedelta(hours=12)
        for a, b in pairwise(times)
    )
    shown = [t.strftime(f"{day_form} {clock_form}" if own_dates else clock_form) for t in times]
    place = draw(st.sampled_from(["line", "heading", "sentence", "front"]))
    tail = f" {zone}" if place == "line" else ""
    words = [draw(st.sampled_from(options)) for options in EVENTS.values()]
    level = "#" * draw(st.integers(2, 4))
    name = draw(st.sampled_from(["Timeline", "TIMELINE", "time line", "Incident Timeline", "3. Chronology"]))
    first_day = times[0].strftime(day_form)
    day_in = draw(st.sampled_from(["heading", "field", "front", "file"]))
    title = (
        f"{level} {name}"
        + (f" ({zone})" if place == "heading" else "")
        + (f" {first_day}" if day_in == "heading" else "")
    )
    front = [f"zone: {zone}"] * (place == "front") + [f"title: Down on {first_day}"] * (day_in == "front")
    text = "---\n" + "\n".join(front) + "\n---\n" if front else ""
    text += "# T\n\n" if day_in != "front" else ""
    text += f"**Date:** {first_day}\n\n" if day_in == "field" else ""
    text += f"All times are in {zone}.\n\n" if place == "sentence" else ""
    rows = [f"{a}{tail}" for a in shown]
    shape = draw(st.sampled_from(["list", "bold", "table", "headings", "lines"]))
    body = {
        "list": "".join(f"- {a} {b}\n" for a, b in zip(rows, words, strict=True)),
        "bold": "".join(f"* **{a}** - {b}\n" for a, b in zip(rows, words, strict=True)),
        "table": "| When | Event |\n|---|---|\n"
        + "".join(f"| {a} | {b} |\n" for a, b in zip(rows, words, strict=True)),
        "headings": "".join(
            f"{level}# {a}: {b}\n\nMore words.\n\n" for a, b in zip(rows, words, strict=True)
        ),
        "lines": "\n\n".join(f"{a} {b}" for a, b in zip(rows, words, strict=True)) + "\n",
    }[shape]
    file = f"{times[0]:%Y-%m-%d}-t.md" if day_in == "file" else "t.md"
    return file, f"{text}{title}\n\n{body}", times, zone


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(written())
def test_the_grammar_of_houses_is_read_back(
    tmp_path: Path, report: tuple[str, str, list[datetime], str]
) -> None:
    name, text, times, zone = report
    read = read_one(tmp_path, text, name)
    row: Any = read.incidents.iloc[0]
    wanted = [(t - timedelta(hours=ZONES[zone])).replace(tzinfo=UTC) for t in times]
    assert [row[f"{m}_at"] for m in MOMENTS] == wanted
    assert read.timeline["date_from"].notna().all()


def test_opensuse_posts(shared_data: Path) -> None:
    """36 of 36, HTML too; each timeline time has the origin of its date, or is told to have none."""
    read = reports.read(shared_data / "opensuse-postmortems")
    assert len(read.incidents) == 36
    assert read.incidents["source_uri"].str.endswith(".html").sum() == 5
    rows = read.timeline[read.timeline["stated"].notna()]
    undated = set(rows[rows["date_from"].isna()]["incident_id"])
    assert undated <= set(told(read, "at")["subject"])
    assert rows["date_from"].notna().mean() > 0.95
    found = reports.overview(read.incident_quality.merge(read.incidents[["incident_id", "source_uri"]]))
    assert len(found) == 36


def test_icco_front_matter_times(shared_data: Path) -> None:
    """242 of 242; each start and end in front matter is read, unless it is empty."""
    folder = shared_data / "icco-postmortems" / "data"
    read = reports.read(folder)
    assert len(read.incidents) == 242
    rows = read.incidents.set_index("source_uri")
    for key, column in (("start_time", "started_at"), ("end_time", "resolved_at")):
        for file in folder.glob("*.md"):
            front = file.read_text(encoding="utf-8").split("\n---")[0].splitlines()
            value = next(
                (line.partition(":")[2].strip(" \"'") for line in front if line.startswith(f"{key}:")), ""
            )
            got = rows.loc[f"data/{file.name}", column]
            assert pd.isna(got) if not value else got == pd.Timestamp(value)
