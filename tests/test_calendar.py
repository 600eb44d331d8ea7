"""data/calendar.yml: read with its lines or refused as a whole, and used wherever an ordinary week is asked for."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from resilience import schema, views, workspace
from resilience.analysis import calendar as business
from resilience.analysis import capacity
from resilience.cli import main
from resilience.errors import InputError
from resilience.sources import calendar
from resilience.store import Store

from .test_safe_windows import BERLIN, load

DOCS = Path(__file__).resolve().parents[1] / "docs" / "calendar.md"


def read(folder: Path, text: str) -> pd.DataFrame:
    (folder / "calendar.yml").write_text(text, encoding="utf-8")
    return calendar.read(folder / "calendar.yml", "data/calendar.yml", BERLIN)


def test_the_documented_example_is_read(tmp_path: Path) -> None:
    example = re.search(r"```yaml\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert example is not None
    rows = read(tmp_path, example[1]).set_index("title")
    assert set(rows["kind"]) == set(schema.CALENDAR_KINDS)
    assert rows.loc["Christmas", "starts_at"] == pd.Timestamp("2020-12-17T23:00Z")
    assert rows.loc["Christmas", "ends_at"] == pd.Timestamp("2021-01-01T23:00Z")  # the last day is included
    assert rows.loc["New ledger", "services"] == "invoicing"
    assert list(rows.loc["office", ["weekdays", "from_min", "until_min"]]) == ["0,1,2,3,4", 480.0, 1080.0]
    assert rows.loc["extra shift", "ends_at"] == pd.Timestamp("2021-03-06T15:00Z")


def test_days_are_whole_over_both_changes_of_the_clock(tmp_path: Path) -> None:
    text = "holidays:\n  - {title: a, on: 2021-03-28}\n  - {title: b, on: 2021-10-31}\n"
    rows = read(tmp_path, text)
    hours = (rows["ends_at"] - rows["starts_at"]) / pd.Timedelta(hours=1)
    assert hours.tolist() == [23, 25]


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("- 1\n", 1, "should hold the lists"),
        ("sale:\n  - {title: a, on: 2020-01-01}\n", 1, "not a known key"),
        ("sales:\n  - a\n", 2, "no mapping"),
        ("sales:\n  - on: 2020-01-01\n", 2, "title is missing"),
        ("sales:\n  - title: a\n", 2, "no single day"),
        ("sales:\n  - title: a\n    on: 2020-01-01\n    to: 2020-01-02\n    from: 2020-01-01\n", 2, "no single day"),
        ("sales:\n  - title: a\n    from: 2020-02-01\n    to: 2020-01-01\n", 4, "ends before"),
        ("sales:\n  - title: a\n    on: 2020-02-30\n", 3, "no day"),
        ("sales:\n  - title: a\n    on: 2020-02-01 10:00\n", 3, "no day"),
        ("sales:\n  - title: a\n    on: 9999-12-31\n", 3, "no day"),
        ("freezes:\n  - title: a\n    on: 2020-02-01\n    services: [a b]\n", 4, "services"),
        ("support:\n  - title: a\n    days: [someday]\n    from: 08:00\n    to: 09:00\n", 3, "no weekday"),
        ("support:\n  - title: a\n    days: [mon]\n    from: 8\n    to: 09:00\n", 4, "from"),
        ("support:\n  - title: a\n    days: [mon]\n    from: 08:00\n    to: 24:01\n", 5, "no time of the day"),
        ("support:\n  - title: a\n    days: [mon]\n    from: 22:00\n    to: 06:00\n", 5, "ends before"),
        ("support:\n  - title: a\n    days: [mon]\n    on: 2020-01-01\n", 4, "weekdays and a day"),
        ("support:\n  - title: a\n    services: [b]\n    on: 2020-01-01\n", 3, "not a known key"),
    ],
)  # fmt: skip
def test_a_wrong_entry_is_refused_with_its_line(tmp_path: Path, text: str, line: int, says: str) -> None:
    with pytest.raises(InputError, match=says) as error:
        read(tmp_path, text)
    assert error.value.line == line
    assert error.value.remedy


def test_ingest_keeps_what_the_file_says_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    space = workspace.create(tmp_path, title="t", zone=BERLIN)
    monkeypatch.chdir(tmp_path)
    file = tmp_path / workspace.CALENDAR
    file.write_text("freezes:\n  - {title: May, on: 2021-05-01}\n", encoding="utf-8")
    assert CliRunner().invoke(main, ["ingest"]).exit_code == 0
    stored = Store(space.store).load("calendar")
    assert stored["starts_at"].tolist() == [pd.Timestamp("2021-04-30T22:00Z")]
    file.write_text("freezes:\n  - {title: May, on: 2021-05-31}\nsale: 3\n", encoding="utf-8")
    refused = CliRunner().invoke(main, ["ingest"])
    assert refused.exit_code == 2
    assert "data/calendar.yml:3" in refused.output
    assert Store(space.store).load("calendar").equals(stored)  # as before, not half of the new one
    file.write_text("# nothing\n", encoding="utf-8")
    assert CliRunner().invoke(main, ["ingest"]).exit_code == 0
    assert Store(space.store).load("calendar").empty


def test_windows_and_profiles_obey_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = (
        "freezes:\n  - {title: Launch, on: 2021-05-11}\n"
        "sales:\n  - {title: Spring, on: 2021-04-14, services: [orders]}\n"
        "  - {title: Other, on: 2021-04-15, services: [tax]}\n"
        "support:\n  - {title: office, days: [mon, tue, wed], from: 08:00, to: 18:00}\n"
    )
    store = Store(tmp_path / "store")
    store.upsert("series", load())
    store.upsert("calendar", read(tmp_path, text))
    asked = [
        "windows",
        "--store",
        store.root,
        "--metric",
        "hits",
        "--target",
        "orders",
        "--limit",
        "orders=400",
    ]
    asked += ["--from", "2021-05-10T00:00+02:00", "--days", "7", "--format", "json"]
    done = CliRunner().invoke(main, asked)
    assert done.exit_code == 0, done.output
    days = {pd.Timestamp(row["starts_at"]).tz_convert(BERLIN).day for row in json.loads(done.stdout)}
    assert days == {10, 12}
    assert "2 sales" in CliRunner().invoke(main, asked[:-2]).output

    out = views.left_out(store)
    scopes = capacity.profile(load(), BERLIN, metric="hits", exclude=out.spans).scopes
    assert scopes["n_excluded"].tolist() == [24]  # its own sale, not that of tax
    done = CliRunner().invoke(main, ["capacity", "--store", store.root, "--metric", "hits"])
    assert "Left out on request: 24" in done.output
    assert "Left out as no ordinary weeks: 2 sales" in done.output


def test_what_cannot_be_left_out_is_counted() -> None:
    at = pd.Timestamp("2021-04-01T10:00Z")
    common = {
        "title": "t", "kind": "real", "detected_by": "unknown", "text": "", "simulated": False, "source": "t",
        "source_uri": "t", "started_at": at,
    }  # fmt: skip
    hour = pd.Timedelta(hours=1)
    rows = schema.frame(
        "incidents",
        [
            {
                **common,
                "incident_id": "1",
                "services": "a, b",
                "mitigated_at": at + hour,
                "resolved_at": at + 9 * hour,
            },
            {**common, "incident_id": "2", "services": "a"},
            {**common, "incident_id": "3", "resolved_at": at + hour},
        ],
    )
    found = business.unlike(schema.frame("calendar"), rows)
    assert found.spans == {"a": [(at, at + hour)], "b": [(at, at + hour)]}
    assert "1 incident." in found.text
    assert "2 incident(s) without start, end or service" in found.text
    assert "No calendar names a sale" in found.text
