"""Days that reports tell in words: every time is read as it was meant, or is not known. Never a day off."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resilience.sources import report_turns

from .test_report_houses import moments
from .test_reports import read_one

DAY = "**Date:** 2021-09-13\nAll times are UTC.\n\n## Timeline\n\n"  # a Monday
FIRST = "- 10:00 Incident started\n- 10:20 Alert fired\n"
WANTED = {"started": "09-13 10:00", "detected": "09-13 10:20", "resolved": "09-14 11:00"}


@pytest.mark.parametrize(
    "end",
    [
        "- 11:00 (next day) Incident resolved",
        "- 11:00 (+1 day): Incident resolved",
        "- 11:00 +1d Incident resolved",
        "- 11:00 the following day, incident resolved",
        "- Next day, 11:00: Incident resolved",
        "- Tue 11:00 Incident resolved",
        "- Tuesday, 11:00 - Incident resolved",
        "- 11:00 (Tuesday) Incident resolved",
        "- Day 2, 11:00 Incident resolved",
        "- 11:00 on September 14: Incident resolved",
        "\n### Tuesday\n\n- 11:00 Incident resolved",
        "\n### The next morning\n\n- 11:00 Incident resolved",
        "\n### Day 2: recovery\n\n- 11:00 Incident resolved",
        "\n**September 14**\n\n- 11:00 Incident resolved",
        "\nTuesday, 14 September (UTC)\n\n- 11:00 Incident resolved",
        "- 13:00 (next day, morning shift) x\n\n### 2021-09-14\n\n- 11:00 Incident resolved",
    ],
)
def test_another_day_told_in_words(tmp_path: Path, end: str) -> None:
    assert moments(read_one(tmp_path, f"# T\n\n{DAY}{FIRST}{end}\n")) == WANTED


def test_a_row_that_holds_only_a_day_dates_those_below(tmp_path: Path) -> None:
    text = """# T

## Timeline

| When | What |
|---|---|
| Sept 13, 2021 | |
| 10:00 UTC | Incident started |
| 10:20 UTC | Alert fired |
| Sept 14 | |
| 11:00 UTC | Incident resolved |
"""
    assert moments(read_one(tmp_path, text)) == WANTED


@pytest.mark.parametrize(
    "end",
    [
        "### Thursday\n\n- 11:00 Incident resolved",  # of which week, counted from what?
        "- 23:00 watched\n- 00:30 watched\n- 09:00 (next day) Incident resolved",  # next to the start, or to 00:30?
    ],
)
def test_a_day_that_may_be_either_is_not_guessed(tmp_path: Path, end: str) -> None:
    opening = "" if end.startswith("###") else FIRST
    read = read_one(tmp_path, f"# T\n\n{DAY}{opening}{end}\n")
    assert pd.isna(read.incidents["resolved_at"].iloc[0])
    assert read.timeline["at"].iloc[-1] is pd.NaT
    assert (read.problems["field"] == "resolved_at").any()


@pytest.mark.parametrize("rest", ["next day delivery fails", "Sun cluster fails over", "day 2 backup fails"])
def test_words_that_only_look_like_a_day(rest: str) -> None:
    assert report_turns.behind(rest) == (None, 0)


def test_the_stated_start_dates_the_timeline_and_not_the_day_of_writing(tmp_path: Path) -> None:
    start = "# T\n\n**Date:** 2021-09-20\n**Incident start:** 2021-09-13 10:00 UTC\n\n## Timeline (UTC)\n\n"
    text = f"{start}- 10:00 first errors\n- 10:20 Alert fired\n- 11:00 (next day) Incident resolved\n"
    assert moments(read_one(tmp_path, text)) == WANTED


@pytest.mark.parametrize(
    ("start", "lines", "first"),
    [
        ("2021-09-14 00:10 UTC", "23:50 Deployed\n- 00:10 Incident started", "2021-09-13 23:50"),
        ("2021-09-13 22:50 UTC", "09:30 Deployed\n- 22:50 Incident started", "2021-09-13 09:30"),
        ("2021-09-13 23:50 UTC", "00:20 Alert fired\n- 01:00 Incident resolved", None),
        ("2021-09-14 00:10 CEST", "22:10 Incident started\n- 23:00 Incident resolved", "2021-09-13 22:10"),
    ],
)
def test_midnight_between_the_stated_start_and_the_first_line(
    tmp_path: Path, start: str, lines: str, first: str | None
) -> None:
    read = read_one(tmp_path, f"# T\n\nStart: {start}\n\n## Timeline (UTC)\n\n- {lines}\n")
    at = read.timeline["at"].iloc[0]
    assert pd.isna(at) if first is None else at == pd.Timestamp(first, tz="UTC")


def test_lines_in_two_zones_are_compared_by_the_same_clock(tmp_path: Path) -> None:
    text = """# T

**Date:** 2021-07-09

## Timeline

- 10:00 CEST Incident started
- 04:20 EDT Partner confirms
- 10:35 CEST Alert fired
- 18:30 EDT Partner is done
- 00:45 CEST Incident resolved
"""
    read = read_one(tmp_path, text)
    times = [f"{at:%d %H:%M}" for at in read.timeline["at"]]
    assert times == ["09 08:00", "09 08:20", "09 08:35", "09 22:30", "09 22:45"]


def test_a_zone_belongs_to_its_own_column(tmp_path: Path) -> None:
    two = """# T

**Date:** 2021-09-13

## Timeline

| Time (UTC) | Local (PDT) | Event |
|---|---|---|
| 10:00 | 03:00 | Incident started |
| 10:20 | 03:20 | Alert fired |
"""
    own = """# T

## Timeline

| Date | Time | TZ | What |
|---|---|---|---|
| 2021-09-13 | 12:00 | CEST | Incident started |
| 2021-09-13 | 06:20 | EDT | Alert fired |
"""
    wanted = {"started": "09-13 10:00", "detected": "09-13 10:20"}
    assert moments(read_one(tmp_path, two)) == wanted
    assert moments(read_one(tmp_path, own, "INC-8 - B.md")) == wanted


def test_keys_and_values_without_a_header_are_no_timeline(tmp_path: Path) -> None:
    text = """<h1>T</h1><table><tr><th>Incident date</th><td>13 Sep 2021</td></tr><tr><th>Severity</th><td>SEV1</td></tr>
<tr><th>Incident start</th><td>13 Sep 2021 10:00 UTC</td></tr></table>"""
    read = read_one(tmp_path, text, "INC-7.html")
    assert read.incidents[["severity", "services"]].iloc[0].to_list()[0] == "SEV1"
    assert moments(read) == {"started": "09-13 10:00"}
    assert read.timeline.empty


WEEKDAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]


@st.composite
def told(draw: st.DrawFn) -> tuple[str, list[datetime]]:
    """A timeline in which a new day is told by one of many means, and what each of its lines means."""
    at = datetime(2021, 3, 1, 12, tzinfo=UTC) + timedelta(minutes=draw(st.integers(0, 300 * 1440)))
    start, lines, meant = at, [], []
    for _ in range(draw(st.integers(2, 7))):
        before = meant[-1] if meant else at
        days = (at.date() - before.date()).days
        mark = draw(st.sampled_from(["weekday", "heading", "yearless", "full", "words", "day", "none"]))
        short = at - before < timedelta(hours=12)
        if not meant or (days == 0 and mark not in ("weekday", "full")) or (mark == "none" and short):
            lines.append(f"- {at:%H:%M} UTC something")
        elif mark == "weekday" and days < 7:
            lines.append(f"- {WEEKDAYS[at.weekday()]} {at:%H:%M} UTC something")
        elif mark == "heading" and 0 < days < 7:
            lines.append(f"\n### {at:%A}\n\n- {at:%H:%M} UTC something")
        elif mark == "yearless":
            lines.append(f"\n**{at:%B %-d}**\n\n- {at:%H:%M} UTC something")
        elif mark == "words" and days:
            lines.append(f"- {at:%H:%M} UTC (+{days} {'day' if days == 1 else 'days'}) something")
        elif mark == "day":
            lines.append(f"\n### Day {(at.date() - start.date()).days + 1}\n\n- {at:%H:%M} UTC something")
        else:
            lines.append(f"- {at:%Y-%m-%d %H:%M} UTC something")
        meant.append(at)
        at += timedelta(minutes=draw(st.integers(1, draw(st.sampled_from([90, 700, 4000])))))
    return f"# T\n\n**Date:** {start:%Y-%m-%d}\n\n## Timeline\n\n" + "\n".join(lines) + "\n", meant


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(told())
def test_every_time_is_as_meant_or_not_known(tmp_path: Path, report: tuple[str, list[datetime]]) -> None:
    text, meant = report
    read = read_one(tmp_path, text)
    found = list(read.timeline.loc[read.timeline["stated"].notna(), "at"])
    assert len(found) == len(meant), text
    assert [a for a, m in zip(found, meant, strict=True) if pd.notna(a) and a != m] == [], text


def test_a_day_and_month_alone_takes_the_nearest_year() -> None:
    said = report_turns.above("January 2")
    assert said is not None
    assert report_turns.resolve(said, date(2021, 12, 30), first=None, begun=True) == date(2022, 1, 2)


def test_fields_that_say_the_next_day_or_one_time_twice(tmp_path: Path) -> None:
    fields = "- Start: 12:00 CEST / 10:00 UTC\n- Detected: 10:20 UTC\n- End: 11:00 UTC the next day\n"
    text = f"# T\n\n**Date:** 2021-09-13\n\n{fields}"
    assert moments(read_one(tmp_path, text)) == WANTED
    differ = read_one(tmp_path, text.replace("10:00 UTC", "11:00 UTC"), "INC-8 - B.md")
    assert "started" not in moments(differ)
    assert (differ.problems["message"].str.contains("not wholly understood")).any()


@pytest.mark.parametrize(
    ("day", "zone", "told"), [("07-08", "PST", True), ("01-08", "PST", False), ("07-08", "PDT", False)]
)
def test_winter_time_in_summer_is_told(tmp_path: Path, day: str, zone: str, told: bool) -> None:
    read = read_one(tmp_path, f"# T\n\n## Timeline 2021-{day} ({zone})\n\n- 10:00 Incident started\n")
    assert read.incidents["started_at"].notna().all()
    assert read.problems["message"].str.contains("is winter time").any() == told


@pytest.mark.parametrize(
    "lines", ["```\n10:00 Incident started\n11:00 Resolved\n```", "13.09.21 10:00 - x\n13.09.21 10:20 - y"]
)
def test_a_timeline_of_which_no_line_is_understood_is_told(tmp_path: Path, lines: str) -> None:
    read = read_one(tmp_path, f"# T\n\n## Timeline (UTC)\n\n{lines}\n")
    assert (read.problems["message"].str.contains("none begins with a time")).sum() == 1
