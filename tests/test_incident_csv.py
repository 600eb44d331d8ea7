"""Any CSV of incidents: the ways in which people write times and durations, and what is refused rather than guessed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from resilience.analysis import times
from resilience.errors import InputError
from resilience.sources import incident_cells, incident_csv

BEGAN = [datetime(2020, 1, 3, 22, 40) + timedelta(days=17 * i, minutes=7 * i) for i in range(20)]
TOOK = [20 + 13 * i for i in range(20)]
ENDED = [began + timedelta(minutes=took) for began, took in zip(BEGAN, TOOK, strict=True)]
LAYOUTS: dict[str, tuple[str, Callable[[datetime, datetime, int], str]]] = {
    "a service desk": (
        '"Number","Opened","Resolved","Short description"',
        lambda a, b, m: f'"INC{m}","{a:%d-%m-%Y %H:%M:%S}","{b:%d-%m-%Y %H:%M:%S}","Disk full, again"',
    ),
    "a tracker": (
        "Issue key,Created,Resolved",
        lambda a, b, m: f"K-{m},{a:%d/%b/%y %I:%M %p},{b:%d/%b/%y %I:%M %p}",
    ),
    "German": (
        "Nummer;Beginn;Ende;Schweregrad",
        lambda a, b, m: f"{m};{a:%d.%m.%Y %H:%M};{b:%d.%m.%Y %H:%M};hoch",
    ),
    "short years": ("start,end", lambda a, b, m: f"{a:%d/%m/%y %H:%M},{b:%d/%m/%y %H:%M}"),
    "American": ("Opened At,Closed At", lambda a, b, m: f"{a:%m/%d/%Y %I:%M %p},{b:%m/%d/%Y %I:%M %p}"),
    "seconds since 1970": (
        "start_ts,end_ts",
        lambda a, b, m: (
            f"{pd.Timestamp(a, tz='UTC').timestamp():.0f},{pd.Timestamp(b, tz='UTC').timestamp():.0f}"
        ),
    ),
    "UTC by name": (
        "id,created_on,resolved_on",
        lambda a, b, m: f"{m},{a:%Y-%m-%d %H:%M:%S} UTC,{b:%Y-%m-%d %H:%M:%S} UTC",
    ),
    "one date, two clocks": ("Date,Start Time,End Time", lambda a, b, m: f"{a:%Y-%m-%d},{a:%H:%M},{b:%H:%M}"),
    "camel case": ("startTime,endTime", lambda a, b, m: f"{a:%Y-%m-%dT%H:%M:%SZ},{b:%Y-%m-%dT%H:%M:%SZ}"),
    "bars": ("start|end", lambda a, b, m: f"{a:%Y/%m/%d %H:%M}|{b:%Y/%m/%d %H:%M}"),
    "minutes": ("Date,Downtime (minutes)", lambda a, b, m: f"{a:%Y-%m-%d %H:%M},{m}"),
    "decimal comma": (
        "start;hours",
        lambda a, b, m: f"{a:%d.%m.%Y %H:%M};" + f"{m / 60:.4f}".replace(".", ","),
    ),
    "seconds": ("created_at,time_to_resolve_seconds", lambda a, b, m: f"{a:%Y-%m-%dT%H:%M:%SZ},{60 * m}"),
    "hours, minutes, seconds": (
        "Incident Date,Duration",
        lambda a, b, m: f"{a:%m/%d/%Y %H:%M},{m // 60}:{m % 60:02}:00",
    ),
    "in words": (
        "Incident Start Time (UTC),Time to Resolve",
        lambda a, b, m: f"{a:%Y-%m-%d %H:%M},{m // 60}h {m % 60}m",
    ),
    "an end and a bare number": (
        "start,end,duration",
        lambda a, b, m: f"{a:%Y-%m-%d %H:%M},{b:%Y-%m-%d %H:%M},{m}",
    ),
}


def written(layout: str) -> str:
    head, line = LAYOUTS[layout]
    return "\n".join([head, *map(line, BEGAN, ENDED, TOOK)]) + "\n"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_times_and_durations_are_read_as_they_were_written(tmp_path: Path, layout: str) -> None:
    (tmp_path / "a.csv").write_text(written(layout))
    rows = incident_csv.read(tmp_path / "a.csv").incidents
    assert rows["started_at"].dt.tz_localize(None).tolist() == BEGAN
    assert times.durations(rows, "restore")["minutes"].tolist() == pytest.approx(TOOK, abs=0.01)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_files_of_spreadsheets_are_read(tmp_path: Path, encoding: str) -> None:
    text = "sep=;\nBeginn;Ende;Titel\n03.01.2020 10:00;13.01.2020 11:00;Störung\n;;\n"
    (tmp_path / "a.csv").write_bytes(text.encode(encoding))
    read = incident_csv.read(tmp_path / "a.csv")
    assert read.incidents["title"].tolist() == ["Störung"]
    assert any("Windows-1252" in note for note in read.notes) == (encoding == "cp1252")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            "start,end\n2020-01-03 10:00 CET,2020-01-03 11:00 CET\n",
            "1 of 1 times cannot be read, such as '2020-01-03 10:00 CET'",
        ),
        ("start,end\n10:00,11:00\n12:00,12:30\n", "times of day, and no column a date"),
        ("date,duration\n2020-01-03,90\n", "nothing says whether '90' is minutes, hours or seconds"),
        ("start,end\n03/04/20 10:00,03/04/20 11:00\n", "whether day or month comes first"),
    ],
)
def test_what_can_be_read_two_ways_is_refused(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(InputError, match=why):
        incident_csv.read(tmp_path / "a.csv")


def test_no_cell_is_guessed() -> None:
    notes: list[str] = []
    odd = pd.Series(["19-06-02", "02-06-19", "06:30", "next week", "2019-06-02 06:29"])
    assert incident_cells.moments(odd, "start", True, notes).notna().tolist() == [False] * 4 + [True]
    assert any("4 cells of start cannot be read, first '19-06-02'" in note for note in notes)
    notes = []
    odd = pd.Series(["1:30", "-5 min", "1.5 h", "2 days, 1:00:00"])  # 1:30 is hours or minutes
    assert incident_cells.minutes(odd, "d", None, "f", notes).fillna(-1).tolist() == [-1, -1, 90, 2940]
    assert "2 cells of d cannot be read" in notes[0]
    assert incident_cells.minutes(pd.Series(["1,234", "12,500.5"]), "d", 1.0, "f", notes).tolist() == [
        1234,
        12500.5,
    ]
    assert incident_cells.minutes(pd.Series(["1,234", "12,5"]), "d", 1.0, "f", notes).tolist() == [
        1.234,
        12.5,
    ]


def test_cells_beyond_the_header_are_told(tmp_path: Path) -> None:
    path = tmp_path / "incidents.csv"
    path.write_text("started,duration_minutes\n2021-04-03 10:00,30,surplus\n2021-04-04 10:00,40,more\n")
    found = incident_csv.read(path)
    assert list(found.incidents["stated_restore_min"]) == [30, 40]
    assert any("more cells than the header" in note for note in found.notes)


def test_years_that_stand_for_no_time_at_all_are_told_and_not_measured(tmp_path: Path) -> None:
    """Exports write 9999-12-31 or 0001-01-01 for what has not ended: that is open, not eight thousand years."""
    rows = "".join(
        f"{began:%Y-%m-%dT%H:%M:%SZ},{ended:%Y-%m-%dT%H:%M:%SZ}\n"
        for began, ended in zip(BEGAN, ENDED, strict=True)
    )
    (tmp_path / "a.csv").write_text(
        f"started,resolved\n{rows}2020-05-01T10:00:00Z,9999-12-31T23:59:59Z\n0001-01-01T00:00:00Z,2020-05-01T10:00:00Z\n"
    )
    read = incident_csv.read(tmp_path / "a.csv")
    found = times.durations(read.incidents, "restore")
    assert found["minutes"].dropna().tolist() == TOOK
    assert found["reason"].tolist()[-2:] == ["open", "started not recorded"]
    assert "1 times of resolved are of a year that cannot be right, first '9999-12-31T23:59:59Z'" in " ".join(
        read.notes
    )
