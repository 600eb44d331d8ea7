"""Series as analyses take them: which there are, what of them was no ordinary week, what they can carry."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .. import points, schema
from ..analysis import calendar, comovement, movement
from ..errors import InputError
from ..kept import kept
from ..store import Store
from .tables import incidents, table

if TYPE_CHECKING:
    from ..analysis.headroom import Headroom
    from ..analysis.safe_hours import SafeHours


FINE_S = 300  # longest interval, in seconds, whose series can anchor an incident
REQUESTS = "trace.http.request.hits"
LATENCY = "trace.http.request.duration.p95"


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


def series_at(store: Store, metric: str, interval_s: float) -> pd.DataFrame:
    """Points of one metric at one interval. Raises InputError, naming what there is, where there are none."""
    rows = table(store, "series", where={"metric": [metric]})
    found = rows[rows["interval_s"] == interval_s].reset_index(drop=True)
    if found.empty:
        there = ", ".join(f"{s:g} s" for s in sorted(rows["interval_s"].unique()))
        raise InputError(
            f"There is no {metric} at {interval_s:g} s in the store"
            + (f" (there is: {there})." if there else ", nor at another interval."),
            remedy="Choose another metric or interval, or ingest its series.",
        )
    return found


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
    from ..analysis import headroom as analysis

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
    from ..analysis.movement import owner

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
    from ..analysis import safe_hours as analysis

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
        from ..analysis import anchors

        return anchors.of_incidents(rows, services, _recorded(store, _fine(points.inventory(store)))).table

    return kept(store, "onsets", parts, made)


def recorded(store: Store, services: Iterable[str] | None = None) -> movement.Recorded:
    """Every series whose scope names a service, or one of `services`. Raises InputError where there is none."""
    known = points.inventory(store)
    of = {scope: movement.service_of(scope) for scope in known["scope"].unique()}
    wanted = None if services is None else set(services)
    named = {scope for scope, name in of.items() if name and (wanted is None or name in wanted)}
    found = _recorded(store, known[known["scope"].isin(named)])
    if not found:
        raise InputError(
            "No series in the store names a service in its scope.",
            remedy="Ingest series whose scope holds service:NAME (docs/series-files.md).",
        )
    return found


def hourly(store: Store, usual: tuple[str, float], until: pd.Timestamp) -> dict[str, comovement.Hourly]:
    """Points of the `usual` metric and interval of every service on production before `until`; none unless hourly."""
    if usual[1] != 3600:
        return {}
    known = points.inventory(store, *usual)
    known = known[production_services(known["scope"]).notna()]
    rollups = known.groupby("scope")["rollup"].min()  # the one that is read
    found = {}
    for (metric, scope), (at, value, interval) in _recorded(store, known):
        before = at < until.value // 1000
        if metric == usual[0] and interval == 3_600_000_000 and before.any():
            name = str(movement.service_of(scope))
            found[name] = comovement.Hourly(at[before], value[before], str(rollups[scope]))
    return found


def production_services(scope: pd.Series) -> pd.Series:
    """The service of a production scope; null for other scopes."""
    codes, names = pd.factorize(scope)  # millions of rows hold some hundred scopes
    found = pd.Series(names, dtype="str").str.extract(r"^(?:env:prod[a-z]*,)?service:([^,]+)$", expand=False)
    return pd.Series(found.reindex(codes).to_numpy(), index=scope.index, dtype="str")


def anchoring(store: Store) -> pd.DataFrame:
    fine = _fine(points.inventory(store))["metric"].unique()
    return table(store, "series", where={"metric": list(fine)}) if len(fine) else schema.frame("series")


def _fine(known: pd.DataFrame) -> pd.DataFrame:
    """Series of the metrics that are kept at five minutes or less."""
    return known[known["metric"].isin(known.loc[known["interval_s"] <= FINE_S, "metric"].unique())]


def _recorded(store: Store, known: pd.DataFrame) -> movement.Recorded:
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
