"""What a plan must obey, from a store: freezes, budgets, open incidents, room; its backlog; verdicts; live probes."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from resilience import evidence, planning, schema
from resilience.analysis import faults, plan, programme
from resilience.cli import main
from resilience.sources import dependency_verdicts
from resilience.store import Store
from resilience.terminal import progress

from .datadog_server import World, serving

ZONE = "Europe/Berlin"
END = pd.Timestamp("2021-03-01", tz="UTC")
APRIL = (pd.Timestamp("2021-04-01", tz=ZONE), pd.Timestamp("2021-05-01", tz=ZONE))
CATALOGUE = {fault.key: fault for fault in faults.packaged()}
SLOW, STOPPED = CATALOGUE["dependency-slow"], CATALOGUE["consumers-stopped"]
NIGHT, RATE, EVENING = 100.0, 200.0, 300.0  # requests a second: until 9, by day, and from 18 to 22 local


def _incident(number: int, service: str, day: str, **fields: Any) -> dict[str, Any]:
    at = pd.Timestamp(day, tz="UTC")
    return {
        "incident_id": f"I{number}", "title": "Down", "kind": "real", "services": service, "severity": "SEV2",
        "detected_by": "monitor",
        "started_at": at, "detected_at": at + pd.Timedelta(minutes=5), "mitigated_at": at + pd.Timedelta(hours=1),
        "resolved_at": at + pd.Timedelta(hours=2), "source": "t", "source_uri": f"{number}.md", "simulated": False,
        "text": "The provider did not answer.",  **fields,
    }  # fmt: skip


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A workspace of two shops with ten weeks of traffic that repeats every day, some incidents and a graph."""
    monkeypatch.chdir(tmp_path)
    made = CliRunner().invoke(main, ["init", "ws", "--zone", ZONE], catch_exceptions=False)
    assert made.exit_code == 0
    monkeypatch.chdir(tmp_path / "ws")
    Path("data/graph").mkdir(exist_ok=True)
    Path("data/graph/edges.csv").write_text(
        "caller,callee\nshop,pay\nshop,stock\nseller,search\n", encoding="utf-8"
    )
    assert CliRunner().invoke(main, ["ingest", "data/graph"], catch_exceptions=False).exit_code == 0
    found = Store(Path("data/store").resolve())
    days = ["2020-03-05", "2020-06-05", "2020-09-05", "2020-12-05"]
    rows = [_incident(i, "pay", day) for i, day in enumerate(days)]
    rows += [_incident(9, "stock", "2021-02-27", mitigated_at=None, resolved_at=None)]
    found.upsert("incidents", schema.frame("incidents", rows))
    at = pd.date_range(END - pd.Timedelta(weeks=10), END, freq="h", inclusive="left").as_unit("us")
    hour = at.tz_convert(ZONE).hour
    rate = np.select([hour < 9, hour < 18, hour < 22], [NIGHT, RATE, EVENING], NIGHT)
    for service in ("pay", "stock", "shop"):
        series = pd.DataFrame(
            {
                "metric": "trace.http.request.hits", "scope": f"service:{service}", "at": at, "value": rate * 3600,
                "interval_s": 3600.0, "rollup": "sum", "unit": "req", "source": "t",
            }
        )  # fmt: skip
        found.upsert("series", schema.frame("series", series))
    return found


def _find(store: Store, service: str = "pay", fault: faults.Fault = SLOW) -> programme.Window:
    known = evidence.read(store, END)
    windows = planning.windows(store, known, ZONE, APRIL)
    assert windows is not None
    return windows(service, "production", 25.0, fault)


def _closed(store: Store, kind: str, start: str, end: str) -> None:
    row = {
        "kind": kind, "title": "closed", "starts_at": pd.Timestamp(start, tz=ZONE).tz_convert("UTC"),
        "ends_at": pd.Timestamp(end, tz=ZONE).tz_convert("UTC"), "source": "calendar.yml", "position": 0, "line": 1,
    }  # fmt: skip
    store.upsert("calendar", schema.frame("calendar", [row]))


def test_a_safe_window_lies_in_office_hours_and_a_freeze_takes_them_all(store: Store) -> None:
    found = _find(store)
    assert found.fits
    local = found.starts_at.tz_convert(ZONE)
    assert local.day_of_week < 5
    assert 9 <= local.hour < 16
    _closed(store, "freeze", "2021-03-25", "2021-05-05")
    refused = _find(store)
    assert refused.fits is False
    assert "freeze" in refused.text
    chosen = _plan(store, environment="production")
    assert chosen.chosen.empty
    reasons = chosen.rejected.loc[chosen.rejected["service"] == "pay", "reason"]
    assert reasons.str.startswith("No safe window").any()


def test_what_a_fault_takes_decides_whether_there_is_room(store: Store) -> None:
    """By day two thirds of the proven load arrive: room for a slow dependency, not for half of the instances lost."""
    lost = _find(store, fault=CATALOGUE["instances-lost"])
    assert lost.fits is False
    assert "every safe start lies outside of office hours" in lost.text, (
        "at night there is room: that is said"
    )
    assert _find(store, fault=STOPPED).fits, "by day the queue is worked off before the evening"


def _plan(store: Store, **rules: Any) -> plan.Plan:
    known = evidence.read(store, END)
    given = planning.constraints(store, known, **rules)
    return evidence.choose(known, evidence.build(known), given, planning.windows(store, known, ZONE, APRIL))


def test_an_open_incident_and_a_spent_budget_are_hard_and_say_so(store: Store) -> None:
    month = {
        "slo_id": "s", "name": "pay works", "service": "pay", "month_at": pd.Timestamp("2021-02-01", tz="UTC"),
        "value_percent": 99.1, "target_percent": 99.9, "source": "t",
        "until_at": pd.Timestamp("2021-03-01", tz="UTC"),
    }  # fmt: skip
    store.upsert("slo_history", schema.frame("slo_history", [month]))
    rows = _plan(store, environment="production").rejected
    why = rows.groupby("service")["reason"].agg(lambda texts: " ".join(texts))
    assert "An incident is still open on it." in why["stock"]
    assert "Its error budget is exhausted: pay works: 99.100 % of 99.900 % in 2021-02" in why["pay"]
    assert "pay" in set(_plan(store, environment="staging").chosen["service"]), (
        "a budget binds production only"
    )


def test_backlog_is_what_arrives_at_that_hour(store: Store) -> None:
    known = evidence.read(store, END)
    at = pd.Timestamp("2021-04-08 10:30", tz=ZONE)
    queue = planning.backlogs(store, known, {"pay": at, "unseen": at}, ZONE, 20.0)
    assert set(queue) == {"pay"}
    assert queue["pay"].peak == pytest.approx(RATE * 20 * 60)
    assert queue["pay"].drain_min == pytest.approx(RATE * 20 / (EVENING - RATE))
    assert "at most" in queue["pay"].text


def test_a_plan_is_told_as_cards_and_its_numbers_are_in_json(store: Store) -> None:
    asked = ["plan", "--as-of", "2021-03-01", "--date", "2021-04"]
    told = CliRunner().invoke(main, [*asked, "--explain"], catch_exceptions=False)
    assert told.exit_code == 0
    for word in ("fault", "why", "when", "could reach", "backlog", "Why not the others?"):
        assert word in told.output
    rows = json.loads(CliRunner().invoke(main, [*asked, "--format", "json"], catch_exceptions=False).stdout)
    assert {row["service"]: row["backlog"] for row in rows}["pay"] == pytest.approx(RATE * 20 * 60)


def test_a_dependency_is_confirmed_or_dismissed_and_a_later_word_counts(store: Store) -> None:
    def confirm(*more: str, code: int = 0) -> str:
        done = CliRunner().invoke(main, ["confirm", "--dependency", "pay", "search", "--by", "me", *more])
        assert done.exit_code == code, done.output
        return done.output

    open_ = pd.DataFrame(
        {"service": ["search"], "follower": ["pay"], "origin": ["series"], "evidence": ["they move together"]}
    )
    from resilience.analysis import surprise_edges

    def state() -> list[str]:
        verdicts = Store(store.root).load("dependency_verdicts")
        return surprise_edges.decided([open_], verdicts)["state"].tolist()

    assert state() == ["open"]
    assert "Dismissed" in confirm("--dismiss", "--why", "the drill of May")
    assert state() == ["dismissed"], "whichever way round it was found"
    assert "Confirmed" in confirm()
    assert state() == ["confirmed"]
    known = evidence.read(store)
    assert ("search", "pay") in set(zip(known.graph["caller"], known.graph["callee"], strict=True))
    assert ("search", "pay") not in set(
        zip(*evidence.read(store, END).graph[["caller", "callee"]].to_numpy().T, strict=True)
    ), "what was not known then"
    assert "No report" in CliRunner().invoke(main, ["confirm", "--dependency", "pay", "nobody"]).output
    assert CliRunner().invoke(main, ["confirm"]).exit_code == 2
    assert CliRunner().invoke(main, ["confirm", "--dismiss", "text"]).exit_code == 2


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("pay,search,perhaps,me,2021-01-01T00:00:00Z,", "another verdict"),
        ("pay,,confirmed,me,2021-01-01T00:00:00Z,", "lack a value"),
        ("pay,search,confirmed,me,soon,", "no ISO time"),
    ],
)
def test_a_bad_verdict_makes_its_file_a_problem(store: Store, line: str, says: str) -> None:
    path = Path("data") / dependency_verdicts.FOLDER / dependency_verdicts.NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"service,follower,verdict,decided_by,decided_at,reason\n{line}\n", encoding="utf-8")
    CliRunner().invoke(main, ["ingest", str(path)])
    problems = store.load("problems")
    assert problems["message"].str.contains(says).any(), problems["message"].tolist()
    assert store.load("dependency_verdicts").empty


def test_a_probe_asks_datadog_and_its_exit_code_is_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DD_API_KEY", "k" * 32)
    monkeypatch.setenv("DD_APP_KEY", "a" * 40)
    world = World(step=60, groups=("pay",), silent=frozenset({"gone"}))
    end = pd.Timestamp("2021-03-10T10:00Z")
    at = np.arange(end.timestamp() - 1200, end.timestamp(), 60).astype(np.int64)
    values = world.values("trace.http.request.duration", "pay", at)
    exact = float(np.nanquantile(values, 0.95))
    with serving(world) as server:

        def probe(metric: str, *more: str) -> tuple[int, str]:
            given = [
                "probe",
                metric,
                "service:pay",
                "--at",
                "2021-03-10T10:00Z",
                "--minutes",
                "20",
                "--host",
                server.url,
            ]
            done = CliRunner().invoke(main, [*given, *more])
            return done.exit_code, done.output

        code, said = probe(
            "trace.http.request.duration", "--statistic", "p95", "--high", f"{exact * 1.01:.6g}"
        )
        assert (code, f"p95 {exact:.6g}" in said) == (0, True), said
        assert (
            probe("trace.http.request.duration", "--statistic", "p95", "--high", f"{exact * 0.9:.6g}")[0] == 1
        )
        assert probe("gone", "--high", "1")[0] == 2
        assert probe("trace.http.request.duration", "--statistic", "p99")[0] == 2
        query = server.seen[0][1]["data"]["attributes"]["queries"][0]["query"]
        assert query == "avg:trace.http.request.duration{service:pay}"
        server.forbidden = True
        code, said = probe("trace.http.request.duration")
        assert code == 2
        assert "k" * 32 not in said


def _kept(store: Store) -> set[str]:
    return {path.name for path in (Path(store.root) / "_kept").glob("*.parquet")}


def test_a_new_day_of_series_throws_away_no_more_than_it_must(store: Store) -> None:
    """What depends on earlier weeks is looked for once: files that hold them stay, and a later day has its own."""
    old = evidence.read(store, END, hidden=True, zone=ZONE)
    before = _kept(store)
    rows = store.load("series")
    last = rows[rows["at"] >= END - pd.Timedelta(days=1)]
    store.upsert("series", last.assign(at=last["at"] + pd.Timedelta(days=1), value=last["value"] * 2))
    evidence.read(Store(store.root), END, hidden=True, zone=ZONE)
    assert _kept(store) == before, "what was known then is what it was"
    new = evidence.read(Store(store.root), END + pd.Timedelta(days=1), hidden=True, zone=ZONE)
    made = {name.split("-")[0] for name in _kept(store) - before}
    assert made == {"traffic"}, "neither classes nor what moves together"
    traffic = [found.facts.set_index("service")["traffic"].dropna() for found in (old, new)]
    assert len(traffic[0]) == 3
    assert (traffic[1] > traffic[0]).all(), "today's traffic is today's"
    store.upsert("series", rows[rows["at"] < END - pd.Timedelta(days=40)].assign(value=1.0))
    evidence.read(Store(store.root), hidden=True, zone=ZONE)
    assert {name.split("-")[0] for name in _kept(store) - before} == {"traffic", "moving"}, (
        "the past was changed"
    )


def test_files_that_may_hold_a_span_are_named_and_stay_what_they_are(store: Store) -> None:
    week = pd.Timedelta(weeks=1)
    everything = store.holding("series", (END - 20 * week, END))
    assert set(everything) == {Path(name).name for name in store.files("series")[1]}
    assert store.holding("series", (END, END + week)) == []
    assert store.holding("series", (END - 30 * week, END - 20 * week)) == []
    assert store.holding("series", (END - pd.Timedelta(hours=1), END)) == everything
    assert store.holding("slo_history", (END - week, END)) == [], "no such table yet"


def test_only_what_takes_long_says_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("Plan", after_s=30.0) as say:
        say("reading", 0, 0)
    assert capsys.readouterr().err == ""
    with progress("Plan", after_s=0.05) as say:
        say("reading", 0, 0)
        time.sleep(0.2)
        said = capsys.readouterr().err
        say("ranking", 0, 0)
    assert (said, capsys.readouterr().err) == ("Plan: reading\n", "Plan: ranking\n")
