"""What the ledger and the planner are told: incidents, rehearsals, traffic and the declared graph, as known at a moment.

The same functions serve the command line, the notebook and the renderer. Nothing later than `as_of` is read, save human
labels: a label reads a past report whenever it is given, and says nothing of the future.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd

from . import moments, schema, views
from .analysis import (
    attribution,
    backtest,
    dependencies,
    gameday,
    ledger,
    plan,
    rehearsals,
    service_graph,
    steady_state,
    surprise_edges,
    taxonomy,
)
from .errors import InputError
from .kept import kept
from .plain_text import count
from .store import Store

TABLES = (
    "incidents", "incident_links", "labels", "actions", "corrections", "service_edges", "services", "slo_history",
    "calendar", "dependency_verdicts", *schema.GAMEDAY_TABLES,
)  # fmt: skip
"""Tables, series apart, that a ledger is made from."""
RECENT = pd.Timedelta(weeks=8)  # of traffic that speaks for today
BUSY = 0.99  # quantile of the hours that a rehearsal's load is compared with
RATE = "requests/s"
_FIRST = pd.Timestamp("1900-01-01", tz="UTC")


@dataclass(frozen=True)
class Evidence:
    """Tables as known at `as_of`; `graph`: caller, callee; the others as `ledger.build` wants them."""

    as_of: pd.Timestamp
    incidents: pd.DataFrame
    touches: pd.DataFrame
    history: pd.DataFrame
    facts: pd.DataFrame
    graph: pd.DataFrame
    peaks: pd.DataFrame
    actions: pd.DataFrame
    edges: pd.DataFrame
    classes: tuple[str, ...]
    text: str
    simulated: bool


def latest(store: Store) -> pd.Timestamp:
    """A moment after every incident in the store and every GameDay of which something ran.

    Series often go on where reports end, and what is planned is still to come: nothing would seem to fail from then on.
    """
    incidents = store.load("incidents")
    found = [incidents[f"{name}_at"].max() for name in schema.MOMENTS]
    ran = store.load("experiments")
    ran = ran.loc[ran["outcome"] != "not_run", "gameday_id"]
    days = store.load("gamedays")
    found.append(days.loc[days["gameday_id"].isin(ran), "held_on"].max() + pd.Timedelta(days=1))
    known = [at for at in found if pd.notna(at)]
    return max(known) + pd.Timedelta(minutes=1) if known else pd.Timestamp("1970-01-02", tz="UTC")


def moment(stated: str) -> pd.Timestamp | None:
    """A moment as written: a date (its midnight UTC) or an ISO time with offset; None where nothing is written."""
    return pd.Timestamp(moments.moment(stated)) if stated else None


def read(
    store: Store,
    as_of: pd.Timestamp | None = None,
    *,
    hidden: bool = False,
    zone: str = "UTC",
    say: Callable[[str], None] = lambda step: None,
) -> Evidence:
    """Everything that the store held at `as_of` (aware; None: all of it).

    `hidden`: also look for dependencies that nobody has declared, in the whole weeks of traffic and in the
    incidents; it takes longer than everything else, so the ledger alone does without. `zone`: in which the
    hour of a week is counted. `say` is told what comes next.
    """
    say("incidents and their classes")
    moment = latest(store) if as_of is None else as_of
    incidents = views.incidents(store, kind="real")
    known = incidents[~(first(incidents) >= moment)].reset_index(drop=True)
    # what happened after the moment was not known then
    for name in schema.MOMENTS:
        known[f"{name}_at"] = known[f"{name}_at"].where(~(known[f"{name}_at"] >= moment))
    labels = views.labels(store)
    classes, said = views.classified(store, known, labels[labels["incident_id"].isin(known["incident_id"])])
    verdicts = views.table(store, "dependency_verdicts")
    if as_of is not None:
        verdicts = verdicts[verdicts["decided_at"] < as_of]
    graph, declared = _graph(store, verdicts)
    shared = attribution.shares(known, graph)
    touches = attribution.touches(known, classes, shared)
    traffic = _traffic(store, moment)
    say("what was rehearsed")
    history, held = _rehearsed(store, moment)
    uncovered = views.surprise_edges(store)
    surprises = surprise_edges.of_gamedays(uncovered[uncovered["gameday_id"].isin(held)])
    seen = _no_edges()
    if hidden:
        say("dependencies that nobody declared; looked for anew in every whole week of traffic")
        seen = _hidden(store, known, traffic["last"].max(), zone)
    facts = _facts(graph, declared, traffic, touches, moment)
    simulated = bool(known["simulated"].any()) or bool(history["simulated"].any())
    peaks = traffic[["service", "peak"]].assign(unit=RATE)
    return Evidence(
        moment, known, touches, history, facts, graph, peaks, views.table(store, "actions"),
        surprise_edges.decided([seen, surprises], verdicts),
        tuple(taxonomy.packaged().names), said, simulated,
    )  # fmt: skip


def services(store: Store) -> frozenset[str]:
    """Every service that an incident, a GameDay, a graph or a series of the store names."""
    graph, declared = _graph(store, schema.frame("dependency_verdicts"))
    incidents = views.incidents(store, kind="real")["services"].dropna()
    scopes = views.production_services(store.count("series", ("scope",))["scope"]).dropna()
    listed = {name for names in incidents for name in names.split(", ")}
    targets = store.load("experiment_targets")["service"]
    return frozenset({*listed, *targets, *declared["service"], *graph["caller"], *graph["callee"], *scopes})


def build(found: Evidence) -> ledger.Ledger:
    """The ledger of `found`."""
    return ledger.build(
        found.touches, found.incidents, found.history, found.facts,
        classes=found.classes, as_of=found.as_of, actions=found.actions, peaks=found.peaks, edges=found.edges,
    )  # fmt: skip


def last_gameday(found: Evidence, book: ledger.Ledger) -> tuple[str, pd.DataFrame]:
    """What the last GameDay changed in `book`, in a sentence and as `ledger.moved` against the same ledger without it."""
    if found.history.empty:
        return "", ledger.moved(book, book)
    last = found.history.iloc[-1]
    rest = found.history[found.history["gameday_id"] != last["gameday_id"]].reset_index(drop=True)
    rows = ledger.moved(build(replace(found, history=rest)), book)
    cells = count(len(rows), "cell") if len(rows) else "no cell"
    return f"The last GameDay, {last['gameday_id']} of {last['held_on']:%Y-%m-%d}, moved {cells}", rows


def choose(
    found: Evidence, book: ledger.Ledger, rules: plan.Rules, windows: plan.Windows | None = None
) -> plan.Plan:
    """The plan for one GameDay."""
    teams = (
        found.facts.dropna(subset="team").set_index("service")["team"].to_dict()
        if "team" in found.facts
        else {}
    )
    return plan.choose(book, rules, graph=found.graph, teams=teams, windows=windows)


def judge(found: Evidence, seed: int = 0, horizon_months: int = 6) -> backtest.Backtest:
    """The backtest of the ranking on everything in `found`."""
    fixed = found.history[(found.history["verdict"] == "deviated") & (found.history["closed_actions"] > 0)]
    return backtest.evaluate(
        found.touches, found.classes, found.facts, end=found.as_of, seed=seed, horizon_months=horizon_months,
        repaired=fixed.rename(columns={"held_on": "at"})[["failure_class", "service", "at"]],
    )  # fmt: skip


def first(incidents: pd.DataFrame) -> pd.Series:
    """The first moment that each incident states; null where it states none."""
    at = incidents["started_at"]
    for name in schema.MOMENTS[1:]:
        at = at.fillna(incidents[f"{name}_at"])
    return at


def _graph(store: Store, verdicts: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Calls between services that are declared or that people confirmed, and what is declared of each service."""
    confirmed = verdicts[verdicts["verdict"] == "confirmed"]
    confirmed = confirmed.rename(columns={"follower": "caller", "service": "callee"})[["caller", "callee"]]
    calls = pd.concat([service_graph.calls(views.table(store, "service_edges")), confirmed])
    calls = calls.drop_duplicates().sort_values(["caller", "callee"], ignore_index=True)
    return calls, views.table(store, "services")


def _traffic(store: Store, moment: pd.Timestamp) -> pd.DataFrame:
    """Per service: mean and busy-hour requests per second over the last weeks of its series before
    `moment`, and its last point."""
    read = [*store.holding("series", (_FIRST, moment)), f"corrections {store.version('corrections')}"]
    return kept(store, "traffic", [*read, str(moment)], lambda: _lately(store, moment))


def _lately(store: Store, moment: pd.Timestamp) -> pd.DataFrame:
    empty = pd.DataFrame(
        {"service": pd.Series(dtype="str"), "traffic": [], "peak": [], "last": pd.to_datetime([], utc=True)}
    )
    usual = views.traffic(store, views.REQUESTS)
    if usual is None:
        return empty
    end = moment
    for _ in range(2):  # the newest weeks may lie before the moment: the archive ends earlier
        rows = views.table(store, "series", where={"metric": [usual[0]]}, between=(end - RECENT, end))
        rows = rows[(rows["interval_s"] == usual[1]) & (rows["at"] < moment)]
        if len(rows):
            break
        known = store.load("series", where={"metric": [usual[0]]}) if end == moment else rows
        known = known[(known["interval_s"] == usual[1]) & (known["at"] < moment)]
        if known.empty:
            return empty
        end = known["at"].max() + pd.Timedelta(seconds=usual[1])
    rows = rows.assign(service=views.production_services(rows["scope"]), rate=rows["value"] / usual[1])
    if rows["rollup"].iloc[0] not in ("sum", "count"):
        rows["rate"] = rows["value"]
    grouped = rows.dropna(subset=["service", "rate"]).groupby("service")
    found = grouped.agg(
        traffic=("rate", "mean"), peak=("rate", partial(pd.Series.quantile, q=BUSY)), last=("at", "max")
    )
    return found.reset_index()


def _rehearsed(store: Store, moment: pd.Timestamp) -> tuple[pd.DataFrame, list[str]]:
    """The history of what was rehearsed before `moment`, and the ids of the GameDays.

    Every GameDay is kept apart: what is recorded of one says nothing of another.
    """
    whole = {name: views.table(store, name) for name in schema.GAMEDAY_TABLES}
    held = whole["gamedays"]
    held = held[held["held_on"] < moment].sort_values(["held_on", "gameday_id"])["gameday_id"]
    days = []
    for gameday_id in held:
        tables = {
            name: rows[rows["gameday_id"] == gameday_id].reset_index(drop=True)
            for name, rows in whole.items()
        }
        read = [*tables.values(), *views.around_day(store, tables["experiments"])]
        days.append(kept(store, "rehearsed", read, partial(_day, store, tables)))
    empty = rehearsals.history([])
    found = pd.concat([day for day in days if len(day)] or [empty], ignore_index=True)
    found["failure_class"] = found["failure_class"].replace(taxonomy.packaged().renamed)
    return rehearsals.ordered(found), list(held)


def _day(store: Store, tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """`rehearsals.history` of one GameDay."""
    watched = views.watched(store, tables["experiment_probes"], tables["experiments"])
    result = gameday.analyse({**tables, "series": watched}).table
    loads = pd.DataFrame(_loads(store, tables), columns=list(_LOADS))
    return rehearsals.history([(tables, result)], loads)


_LOADS = ("gameday_id", "experiment_key", "service", "load", "load_unit")


def _loads(store: Store, tables: dict[str, pd.DataFrame]) -> list[tuple[str, str, str, float, str]]:
    """Load on each target while its fault lasted, in the environment where it ran; columns `_LOADS`."""
    ran = tables["experiments"][tables["experiments"]["fault_started_at"].notna()]
    spans = {row.experiment_key: span for row in ran.itertuples() if (span := steady_state.fault_window(row))}
    if not spans:
        return []
    first, last = min(s for s, _ in spans.values()), max(e for _, e in spans.values())
    hour = pd.Timedelta(hours=1)
    rows = views.table(
        store, "series", where={"metric": [views.REQUESTS]}, between=(first - hour, last + hour)
    )
    rows = rows[rows["rollup"].isin(["sum", "count"])]
    found = []
    for target in tables["experiment_targets"].itertuples():
        if target.experiment_key not in spans:
            continue
        start, end = spans[target.experiment_key]
        where = ran.set_index("experiment_key").loc[target.experiment_key, "environment"]
        name = re.escape(target.service)
        mine = rows[rows["scope"].str.contains(rf"(?:^|,)service:{name}(?:,|$)", regex=True)]
        elsewhere = mine["scope"].str.contains("env:") & ~mine["scope"].str.contains("env:prod")
        mine = mine[~elsewhere] if where == "production" else mine[elsewhere]
        mine = mine[mine["interval_s"] == mine["interval_s"].min()]
        width = pd.to_timedelta(mine["interval_s"], unit="s")
        inside = mine[(mine["at"] >= start) & (mine["at"] + width <= end)]["value"].dropna()
        if len(inside):
            rate = float(inside.mean() / mine["interval_s"].iloc[0])
            found.append((target.gameday_id, target.experiment_key, target.service, rate, RATE))
    return found


def _facts(
    graph: pd.DataFrame,
    declared: pd.DataFrame,
    traffic: pd.DataFrame,
    touches: pd.DataFrame,
    moment: pd.Timestamp,
) -> pd.DataFrame:
    """One row per service that anything names, with what is known of it; `current` False where it is gone."""
    named = sorted(
        {*declared["service"], *traffic["service"], *touches["service"], *graph["caller"], *graph["callee"]}
        - {attribution.NOT_STATED}
    )
    facts = pd.DataFrame({"service": pd.Series(named, dtype="str")})
    facts = facts.merge(declared.drop_duplicates("service"), on="service", how="left")
    facts = facts.merge(traffic[["service", "traffic", "last"]], on="service", how="left")
    callers = graph.drop_duplicates()["callee"].value_counts()
    facts["callers"] = facts["service"].map(callers).fillna(0.0) if len(graph) else np.nan
    known = len(declared) + len(traffic) > 0
    sends = facts["last"] >= traffic["last"].max() - pd.Timedelta(days=30) if len(traffic) else False
    facts["current"] = facts["service"].isin(declared["service"]) | sends if known else True
    return facts.drop(columns="last")


def _no_edges() -> pd.DataFrame:
    return ledger.frame_edges(None)


def _hidden(store: Store, known: pd.DataFrame, last: pd.Timestamp, zone: str) -> pd.DataFrame:
    """Candidate dependencies from series and incidents; none where there is too little to look at.

    `last`: the last point of traffic that was known. What moves together is looked for up to the end of the last whole week
    before it, and kept: it depends on those files of the series alone that may hold points of that time.
    """
    usual = views.traffic(store, views.REQUESTS)
    if usual is None or pd.isna(last):
        return _no_edges()
    edges = views.table(store, "service_edges")
    until = (last + pd.Timedelta(seconds=usual[1])).floor("7D")

    def make() -> pd.DataFrame:
        try:
            return dependencies.together(
                views.hourly(store, usual, until), edges, metric=usual[0], zone=zone
            )[1]
        except InputError:  # too few services or weeks: nothing can be found, and nothing is claimed
            return pd.DataFrame(columns=dependencies.COLUMNS)

    read = [edges, *store.holding("series", (_FIRST, until)), f"corrections {store.version('corrections')}"]
    moving = kept(store, "moving", [*read, f"{usual} {until} {zone}"], make)
    found = dependencies.combined(moving, edges, views.incident_services(known))
    return found[["service", "follower", "evidence"]].assign(origin="series or incidents")
