"""A file with several incidents: each is read as one, on its own day."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from resilience.sources import reports

from .test_reports import read_one

LOG = """# Incidents 2021

All times are UTC.

## INC-101: Search slow

**Start:** 2021-01-12 09:00
**Severity:** SEV2

### Timeline
- 09:00 Incident started
- 09:10 Alert fired
- 09:45 Incident resolved

## INC-102: Checkout down

**Start:** 2021-02-20 18:10
**Severity:** SEV1

### Timeline
- 18:10 Incident started
- 19:00 Incident resolved
"""

MONTH = """# Availability: June 2023

Two incidents this month.

## June 12 17:41 UTC (lasting 1 hour and 2 minutes)

On June 12 at 17:41 UTC, pushes were slow. The root cause was a replica.

## June 29 14:50 UTC (lasting 50 minutes)

A DNS change.

## Outlook

More tests.
"""


def test_each_incident_of_a_log_has_its_own_day(tmp_path: Path) -> None:
    read = read_one(tmp_path, LOG, "log.md")
    rows = read.incidents.set_index("incident_id")
    assert list(rows.index) == ["INC-101", "INC-102"]
    assert rows.loc["INC-102", "resolved_at"] == pd.Timestamp("2021-02-20 19:00", tz="UTC")
    assert rows.loc["INC-101", "detected_at"] == pd.Timestamp("2021-01-12 09:10", tz="UTC")
    assert list(rows["severity"]) == ["SEV2", "SEV1"]
    assert "INC-102" not in rows.loc["INC-101", "text"]
    assert read.timeline.groupby("incident_id")["at"].count().to_dict() == {"INC-101": 3, "INC-102": 2}
    missing = read.problems[(read.problems["field"] == "mitigated_at")]
    assert sorted(missing["subject"]) == ["INC-101", "INC-102"]  # each its own row
    assert (read.problems["message"].str.contains("tells of 2 incidents, from lines 5, 15")).sum() == 1
    shown = reports.overview(read.incident_quality.merge(read.incidents[["incident_id", "source_uri"]]))
    assert [name.rsplit("(")[-1] for name in shown["file"]] == ["INC-101)", "INC-102)"]


def test_a_month_of_headings_that_say_how_long(tmp_path: Path) -> None:
    rows = read_one(tmp_path, MONTH, "june.md").incidents
    assert [f"{at:%Y-%m-%d %H:%M}" for at in rows["started_at"]] == ["2023-06-12 17:41", "2023-06-29 14:50"]
    assert list(rows["stated_restore_min"]) == [62.0, 50.0]


@pytest.mark.parametrize(
    "text",
    [
        "# T\n\nStart: 2021-01-12 09:00 UTC\nSeverity: 1\n\n## Europe\nStart: 2021-01-12 09:00 UTC\n"
        "End: 2021-01-12 10:00 UTC\n\n## Asia\nStart: 2021-01-12 09:30 UTC\nEnd: 2021-01-12 10:30 UTC\n",
        "# T\n\n## Impact\nSeverity: SEV1\n\n## Detection\nDetected: 2021-01-12 09:00 UTC\n\n## Timeline\n- 09:00 UTC x\n",
        "# T\n\n## Timeline\n\n### June 7 16:11 UTC: errors rise\n\nx\n\n### June 7 17:00 UTC: resolved\n\nx\n",
    ],
)
def test_one_incident_stays_one(tmp_path: Path, text: str) -> None:
    assert len(read_one(tmp_path, text).incidents) == 1


def test_without_the_year_a_month_is_not_dated(tmp_path: Path) -> None:
    rows = read_one(tmp_path, MONTH.replace("June 2023", "June"), "june.md").incidents
    assert rows["started_at"].isna().to_list() == [True, True]
