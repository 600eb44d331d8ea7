"""The tables that one question is asked of, as the command line and the notebooks read them."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from . import points, schema
from .analysis import blast_radius, calendar, corrections, linking, movement, reach, roles
from .errors import InputError
from .kept import kept
from .store import Store

if TYPE_CHECKING:
    from .analysis.headroom import Headroom
    from .analysis.safe_hours import SafeHours

_FINE_S = 300  # longest interval, in seconds, whose series can anchor an incident
REQUESTS = "trace.http.request.hits"
LATENCY = "trace.http.request.duration.p95"
_REPORT_TABLES = {
    "failure_classes": ("incidents", "incident_links", "incident_factors", "labels", "deployments", "corrections"),
    "time_to_restore": (
        "incidents", "incident_links", "incident_messages", "incident_quality", "gamedays", "experiments",
        "experiment_events", "timeline", "corrections",
    ),
    "next_experiments": (
        "incidents",
        "incident_links",
        "labels",
        "actions",
        "corrections",
        "service_edges",
        "services",
        "slo_history",
        "calendar",
        "dependency_verdicts",
        *schema.GAMEDAY_TABLES,
    ),
    "capacity": (
        "gamedays", "experiments", "experiment_targets", "incidents", "incident_links", "calendar", "slo_history",
        "service_edges", "services", "corrections",
    ),
}  # fmt: skip


_GAMEDAY_READS = ("incidents", "incident_links", "incident_services", "labels", "corrections")


def open_store(root: str, versions: str = "{}") -> Store:
    """The store at `root`, pinned to `versions` (JSON: table -> version); '{}' pins each to the newest there is now.

    A table that is not named was not there, or is not read, when the report was made: it is empty.
    """
    given = json.loads(versions)
    return Store(root, given, absent=schema.TABLES.keys() - given.keys()) if given else Store(root).pinned()


def table(store: Store, name: str, **chosen: Any) -> pd.DataFrame:
    """`store.load` with the corrections in the store applied. Raises InputError where one no longer fits."""
    rows = store.load(name, **chosen)
    return corrections.apply(name, rows, store.load("corrections"), whole=not chosen)


def merged(store: Store) -> linking.Merged:
    """One row per real incident, whoever told it, and for each field of a linked one the source that won it."""
    found = store.once(
        "merged", lambda: linking.merge(table(store, "incidents"), store.load("incident_links"))
    )
    return linking.Merged(found.incidents.copy(deep=False), found.fields.copy(deep=False))


def incidents(store: Store, *, kind: str | None, by: str | None = None) -> pd.DataFrame:
    """Incidents of one kind, joined to what `by` groups them by: one row per service, or the class as `cause`.

    Rows of several sources that are the same incident are one; `linked_ids` names the others.
    """
    rows = merged(store).incidents
    rows = rows if kind is None else rows[rows["kind"] == kind].reset_index(drop=True)
    if by == "service":
        return rows.assign(service=rows["services"].str.split(", ")).explode("service", ignore_index=True)
    if by == "cause":
        from .analysis import causes

        found = causes.classify(rows, labels(store)).table
        return rows.merge(found[["incident_id", "failure_class"]], on="incident_id").rename(
            columns={"failure_class": "cause"}
        )
    return rows


def traffic(store: Store, metric: str | None = None) -> tuple[str, float] | None:
    """Metric and interval (s, an hour at most) to profile; None where there is nothing.

    Where no metric is named it is Datadog's request count, or else the one with most points; the interval is the
    longest, since that is the one kept for years.
    """
    found = store.count("series", ("metric", "interval_s"))
    found = found[found["interval_s"] <= 3600]
    if found.empty:
        return None
    name = metric or (REQUESTS if (found["metric"] == REQUESTS).any() else found["metric"].iloc[0])
    intervals = found.loc[found["metric"] == name, "interval_s"]
    return None if intervals.empty else (str(name), float(intervals.max()))


def asked_for(store: Store, metric: str | None = None) -> tuple[str, float]:
    """`traffic`; where there is nothing, the metric asked for (else requests) at an hour, which then is what is missed."""
    return traffic(store, metric) or (metric or REQUESTS, 3600.0)


def left_out(
    store: Store, before: pd.Timestamp | None = None, kinds: Collection[str] = calendar.UNLIKE
) -> calendar.LeftOut:
    """What was no ordinary week: `kinds` of the calendar, and incidents and experiments that began before `before`."""
    real, ran = incidents(store, kind="real"), table(store, "experiments")
    ran = ran.merge(table(store, "experiment_targets"), on=["gameday_id", "experiment_key"])
    if before is not None:
        real, ran = real[~(real["started_at"] >= before)], ran[~(ran["fault_started_at"] >= before)]
    return calendar.unlike(table(store, "calendar"), real, ran, kinds)


def unusual(store: Store) -> calendar.LeftOut:
    """What was no ordinary traffic. Where capacity was enlarged traffic goes on as it does, so that stays in."""
    return left_out(store, kinds=("sale", "holiday"))


def headroom(store: Store, load: pd.DataFrame, metric: str, objective: str, zone: str) -> Headroom:
    """What each scope of `load` (rows of `metric`) carries within `objective`: 'METRIC < 0.8', 'METRIC < 1.5x' or '1.5x'.

    Where it names no metric it is Datadog's p95 of requests. Sales count, as they show what is carried; enlarged capacity,
    incidents and experiments do not. Empty where there is no series of the response at the interval of `load`.
    """
    from .analysis import headroom as analysis

    named, goal = analysis.objective(objective)
    response = named or LATENCY
    rows = table(store, "series", where={"metric": [response], "scope": list(load["scope"].unique())})
    rows = rows[rows["interval_s"].isin(load["interval_s"])].reset_index(drop=True)
    if rows.empty:
        return analysis.unknown(response)
    spans = left_out(store, load["at"].max(), kinds=("enlarged",)).spans
    return analysis.headroom(
        load, rows, zone, load_metric=metric, response_metric=response, exclude=spans, **goal
    )


def critical(store: Store, load: pd.DataFrame, n: int = 12) -> list[str]:
    """The `n` services that matter most: by criticality where the graph states it, then by mean load."""
    from .analysis.movement import owner

    mean = load.groupby("scope")["value"].mean()
    mean = mean.groupby([owner(str(scope)) for scope in mean.index]).sum()
    rank = table(store, "services").set_index("service")["criticality"]
    order = pd.DataFrame({"load": mean, "criticality": rank.reindex(mean.index)})
    order = order.sort_values(["criticality", "load"], ascending=[True, False], na_position="last")
    return list(order.index[:n])


def safe_hours(
    store: Store,
    load: pd.DataFrame,
    metric: str,
    zone: str,
    targets: Iterable[str],
    minutes: float,
    days: int,
    limits: Mapping[str, float] | None = None,
) -> SafeHours:
    """Windows for a fault on each of `targets` in the `days` after the last point of `load`; `limits` as `safe_windows`."""
    from .analysis import safe_hours as analysis

    start = load["at"].max()
    return analysis.safe_hours(
        load, table(store, "calendar"), zone=zone, metric=metric, targets=list(targets), minutes=minutes,
        between=(start, start + pd.Timedelta(days=days)), limits=limits, incidents=incidents(store, kind="real"),
        slo_history=table(store, "slo_history"), exclude=left_out(store, start).spans,
    )  # fmt: skip


def onsets(store: Store, rows: pd.DataFrame) -> pd.DataFrame:
    """When the series of its services first moved, per incident of `rows`: what `anchors.of_incidents` finds.

    Read are the metrics that are kept at five minutes or less, as an hour cannot tell when a start was written down; their
    hourly points are read too, without which the rise of every morning would look like an onset. These are millions, so the
    answer is kept beside a store on disk, by the version of the series.
    """
    services = store.load("incident_services")
    read = pd.DataFrame({"version": [store.version("series") or -1]})
    parts = [
        rows[["incident_id", "started_at", "detected_at"]],
        services,
        read,
        store.load("corrections"),
        store.count("series", ("metric", "interval_s")),
    ]

    def made() -> pd.DataFrame:
        from .analysis import anchors

        return anchors.of_incidents(rows, services, read_series(store, _fine(points.inventory(store)))).table

    return kept(store, "onsets", parts, made)


def _fine(known: pd.DataFrame) -> pd.DataFrame:
    """Series of the metrics that are kept at five minutes or less."""
    return known[known["metric"].isin(known.loc[known["interval_s"] <= _FINE_S, "metric"].unique())]


def _anchoring(store: Store) -> pd.DataFrame:
    fine = _fine(points.inventory(store))["metric"].unique()
    return table(store, "series", where={"metric": list(fine)}) if len(fine) else schema.frame("series")


def read_series(store: Store, known: pd.DataFrame) -> movement.Recorded:
    """Points of the series of `known`, rows of `points.inventory`, as analyses of single series take them."""
    if known.empty:
        return []
    if (store.load("corrections")["target"] == "series").any():  # of single points: read the table
        return movement.recorded(table(store, "series", where={"scope": known["scope"].unique()}))
    first = known.sort_values("rollup", kind="stable").drop_duplicates(["metric", "scope", "interval_s"])
    found: movement.Recorded = []
    for part in points.parts(store, first.sort_index()):
        for scope, at, value in points.read(part):
            finite = np.where(np.isfinite(value), value, np.nan)
            found.append(((part.metric, scope), (at, finite, round(part.interval_s * 1e6))))
    return sorted(found, key=lambda one: (one[1][2], one[0]))


def labels(store: Store) -> pd.DataFrame:
    """Human labels under the id that a linked incident is counted by; of two by one person, the later."""
    return counted_by(store, table(store, "labels"))


def counted_by(store: Store, rows: pd.DataFrame) -> pd.DataFrame:
    """`rows` of the table labels, such as those of a file, under the id that a linked incident is counted by."""
    found = merged(store).incidents
    linked = found[["incident_id", "linked_ids"]].dropna()
    counted = {other: row.incident_id for row in linked.itertuples() for other in row.linked_ids.split(", ")}
    rows = rows.assign(incident_id=rows["incident_id"].replace(counted)).sort_values(
        "labelled_at", kind="stable"
    )
    keys = list(schema.key("labels"))
    return rows.drop_duplicates(keys, keep="last").sort_values(keys, ignore_index=True)


def series_at(store: Store, metric: str, interval_s: float) -> pd.DataFrame:
    """Points of one metric at one interval. Raises InputError, naming what there is, where there are none."""
    rows = table(store, "series", where={"metric": [metric]})
    found = rows[rows["interval_s"] == interval_s].reset_index(drop=True)
    if found.empty:
        there = ", ".join(f"{s:g} s" for s in sorted(rows["interval_s"].unique())) or "none of that name"
        raise InputError(
            f"There is no {metric} at {interval_s:g} s in the store (there is: {there}).",
            remedy="Choose another metric or interval, or ingest its series.",
        )
    return found


def recorded(store: Store, services: Iterable[str] | None = None) -> movement.Recorded:
    """Every series whose scope names a service, or one of `services`. Raises InputError where there is none."""
    known = points.inventory(store)
    of = {scope: movement.service_of(scope) for scope in known["scope"].unique()}
    wanted = None if services is None else set(services)
    named = {scope for scope, name in of.items() if name and (wanted is None or name in wanted)}
    found = read_series(store, known[known["scope"].isin(named)])
    if not found:
        raise InputError(
            "No series in the store names a service in its scope.",
            remedy="Ingest series whose scope holds service:NAME (docs/series-files.md).",
        )
    return found


def incident_services(incidents: pd.DataFrame) -> pd.DataFrame:
    """One row per row of `incidents` (linked ones count once) and service."""
    rows = incidents[["incident_id", "services"]].dropna()
    rows = rows.assign(service=rows["services"].str.split(", ")).explode("service", ignore_index=True)
    return rows[["incident_id", "service"]].drop_duplicates(ignore_index=True)


def gameday_tables(store: Store, gameday_id: str) -> dict[str, pd.DataFrame]:
    """Every table of one GameDay, and `series` of its probes and backlogs around its faults.

    Raises InputError where there is no such GameDay.
    """
    tables = {name: table(store, name, where={"gameday_id": [gameday_id]}) for name in schema.GAMEDAY_TABLES}
    if tables["gamedays"].empty:
        known = ", ".join(store.load("gamedays")["gameday_id"]) or "none"
        raise InputError(f"There is no GameDay {gameday_id!r} in the store.", remedy=f"GameDays: {known}.")
    return {**tables, "series": watched(store, tables["experiment_probes"], tables["experiments"])}


def watched(store: Store, probes: pd.DataFrame, ran: pd.DataFrame) -> pd.DataFrame:
    """Series of the probes and backlogs of GameDays, around the faults of each."""
    spans = [span for _, day in ran.groupby("gameday_id") if (span := _span(day)) is not None]
    metrics = set(probes["metric"]) | set(ran["backlog_metric"].dropna())
    scopes = set(probes["scope"]) | set(ran["backlog_scope"].dropna())
    if not spans or not metrics:
        return schema.frame("series")
    return table(store, "series", where={"metric": metrics, "scope": scopes}, between=spans)


def gameday_titles(store: Store, *, names: bool = False) -> dict[str, str]:
    """Title of every GameDay by its id, newest first; a name of a person in it is a role unless `names`."""
    days = table(store, "gamedays").sort_values(["held_on", "gameday_id"], ascending=False)
    shown = dict(zip(days["gameday_id"], days["title"], strict=True))
    if names or store.version("gameday_roles") is None:
        return shown
    tables = {name: table(store, name) for name in roles.TABLES}
    for day in tables["gameday_roles"].dropna(subset="names")["gameday_id"].unique():
        own = {name: rows[rows["gameday_id"] == day] for name, rows in tables.items()}
        shown[day] = roles.hidden(own)["gamedays"]["title"].iloc[0]
    return shown


def _span(ran: pd.DataFrame) -> tuple[pd.Timestamp, pd.Timestamp] | None:
    """From an hour and a time box before the first fault to as much after the last."""
    start = ran["fault_started_at"].min()
    if pd.isna(start):
        return None
    box, hour = pd.Timedelta(minutes=float(ran["planned_min"].max())), pd.Timedelta(hours=1)
    last = max(ran["fault_started_at"].max() + box, ran["fault_ended_at"].max())
    return start - box - hour, last + box + hour


def gameday_context(store: Store, gameday_id: str) -> dict[str, pd.DataFrame]:
    """What surrounds one GameDay, for `gameday.Around`: rows of the tables named, of other GameDays too.

    The GameDay tables hold earlier days and those that repeat one of its experiments; `series` the probes of the latter,
    and every fine series (at most five minutes) while this day's faults ran; `classes` the real incidents
    with their failure class, `real` as they are and `onsets` when their series first moved.
    """
    real = incidents(store, kind="real")
    days = table(store, "gamedays").sort_values(["held_on", "gameday_id"])
    ran = table(store, "experiments")
    mine = days[days["gameday_id"] == gameday_id].iloc[0]
    keys = ran.loc[ran["gameday_id"] == gameday_id, "experiment_key"]
    again = days["gameday_id"].isin(ran.loc[ran["experiment_key"].isin(keys), "gameday_id"])
    others = days[(days["gameday_id"] != gameday_id) & (again | (days["held_on"] < mine["held_on"]))]
    repeats = others.loc[again, "gameday_id"]
    wanted = {"gameday_id": others["gameday_id"].tolist()}
    found = {
        name: table(store, name, where=wanted) if len(others) else schema.frame(name)
        for name in schema.GAMEDAY_TABLES
    }
    probes = found["experiment_probes"]
    return {
        **found,
        "series": pd.concat(
            [
                services_around(store, ran[ran["gameday_id"] == gameday_id]),
                watched(
                    store, probes[probes["gameday_id"].isin(repeats)], ran[ran["gameday_id"].isin(repeats)]
                ),
            ],
            ignore_index=True,
        ),
        "service_edges": table(store, "service_edges"),
        "classes": classes(store),
        "real": real,
        "onsets": onsets(store, real),
    }


def services_around(store: Store, ran: pd.DataFrame) -> pd.DataFrame:
    """Fine series of every service from some hours before the first fault of `ran` (experiments of one day) to its end."""
    span = _span(ran)
    if span is None:
        return schema.frame("series")
    rows = table(store, "series", between=(span[0] - reach.AROUND, span[1] + reach.AROUND))
    return rows[
        (rows["interval_s"] <= _FINE_S) & rows["scope"].str.contains("service:", regex=False)
    ].reset_index(drop=True)


def surprise_edges(store: Store) -> pd.DataFrame:
    """What moved in an experiment of any GameDay although nobody had declared that it depends on a target.

    One row per experiment, target and service, as `blast_radius.surprise_edges`, with `gameday_id` first. It takes seconds
    per GameDay, so the answer is kept beside a store on disk, under a name made from all it depends on: of the series, the
    files that may hold that day.
    """
    days = table(store, "gamedays").sort_values(["held_on", "gameday_id"])["gameday_id"]
    edges = table(store, "service_edges")
    real = incidents(store, kind="real")[["incident_id", "started_at", "services"]]
    found = [_surprises(store, day, edges, real) for day in days]
    found = [rows for rows in found if len(rows)]
    columns = ["gameday_id", *blast_radius.SURPRISES]
    return pd.concat(found, ignore_index=True)[columns] if found else pd.DataFrame(columns=columns)


def _surprises(store: Store, day: str, edges: pd.DataFrame, real: pd.DataFrame) -> pd.DataFrame:
    ran, targets = (
        table(store, name, where={"gameday_id": [day]}) for name in ("experiments", "experiment_targets")
    )

    def made() -> pd.DataFrame:
        found = blast_radius.radius(ran, targets, reach.reach(ran, services_around(store, ran), real), edges)
        return blast_radius.surprise_edges(found, targets).assign(gameday_id=day)

    return kept(store, "surprises", [ran, targets, edges, real, *around_day(store, ran)], made)


def around_day(store: Store, ran: pd.DataFrame) -> list[str]:
    """What an answer about one GameDay depends on in the series: the files that may hold its hours, and corrections."""
    span = _span(ran)
    if span is None:
        return []
    names = store.holding("series", (span[0] - reach.AROUND, span[1] + reach.AROUND))
    return [*names, f"corrections {store.version('corrections')}"]


def classes(store: Store) -> pd.DataFrame:
    """Real incidents with `failure_class`, the likeliest or `unknown`: incident_id, started_at, detected_at, services."""
    rows = incidents(store, kind="real")
    columns = ["incident_id", "started_at", "detected_at", "services", "failure_class"]
    found = store.once("classes", lambda: classified(store, rows, labels(store))[0])
    return rows.merge(found[["incident_id", "failure_class"]], on="incident_id")[columns]


def classified(store: Store, rows: pd.DataFrame, given: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Table and sentence of `causes.classify`: it takes seconds and many pages ask for it, so it is kept."""

    def made() -> pd.DataFrame:
        from .analysis import causes

        found = causes.classify(rows, given)
        table = found.table.copy(deep=False)
        table.attrs["text"] = found.text
        return table

    found = kept(store, "classes", [rows, given], made)
    return found, str(found.attrs["text"])


def report_tables(notebook: str, parameters: Mapping[str, Any], store: Store) -> dict[str, pd.DataFrame]:
    """The rows that a packaged notebook reads; what its report is made from and skipped by."""
    if notebook == "gameday":
        day = str(parameters["gameday_id"])
        own, near = gameday_tables(store, day), gameday_context(store, day)
        both = {
            name: pd.concat([own[name], near[name]]).drop_duplicates(
                list(schema.key(name)), ignore_index=True
            )
            for name in own
        }
        read = {name: store.load(name) for name in _GAMEDAY_READS}
        return {**near, **both, **read}
    tables = {name: store.load(name) for name in _REPORT_TABLES[notebook]}
    if parameters.get("anchored"):
        tables |= {"series": _anchoring(store), "incident_services": store.load("incident_services")}
    if notebook == "next_experiments":
        usual = traffic(store, REQUESTS)
        rows = [schema.frame("series") if usual is None else series_at(store, *usual)]
        rows += [services_around(store, ran) for _, ran in tables["experiments"].groupby("gameday_id")]
        tables["series"] = pd.concat(rows, ignore_index=True).drop_duplicates(
            list(schema.key("series")), ignore_index=True
        )
    if notebook == "capacity":
        from .analysis import headroom as carried

        metric = str(parameters["metric"])
        response = carried.objective(str(parameters.get("objective", "1.5x")))[0] or LATENCY
        rows = table(store, "series", where={"metric": sorted({metric, response})})
        tables["series"] = rows[rows["interval_s"] == asked_for(store, metric)[1]].reset_index(drop=True)
    return tables
