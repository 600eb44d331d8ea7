"""The sample against its own truth: what was planted is there, read back without the code that wrote it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
import yaml

from resilience import sample
from resilience.failure_classes import FAILURE_CLASSES
from resilience.sample import draw, reports, truth, wording
from resilience.sources import datadog, gamedays, labels
from resilience.sources import reports as readers

from . import sample_points
from .sizes import SIZE

BERLIN = ZoneInfo("Europe/Berlin")
HITS, P95, CPU = "trace.http.request.hits", "trace.http.request.duration.p95", "container.cpu.usage.pct"
VACCINE, CHAOTIC = "vaccine-our-system-2020-12", "chaotic-commencement-2021-05"


@pytest.fixture(scope="module")
def told() -> list[str]:
    return []


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, told: list[str]) -> Path:
    place = tmp_path_factory.mktemp("sample")
    sample.write(place, size=SIZE, progress=told.append)
    return place / "data"


@pytest.fixture(scope="module")
def known(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "truth.json").read_bytes())


@pytest.fixture(scope="module")
def points(folder: Path) -> dict[tuple[str, str, int], pd.Series]:
    return sample_points.parse(folder / "series")


def hourly(points: dict[tuple[str, str, int], pd.Series], metric: str, service: str) -> pd.Series:
    return points[metric, f"service:{service}", 3600]


# --- the same everywhere, and small enough ---

_DIGEST = """
import hashlib, sys
from pathlib import Path
from resilience import sample
sample.write(Path(sys.argv[1]), size="small")
files = sorted(p for p in Path(sys.argv[1]).rglob("*") if p.is_file())
parts = [str(p.relative_to(sys.argv[1])).encode() + p.read_bytes() for p in files]
print(hashlib.sha256(b"".join(parts)).hexdigest(), len(files))
"""


def test_equal_bytes_whatever_the_hash_seed_zone_and_locale(tmp_path: Path) -> None:
    runs = []
    for number, (seed, zone, locale) in enumerate(
        (("1", "UTC", "C"), ("4711", "Asia/Kolkata", "de_DE.UTF-8"))
    ):
        env = {**os.environ, "PYTHONHASHSEED": seed, "TZ": zone, "LC_ALL": locale}
        command = [sys.executable, "-c", _DIGEST, str(tmp_path / str(number))]
        runs.append(subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout)
    assert runs[0] == runs[1]


def test_another_seed_is_another_world() -> None:
    one, other = (truth.plan(seed, size="small").as_dict() for seed in (2019, 2020))
    assert [i["started"] for i in one["incidents"]] != [i["started"] for i in other["incidents"]]


def test_size_and_stages(folder: Path, told: list[str]) -> None:
    series = sum(p.stat().st_size for p in (folder / "series").iterdir())
    assert series < {"small": 40_000_000, "full": 150_000_000}[SIZE]
    assert len(told) >= 5


# --- incidents ---


def test_truth_is_possible(known: dict[str, Any]) -> None:
    incidents = known["incidents"]
    services, reports_about = sample.SIZES[SIZE]
    assert abs(len(incidents) - reports_about) < 0.08 * reports_about
    assert len(known["services"]) == services
    assert len({i["incident_id"] for i in incidents}) == len(incidents)
    services = {s["service"] for s in known["services"]}
    assert all(set(s["calls"]) < services for s in known["services"])
    for incident in incidents:
        moments = [incident[m] for m in truth.MOMENTS if incident[m]]
        assert moments == sorted(moments)
        assert incident["started"] < incident["detected"]
        assert set(incident["services"]) <= services
        assert re.fullmatch(r"INC-(2019|2020|2021)-\d{3}", incident["incident_id"])
    by_id = {i["incident_id"]: i for i in incidents}
    assert [i for i, row in by_id.items() if row["resolved"] is None] == known["planted"]["open"]
    assert len(known["planted"]["open"]) == 1
    assert len(known["planted"]["contradictions"]) == 6
    assert len(known["planted"]["cause_not_stated"]) == 5
    assert known["planted"]["duplicates"] == len(known["duplicates"]) >= 5
    assert len(known["planted"]["missing_times"]) == 6


def test_shares_of_classes(known: dict[str, Any]) -> None:
    count = Counter(i["failure_class"] for i in known["incidents"])
    assert set(count) == set(FAILURE_CLASSES) - {"unknown"}
    assert sum(draw.SHARES.values()) == pytest.approx(1.0)
    everything = [*known["incidents"], *known["unwritten"], *known["prevented"]]
    drawn = Counter(i["failure_class"] for i in everything)
    costly = Counter(failure_class for failure_class, _ in draw.COSTLY)
    each = 2 * draw.COSTLY_A_YEAR
    tail = len(everything) - each * costly.total()
    for failure_class, share in draw.SHARES.items():
        assert drawn[failure_class] == pytest.approx(share * tail + each * costly[failure_class], abs=2.01)


def test_durations_are_lognormal_like(known: dict[str, Any]) -> None:
    span = [
        pd.Timestamp(i["resolved"]) - pd.Timestamp(i["started"]) for i in known["incidents"] if i["resolved"]
    ]
    logs = np.log([s / pd.Timedelta(minutes=1) for s in span])
    assert 1.2 < logs.std(ddof=1) < 1.9
    assert (
        abs(((logs - logs.mean()) ** 3).mean() / logs.std() ** 3) < 0.7
    )  # no longer skewed on the log scale


def test_rate_depends_on_office_hours_and_season() -> None:
    many = truth.plan(7, size="small", n_incidents=3000).world.happened
    start = [i.started.astimezone(BERLIN) for i in many]
    office = sum(s.weekday() < 5 and 9 <= s.hour < 18 for s in start) / 45
    night = sum(s.hour < 6 for s in start) / 42
    assert office > 3 * night
    rush = sum(date(2020, 11, 15) <= s.date() <= date(2020, 12, 20) for s in start) / 36
    freeze = sum(date(2020, 12, 24) <= s.date() <= date(2021, 1, 1) for s in start) / 9
    usual = sum(date(2020, 2, 1) <= s.date() <= date(2020, 4, 30) for s in start) / 90
    assert rush > 1.4 * usual > 2 * freeze


def test_no_incident_on_the_day_that_is_rehearsed_on_production(known: dict[str, Any]) -> None:
    day = pd.Timestamp("2020-12-10", tz=BERLIN)
    watched = {p["service"] for p in known["services"]} & {
        "search",
        "checkout",
        "payments",
        "product-page",
        "price-sync",
    }
    for incident in known["incidents"]:
        if watched & set(incident["services"]):
            end = pd.Timestamp(incident["resolved"] or known["to"])
            assert not (pd.Timestamp(incident["started"]) < day + pd.Timedelta(days=1) and end >= day)


def test_every_report_says_what_it_is(folder: Path, known: dict[str, Any]) -> None:
    files = sorted((folder / "incidents").glob("*.md"))
    written = [*known["incidents"], *known["duplicates"]]
    assert len(files) == len(written)
    ids = Counter(row["incident_id"] for row in written)
    seen: Counter[str] = Counter()
    for path in files:
        text = path.read_text(encoding="utf-8")
        assert re.search(
            r"^(simulated: true|\*\*Simulated:\*\* yes\s*|- Simulated: yes)$", text, re.MULTILINE
        )
        assert not re.search(r"\{\w+\}|None|nan\b", text), path.name
        seen[re.search(r"(?:INC|PM)-\d{4}-\d{3}", text)[0]] += 1  # type: ignore[index]
    assert seen == ids
    hands = Counter((row["style"], row["hand"]) for row in known["incidents"])
    assert len({style for style, _ in hands}) == 3
    assert len(hands) == 6
    assert min(hands.values()) >= 10


def test_the_halves_of_writers_share_no_sentence() -> None:
    def sentences(part: Any) -> set[str]:
        if isinstance(part, str):
            return {part.strip(". ").lower()}
        if isinstance(part, dict):
            return set().union(
                *(sentences(value) for key, value in part.items() if key not in ("for", "second"))
            )
        return set().union(*(sentences(value) for value in part)) if isinstance(part, list) else set()

    home = Path(wording.__file__).parent / "wording"
    one, two = (
        sentences(yaml.safe_load((home / f"causes_{half}.yml").read_text())) | sentences(wording.voice(half))
        for half in wording.HALVES
    )
    assert len(one) > 200
    assert len(two) > 200
    assert not one & two


def test_scenarios_name_real_classes_and_services(known: dict[str, Any]) -> None:
    services = {s["service"] for s in known["services"]}
    for half in wording.HALVES:
        assert set(wording.voice(half)["loss"]) <= services
        for failure_class in draw.SHARES:
            assert wording.fitting(half, failure_class, "consent")  # every class can happen to any service
            for scenario in wording.scenarios(half, failure_class):
                assert set(scenario.only) <= services, scenario.title
                assert scenario.second is None or scenario.second in set(draw.SHARES) - {failure_class}


def test_the_same_story_is_not_told_over_and_over(folder: Path) -> None:
    bodies = Counter(
        re.sub(r"\d+", "", p.read_text().split("---\n\n# ")[-1]) for p in (folder / "incidents").glob("*.md")
    )
    assert max(bodies.values()) == 1


@pytest.mark.parametrize(
    ("minutes", "said"),
    [
        (54, "54 minutes"),
        (125, "2 hours 5 minutes"),
        (60, "1 hour"),
        (1501, "1 day 1 hour 1 minute"),
        (0, "0 minutes"),
    ],
)
def test_durations_in_words(minutes: int, said: str) -> None:
    assert reports.words(timedelta(minutes=minutes)) == said


# --- labels ---


def test_labels_are_right_but_for_those_that_are_wrong(folder: Path, known: dict[str, Any]) -> None:
    given = labels.read(folder / "labels" / "root_cause.csv")
    true = {i["incident_id"]: i["failure_class"] for i in known["incidents"]}
    assert len(given) == known["planted"]["labels"] == pytest.approx(0.4 * len(true), rel=0.2)
    wrong = [row.incident_id for row in given.itertuples() if row.failure_class != true[row.incident_id]]
    assert sorted(wrong) == sorted(known["planted"]["wrong_labels"])
    assert 0 < len(wrong) < 0.12 * len(given)
    assert set(given["taxonomy_version"]) == {"1"}


# --- series ---


def test_no_reply_holds_more_points_than_the_api_gives(folder: Path) -> None:
    shapes = set()
    for path in (folder / "series").glob("*.json"):
        body = json.loads(path.read_bytes())
        if "response" in body:
            reply = body["response"]["data"]["attributes"]
            assert len(reply["times"]) <= 1500
            assert all(len(row) == len(reply["times"]) for row in reply["values"])
            shapes.add("v2")
        else:
            assert body["status"] == "ok"
            assert all(s["length"] == len(s["pointlist"]) <= 1500 for s in body["series"])
            shapes.add("v1")
    assert shapes == {"v1", "v2"}


def test_hours_are_complete_but_for_the_planted_gaps(known: dict[str, Any], points: Any) -> None:
    every = pd.date_range(known["from"], known["to"], freq="h", inclusive="left")
    holes = {gap["how"]: gap for gap in known["telemetry_gaps"]}
    within = {
        how: pd.date_range(gap["from"], gap["to"], freq="h", inclusive="left") for how, gap in holes.items()
    }
    outage = pd.date_range(known["outage"]["from"], known["outage"]["to"], freq="h", inclusive="left")
    none = every[:0]
    for service in (s["service"] for s in known["services"]):
        for metric in (HITS, P95, CPU):
            found = hourly(points, metric, service)
            assert found.index.equals(every.difference(within["absent"]))
            expected = within["null"] if service in holes["null"]["services"] else none
            if metric == P95 and service in known["outage"]["services"]:
                expected = expected.union(outage)  # without requests there is no latency
            assert list(found.index[found.isna()]) == list(expected)
    assert len(within["absent"]) == 7
    assert len(within["null"]) == 57


def test_traffic_is_zero_in_the_outage_and_nowhere_else(known: dict[str, Any], points: Any) -> None:
    window = pd.date_range(known["outage"]["from"], known["outage"]["to"], freq="h", inclusive="left")
    assert len(window) == 4
    for service in (s["service"] for s in known["services"]):
        hits = hourly(points, HITS, service)
        expected = set(window) if service in known["outage"]["services"] else set()
        assert set(hits.index[hits == 0]) == expected


def test_long_severe_incidents_are_visible(known: dict[str, Any], points: Any, folder: Path) -> None:
    sales = yaml.safe_load((folder / "calendar.yml").read_text(encoding="utf-8"))["sales"]
    sold = {d.date() for s in sales for d in pd.date_range(s["from"], s["to"])}
    looked = 0
    for incident in known["incidents"]:
        start, end = (pd.Timestamp(incident[m] or known["to"]) for m in ("started", "mitigated"))
        inside = pd.date_range(start.ceil("h"), end.floor("h"), freq="h", inclusive="left")
        if incident["severity"] not in ("SEV1", "SEV2") or not 2 <= len(inside) <= 60:
            continue
        if set(inside.strftime("%m")) & {"11", "12"} or set(inside.tz_convert(BERLIN).date) & sold:
            continue  # the weeks around it are no measure for a week of sales
        for metric, sign in ((HITS, -1), (P95, 1)):
            series = hourly(points, metric, incident["services"][0])
            values = series.reindex(inside).dropna()
            weeks = [series.shift(freq=pd.Timedelta(days=7 * w)).reindex(inside) for w in (-2, -1, 1, 2)]
            around = pd.concat(weeks, axis=1).median(axis=1)
            change = float((values / around).median()) if len(values) else np.nan
            if not np.isnan(change):
                assert sign * np.log(max(change, 1e-9)) > np.log(1.1), (
                    incident["incident_id"],
                    metric,
                    change,
                )
                looked += 1
    assert looked > 15


def test_growth_is_what_the_truth_says(known: dict[str, Any], points: Any) -> None:
    for row in known["services"]:
        hits = hourly(points, HITS, row["service"])["2019-06-03":].resample("168h").median()
        ratio = (hits / hits.shift(52)).dropna()
        assert (ratio.median() - 1) * 100 == pytest.approx(row["growth_pct_per_year"], abs=6.0), row[
            "service"
        ]


@pytest.mark.parametrize(
    "sunday", [date(2019, 10, 27), date(2020, 3, 29), date(2020, 10, 25), date(2021, 3, 28)]
)
def test_the_day_follows_the_local_clock_over_both_changes(points: Any, sunday: date) -> None:
    """The week after a change has the shape of the week before at the same local hour, not at the same UTC hour."""
    hits = hourly(points, HITS, "product-page")

    def day(first: date, zone: Any) -> np.ndarray:
        start = pd.Timestamp(first, tz="UTC")
        week = hits[(hits.index >= start) & (hits.index < start + pd.Timedelta(days=7))]
        return week.groupby(week.index.tz_convert(zone).hour).median().to_numpy()

    def shift(zone: Any) -> int:
        before, after = day(sunday - timedelta(days=7), zone), day(sunday + timedelta(days=1), zone)
        likeness = {lag: np.corrcoef(before, np.roll(after, lag))[0, 1] for lag in range(-3, 4)}
        return max(likeness, key=lambda lag: likeness[lag])

    assert shift(BERLIN) == 0
    assert shift("UTC") == (-1 if sunday.month == 10 else 1)
    assert day(sunday, BERLIN).argmax() in (19, 20)


def test_seasons_week_and_day(points: Any) -> None:
    hits = hourly(points, HITS, "search").tz_convert(BERLIN)
    daily = hits.resample("D").sum()
    for friday in ("2019-11-29", "2020-11-27"):
        assert daily[friday] > 2.0 * daily[pd.Timestamp(friday, tz=BERLIN) - pd.Timedelta(days=14)]
    assert daily["2020-12-25"] < 0.7 * daily["2020-12-18"]
    assert daily["2020-07-02"] > 1.2 * daily["2020-07-09"]
    march = hits["2021-03-01":"2021-03-26"]  # type: ignore[misc]
    assert march[march.index.hour == 20].mean() > 8 * march[march.index.hour == 4].mean()
    office = hourly(points, HITS, "seller-portal").tz_convert(BERLIN)["2021-03-01":"2021-03-26"]  # type: ignore[misc]
    assert office[office.index.day_of_week < 5].mean() > 2 * office[office.index.day_of_week >= 5].mean()


def test_values_are_possible(known: dict[str, Any], points: Any) -> None:
    for (metric, scope, _), values in points.items():
        assert (values.dropna() >= 0).all(), (metric, scope)
        if metric.endswith(".pct"):
            assert (values.dropna() <= 100).all(), (metric, scope)


def test_hours_and_minutes_agree(points: Any) -> None:
    compared = 0
    for (metric, scope, interval), minute in points.items():
        hour = points.get((metric, scope, 3600))
        if interval == 60 and hour is not None:
            hours = minute.groupby(minute.index.floor("h"))
            folded = hours.sum(min_count=1) if metric == HITS else hours.mean()
            np.testing.assert_allclose(
                hour.reindex(folded.index), folded, rtol=1e-4, atol=0.0006
            )  # rounded to ms
            compared += 1
    assert compared > 60


# --- GameDays ---


def _experiments(folder: Path) -> list[tuple[str, dict[str, Any], datetime, datetime]]:
    found = []
    for gameday in (VACCINE, CHAOTIC):
        day = yaml.safe_load((folder / "gamedays" / gameday / "gameday.yml").read_text(encoding="utf-8"))
        assert day["simulated"] is True
        for experiment in day["experiments"]:
            edges = [
                datetime.combine(
                    day["date"], datetime.strptime(experiment["fault"][e], "%H:%M").time(), BERLIN
                )
                for e in ("started", "ended")
            ]
            found.append((gameday, experiment, *edges))
    return found


def test_the_series_tell_the_stories_by_a_margin(folder: Path, known: dict[str, Any], points: Any) -> None:
    expected = {(e["gameday_id"], e["experiment_key"]): e["verdict"] for e in known["experiments"]}
    statistics = {"mean": np.mean, "max": np.max, "min": np.min}
    found = {}
    for gameday, experiment, start, end in _experiments(folder):
        box = timedelta(minutes=experiment["planned_min"])
        verdict = "held"
        for probe in experiment["steady_state"]["probes"]:
            values = points.get((probe["metric"], probe["scope"], 60))
            if values is None:
                verdict = "inconclusive"
                continue
            low, high = probe.get("low"), probe.get("high")
            for window, (first, last) in {
                "before": (start - box, start),
                "during": (start, end),
                "after": (end, end + box),
            }.items():
                part = values[(values.index >= first) & (values.index < last)]
                assert len(part) == (last - first) / timedelta(minutes=1)
                value = statistics[probe["statistic"]](part.to_numpy())
                bound = high if high is not None else low
                assert abs(value - bound) > 0.15 * bound, (
                    experiment["experiment_key"],
                    probe["name"],
                    window,
                    value,
                )
                broken = (high is not None and value > high) or (low is not None and value < low)
                assert not (broken and window != "during"), (
                    experiment["experiment_key"],
                    probe["name"],
                    window,
                    value,
                )
                if broken:
                    verdict = "deviated"
        found[gameday, experiment["experiment_key"]] = verdict
    assert found == expected
    assert Counter(v for (g, _), v in found.items() if g == VACCINE) == {"held": 2, "deviated": 2}
    assert Counter(v for (g, _), v in found.items() if g == CHAOTIC) == {
        "held": 2,
        "deviated": 2,
        "inconclusive": 1,
    }


def test_minutes_cover_an_hour_on_each_side(folder: Path, points: Any) -> None:
    for gameday, env in ((VACCINE, ""), (CHAOTIC, "env:gameday-2021,")):
        day = yaml.safe_load((folder / "gamedays" / gameday / "gameday.yml").read_text(encoding="utf-8"))
        first, last = (
            datetime.combine(day["date"], datetime.strptime(day[e], "%H:%M").time(), BERLIN)
            for e in ("starts", "ends")
        )
        values = points[HITS, f"{env}service:search", 60]
        assert values.index[0] <= first - timedelta(hours=1)
        assert values.index[-1] + timedelta(minutes=1) >= last + timedelta(hours=1)
        assert not values.isna().any()


def test_backlog_of_synchronization_issues(folder: Path, known: dict[str, Any], points: Any) -> None:
    found = {
        experiment["experiment_key"]: (experiment, start, end)
        for _, experiment, start, end in _experiments(folder)
    }
    experiment, start, end = found["price-sync-stopped"]
    assert experiment["title"] == "Synchronization issues"
    assert sorted(experiment["targets"]) == ["product-listing-page", "product-page", "search"]
    assert experiment["vote"] == {"options": {"production": 0, "isolated": 0}, "default": "production"}
    assert end - start == timedelta(minutes=experiment["planned_min"]) == timedelta(minutes=20)
    ready = points["queue.messages.ready", "queue:price-updates", 60]
    rate = points["queue.messages.rate", "queue:price-updates", 60]
    assert rate.mean() * 300 == pytest.approx(20_000, rel=0.01)
    (peak,) = [e["peak_backlog"] for e in known["experiments"] if e["peak_backlog"]]
    assert peak == ready.max() == pytest.approx(experiment["backlog"]["expected"], rel=0.03)
    stopped = ready[(ready.index >= start) & (ready.index < end)]
    assert stopped.iloc[-1] == pytest.approx(peak, rel=0.01)
    assert (np.diff(stopped) > 3_400).all()
    calm = ready[(ready.index < start) | (ready.index >= end + timedelta(minutes=20))]
    assert calm.max() < 1_000


def test_traffic_of_the_isolated_day_rises(points: Any) -> None:
    values = points[HITS, "env:gameday-2021,service:search", 60]
    quarters = [part.mean() for part in np.array_split(values.to_numpy(), 4)]
    assert all(later > 1.2 * earlier for earlier, later in pairwise(quarters))


def test_fallback_loads_are_what_was_carried(folder: Path, points: Any) -> None:
    carried = {
        (VACCINE, "zone-lost"): "service:search",
        (CHAOTIC, "asg-instances-terminated"): "env:gameday-2021,service:search",
        (CHAOTIC, "zone-lost"): "env:gameday-2021,service:product-page",
    }
    for gameday, experiment, start, end in _experiments(folder):
        if (gameday, experiment["experiment_key"]) in carried:
            hits = points[HITS, carried[gameday, experiment["experiment_key"]], 60]
            seen = hits[(hits.index >= start) & (hits.index < end)].mean() / 60
            assert seen == pytest.approx(experiment["fallback"]["load"], rel=0.05)


# --- through the readers ---


def test_datadog_reader_reads_every_point(folder: Path, points: Any) -> None:
    read = datadog.read_saved(folder / "series")
    assert read.problems.empty
    rollups = {
        (HITS, "sum", "req"),
        (P95, "avg", "s"),
        (CPU, "max", "%"),
        ("trace.http.request.errors.pct", "avg", "%"),
    }
    seen = set(read.series[["metric", "rollup", "unit"]].drop_duplicates().itertuples(index=False, name=None))
    assert rollups <= seen
    grouped = dict(iter(read.series.groupby(["metric", "scope", "interval_s"])))
    assert {(m, s, int(i)) for m, s, i in grouped} == set(points)
    for (metric, scope, interval), rows in grouped.items():
        expected = points[metric, scope, int(interval)]
        np.testing.assert_array_equal(rows.sort_values("at")["value"].to_numpy(), expected.to_numpy())


def test_gameday_reader_finds_only_the_planted_doubt(folder: Path, known: dict[str, Any]) -> None:
    read = gamedays.read(folder / "gamedays")
    assert len(read.problems) == len(known["planted"]["votes_not_followed"]) == 1
    assert "staging" in read.problems["message"].iloc[0]
    keys = set(read.experiments[["gameday_id", "experiment_key"]].itertuples(index=False, name=None))
    assert keys == {(e["gameday_id"], e["experiment_key"]) for e in known["experiments"]}
    assert set(read.gamedays["style"]) == {"informed", "uninformed"}
    assert read.gamedays["simulated"].all()
    for row in read.experiments.itertuples():
        (true,) = [e for e in known["experiments"] if (e["gameday_id"], e["experiment_key"]) == row[1:3]]
        assert row.fault_started_at == pd.Timestamp(true["fault_from"])
        assert row.fault_ended_at == pd.Timestamp(true["fault_to"])


_COLUMN = {m: f"{m}_at" for m in truth.MOMENTS}


@pytest.fixture(scope="module")
def read(folder: Path) -> Any:
    return readers.read(folder / "incidents")


def test_report_reader_reads_every_incident(read: Any, known: dict[str, Any]) -> None:
    rows = read.incidents.set_index("incident_id")
    assert len(rows) == len(known["incidents"]) + len(known["duplicates"])
    planted = {i["incident_id"] for i in [*known["incidents"], *known["duplicates"]]}
    same = Counter(i["incident_id"] for i in known["duplicates"] if i["same_id"])
    assert planted <= set(rows.index)
    assert Counter(i.partition("~")[0] for i in set(rows.index) - planted) == same
    assert rows["simulated"].all()
    assert set(rows["kind"]) == {"real"}
    for incident in known["incidents"]:
        row = rows.loc[incident["incident_id"]]
        assert row["severity"] == incident["severity"]
        assert row["services"] == ", ".join(sorted(incident["services"]))
        assert row["teams"] == ", ".join(sorted(incident["teams"]))


def test_report_reader_recovers_true_times_exactly(read: Any, known: dict[str, Any]) -> None:
    rows = read.incidents.set_index("incident_id")
    wrong = []
    for incident in known["incidents"]:
        for moment, column in _COLUMN.items():
            got = rows.loc[incident["incident_id"], column]
            held = moment in incident["report_holds"]
            stated = incident[moment] if held else incident["recorded"].get(moment)
            if stated and got != pd.Timestamp(stated):
                wrong.append((incident["incident_id"], incident["hand"], moment, str(got), incident[moment]))
            if moment in known["planted"]["missing_times"].get(incident["incident_id"], []) and pd.notna(got):
                wrong.append((incident["incident_id"], incident["hand"], moment, str(got), None))
    assert not wrong


def test_report_reader_reads_who_found_it_or_says_unknown(read: Any, known: dict[str, Any]) -> None:
    rows = read.incidents.set_index("incident_id")["detected_by"]
    for incident in known["incidents"]:
        allowed = {incident["detected_by"]}
        if incident["hand"] == "sre-book-two":  # told in prose only
            allowed.add("unknown")
        assert rows[incident["incident_id"]] in allowed, (incident["incident_id"], incident["hand"])


def test_report_reader_finds_the_planted_contradictions_and_no_other(
    read: Any, known: dict[str, Any]
) -> None:
    found = read.problems[read.problems["kind"] == "contradiction"]
    ids = found[found["field"] == "incident_id"]
    same = ids["message"].str.contains("is the id of another report")
    assert same.sum() == sum(i["same_id"] for i in known["duplicates"])
    titles = read.incidents.set_index("source_uri")["title"]
    for row in ids[~same].itertuples():  # two incidents that happen to share title and day are worth a look
        other = re.search(r"incident of (\S+\.md):", row.message)[1]
        assert titles[row.source_uri] == titles[other]
    told = read.problems[(read.problems["kind"] == "doubtful") & (read.problems["field"] == "incident_id")]
    pairs = told["subject"].str.split("~").str[0] + " " + told["message"]
    for twice in known["duplicates"]:
        names = {twice["incident_id"], twice["duplicate_of"]}
        assert any(all(name in pair for name in names) for pair in pairs), names
    times = found.drop(ids.index)
    assert set(times["subject"]) == set(known["planted"]["contradictions"])
    fields = times.groupby("subject")["field"].unique()
    for incident_id, what in known["planted"]["contradictions"].items():
        wanted = "resolved_at" if what.startswith("its end") else "stated_restore_min"
        assert list(fields[incident_id]) == [wanted], incident_id
    assert not (read.problems["kind"] == "skipped").any()


def test_report_reader_reads_stated_durations(read: Any, known: dict[str, Any]) -> None:
    rows = read.incidents.set_index("incident_id")
    stated = 0
    twice = {
        d["incident_id"] for d in known["duplicates"]
    }  # which of two files keeps the id is up to their names
    for incident in known["incidents"]:
        if incident["style"] == "sre-book" and incident["incident_id"] not in twice:
            told = incident | incident["recorded"]
            start, detected, end = (pd.Timestamp(told[m]) for m in ("started", "detected", "resolved"))
            row = rows.loc[incident["incident_id"]]
            assert row["stated_detect_min"] == (detected - start) / pd.Timedelta(minutes=1)
            assert (
                row["stated_restore_min"]
                == (end - start) / pd.Timedelta(minutes=1) + incident["stated_off_min"]
            )
            stated += 1
    assert stated > 40
