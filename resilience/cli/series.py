"""What the series tell: the week, safe windows, onsets, hidden dependencies, where trouble began."""

from __future__ import annotations

from datetime import timedelta

import click

from ..errors import InputError
from ..terminal import show
from .common import computing, moment_of, reading, store_at, workspace_here


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
    name, usual_s = views.traffic(store, metric) or (metric or views.REQUESTS, 3600)
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
@click.option(
    "--limit", "limits", multiple=True, metavar="SERVICE=LOAD", help="Load per interval that it carries."
)
@click.option("--metric", help="Load metric [default: as `resilience capacity`].")
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
    metric: str | None,
    everything: bool,
    root: str | None,
    form: str,
) -> None:
    """When it is safe to run a fault on the targets: room under the fault, no open incident, no spent error budget."""
    import pandas as pd

    from .. import views
    from ..analysis import safe_windows as analysis

    store = store_at(root)
    usual = views.traffic(store, metric) or (metric or views.REQUESTS, 3600)
    rows = views.series_at(store, usual[0], usual[1])
    start = rows["at"].max() if first is None else pd.Timestamp(moment_of(first))
    rows = rows[rows["at"] < start].reset_index(drop=True)
    out = views.left_out(store, start)
    found = analysis.safe_windows(
        rows,
        views.table(store, "calendar"),
        zone=workspace_here().zone,
        metric=usual[0],
        targets=targets,
        minutes=minutes,
        between=(start, start + pd.Timedelta(days=days)),
        limits=_limits(limits),
        lost=lost,
        stopped=stopped,
        incidents=views.incidents(store, kind="real"),
        slo_history=views.table(store, "slo_history"),
        exclude=out.spans,
    )
    show(found.table if everything else found.best, form, f"{found.text} {out.text}")


def _limits(given: tuple[str, ...]) -> dict[str, float]:
    found = {}
    for one in given:
        service, _, load = one.partition("=")
        try:
            found[service] = float(load)
        except ValueError:
            raise InputError(
                f"--limit {one!r:.80} is not SERVICE=LOAD.", remedy="For example --limit checkout=250000."
            ) from None
    return found


@click.command()
@click.option("--experiments", is_flag=True, help="Faults of GameDays instead of incidents.")
@click.option("--monitors", is_flag=True, help="What a monitor on each series would have told, and cried.")
@click.option("--service", "services", multiple=True, help="Only of this service; may be repeated.")
@computing
@reading
def onsets(
    experiments: bool,
    monitors: bool,
    services: tuple[str, ...],
    jobs: int,
    scheduler: str | None,
    root: str | None,
    form: str,
) -> None:
    """When each incident began by its metrics, beside when it is said to have begun."""
    from .. import views, workers
    from ..analysis import anchors
    from ..analysis import monitors as judged

    if experiments and monitors:
        raise InputError("A monitor is judged by incidents.", remedy="Give --experiments or --monitors.")
    store = store_at(root)
    series = views.recorded(store, services or None)
    if experiments:
        targets = views.table(store, "experiment_targets")
        with workers.executor(store, jobs, scheduler) as pool:
            found = anchors.of_experiments(views.table(store, "experiments"), targets, series, executor=pool)
    else:
        incidents = views.incidents(store, kind="real")
        of = views.incident_services(incidents)
        if services:
            of = of[of["service"].isin(services)]
            incidents = incidents[incidents["incident_id"].isin(of["incident_id"])].reset_index(drop=True)
        with workers.executor(store, jobs, scheduler) as pool:
            if monitors:
                result = judged.judge(series, incidents, of, executor=pool)
                show(result.table, form, result.text)
                return
            found = anchors.of_incidents(incidents, of, series, executor=pool)
    table = found.table
    if form == "table":  # what fits a line
        table = table.drop(columns=["detected_at", "kind", "n_searched"], errors="ignore")
    show(table, form, found.text)


@click.command()
@click.option("--metric", help="Metric that says how busy a service is [default: request hits].")
@click.option("--zone", help="IANA zone [default: the workspace's].")
@reading
def dependencies(metric: str | None, zone: str | None, root: str | None, form: str) -> None:
    """Services that move or fail together although nobody declares it: candidates to verify by experiment."""
    from .. import views
    from ..analysis import dependencies as analysis

    store = store_at(root)
    usual = views.traffic(store, metric) or (metric or views.REQUESTS, 3600)
    found = analysis.candidates(
        views.series_at(store, usual[0], 3600),
        views.table(store, "service_edges"),
        views.incident_services(views.incidents(store, kind="real")),
        metric=usual[0],
        zone=zone or workspace_here().zone,
    )
    show(
        found.table.drop(columns=["p_series", "p_incidents"]) if form == "table" else found.table,
        form,
        found.text,
    )


@click.command()
@click.argument("start")
@click.argument("end")
@click.option(
    "--reference", nargs=2, metavar="FROM TO", help="Fault-free time [default: the day before START]."
)
@reading
def roots(start: str, end: str, reference: tuple[str, str] | None, root: str | None, form: str) -> None:
    """Where trouble between START and END (ISO with offset) may have begun: services in the order to look at."""
    import pandas as pd

    from .. import views
    from ..analysis import dependencies as analysis

    window = moment_of(start), moment_of(end)
    day = window[0] - timedelta(days=1)
    calm = (day, window[0]) if reference is None else (moment_of(reference[0]), moment_of(reference[1]))
    store = store_at(root)
    spans = min(calm[0], day), max(calm[1], window[1])
    series = views.table(store, "series", between=spans)
    if series.empty:
        raise InputError(
            "Nothing was recorded then.", where=f"{start} to {end}", remedy="Ingest series of that time."
        )
    window_at, calm_at = (tuple(map(pd.Timestamp, span)) for span in (window, calm))
    found = analysis.rank(series, window_at, calm_at, analysis.calls(views.table(store, "service_edges")))
    show(found.table, form, found.text)
