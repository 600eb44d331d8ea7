"""Incident reports in Markdown: what they state is read, and what they do not becomes a problem."""

from __future__ import annotations

import csv
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resilience import schema
from resilience.errors import InputError
from resilience.sources import markdown_text, report_timeline, reports

FIELDS = """\
# Checkout down

**Severity:** SEV2
**Detected by:** Customers (by phone)
- Services: cart, checkout, cart
- Environment: production

| Field | Value |
|---|---|
| Start Time (UTC) | 2021-02-03 10:00 |
| Detection Time | 2021-02-03 11:05 CET |
| TTD | 5 minutes |
| Time to recovery | 1h 20m |

| Mitigation time | Resolution time |
|---|---|
| 2021-02-03 11:00 UTC | 2021-02-03 11:20 UTC |

## Summary

Nobody could *pay*.

## ACTION ITEMS

- [x] Fix it (owner: ann, due: 2021-03-01)
- [ ] Test it
  on staging
- Watch it (pricing team, in progress)
- None

| Task | Who | Status |
|---|---|---|
| Alarm | Bob | In review |
"""


def read_one(tmp_path: Path, text: str | bytes, name: str = "INC-7 - A.md") -> reports.Reports:
    file = tmp_path / "house" / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    return reports.read(file)


def told(read: reports.Reports, field: str) -> pd.DataFrame:
    return read.problems[read.problems["field"] == field]


def test_fields_of_every_form(tmp_path: Path) -> None:
    read = read_one(tmp_path, FIELDS)
    row = read.incidents.iloc[0]
    assert row["incident_id"] == "INC-7"
    assert row["source_uri"] == "house/INC-7 - A.md"
    assert row["title"] == "Checkout down"
    assert (row["severity"], row["services"], row["environment"]) == ("SEV2", "cart, checkout", "production")
    assert (row["detected_by"], row["kind"], row["simulated"]) == ("customer", "real", False)
    clocks = [f"{row[f'{m}_at']:%H:%M}" for m in ("started", "detected", "mitigated", "resolved")]
    assert clocks == ["10:00", "10:05", "11:00", "11:20"]
    assert (row["stated_detect_min"], row["stated_restore_min"]) == (5, 80)
    assert row["summary"] == "Nobody could *pay*."
    assert row["text"] == FIELDS
    actions = (
        read.actions[["text", "owner", "state", "due", "line"]]
        .astype(object)
        .where(read.actions.notna(), None)
    )
    assert actions.to_numpy().tolist() == [
        ["Fix it", "ann", "done", "2021-03-01", 25],
        ["Test it on staging", None, "open", None, 26],
        ["Watch it", "pricing team", "in progress", None, 28],
        ["Alarm", "Bob", "In review", None, 33],
    ]
    assert read.problems.empty


def test_front_matter(tmp_path: Path) -> None:
    text = """---
id: OPS-42
title: Drill
kind: drill
simulated: true
services: [b, a]
teams: x, y
zone: Europe/Copenhagen
started: 2021-07-01 10:00
detected_at: 2021-07-01T08:05:00Z
end: 2021-07-01 11:00
detected_by: monitor
time_to_detect: 5 minutes
time_to_repair: 0 minutes
---
Text.
"""
    row = read_one(tmp_path, text, "whatever.md").incidents.iloc[0]
    assert (row["incident_id"], row["title"], row["kind"], row["simulated"]) == (
        "OPS-42",
        "Drill",
        "drill",
        True,
    )
    assert (row["services"], row["teams"], row["detected_by"]) == ("a, b", "x, y", "monitor")
    assert row["started_at"] == datetime(2021, 7, 1, 8, tzinfo=UTC)
    assert row["resolved_at"] == datetime(2021, 7, 1, 9, tzinfo=UTC)
    assert (row["stated_detect_min"], row["stated_repair_min"]) == (5, 0)


@pytest.mark.parametrize(
    ("value", "minutes", "kind"),
    [
        ("?", None, "missing"),
        ("20-60 days", None, "unreadable"),
        ("96h (estimated)", 5760, "missing"),
    ],
)
def test_a_doubtful_duration_is_quoted_as_written(
    tmp_path: Path, value: str, minutes: float | None, kind: str
) -> None:
    read = read_one(tmp_path, f"# T\n\n- Time to detection: {value}\n")
    stated = read.incidents["stated_detect_min"].iloc[0]
    assert pd.isna(stated) if minutes is None else stated == minutes
    (row,) = told(read, "stated_detect_min").to_dict("records")
    assert (row["kind"], row["line"], row["subject"]) == (kind, 3, "INC-7")
    assert value in row["message"]
    assert row["remedy"]


def test_zoneless_timeline_is_told_once_and_not_guessed(tmp_path: Path) -> None:
    lines = "".join(f"- 2021-02-03 10:0{i} step {i}\n" for i in range(5))
    read = read_one(tmp_path, f"# T\n\n## Timeline\n\n{lines}")
    assert read.timeline["at"].isna().all()
    assert read.timeline["stated"].tolist() == [f"2021-02-03 10:0{i}" for i in range(5)]
    assert read.timeline["line"].tolist() == [5, 6, 7, 8, 9]
    (row,) = told(read, "at").to_dict("records")
    assert "5 of 5" in row["message"]
    assert "All times in UTC" in row["remedy"]


@pytest.mark.parametrize(
    "timeline",
    [
        "## Timeline\n\nAll times in CET.\n\n- 2021-07-03 10:03 x",
        "## Timeline (CET)\n\n- **2021-07-03 10:03** x",
        "#### TIME LINE\n\n| Date and Time in CET | Event |\n|---|---|\n| 2021-07-03 10:03 | x |",
        "## 2. Timeline:\n\n* 2021-07-03 10:03 CET: x",
        "## Timeline 2021-07-03 (CET)\n\n- *10:03* - x",
        "## Timeline\n\n### 3 July 2021, CET\n\n10:03 x",
        "## Log\n\n| Date | Time (CET) | What |\n|---|---|---|\n| 2021-07-03 | 10:03 | x |",
        "All timestamps are in CET\n\n## Timeline\n\n| | |\n|---|---|\n| 2021-07-03 10:03 | x |",
    ],
)
def test_date_and_zone_by_line_heading_column_or_sentence(tmp_path: Path, timeline: str) -> None:
    """CET stays +01:00 in July: it is read as written."""
    rows = read_one(tmp_path, f"# T\n\n{timeline}\n").timeline
    assert rows["at"].tolist() == [pd.Timestamp("2021-07-03 09:03", tz="UTC")]
    assert rows["text"].tolist() == ["x"]


def test_two_zones_for_one_file_are_neither(tmp_path: Path) -> None:
    read = read_one(
        tmp_path, "---\nzone: UTC\n---\n## Timeline\n\nAll times in CET.\n\n- 2021-07-03 10:03 x\n"
    )
    assert read.timeline["at"].isna().all()
    assert "contradiction" in set(told(read, "at")["kind"])


def test_unknown_minutes_are_null_and_told_by_line(tmp_path: Path) -> None:
    text = "# T\n\n## Timeline\n\nAll times in UTC.\n\n- 2021-02-03 14:?? a\n- 2021-02-03 --:-- b\n- ~2021-02-03 14:10 c\n"
    read = read_one(tmp_path, text)
    assert read.timeline["at"].notna().tolist() == [False, False, True]
    assert read.timeline["text"].tolist() == ["a", "b", "c"]
    assert told(read, "at")["line"].tolist() == [7, 8]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("Incident declared through the status page.", "declared"),
        ("We declared the incident", "declared"),
        ("Incident declared resolved", "resolved"),
        ("Alert triggered on Slack.", "detected"),
        ("Issue detected and verified.", "detected"),
        ("Target groups reattached (resolved).", "resolved"),
        ("Pipeline starts (problem started)", "started"),
        ("Issue mitigated by hand", "mitigated"),
        ("Alert acknowledged", "acknowledged"),
        ("We did not declare the incident resolved", None),
        ("Issue with no ingress traffic detected and verified", None),
        ("Incident resolved?", None),
        ("Issue partially resolved", None),
        ("DNS is resolved by the sidecar", None),
        ("Deployment started", None),
        ("Incident closed.", None),
    ],
)
def test_moments_only_where_words_leave_no_doubt(text: str, moment: str | None) -> None:
    assert report_timeline.moment(text) == moment


TIMELINE = "# T\n\n## Timeline (UTC)\n\n"


def test_times_come_from_unambiguous_lines_where_no_field_states_them(tmp_path: Path) -> None:
    text = (
        TIMELINE
        + "- 2021-02-03 10:00 Outage began\n- 2021-02-03 10:05 Alert fired\n- 2021-02-03 11:00 Incident resolved\n"
    )
    read = read_one(tmp_path, text)
    row = read.incidents.iloc[0]
    assert [row["started_at"].minute, row["detected_at"].minute, row["resolved_at"].hour] == [0, 5, 11]
    assert not set(read.problems["field"]) & {"started_at", "detected_at", "resolved_at", "stated_detect_min"}


def test_an_end_after_which_it_goes_on_is_no_end(tmp_path: Path) -> None:
    text = TIMELINE + "- 2021-02-03 10:00 Incident resolved\n- 2021-02-03 10:05 Alert fired\n"
    read = read_one(tmp_path, text)
    assert pd.isna(read.incidents["resolved_at"].iloc[0])
    assert told(read, "resolved_at")["kind"].tolist() == ["contradiction"]


def test_an_incident_that_says_it_is_open_stays_open(tmp_path: Path) -> None:
    read = read_one(
        tmp_path, "# T\n\n**Resolved:** ongoing\n\n## Timeline (UTC)\n\n- 2021-02-03 10:00 Issue resolved\n"
    )
    assert pd.isna(read.incidents["resolved_at"].iloc[0])
    assert "not over" in told(read, "resolved_at")["message"].iloc[0]


def test_every_null_time_has_a_problem_with_a_remedy(tmp_path: Path) -> None:
    read = read_one(tmp_path, "# T\n\n**Started:** 2021-02-03 10:00\n**Detected at:** in the morning\n")
    for moment in schema.MOMENTS:
        assert pd.isna(read.incidents[f"{moment}_at"].iloc[0])
        assert len(told(read, f"{moment}_at")) == (moment not in ("declared", "acknowledged"))
    assert "time zone" in told(read, "started_at")["message"].iloc[0]
    assert told(read, "detected_at")["kind"].iloc[0] == "unreadable"
    assert (read.problems["remedy"].str.len() > 0).all()


@pytest.mark.parametrize(("stated", "differs"), [(4, False), (5, False), (6, False), (7, True), (3, True)])
def test_stated_and_derived_may_differ_by_a_minute(tmp_path: Path, stated: int, differs: bool) -> None:
    text = (
        f"- Started: 2021-02-03 10:00 UTC\n- Detected: 2021-02-03 10:05 UTC\n- Time to detect: {stated} min\n"
    )
    assert bool(len(told(read_one(tmp_path, text), "stated_detect_min"))) == differs


def test_contradictions_show_both_values(tmp_path: Path) -> None:
    text = "# T\n\n- Started: 2021-02-03 10:00 UTC\n- Detected: 2021-02-03 09:55 UTC\n- Time to detect: 7 minutes\n"
    text += "- Start time: 2021-02-03 10:01 UTC\n- Resolved: 2021-02-03 10:30 UTC\n- Time to recovery: 31 minutes\n"
    read = read_one(tmp_path, text)
    rows = read.problems[read.problems["kind"] == "contradiction"]
    stated = rows[rows["field"] == "stated_detect_min"].iloc[0]
    assert "7 min" in stated["message"]
    assert "-5 min" in stated["message"]
    assert stated["line"] == 5
    assert "before started" in rows[rows["field"] == "detected_at"]["message"].iloc[0]
    assert "10:01" in rows[rows["field"] == "started_at"]["message"].iloc[0]
    assert "stated_restore_min" not in set(rows["field"])  # a minute is within rounding
    assert read.incidents["stated_detect_min"].iloc[0] == 7


@pytest.mark.parametrize(
    ("words", "who"),
    [
        ("Monitoring alert", "monitor"),
        ("a colleague", "colleague"),
        ("Partner", "partner"),
        ("Customers", "customer"),
        ("customer service", "unknown"),
        ("alert, then a customer", "unknown"),
        ("luck", "unknown"),
    ],
)
def test_detected_by(tmp_path: Path, words: str, who: str) -> None:
    read = read_one(tmp_path, f"# T\n\n**Detected by:** {words}\n")
    assert read.incidents["detected_by"].iloc[0] == who
    assert len(told(read, "detected_by")) == (who == "unknown")


def test_prose_is_not_taken_for_a_field(tmp_path: Path) -> None:
    text = "# T\n\n**Detection:** we saw errors\n\n**Resolution:** restarted\n\n**Incident:** payments are down\n"
    read = read_one(tmp_path, text)
    assert set(read.problems["kind"]) == {"missing"}
    assert read.incidents["incident_id"].iloc[0] == "INC-7"


def test_same_id_twice_in_one_read(tmp_path: Path) -> None:
    for name in ("a.md", "b.md"):
        (tmp_path / name).write_text(f"---\nid: X-1\n---\n{TIMELINE}- 10:00 {name}\n")
    read = reports.read(tmp_path, base=tmp_path)
    second = reports.distinct_id("X-1", "b.md")
    assert read.incidents["incident_id"].tolist() == ["X-1", second]
    assert read.timeline["incident_id"].tolist() == ["X-1", second]
    clash = told(read, "incident_id").iloc[0]
    assert (clash["kind"], clash["subject"], clash["source_uri"]) == ("contradiction", second, "b.md")
    assert len(second) == len("X-1~") + 6


def test_an_id_cannot_be_a_path(tmp_path: Path) -> None:
    read = read_one(tmp_path, "---\nid: ../../x\n---\n# T\n", "Über uns!.md")
    assert read.incidents["incident_id"].iloc[0] == "über-uns"
    assert told(read, "incident_id")["kind"].tolist() == ["unreadable"]


def test_a_folder_of_all_sorts(tmp_path: Path) -> None:
    house = tmp_path / "house"
    (house / "sub" / ".hidden").mkdir(parents=True)
    template = (
        "# Incident Title\n\n| Time | Event |\n|---|---|\n| 20xx-MM-DD HH:mm | x |\n\n- Time to detect: YYY\n"
    )
    files = {
        "sub/PM2022-009 - Bad AMI v1.27 causing trouble": "# T",
        "README.md": "# R",
        "LICENSE": "x",
        "x.docx": "x",
        "page.html": "x",
        "PMyyyy-nnn - Postmortem template.md": "# T",
        "blank.md": template,
        "Broken email template.md": "# T\n\n- Time to detect: 5 minutes\n",
        ".DS_Store": "x",
        "sub/.hidden/a.md": "# T",
        "data.csv": "a",
        "gameday.yml": "a",
    }
    for name, text in files.items():
        (house / name).write_text(text)
    read = reports.read(house)
    assert set(read.incidents["source_uri"]) == {
        "house/sub/PM2022-009 - Bad AMI v1.27 causing trouble",
        "house/Broken email template.md",
        "house/page.html",
    }
    assert "PM2022-009" in set(read.incidents["incident_id"])
    skipped = read.problems[read.problems["kind"] == "skipped"]
    assert {Path(uri).name for uri in skipped["source_uri"]} == {
        *("README.md", "LICENSE", "x.docx", "PMyyyy-nnn - Postmortem template.md", "blank.md")
    }


BOMB = "---\na: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n---\n# T\n"


@pytest.mark.parametrize(
    ("content", "says", "line"),
    [
        (b"\x89PNG\r\n\x00\x01", "binary", None),
        (b"# T\n\xff\xfe", "not UTF-8", 2),
        (b" \n\n", "empty", None),
        (b"a" * (reports.MAX_BYTES + 1), "limit", None),
        (b"- a\n" * (markdown_text.MAX_PARTS + 1), "limit", None),
        (BOMB.encode(), "alias", 2),
        (b"---\ntitle: a\nid: b: c\n---\n", "not valid YAML", 3),
    ],
)
def test_an_unusable_file_is_one_row_and_the_others_are_read(
    tmp_path: Path, content: bytes, says: str, line: int | None
) -> None:
    (tmp_path / "bad.md").write_bytes(content)
    (tmp_path / "good.md").write_text("# Good")
    read = reports.read(tmp_path)
    assert read.incidents["title"].tolist() == ["Good"]
    (row,) = read.problems[read.problems["source_uri"].str.endswith("bad.md")].to_dict("records")
    assert row["kind"] == "unreadable"
    assert pd.isna(row["field"])
    assert says in row["message"]
    assert row["remedy"]
    assert (None if pd.isna(row["line"]) else row["line"]) == line


def test_nothing_to_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "no reports").mkdir()
    (tmp_path / "no reports" / "metrics.csv").write_text("a,b")
    (tmp_path / "a.json").write_text("{}")
    for name in ("empty", "no reports", "absent", "a.json"):
        with pytest.raises(InputError) as error:
            reports.read(tmp_path / name)
        assert error.value.remedy


def test_windows_lines_and_byte_order_mark(tmp_path: Path) -> None:
    text = "\ufeff---\r\nid: X-1\r\n---\r\n# T\r\n\r\n## Timeline (UTC)\r\n\r\n- 2021-02-03 10:00 x\r\n"
    read = read_one(tmp_path, text)
    assert read.incidents["incident_id"].tolist() == ["X-1"]
    assert read.timeline["line"].tolist() == [8]


def test_comments_are_guidance_and_not_content(tmp_path: Path) -> None:
    read = read_one(tmp_path, "# T\n\n<!--\n- Severity: SEV1\n-->\n- Severity: SEV3\n- Team: ?\n")
    assert read.incidents["severity"].tolist() == ["SEV3"]
    assert read.incidents["teams"].isna().all()


HOSTILE = {
    "brackets": "[" * 1_000_000,
    "links": "[a](" * 250_000,
    "stars": "*a " * 300_000,
    "quotes": ">" * 1_000_000,
    "one long line": TIMELINE + "- 10:03 " + "x" * 1_000_000,
    "nested lists": "\n".join("  " * i + "- 10:03 a" for i in range(1, 1500)),
    "columns": "|" + "a|" * 5000 + "\n|" + "-|" * 5000 + "\n" + "|b|\n" * 2000,
    "one event of many lines": TIMELINE + "- 10:03 a\n" + "  " + ("b" * 100 + "\n  ") * 20_000,
    "comments": "<!--" * 500_000,
    "front matter": "---\na: " + "[" * 5000 + "\n---\n",
    "owners": "## Action items\n\n- " + "(a, owner: " * 100_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_shapes_are_quick(tmp_path: Path, text: str) -> None:
    begin = time.perf_counter()
    read = read_one(tmp_path, text)
    assert time.perf_counter() - begin < 10
    assert len(read.incidents) + len(read.problems) > 0


MARKUP = [
    "# T",
    "## Timeline",
    "## Action items",
    "- ",
    "[x] ",
    "|",
    "|---|",
    "---",
    "\n",
    "\n\n",
    ": ",
    "**",
    "> ",
    "```",
]
WORDS = ["10:03", "2021-02-03", "UTC", "~", "?", "Start", "Time to detect", "5 minutes", "id: ", "  "]
TRICKS = ["<script>", "<!--", "-->", "\x00", "\u2028", "\r", "&a ", "*a"]
PIECES = st.sampled_from(MARKUP + WORDS + TRICKS)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(PIECES | st.text(max_size=8), max_size=60).map("".join))
def test_broken_text_never_fails(tmp_path: Path, text: str) -> None:
    read = read_one(tmp_path, text)
    whole = read.problems["field"].isna().sum()
    assert len(read.incidents) + whole == 1
    assert (read.timeline["line"] <= text.count("\n") + text.count("\r") + 1).all()


ZONES = {"UTC": 0, "CET": 1, "CEST": 2, "+05:30": 5.5}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    start=st.datetimes(datetime(2015, 1, 1), datetime(2030, 1, 1)).map(
        lambda d: d.replace(second=0, microsecond=0)
    ),
    steps=st.lists(st.integers(0, 5000), min_size=3, max_size=3),
    zone=st.sampled_from(sorted(ZONES)),
    house=st.sampled_from(["front", "bold", "list", "table", "timeline"]),
)
def test_a_report_written_in_a_house_style_is_read_back(
    tmp_path: Path, start: datetime, steps: list[int], zone: str, house: str
) -> None:
    names = ["Started", "Detected", "Mitigated", "Resolved"]
    times = [start + timedelta(minutes=sum(steps[:i])) for i in range(4)]
    shown = [f"{t:%Y-%m-%d %H:%M}" for t in times]
    pairs = list(zip(names, shown, strict=True))
    text = {
        "front": "---\n" + "".join(f"{n.lower()}: {t} {zone}\n" for n, t in pairs) + "---\n# T\n",
        "bold": "# T\n\n" + "".join(f"**{n}:** {t} {zone}  \n" for n, t in pairs),
        "list": f"# T\n\n## Facts\n\nAll times in {zone}.\n\n" + "".join(f"- {n}: {t}\n" for n, t in pairs),
        "table": "# T\n\n| Field | Value |\n|---|---|\n"
        + "".join(f"| {n} at ({zone}) | {t} |\n" for n, t in pairs),
        "timeline": f"# T\n\n## Timeline\n\n| Time in {zone} | Event |\n|---|---|\n"
        + "".join(f"| {t} | Incident {n.lower()} |\n" for n, t in pairs),
    }[house]
    row = read_one(tmp_path, text).incidents.iloc[0]
    wanted = [(t - timedelta(hours=ZONES[zone])).replace(tzinfo=UTC) for t in times]
    assert [row[f"{n.lower()}_at"] for n in names] == wanted


def test_dfds_reports(shared_data: Path) -> None:
    """All 39 are read; 30 stated detection and 30 recovery durations are the annotated ones, the rest null and told."""
    folder = shared_data / "dfds-postmortems"
    read = reports.read(folder)
    with (folder / "gold_from_reports.csv").open(encoding="utf-8", newline="") as file:
        gold = {f"dfds-postmortems/{row['file']}": row for row in csv.DictReader(file)}
    assert len(gold) == len(read.incidents) == 39
    found = read.incidents.set_index("source_uri")
    assert set(found.index) == set(gold)
    for column, key in (("stated_detect_min", "ttd_min"), ("stated_restore_min", "ttr_min")):
        wanted = {uri: float(row[key]) for uri, row in gold.items() if row[key]}
        assert len(wanted) == 30
        assert found[column].dropna().to_dict() == wanted
        nulls = found.index[found[column].isna()]
        assert set(nulls) <= set(told(read, column)["source_uri"])
    skipped = read.problems[read.problems["kind"] == "skipped"]["source_uri"].map(lambda uri: Path(uri).name)
    assert set(skipped) == {"README.md", "LICENSE", "PMyyyy-nnn - Postmortem template.md"}
    first = read.timeline[read.timeline["incident_id"] == "PM2019-009"].iloc[0]
    assert first["at"] == pd.Timestamp("2019-11-29 11:00", tz="UTC")  # 12:00 CET by its column
    rows = read.timeline.groupby("incident_id")["position"]
    assert (rows.max() == rows.size() - 1).all()


@pytest.mark.parametrize(
    ("folder", "reports_there"), [("opensuse-postmortems", 36), ("icco-postmortems/data", 242)]
)
def test_other_houses_are_read_without_loss(shared_data: Path, folder: str, reports_there: int) -> None:
    read = reports.read(shared_data / folder)
    assert len(read.incidents) == reports_there
    files = [f for f in (shared_data / folder).rglob("*") if f.is_file()]
    whole = read.problems[read.problems["field"].isna()]
    assert len(read.incidents) + len(whole) == len(files)
    null = read.incidents[read.incidents["started_at"].isna()]["source_uri"]
    assert set(null) <= set(told(read, "started_at")["source_uri"])
