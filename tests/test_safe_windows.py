"""Backlog, and windows that are safe: on a planted week, closed for every reason there is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from resilience import schema
from resilience.analysis.backlog import backlog
from resilience.analysis.headroom import headroom
from resilience.analysis.safe_windows import SafeWindows, safe_windows
from resilience.cli import main
from resilience.errors import InputError
from resilience.sample import limits as planted
from resilience.sample.traffic import Clock
from resilience.store import Store

from . import loads
from .sizes import FULL, SIZE

BERLIN = "Europe/Berlin"
COLUMNS = ["kind", "title", "starts_at", "ends_at", "weekdays", "from_min", "until_min", "services"]
FIRST = pd.Timestamp("2021-03-01", tz=BERLIN)
NEXT = (pd.Timestamp("2021-05-10", tz=BERLIN), pd.Timestamp("2021-05-17", tz=BERLIN))


def calendar(*rows: dict[str, Any]) -> pd.DataFrame:
    found = pd.DataFrame(list(rows), columns=COLUMNS)
    for column in ("starts_at", "ends_at"):
        found[column] = pd.to_datetime(found[column], utc=True)
    return found


SUPPORT = {
    "kind": "support", "title": "office", "weekdays": "0,1,2,3,4", "from_min": 480.0, "until_min": 1080.0
}  # fmt: skip


def load(weeks: int = 10, scope: str = "service:orders", growth: float = 1.0) -> pd.DataFrame:
    """Each local hour carries 100, evenings from 18 to 21 carry 300; no noise."""
    at = pd.date_range(FIRST, periods=weeks * 168 - 1, freq="h")
    evening = (at.hour >= 18) & (at.hour < 21)
    value = np.where(evening, 300.0, 100.0) * growth ** (np.arange(len(at)) / 168)
    return schema.frame(
        "series",
        pd.DataFrame(
            {
                "metric": "hits", "scope": scope, "at": at.tz_convert("UTC").as_unit("us"), "value": value,
                "interval_s": 3600.0, "rollup": "sum", "unit": "hits", "source": "t",
            }
        ),
    )  # fmt: skip


def find(rows: pd.DataFrame | None = None, entries: Any = (SUPPORT,), **given: Any) -> SafeWindows:
    wanted = {"targets": ["orders"], "minutes": 20.0, "between": NEXT, "limits": {"orders": 400.0}, **given}
    return safe_windows(
        load() if rows is None else rows, calendar(*entries), zone=BERLIN, metric="hits", **wanted
    )


def reasons(found: SafeWindows) -> set[str]:
    return set(found.table["reason"].dropna().str.split(":").str[0])


def test_windows_lie_where_there_is_room_and_somebody_at_hand() -> None:
    found = find()
    hours = found.best["starts_at"].dt.tz_convert(BERLIN)
    assert len(found.table) == 7 * 48
    assert set(hours.dt.day_of_week) == {0, 1, 2, 3, 4}
    assert hours.dt.hour.min() == 8
    assert (
        hours.dt.hour * 60 + hours.dt.minute
    ).max() == 16 * 60 + 30  # an hour after 20 minutes ends by 18:00
    assert found.best["room"].max() == pytest.approx(1 - 100 / (400 * 2 / 3), abs=0.02)
    assert reasons(found) == {"nobody at hand until it has recovered"}
    assert "no room on orders" in reasons(find(entries=()))
    assert "stays free" in found.text


def test_what_is_not_known_is_said() -> None:
    found = find(entries=(), limits=None)
    assert "no limit is known for orders" in found.text.lower()
    assert "support hours are not stated" in found.text.lower()
    assert found.best["room"].max() == pytest.approx(1 - 100 / 200, abs=0.02)  # 300 was carried before


def test_growth_since_then_takes_room() -> None:
    still, growing = find(), find(load(growth=1.02))
    assert growing.best["room"].max() < still.best["room"].max() - 0.05


@pytest.mark.parametrize("kind", ["freeze", "sale", "holiday"])
def test_closed_days_are_refused_with_their_name(kind: str) -> None:
    day = {
        "kind": kind, "title": "Spring", "starts_at": "2021-05-11T00:00+02:00", "ends_at": "2021-05-12T00:00+02:00"
    }  # fmt: skip
    found = find(entries=(SUPPORT, day))
    local = found.best["starts_at"].dt.tz_convert(BERLIN)
    assert set(local.dt.day) == {10, 12, 13, 14}
    assert f"{kind}: Spring" in set(found.table["reason"])
    other = find(entries=(SUPPORT, {**day, "services": "search, tax"}))
    assert 11 in set(other.best["starts_at"].dt.tz_convert(BERLIN).dt.day)
    mine = find(entries=(SUPPORT, {**day, "services": "search, orders"}))
    assert 11 not in set(mine.best["starts_at"].dt.tz_convert(BERLIN).dt.day)


def incident(**about: Any) -> pd.DataFrame:
    common = {
        "incident_id": "I-1", "title": "t", "kind": "real", "detected_by": "unknown", "text": "", "simulated": False,
        "source": "t", "source_uri": "t", "started_at": NEXT[0] - pd.Timedelta(hours=3), "services": "orders",
    }  # fmt: skip
    return schema.frame("incidents", [{**common, **about}])


def test_an_open_incident_closes_the_first_day_and_conditions_the_rest() -> None:
    found = find(incidents=incident())
    assert "open incident" in reasons(found)
    assert found.best["starts_at"].min() >= NEXT[0] + pd.Timedelta(days=1)
    assert set(found.best["condition"]) == {"only once I-1 is over"}
    over = incident(resolved_at=NEXT[0] - pd.Timedelta(hours=1))
    for other in (over, incident(kind="drill"), incident(services="tax", severity="SEV3")):
        assert "open incident" not in reasons(find(incidents=other))
    assert "open incident" in reasons(find(incidents=incident(services="tax", severity="SEV1")))


def test_a_spent_error_budget_closes_thirty_days() -> None:
    slo = {
        "slo_id": "s", "month_at": "2021-04-01T00:00Z", "until_at": "2021-05-01T00:00Z", "name": "orders answer",
        "service": "orders", "target_percent": 99.9, "value_percent": 99.8, "source": "t",
    }  # fmt: skip
    found = find(slo_history=schema.frame("slo_history", [slo]))
    assert found.best.empty
    assert "error budget spent" in reasons(found)
    kept = find(slo_history=schema.frame("slo_history", [{**slo, "value_percent": 99.95}]))
    assert len(kept.best)


def test_a_queue_must_drain_in_time() -> None:
    """100 an hour, 20 minutes of standing still: 33 wait. 110 an hour takes 200 minutes, 105 more than four hours."""
    slow = find(stopped=True, limits={"orders": 105.0}, entries=())
    assert slow.best.empty
    quick = find(stopped=True, limits={"orders": 400.0}, entries=()).best
    assert quick["backlog"].iloc[0] == pytest.approx(100 / 3, rel=0.02)
    assert quick["drain_min"].max() <= 240
    at_once = find(load(), stopped=True, limits={"orders": 4000.0}, entries=()).best
    assert at_once["drain_min"].min() == pytest.approx(33.33 / 65, rel=0.01), (
        "exact, though the series has hours"
    )


@pytest.mark.parametrize("wrong", [{"minutes": 0.0}, {"minutes": -1.0}, {"lost": 1.0}, {"lost": -0.1}])
def test_a_fault_that_makes_no_sense_has_no_window(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match="none to find a window for"):
        find(**wrong)


def test_targets_are_judged_together_and_must_have_a_series() -> None:
    both = pd.concat([load(), load(scope="service:tax")], ignore_index=True)
    found = find(both, targets=["orders", "tax"], limits={"orders": 4000.0, "tax": 200.0})
    assert set(found.table["tightest"]) == {"tax"}
    with pytest.raises(InputError, match="no series"):
        find(targets=["nobody"])
    with pytest.raises(InputError, match="four are needed"):
        find(load(weeks=2))
    with pytest.raises(InputError, match="no time between"):
        find(between=NEXT[::-1])


def test_a_gap_is_no_room() -> None:
    rows = load()
    night = rows["at"].dt.tz_convert(BERLIN).dt.hour.isin([9, 10])
    rows["value"] = rows["value"].mask(night)
    found = find(rows)
    hours = found.best["starts_at"].dt.tz_convert(BERLIN).dt.hour
    assert not set(hours) & {9, 10}
    assert "no ordinary week of orders shows this time" in set(found.table["reason"])


def test_the_command_finds_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = Store(tmp_path / "store")
    store.upsert("series", load())
    asked = ["windows", "--store", store.root, "--metric", "hits", "--target", "orders", "--days", "2"]
    done = CliRunner().invoke(main, [*asked, "--limit", "orders=400", "--format", "json"])
    assert done.exit_code == 0, done.output
    assert all(row["safe"] for row in json.loads(done.stdout))
    assert (
        len(json.loads(done.stdout)) == 2 * 48 - 2 * 8
    )  # no room from 18:00 to 21:00, half an hour before included
    wrong = CliRunner().invoke(main, [*asked, "--limit", "orders"])
    assert wrong.exit_code == 2
    assert "SERVICE=LOAD" in wrong.output


def test_twenty_minutes_at_four_thousand_a_minute() -> None:
    found = backlog(np.full(24, 20_000.0), 5, 20, per_min=5_000)
    assert found.peak == 80_000
    assert found.drain_min == pytest.approx(80)
    assert "80,000" in found.text
    assert backlog(np.full(24, 20_000.0), 5, 20, per_min=4_000).drain_min is None
    assert backlog(np.full(24, 20_000.0), 5, 20).drain_min is None
    part = backlog(np.full(24, 20_000.0), 5, 12.5, per_min=8_000)
    assert [part.peak, part.drain_min] == pytest.approx([50_000, 12.5])


@pytest.mark.parametrize("arrivals", [[], [np.nan, 1.0], [-1.0, 2.0], [np.inf] * 9, [1.0]])
def test_a_backlog_is_not_made_up(arrivals: list[float]) -> None:
    with pytest.raises(InputError):
        backlog(np.array(arrivals), 5, 20)


# --- recommended windows, held out: the fault is simulated on what really came ---

CUTS = ("2020-03-02", "2020-05-18", "2021-01-18", "2021-05-03")[:: 1 if FULL else 2]


def held_out(
    sample: loads.Sample, cut: str, service: str, *, known: str, stopped: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Whether each window recommended for the 28 days from `cut` on breached: more was asked for than the fault left of what

    is truly carried (or the queue was not worked off within four hours). And the same of those refused."""
    about = sample.world.service(service)
    limit = next(one for one in sample.world.limits if one.service == service)
    start = pd.Timestamp(cut, tz=BERLIN)
    rows = sample.hits[sample.hits["scope"] == f"service:{service}"]
    before = rows["at"] < start
    limits = {service: limit.rps * 3600} if known == "true" else None
    if known == "learned":
        p95 = sample.p95[sample.p95["scope"] == f"service:{service}"]
        seen = [one[one["at"] < start].reset_index(drop=True) for one in (rows, p95)]
        limits = headroom(
            *seen, BERLIN, load_metric="hits", response_metric="p95", times_usual=1.5, exclude=sample.enlarged
        ).sure
    whole = safe_windows(
        rows[before].reset_index(drop=True), sample.calendar, zone=BERLIN, metric="hits", targets=[service], minutes=20,
        between=(start, start + pd.Timedelta(days=28)), limits=limits,
        stopped=stopped, exclude=sample.unlike,
    ).table  # fmt: skip
    came = rows[~before].set_index("at")["value"]
    clock = Clock.of(came.index.as_unit("s").asi8.astype(float))
    carried = pd.Series(planted.carried(limit, about, clock) * 3600, came.index)
    if not stopped:  # a window of 20 minutes that starts at :00 or :30 lies in one hour
        hours = whole["starts_at"].dt.floor("h")
        load, room = came.reindex(hours).to_numpy(), carried.reindex(hours).to_numpy()
        over, known_load, safe = load > room * 2 / 3, ~np.isnan(load), whole["safe"].to_numpy()
        return over[known_load & safe], over[known_load & ~safe]
    breached = []
    for start_at in whole.loc[whole["safe"], "starts_at"].iloc[::20]:
        hours = pd.date_range(start_at.floor("h"), periods=6, freq="h")
        load, room = came.reindex(hours), carried.reindex(hours)
        if load.notna().all():
            done = backlog(load.to_numpy(), 60, 20, per_min=float(room.min()) / 60).drain_min
            breached.append(done is None or done > 240)
    return np.array(breached, dtype=bool), np.zeros(0, dtype=bool)


@pytest.mark.parametrize("known", ["true", "learned", "not at all"])
def test_recommended_windows_do_not_breach_when_the_fault_is_simulated(known: str) -> None:
    """At most 5 %, over services of every kind, those that are nearly full among them; and some are recommended at all."""
    sample = loads.sample(2, SIZE)
    names = [s.name for s in sample.world.services][:: 1 if FULL else 4]
    found = [held_out(sample, cut, name, known=known) for cut in CUTS for name in names]
    each, refused = (np.concatenate(part) for part in zip(*found, strict=True))
    print(
        f"limits known {known}: {each.sum()} of {len(each)} windows breached, refused ones {refused.mean():.2%}"
    )
    assert len(each) > 1000
    assert each.mean() <= 0.05
    assert refused.mean() > 0.05, "a world in which nothing ever breaches says nothing"


def test_recommended_stops_of_consumers_drain() -> None:
    sample = loads.sample(2, SIZE)
    names = [s.name for s in sample.world.services if s.kind == "machine"][: 40 if FULL else 4]
    each = np.concatenate(
        [held_out(sample, cut, name, known="true", stopped=True)[0] for cut in CUTS for name in names]
    )
    print(f"{each.sum()} of {len(each)} stops were not worked off in time ({each.mean():.2%})")
    assert len(each) > 100
    assert each.mean() <= 0.05
