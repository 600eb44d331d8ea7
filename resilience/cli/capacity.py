"""Capacity: the week, what is carried and until when, what if, the weeks ahead, safe windows, what incidents cost."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

import click

from ..errors import InputError
from ..moments import moment
from ..terminal import show
from .common import computing, reading, store_at, workspace_here

if TYPE_CHECKING:
    import pandas as pd

    from ..store import Store

_limit = click.option(
    "--limit", "limits", multiple=True, metavar="SERVICE=LOAD", help="Load per interval that it carries."
)
_MOST_STARTS = 20  # printed; machines get all
_metric = click.option("--metric", help="Load metric [default: as `resilience capacity`].")


def _learning(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that say what a service carries: known limits, and the objective that tells the others'."""
    goal = click.option(
        "--objective",
        metavar="[METRIC<]BOUND",
        default="1.5x",
        show_default=True,
        help="Highest response allowed, 0.8, or times its usual, 1.5x; without METRIC of request p95.",
    )
    return _limit(goal(_metric(command)))


@click.command()
@click.option("--metric", help="Metric to profile [default: request hits, else what has most points].")
@click.option(
    "--interval", "interval_s", type=float, help="Interval of its points in seconds [default: the longest]."
)
@click.option("--zone", help="IANA zone [default: the workspace's].")
@click.option("--hours", is_flag=True, help="All 168 hours of the week instead of one row per scope.")
@computing
@reading
def capacity(
    metric: str | None,
    interval_s: float | None,
    zone: str | None,
    hours: bool,
    jobs: int,
    scheduler: str | None,
    root: str | None,
    form: str,
) -> None:
    """The week of a metric, per scope: peak to mean, busiest hour, or all 168 hours with quantiles."""
    from .. import estate, views, workers

    store = store_at(root)
    name, usual_s = views.asked_for(store, metric)
    out = views.left_out(store)
    where = zone or workspace_here().zone
    with workers.executor(store, jobs, scheduler) as pool:
        found = estate.week_profile(
            store, name, interval_s or usual_s, where, exclude=out.spans, executor=pool
        )
    show(found.table if hours else found.scopes, form, f"{found.text} {out.text}")


@click.command()
@click.option(
    "--target", "targets", multiple=True, required=True, help="Service under the fault; may be repeated."
)
@click.option("--minutes", default=20.0, show_default=True, help="How long the fault lasts.")
@click.option("--from", "first", help="First moment, ISO with offset [default: where the series ends].")
@click.option("--days", default=28, show_default=True, help="How many days from there.")
@click.option("--lost", default=1 / 3, show_default="a third", help="Share of capacity that the fault takes.")
@click.option(
    "--stopped", is_flag=True, help="The targets are consumers that stand still; their queue must drain."
)
@_learning
@click.option("--all", "everything", is_flag=True, help="Every start, with why not.")
@reading
def windows(
    targets: tuple[str, ...],
    minutes: float,
    first: str | None,
    days: int,
    lost: float,
    stopped: bool,
    limits: tuple[str, ...],
    objective: str,
    metric: str | None,
    everything: bool,
    root: str | None,
    form: str,
) -> None:
    """When it is safe to run a fault on the targets: room under the fault, no open incident, no spent error budget."""
    import pandas as pd

    from .. import views
    from ..analysis import safe_windows as analysis
    from ..analysis.movement import owner

    store = store_at(root)
    name, rows = _load(store, metric)
    start = rows["at"].max() if first is None else pd.Timestamp(moment(first))
    rows = rows[rows["at"] < start].reset_index(drop=True)
    if rows.empty:
        raise InputError(
            f"{name} has no value before {start:%Y-%m-%d %H:%M} UTC, so nothing says what to expect.",
            remedy="Give a later --from, or ingest a longer series.",
        )
    out, zone = views.left_out(store, start), workspace_here().zone
    given = _pairs("--limit", limits)
    _known("--limit", given, rows)
    mine = rows[rows["scope"].map(owner).isin(targets)].reset_index(drop=True)
    learned = views.headroom(store, mine, name, objective, zone)
    found = analysis.safe_windows(
        rows,
        views.table(store, "calendar"),
        zone=zone,
        metric=name,
        targets=targets,
        minutes=minutes,
        between=(start, start + pd.Timedelta(days=days)),
        limits={**learned.sure, **given},
        lost=lost,
        stopped=stopped,
        incidents=views.incidents(store, kind="real"),
        slo_history=views.table(store, "slo_history"),
        exclude=out.spans,
    )
    starts = found.table if everything else found.best
    if form != "table":
        show(starts, form)
        return
    shown = starts.head(_MOST_STARTS).copy()
    for column in ("starts_at", "ends_at"):
        shown[column] = shown[column].dt.tz_convert(zone).dt.strftime("%a %Y-%m-%d %H:%M")
    show(shown, form, f"{found.text} {learned.text} {out.text} Times below are of {zone}.")
    if len(starts) > len(shown):
        more = f"{len(starts) - len(shown):,} more starts"
        click.echo(f"{more if everything else f'{more} that are safe'}: `--format csv`, there in UTC.")


@click.command()
@_learning
@click.option("--horizon", default=52, show_default=True, help="Weeks to look ahead.")
@reading
def headroom(
    limits: tuple[str, ...],
    objective: str,
    metric: str | None,
    horizon: int,
    root: str | None,
    form: str,
) -> None:
    """What each service carries within its objective, and when an ordinary week will need all of it."""
    from .. import views
    from ..analysis import exhaustion as analysis

    store, zone = store_at(root), workspace_here().zone
    name, rows = _load(store, metric)
    known, at_least, said = _carried(store, rows, name, objective, limits, zone)
    out = views.left_out(store)
    found = analysis.exhaustion(
        rows, zone, metric=name, limits=known, at_least=at_least, exclude=out.spans, horizon_weeks=horizon
    )
    short = ["scope", "limit", "at_least", "used", "growth_pct", "state", "earliest", "latest", "since"]
    table = (
        found.table
        if form != "table"
        else found.table[short].assign(
            **{c: found.table[c].dt.strftime("%Y-%m-%d") for c in ("earliest", "latest", "since")}
        )
    )
    show(table, form, " ".join([said, found.text, out.text]))


@click.command("what-if")
@_learning
@click.option("--times", default=1.0, show_default=True, help="How many times the load.")
@click.option("--lost", default=0.0, show_default=True, help="Share of capacity that is gone.")
@click.option(
    "--instances",
    multiple=True,
    metavar="N|SERVICE=N",
    help="Instances, of which one is gone; may be repeated.",
)
@reading
def what_if(
    limits: tuple[str, ...], objective: str, metric: str | None, times: float, lost: float,
    instances: tuple[str, ...], root: str | None, form: str,
) -> None:  # fmt: skip
    """What if one instance were gone, or the load were k times as high: the last eight ordinary weeks replayed."""
    from .. import views
    from ..analysis import what_if as analysis

    store, zone = store_at(root), workspace_here().zone
    name, rows = _load(store, metric)
    counted = _instances(instances)
    _known("--instances", counted if isinstance(counted, dict) else {}, rows)
    known, at_least, said = _carried(store, rows, name, objective, limits, zone)
    out = views.left_out(store)
    found = analysis.what_if(
        rows, zone, metric=name, limits=known, at_least=at_least, times=times, lost=lost, instances=counted,
        exclude=out.spans,
    )  # fmt: skip
    short = ["scope", "capacity", "peak", "used", "state", "over_min_per_week", "carries_times", "reason"]
    show(found.table if form != "table" else found.table[short], form, " ".join([said, found.text, out.text]))


@click.command()
@click.option("--service", "services", multiple=True, help="Only of this service; may be repeated.")
@click.option("--weeks", default=4, show_default=True, help="How many weeks ahead, at most 8.")
@click.option("--hours", is_flag=True, help="Every interval ahead instead of one row per scope.")
@_metric
@reading
def forecast(
    services: tuple[str, ...], weeks: int, hours: bool, metric: str | None, root: str | None, form: str
) -> None:
    """The weeks ahead with intervals, and how far off such forecasts were when they were tried on the past."""
    from .. import views
    from ..analysis import forecast as analysis
    from ..analysis.movement import service_of

    store, zone = store_at(root), workspace_here().zone
    name, rows = _load(store, metric)
    if services:
        having = {
            scope for scope in rows["scope"].unique() if service_of(scope) in services or scope in services
        }
        rows = rows[rows["scope"].isin(having)].reset_index(drop=True)
    if rows.empty:
        raise InputError(
            f"{', '.join(services)} has no series of {name}.", remedy="See `resilience capacity`."
        )
    out = views.left_out(store)
    found = analysis.forecast(rows, zone, metric=name, exclude=out.spans, weeks=weeks)
    table = found.table if hours else analysis.peaks(found)
    show(table, form, f"{found.text} {out.text}")


@click.command()
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False))
@click.option("--load", default="load", show_default=True, help="Column, or metric of the store.")
@click.option("--throughput", default="throughput", show_default=True, help="Column, or metric of the store.")
@reading
def scalability(file: str | None, load: str, throughput: str, root: str | None, form: str) -> None:
    """What more load still brings (Universal Scalability Law): from a load test (CSV) or two metrics of the store."""
    import pandas as pd

    from .. import views
    from ..analysis import scalability as analysis

    if file is None:
        store = store_at(root)
        _, interval = views.asked_for(store, throughput)
        table = analysis.by_scope(*(views.series_at(store, name, interval) for name in (load, throughput)))
        fitted, peaks = int(table["reason"].isna().sum()), int(table["peak_load"].notna().sum())
        text = f"{throughput} against {load} at {interval:g} s: fitted on {fitted} of {len(table)} scopes, with an "
        text += f"identifiable peak on {peaks}."
        show(table, form, f"{text} Nothing is stated beyond twice the highest load.")
        return
    try:
        rows = pd.read_csv(file)
        n, x = (pd.to_numeric(rows[name], errors="raise") for name in (load, throughput))
    except KeyError as error:
        raise InputError(
            f"There is no column {error}.",
            where=file,
            remedy=f"Name it by --load or --throughput: {', '.join(rows)[:200]}.",
        ) from None
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(
            f"This is no table of numbers: {error}"[:200], where=file, remedy="Give a CSV."
        ) from None
    found = analysis.fit(n, x)
    show(pd.DataFrame([vars(found)]).drop(columns="text"), form, found.text)


@click.command()
@click.option("--incident", "chosen", multiple=True, metavar="ID", help="Only this one; may be repeated.")
@click.option("--metric", help="Orders or requests, as counts [default: as `resilience capacity`].")
@reading
def impact(chosen: tuple[str, ...], metric: str | None, root: str | None, form: str) -> None:
    """What each incident cost in orders or requests, against the same hours of other weeks, and what came back."""
    from .. import views
    from ..analysis import impact as analysis

    store = store_at(root)
    name, rows = _load(store, metric)
    incidents = views.incidents(store, kind="real")
    if absent := sorted(set(chosen) - set(incidents["incident_id"])):
        raise InputError(
            f"There is no incident {', '.join(absent)}.", remedy="Leave --incident away to see every id."
        )
    wanted = incidents[incidents["incident_id"].isin(chosen)] if chosen else incidents
    found = analysis.impact(
        rows, wanted, workspace_here().zone, metric=name, exclude=views.unusual(store).spans
    )
    short = [
        "incident_id", "scope", "expected", "lost", "lost_low", "lost_high", "lost_pct", "came_back", "verdict", "reason",
    ]  # fmt: skip
    show(found.table if form != "table" else found.table[short], form, found.text)


def _load(store: Store, metric: str | None) -> tuple[str, pd.DataFrame]:
    """The metric that says how busy a scope is, and its rows."""
    from .. import views

    name, interval = views.asked_for(store, metric)
    return name, views.series_at(store, name, interval)


def _carried(
    store: Store,
    rows: pd.DataFrame,
    metric: str,
    objective: str,
    limits: tuple[str, ...],
    zone: str,
) -> tuple[dict[str, float], list[str], str]:
    """What each scope carries: as given, else as learned; which of it is only what was seen; and a sentence."""
    from .. import views
    from ..analysis.movement import service_of

    given = _pairs("--limit", limits)
    _known("--limit", given, rows)
    learned = views.headroom(store, rows, metric, objective, zone)
    other = {
        scope: load
        for scope, load in learned.limits.items()
        if scope not in given and service_of(scope) not in given
    }
    said = learned.text + (f" You gave the limit of {', '.join(sorted(given))}." if given else "")
    return {**other, **given}, [scope for scope in learned.at_least if scope in other], said


def _known(option: str, given: Collection[str], rows: pd.DataFrame) -> None:
    """Raises InputError where `given` names what has no series: it would change nothing, and nobody would notice."""
    from ..analysis.movement import service_of

    scopes = rows["scope"].unique()
    if unknown := sorted(set(given) - set(scopes) - {service_of(scope) for scope in scopes}):
        raise InputError(
            f"{option} names {', '.join(unknown)}, of which there is no load.",
            remedy="See `resilience capacity`.",
        )


def _instances(given: tuple[str, ...]) -> int | dict[str, int] | None:
    if len(given) == 1 and given[0].isdigit():
        return int(given[0])
    return {name: int(n) for name, n in _pairs("--instances", given).items()} or None


def _pairs(option: str, given: tuple[str, ...]) -> dict[str, float]:
    found = {}
    for one in given:
        service, _, number = one.partition("=")
        try:
            found[service] = float(number)
        except ValueError:
            raise InputError(
                f"{option} {one!r:.80} is not SERVICE={'N' if option == '--instances' else 'LOAD'}.",
                remedy=f"For example {option} checkout={'4' if option == '--instances' else '250000'}.",
            ) from None
    return found
