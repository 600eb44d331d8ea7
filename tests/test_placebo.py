"""Random dates: what they say in worlds of known truth, any CSV of incidents, and a page that needs nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from resilience.analysis import agreement, claims, placebo
from resilience.cli import main
from resilience.errors import InputError, RefusedError
from resilience.report import placebo_page
from resilience.sources import incident_csv, reports

from .histories import CHANGE, history


def test_where_nothing_changed_random_dates_cut_the_mean_about_as_often_as_measured() -> None:
    """METHODS: 34 to 44 % of the time at n = 20 to 50 either side; the mean over many histories is in that range."""
    shares = []
    for seed in range(12):
        found = placebo.placebo(history(seed, n=120, sigma=1.5)[0], None, window_days=182)
        assert len(found.dates) == 1000
        assert found.dates[["n_before", "n_after"]].min().min() >= placebo.MIN_SIDE
        shares.append(found.cuts)
    assert 0.25 < np.mean(shares) < 0.5


def test_each_date_is_compared_as_a_dashboard_would() -> None:
    rows, _ = history(3, n=150)
    found = placebo.placebo(rows, CHANGE)
    began, half = rows["started_at"], pd.Timedelta(days=found.window_days)
    took = (rows["resolved_at"] - rows["started_at"]).dt.total_seconds() / 60
    assert found.real is not None
    for row in [*found.dates.head(20).to_dict("records"), found.real.to_dict()]:
        at = row["at"]
        before, after = (began >= at - half) & (began < at), (began >= at) & (began < at + half)
        assert (row["n_before"], row["n_after"]) == (before.sum(), after.sum())
        assert row["change"] == pytest.approx(took[after].mean() / took[before].mean() - 1)
    assert found.as_low == pytest.approx((found.dates["change"] <= found.real["change"]).mean())


def test_a_large_true_change_stands_out_and_a_seed_gives_the_same_dates() -> None:
    rows, _ = history(1, n=500, restore=0.2, sigma=0.5)
    one, two = placebo.placebo(rows, CHANGE, "repair"), placebo.placebo(rows, CHANGE, "repair")
    assert one.dates.equals(two.dates)
    assert one.as_low < 0.1
    assert one.claim is not None
    assert one.claim.verdict == claims.SUPPORTED
    assert one.smallest[0] < one.smallest[1] < 1
    assert "of 1000 random dates it falls by as much or more" in one.text


def test_what_cannot_be_drawn_is_said() -> None:
    rows, _ = history(1)
    with pytest.raises(InputError, match="10 are needed"):
        placebo.placebo(rows.head(5), None)
    with pytest.raises(InputError, match="the history runs from"):
        placebo.placebo(rows, pd.Timestamp("1999-01-01", tz="UTC"))
    with pytest.raises(RefusedError):
        placebo.placebo(rows.assign(kind=["real"] * 200 + ["drill"] * (len(rows) - 200)), None)
    with pytest.raises(InputError, match="Too few dates"):
        placebo.placebo(rows.assign(started_at=rows["started_at"].iloc[0]), None, "repair")


@given(st.lists(st.floats(-0.95, 40), min_size=1, max_size=200), st.none() | st.floats(-0.999, 100))
def test_every_date_is_in_a_bar_and_the_cut_is_an_edge(changes: list[float], real: float | None) -> None:
    found = placebo.Placebo(
        pd.DataFrame({"change": changes}),
        None if real is None else pd.Series({"at": CHANGE, "change": real}),
        0.4, 0.2, (0.3, 0.4), None, placebo.clock_of("restore"), 182.0, (CHANGE, CHANGE), "<text>",
    )  # fmt: skip
    drawn = placebo_page.bars(found)
    assert drawn.counts.sum() == len(changes)
    assert np.isclose(drawn.edges, -placebo.CUT).any()
    assert "<text>" not in placebo_page.svg(found).split(">")[0]
    assert placebo_page.terminal(found).count("the date asked about") == (real is not None)


def page_of(tmp_path: Path, text: str, *options: str) -> tuple[str, str]:
    (tmp_path / "incidents.csv").write_text(text, encoding="utf-8")
    out = tmp_path / "page.html"
    done = CliRunner().invoke(main, ["placebo", str(tmp_path / "incidents.csv"), "--out", str(out), *options])
    assert done.exit_code == 0, done.output
    return done.output, out.read_text(encoding="utf-8")


def made(layout: str, head: str = "Key;Created;Closed;Priority") -> str:
    rows, _ = history(2, n=160)
    lines = [
        f"K-{i};{a.strftime(layout)};{b.strftime(layout)};P{1 + i % 4}"
        for i, (a, b) in enumerate(zip(rows["started_at"], rows["resolved_at"], strict=True))
    ]
    return "\n".join([head, *lines]) + "\n"


def test_any_csv_gives_one_page_without_network_or_script(tmp_path: Path) -> None:
    said, page = page_of(tmp_path, made("%d/%m/%Y %H:%M"), "--date", "2020-10-01")
    assert "of the time here" in said
    assert "160 times of Created carry no zone" in said
    assert "<script" not in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "<svg" in page
    assert "2020-10-01" in page
    again = page_of(tmp_path, made("%d/%m/%Y %H:%M"), "--date", "2020-10-01")[1]
    assert again == page


@pytest.mark.parametrize(
    "layout", ["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M", "%m/%d/%Y %H:%M", "%d.%m.%Y %H:%M"]
)
def test_dates_are_read_as_they_are_written(tmp_path: Path, layout: str) -> None:
    rows, _ = history(2, n=160)
    (tmp_path / "a.csv").write_text(made(layout), encoding="utf-8")
    read = incident_csv.read(tmp_path / "a.csv").incidents
    assert (read["started_at"] == rows["started_at"].dt.floor("1min" if "%S" not in layout else "1s")).all()
    assert read["severity"].tolist()[:2] == ["P1", "P2"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a,b\n1,2\n", "No column says when an incident began"),
        ("started_at,b\n2020-01-01,2\n", "or how many minutes"),
        ("started,resolved\n03/04/2021 10:00,03/04/2021 11:00\n", "whether day or month comes first"),
        (
            "started,resolved\n13/04/2021 10:00,04/13/2021 11:00\n03/30/2021 10:00,30/04/2021 11:00\n",
            "both orders",
        ),
        ("", "cannot be read as a CSV"),
    ],
)
def test_a_csv_that_cannot_be_used_says_why(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(InputError, match=why):
        incident_csv.read(tmp_path / "a.csv")


def test_minutes_hours_kinds_and_lost_cells(tmp_path: Path) -> None:
    text = "id,date,duration_hours,kind\na,2021-01-01,1.5,real\nb,2021-02-01,?,drill\na,2021-03-01,2,real\nc,soon,-1,real\n"
    (tmp_path / "a.csv").write_text(text)
    read = incident_csv.read(tmp_path / "a.csv")
    assert read.incidents["incident_id"].tolist() == ["a", "b", "c"]
    assert read.incidents["stated_restore_min"].fillna(-1).tolist() == [90, -1, -1]
    assert read.incidents["kind"].tolist() == ["real", "drill", "real"]
    told = " ".join(read.notes)
    assert "1 rows repeat an id" in told
    assert "1 cells of date cannot be read, first 'soon'" in told


def test_real_postmortems_give_a_sane_answer(shared_data: Path) -> None:
    """DFDS: what the authors state, per year, equals the gold file; dates come from the text where no moment is known."""
    told = reports.read(shared_data / "dfds-postmortems")
    gold = pd.read_csv(shared_data / "dfds-postmortems" / "gold_from_reports.csv")
    found = agreement.beside(told.incidents, "restore", told.timeline)
    years = gold.assign(year=gold["file"].str[2:6]).dropna(subset="ttr_min").groupby("year")["ttr_min"]
    mine = found.table[found.table["n_stated"] > 0].set_index("year")
    assert mine["n_stated"].to_dict() == years.count().to_dict()
    assert mine["median_stated_min"].to_dict() == years.median().to_dict()
    assert mine["n_timeline"].sum() > 25
    assert len(found.disagreements) == 21
    assert "disagree by more than a minute" in found.text
    from resilience.analysis import reporting

    rows = reporting.dated(told.incidents, told.timeline)
    random = placebo.placebo(rows, pd.Timestamp("2021-06-01", tz="UTC"))
    assert len(random.dates) == 1000
    assert 0.3 < random.cuts < 0.9
    assert random.claim is not None
    assert random.claim.verdict == claims.NOT_MEASURABLE
    assert "<svg" in placebo_page.page(random, "DFDS", "reports")
