"""What the series tell: onsets, hidden dependencies, where trouble began."""

from __future__ import annotations

from datetime import timedelta

import click

from ..errors import InputError
from ..moments import moment
from ..terminal import show
from .common import computing, reading, store_at, workspace_here


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
    name, _ = views.asked_for(store, metric)
    found = analysis.candidates(
        views.series_at(store, name, 3600),
        views.table(store, "service_edges"),
        views.incident_services(views.incidents(store, kind="real")),
        metric=name,
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
    from ..analysis import service_graph

    window = moment(start), moment(end)
    day = window[0] - timedelta(days=1)
    calm = (day, window[0]) if reference is None else (moment(reference[0]), moment(reference[1]))
    store = store_at(root)
    spans = min(calm[0], day), max(calm[1], window[1])
    series = views.table(store, "series", between=spans)
    if series.empty:
        raise InputError(
            "Nothing was recorded then.", where=f"{start} to {end}", remedy="Ingest series of that time."
        )
    window_at, calm_at = (tuple(map(pd.Timestamp, span)) for span in (window, calm))
    found = analysis.rank(
        series, window_at, calm_at, service_graph.callees(views.table(store, "service_edges"))
    )
    show(found.table, form, found.text)
