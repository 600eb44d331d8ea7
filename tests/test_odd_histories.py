"""Odd histories through the commands, as people meet them: a clear answer or a clear error, and never a traceback."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from resilience import schema, workspace
from resilience.cli import main
from resilience.store import Store

NONE = pd.NaT


class Row(NamedTuple):
    started: object
    resolved: object


def day(i: int, clock: str = "10:00", zone: str = "UTC", first: str = "2019-03-01") -> pd.Timestamp:
    return pd.Timestamp(f"{pd.Timestamp(first) + pd.Timedelta(days=9 * i):%Y-%m-%d} {clock}", tz=zone)


def restored(n: int) -> list[Row]:
    return [Row(day(i), day(i) + pd.Timedelta(minutes=30 + i)) for i in range(n)]


CALLS = {"start": "2020-03-29 01:30", "end": "2020-03-29 03:30"}  # an hour apart in Berlin
HISTORIES: dict[str, list[Row]] = {
    "none": [],
    "one": restored(1),
    "two": restored(2),
    "all open": [Row(day(i), NONE) for i in range(60)],
    "one instant": [Row(day(0), day(0)) for _ in range(60)],
    "zones change": [Row(*(pd.Timestamp(t, tz="Europe/Berlin") for t in CALLS.values())) for _ in range(40)],
    "future": [Row(day(i, first="2150-01-01"), day(i, "11:00", first="2150-01-01")) for i in range(60)],
    "end before start": [Row(day(i), day(i) - pd.Timedelta("1h")) for i in range(60)],
    "one mistyped year": [
        *restored(60),
        Row(pd.Timestamp("1020-01-01", tz="UTC"), pd.Timestamp("2020-01-01", tz="UTC")),
    ],
}
ASKED: tuple[tuple[str, ...], ...] = (
    ("times",),
    ("times", "--by", "quarter"),
    ("times", "--by", "cause", "--format", "json"),
    ("times", "--by", "service", "--clock", "detect"),
    ("times", "--clock", "inform"),
    ("compare", "--date", "2020-03-01"),
    ("compare", "--date", "2020-03-01", "--clock", "detect", "--anchored"),
    ("compare", "--date", "0001-01-01T00:00:00+14:00", "--format", "csv"),
    ("compare", "--date", "2020-02-30"),
    ("placebo",),
    ("placebo", "--date", "2020-03-01", "--window", "7"),
    ("placebo", "--date", "2999-01-01"),
    ("placebo", "--window", "nan"),
    ("restated", "--since", "0"),
    ("restated", "--since", "99999999999999999999"),
    ("restated", "--since", "2020-01-01"),
)


def stored(place: workspace.Workspace, rows: list[Row]) -> None:
    made = [
        {
            "incident_id": f"i{i}", "kind": "real", "title": "t", "detected_by": "unknown", "text": "t", "simulated": False,
            "source": "t", "source_uri": f"t{i}", "started_at": row.started, "resolved_at": row.resolved,
        }
        for i, row in enumerate(rows)
    ]  # fmt: skip
    Store(place.store).upsert("incidents", schema.frame("incidents", made))


def answered(done: Result) -> str:
    """What was said, whole sentences and no traceback: exit code 0, or 2 with a remedy."""
    assert done.exception is None or isinstance(done.exception, SystemExit), repr(done.exception)
    assert done.exit_code in (0, 2), done.output
    assert "Traceback" not in done.output
    if done.exit_code:
        assert "Error: " in done.output
    return done.output


@pytest.mark.parametrize("name", HISTORIES)
def test_every_question_of_an_odd_history_is_answered(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = workspace.create(tmp_path / "ws", title="Test", zone="Europe/Berlin")
    stored(place, HISTORIES[name])
    monkeypatch.chdir(place.root)
    for asked in ASKED:
        said = answered(CliRunner().invoke(main, list(asked)))
        if asked[0] == "compare" and "--format" not in asked and "2020-02-30" not in asked:
            assert said.startswith("Not measurable: ") or name == "one mistyped year", said
        assert not re.search(r"\bnan\b", said) or "nan" in asked, said


def rows(cells: Callable[[int], str], n: int = 60) -> str:
    return "".join(cells(i) + "\n" for i in range(n))


STAMP = "%Y-%m-%dT%H:%M:%SZ"
CSVS: dict[str, tuple[bytes, int, str]] = {
    "header alone": (b"started,resolved\n", 2, "0 of 0 incidents"),
    "empty": (b"", 2, "cannot be read as a CSV"),
    "bytes": (bytes(range(256)) * 9, 2, "No column says when"),
    "Windows-1252": (
        "id;Beginn;Ende;Störung\n".encode("cp1252")
        + rows(lambda i: f"{i};{day(i):%d.%m.%Y} 10:00;{day(i):%d.%m.%Y} 1{1 + i % 8}:00;").encode(),
        0,
        "read as Windows-1252",
    ),
    "offsets": (
        (
            "started,resolved\n"
            + rows(lambda i: f"{day(i):%Y-%m-%d}T10:00:00+0{i % 3}:00,{day(i):%Y-%m-%d}T1{1 + i % 8}:00:00-0{i % 4}:00")
        ).encode(),
        0,
        "of the time here",
    ),
    "end before start": (
        ("started,resolved\n" + rows(lambda i: f"{day(i):{STAMP}},{day(i) - pd.Timedelta('1h'):{STAMP}}")).encode(),
        2,
        "negative: 60",
    ),
    "one instant": (("started,resolved\n" + f"{day(1):{STAMP}},{day(1):{STAMP}}\n" * 60).encode(), 2, "Too few dates"),
    "no ends": (("started,resolved\n" + rows(lambda i: f"{day(i):{STAMP}},")).encode(), 2, "open: 60"),
    "NUL": (("started,resolved,title\n" + rows(lambda i: f"{day(i):{STAMP}},{day(i, '11:00'):{STAMP}},\0")).encode(), 0, ""),
    "another kind": (
        ("started,resolved,kind\n" + rows(lambda i: f"{day(i):{STAMP}},{day(i, '11:00'):{STAMP}},chaos")).encode(),
        0,
        "60 rows of another kind, first 'chaos', are taken for real incidents",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CSVS)
def test_every_odd_csv_is_answered(name: str, tmp_path: Path) -> None:
    content, code, words = CSVS[name]
    (tmp_path / "incidents.csv").write_bytes(content)
    given = str(tmp_path / "incidents.csv")
    done = CliRunner().invoke(main, ["placebo", given, "--out", str(tmp_path / "page.html")])
    said = answered(done)
    assert done.exit_code == code, said
    assert words in said
    assert (tmp_path / "page.html").exists() == (code == 0)
    answered(CliRunner().invoke(main, ["compare", given, "--date", "2020-03-01", "--format", "json"]))


def test_a_folder_without_reports_and_a_report_that_is_none(tmp_path: Path) -> None:
    assert "no file in this folder" in answered(CliRunner().invoke(main, ["placebo", str(tmp_path)]))
    (tmp_path / "a.md").write_bytes(b"\xff\xfe\x00# broken")
    answered(CliRunner().invoke(main, ["placebo", str(tmp_path), "--out", str(tmp_path / "p.html")]))
    assert "no such file" in answered(
        CliRunner().invoke(main, ["compare", "gone.csv", "--date", "2020-01-01"])
    )
