"""What is planted in the series can be seen by somebody who knows where to look: growth, limits, edges, minutes."""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from resilience import sample
from resilience.sample import deployments, minutes, series, truth
from resilience.sample.world import FIRST, Gap, streams

from . import sample_points
from .sizes import SIZE

BERLIN = ZoneInfo("Europe/Berlin")
HITS, CPU = "trace.http.request.hits", "container.cpu.usage.pct"
ERRORS = "trace.http.request.errors.pct"
EVERY = pd.date_range("2019-06-01", "2021-06-01", freq="h", inclusive="left", tz="UTC")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("signals")
    sample.write(place, seed=7, size=SIZE)
    return place / "data"


@pytest.fixture(scope="module")
def known(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "truth.json").read_bytes())


@pytest.fixture(scope="module")
def points(folder: Path) -> dict[tuple[str, str, int], pd.Series]:
    return sample_points.parse(folder / "series")


def hourly(points: Any, metric: str, service: str) -> pd.Series:
    return points[metric, f"service:{service}", 3600].reindex(EVERY)


def ordinary(index: pd.DatetimeIndex) -> np.ndarray:
    """Hours of weeks without a sale, Christmas or the enlargement before it."""
    day = index.tz_convert(BERLIN)
    season = (day.month == 11) & (day.day > 10) | (day.month == 12) | (day.month == 1) & (day.day < 7)
    sale = (day.month == 7) & (day.day < 7) | (day.month == 9) & (day.day > 15) & (day.day < 23)
    return ~(season | sale)


# --- saturation ---


def test_trend_and_busiest_hour_lead_to_the_date_of_saturation(known: Any, points: Any) -> None:
    """Growth from the same weeks a year apart, the busiest hour from the profile, the limit from the truth."""
    off = []
    for row in known["services"]:
        if row["service"] not in known["planted"]["saturating"]:
            continue
        hits = hourly(points, HITS, row["service"]) / 3600
        hits = hits[hits.index >= "2019-06-03"]
        weeks = np.log(hits.resample("168h").median())
        yearly = (weeks.to_numpy()[52:] - weeks.to_numpy()[:-52])[
            ~np.isnan(weeks.to_numpy()[52:] - weeks.to_numpy()[:-52])
        ]
        growth = float(np.median(yearly))
        years = (hits.index - EVERY[0]) / pd.Timedelta(days=365.25)
        level = hits / np.exp(
            growth * years
        )  # as if it were the beginning; the season averages out over whole years
        level = level[ordinary(level.index)]
        local = level.index.tz_convert(BERLIN)
        profile = level.groupby([local.day_of_week, local.hour]).median()
        reached = np.log(row["limit_rps"] / profile.max()) / growth
        true = (pd.Timestamp(row["trend_saturates_on"], tz="UTC") - EVERY[0]) / pd.Timedelta(days=365.25)
        off.append(abs(reached - true))
    assert len(off) == len(known["planted"]["saturating"]) >= 10
    # a season of 10 % that is not wholly averaged out moves a date by some months where growth is slow
    assert np.mean(np.array(off) < 0.5) >= 0.8, sorted(off)


def test_saturated_services_stand_at_their_limit_and_the_others_below(known: Any, points: Any) -> None:
    seen: Counter[str] = Counter()
    for row in known["services"]:
        last = slice("2021-04-01", "2021-05-31")
        cpu, hits = (hourly(points, metric, row["service"])[last] for metric in (CPU, HITS))
        usual = (hits / 3600).resample("168h").max().median()
        when = row["trend_saturates_on"]
        if when and when < "2020-12-01":
            assert usual == pytest.approx(row["limit_rps"], rel=0.06), row["service"]
            assert cpu.resample("168h").max().median() > 88
            seen["over"] += 1
        elif when is None or when > "2022-06-01":
            assert cpu.resample("168h").max().median() < 97, row["service"]
            if not row["limit_follows_growth"]:
                assert usual < row["limit_rps"]
            seen["under"] += 1
    assert min(seen["over"], seen["under"]) >= 2, seen


def test_dates_follow_from_growth_and_limit(known: Any) -> None:
    for row in known["services"]:
        if row["limit_follows_growth"]:
            assert row["saturates_on"] is row["trend_saturates_on"] is None
        elif row["trend_saturates_on"]:
            # a season of 10 % moves it by as long as the growth takes to make up for that
            moved = pd.Timestamp(row["trend_saturates_on"]) - pd.Timestamp(row["saturates_on"])
            growth = np.log1p(row["growth_pct_per_year"] / 100)
            assert abs(moved.days) <= 366 * np.log(1 / 0.9) / growth + 1, row["service"]


# --- hidden edges ---


def residuals(points: Any, services: list[str], kinds: list[str]) -> np.ndarray:
    """(services, hours): log hits less the same hour a week before, less what all services of a kind have in common."""
    table = np.stack([np.log(np.maximum(hourly(points, HITS, s).to_numpy(), 1)) for s in services])
    change = table[:, 168:] - table[:, :-168]
    for kind in set(kinds):
        rows = [i for i, k in enumerate(kinds) if k == kind]
        known = ~np.isnan(change[rows]).all(axis=0)  # in the night without telemetry nobody is
        change[np.ix_(rows, known)] -= np.nanmedian(change[np.ix_(rows, known)], axis=0, keepdims=True)
    change = change[:, ordinary(EVERY)[168:]]
    spread = 1.4826 * np.nanmedian(np.abs(change), axis=1, keepdims=True)
    return np.nan_to_num(np.clip(change / spread, -4, 4))


def lagged(one: np.ndarray, other: np.ndarray, lag: int) -> float:
    """Correlation of `one` with `other` `lag` hours later."""
    size = len(one) - abs(lag)
    a, b = (one[:size], other[lag:]) if lag >= 0 else (one[-lag:], other[:size])
    return float(np.corrcoef(a, b)[0, 1])


def test_hidden_edges_show_as_a_lagged_correlation(folder: Path, known: Any, points: Any) -> None:
    rows = list(csv.DictReader((folder / "graph" / "services.csv").read_text().splitlines()))
    names = [r["service"] for r in rows]
    table = residuals(points, names, [r["kind"] for r in rows])
    row = {name: i for i, name in enumerate(names)}
    edges = known["hidden_edges"]
    found = []
    for edge in edges:
        a, b = table[row[edge["service"]]], table[row[edge["follower"]]]
        strength = {lag: lagged(a, b, lag) for lag in range(-8, 9)}
        best = max(strength, key=lambda lag: strength[lag])
        found.append((best == edge["lag_h"], strength[best]))
    ends = {n for e in edges for n in (e["service"], e["follower"])}
    free = [n for n in names if n not in ends]
    rng = np.random.default_rng(1)
    pairs = [rng.choice(free, 2, replace=False) for _ in range(100)]
    chance = [abs(lagged(table[row[str(a)]], table[row[str(b)]], int(rng.integers(3, 9)))) for a, b in pairs]
    usual = np.quantile(chance, 0.95)
    assert usual < 0.15
    assert np.mean([right and strong > usual for right, strong in found]) >= 0.9, found


def test_hidden_edges_show_in_incidents_and_in_no_graph(folder: Path, known: Any) -> None:
    rows = list(csv.DictReader((folder / "graph" / "edges.csv").read_text().splitlines()))
    calls = {(r["caller"], r["callee"]) for r in rows}
    assert calls == {(s["service"], callee) for s in known["services"] for callee in s["calls"]}
    below: dict[str, set[str]] = defaultdict(set)
    for s in known["services"]:
        todo = list(s["calls"])
        while todo:
            callee = todo.pop()
            assert callee != s["service"], "a call goes in circles"
            if callee not in below[s["service"]]:
                below[s["service"]].add(callee)
                todo += [c for a, c in calls if a == callee]
    assert len(known["hidden_edges"]) == round(len(known["services"]) * 22 / 150)
    for edge in known["hidden_edges"]:
        one, other = edge["service"], edge["follower"]
        assert other not in below[one]
        assert one not in below[other]
        mine = [i for i in known["incidents"] if i["services"][0] == one]
        both = [i["incident_id"] for i in mine if other in i["services"]]
        assert both
        assert set(edge["incidents"]) <= set(both)
        rest = [i for i in known["incidents"] if i["services"][0] != one]
        lift = (len(both) / len(mine)) / max(np.mean([other in i["services"] for i in rest]), 1e-9)
        assert lift > 3, edge


def test_services_csv_is_what_the_truth_says(folder: Path, known: Any) -> None:
    rows = list(csv.DictReader((folder / "graph" / "services.csv").read_text().splitlines()))
    assert [(r["service"], r["team"], int(r["criticality"])) for r in rows] == [
        (s["service"], s["team"], s["tier"]) for s in known["services"]
    ]


# --- minutes around incidents ---


def test_minutes_show_the_true_start_whatever_the_report_says(known: Any, points: Any) -> None:
    off, looked = [], 0
    for incident in known["incidents"]:
        if (
            incident["severity"] not in ("SEV1", "SEV2")
            or incident["incident_id"] == known["outage"]["incident_id"]
        ):
            continue
        errors = points.get((ERRORS, f"service:{incident['services'][0]}", 60))
        true = pd.Timestamp(incident["started"])
        around = errors[(errors.index >= true - pd.Timedelta(minutes=40))] if errors is not None else None
        around = around[around.index < true + pd.Timedelta(minutes=40)] if around is not None else None
        if around is None or around.isna().any() or len(around) < 80:
            continue
        above = around[around > 1.5]
        off.append(abs((above.index[0] - true) / pd.Timedelta(minutes=1)))
        looked += "started" in incident["recorded"]
    assert len(off) > 20
    assert looked > 5  # of them with a start that was recorded late
    assert np.median(off) <= 1
    assert np.mean(np.array(off) <= 5) > 0.8


def test_every_incident_with_a_report_was_recorded_by_the_minute(folder: Path, known: Any) -> None:
    found = {
        p.name.removeprefix("incident-").removesuffix("-1m.json")
        for p in (folder / "series").glob("incident-*")
    }
    assert found == {i["incident_id"] for i in known["incidents"]}
    for incident in known["incidents"]:
        body = json.loads((folder / "series" / f"incident-{incident['incident_id']}-1m.json").read_bytes())
        times = body["response"]["data"]["attributes"]["times"]
        start = pd.Timestamp(incident["started"])
        first, last = (pd.Timestamp(t, unit="ms", tz="UTC") for t in (times[0], times[-1]))
        assert first <= start - pd.Timedelta(hours=1)
        wanted = pd.Timestamp(incident["mitigated"] or known["to"]) + pd.Timedelta(hours=1)
        wanted = min(wanted, pd.Timestamp(known["to"]), first + pd.Timedelta(hours=8))
        assert last + pd.Timedelta(minutes=1) >= wanted
        assert len(times) <= 480


@pytest.mark.parametrize("how", ["null", "absent"])
def test_a_telemetry_gap_is_a_gap_by_the_minute_too(tmp_path: Path, how: str) -> None:
    known = truth.plan(2019, size="small").world
    incident = next(i for i in known.incidents if len(i.services) > 1 and len(minutes.window(i)) >= 4)
    hours = minutes.window(incident)
    start = FIRST + timedelta(hours=hours[1])
    gap = Gap(how, start, start + timedelta(hours=1), incident.services[:1])
    world = replace(known, gaps=(gap,), incidents=(incident,), duplicates=(), unwritten=())
    tables = minutes.around(world, series.calm(world, streams(2019)["series"]))
    minutes.write(tmp_path, world, tables)
    reply = json.loads(next(tmp_path.iterdir()).read_bytes())["response"]["data"]["attributes"]
    at = [datetime.fromtimestamp(t / 1000, UTC) for t in reply["times"]]
    inside = [gap.start <= t < gap.end for t in at]
    assert sum(inside) == (60 if how == "null" else 0)
    assert len(at) == 60 * (len(hours) - (how == "absent"))
    for one, values in zip(reply["series"], reply["values"], strict=True):
        dark = how == "null" and one["group_tags"] == [f"service:{incident.services[0]}"]
        assert [v is None for v in values] == [dark and i for i in inside]


# --- deployments ---


@pytest.fixture(scope="module")
def releases(folder: Path) -> pd.DataFrame:
    rows = pd.concat(
        [pd.read_csv(p) for p in sorted((folder / "deployments").glob("*.csv"))], ignore_index=True
    )
    return rows.assign(**{c: pd.to_datetime(rows[c], utc=True) for c in ("started_at", "finished_at")})


def test_every_deployment_and_each_migration_is_there(releases: pd.DataFrame, known: Any) -> None:
    assert len(releases) == known["planted"]["deployments"]
    assert set(releases["kind"]) == {"release", "rollback", "migration"}
    moved = releases[releases["kind"] == "migration"].set_index("service")["started_at"]
    assert moved.is_unique or len(moved) == len(known["services"])
    for row in known["services"]:
        at = pd.Timestamp(row["on_kubernetes_from"])
        assert moved[row["service"]] == at
        mine = releases[releases["service"] == row["service"]]
        assert set(mine[mine["started_at"] < at]["platform"]) <= {"ecs"}
        assert set(mine[mine["started_at"] >= at]["platform"]) == {"kubernetes"}
    assert (releases["finished_at"] > releases["started_at"]).all()


def test_releases_cause_the_incidents_of_their_class(releases: pd.DataFrame, known: Any) -> None:
    behind = {d["incident_id"]: d for d in known["deployments_behind"]}
    for incident in known["incidents"]:
        if incident["failure_class"] == "deploy":
            cause = behind[incident["incident_id"]]
            rows = releases[
                (releases["service"] == incident["services"][0]) & (releases["version"] == cause["version"])
            ]
            gap = pd.Timestamp(incident["started"]) - rows["started_at"].min()
            assert pd.Timedelta(0) < gap <= pd.Timedelta(minutes=10)
    local = releases["started_at"].dt.tz_convert(BERLIN)
    caused = {pd.Timestamp(d["at"]) for d in known["deployments_behind"]}
    planned = ~releases["started_at"].isin(caused) & (releases["kind"] != "rollback")
    days = local[planned].dt.date
    assert not any(deployments.frozen(day) for day in days.unique())
    assert (local[planned].dt.day_of_week < 5).all()


def test_latency_steps_on_the_day_of_the_migration(known: Any, points: Any) -> None:
    right = []
    for row in known["services"]:
        at = pd.Timestamp(row["on_kubernetes_from"])
        p95 = hourly(points, "trace.http.request.duration.p95", row["service"])
        before, after = p95[at - pd.Timedelta(days=28) : at], p95[at : at + pd.Timedelta(days=28)]
        step = np.log(after.median() / before.median())
        right.append(abs(step - np.log(row["p95_factor_on_kubernetes"])) < 0.04)
    assert np.mean(right) > 0.8
