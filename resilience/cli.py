"""The command line. Heavy imports happen inside the commands that need them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import __version__
from .cli_causes import evaluate, label
from .cli_gameday import gameday
from .cli_plan import confirm, freeze_plan_reveal, ledger, plan, probe
from .cli_times import compare, placebo, restated
from .errors import InputError
from .terminal import progress, safe, show, with_ranges

if TYPE_CHECKING:
    from .pipeline import Ingested
    from .store import Store
    from .workspace import Workspace

CLOCKS = ("detect", "acknowledge", "mitigate", "restore", "repair", "inform")
# Named here so that --help needs no pandas; a test holds it to sources.trackers.KINDS.
TRACKERS = (
    "datadog",
    "pagerduty",
    "pagerduty-log",
    "pagerduty-analytics",
    "statuspage",
    "github",
    "incident-io",
    "firehydrant",
    "jira",
)


class _Refusal(click.ClickException):
    """An InputError as a user sees it."""

    exit_code = 2


class _Group(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except InputError as error:
            raise _Refusal(str(error)) from None

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)  # in the order of the work, not of the alphabet


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__)
def main() -> None:
    """What keeps failing, are we getting better, and what should we rehearse next?

    Start with `resilience init DIR`, put reports, series and gameday.yml files into its data/ folder, then
    `resilience ingest` and `resilience render --all`. Or see it first: `resilience demo` in an empty folder.
    """


def _store_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--store", "root", metavar="DIR|URL", help="Store to read [default: data/store of the workspace]."
    )(command)


def _reading(command: Callable[..., Any]) -> Callable[..., Any]:
    formats = click.Choice(["table", "json", "csv"])
    return _store_option(
        click.option(
            "--format", "form", type=formats, default="table", show_default=True, help="How to print it."
        )(command)
    )


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--title", default="Resilience", show_default=True, help="Name that pages carry.")
@click.option(
    "--zone", default="UTC", show_default=True, help="IANA zone of your business, e.g. Europe/Berlin."
)
def init(folder: Path, title: str, zone: str) -> None:
    """Make FOLDER a workspace: data folders, notebooks, reports/ and an annotated resilience.yml."""
    from . import workspace

    made = workspace.create(folder, title=title, zone=zone)
    click.echo(
        f"Made {made.root.resolve()}. Put your files under its data/, then run `resilience ingest` there."
    )


def _simulated(command: Callable[..., Any]) -> Callable[..., Any]:
    from .sample import SIZES, WORLDS

    seed = click.option("--seed", default=2019, show_default=True, help="Seed of the simulated world.")
    world = click.option(
        "--world",
        type=click.Choice(list(WORLDS)),
        default="base",
        show_default=True,
        help="Which world: what people write down and what GameDays change.",
    )
    size = click.option(
        "--size",
        type=click.Choice(list(SIZES)),
        default="full",
        show_default=True,
        help="150 services and about 300 reports, or 36 and 180.",
    )
    return seed(world(size(command)))


@main.command()
@click.argument("folder", type=click.Path(path_type=Path), default=".")
@_simulated
def sample(folder: Path, seed: int, world: str, size: str) -> None:
    """Write the simulated marketplace into FOLDER/data: two years of reports, series, two GameDays, its truth."""
    _write_sample(folder, seed, world, size)
    click.echo(f"Wrote a simulated marketplace to {folder / 'data'}; its truth is in data/truth.json.")


@main.command()
@_simulated
@click.pass_context
def demo(ctx: click.Context, seed: int, world: str, size: str) -> None:
    """Write the sample here, ingest it, judge its history and a plan, render every report; say where the gallery is."""
    workspace = _workspace()
    _write_sample(workspace.root, seed, world, size)
    ctx.invoke(ingest, paths=(), mapping=None, kind=None, root=None)
    click.echo("Would a date on which nothing happened have looked like an improvement?")
    ctx.invoke(placebo, source=None, date=None, clock="restore", window=182.0, seed=0, out=None, root=None)
    click.echo("Frozen at 30 November 2020: what would have been planned, and what failed afterwards?")
    click.echo(freeze_plan_reveal(_store(None).pinned()))
    ctx.invoke(ledger, state=None, everything=False, page=True, as_of="", root=None, form="table")
    ctx.invoke(
        render, report_id=None, everything=True, force=False, why=False, at_once=4, timeout=600, root=None
    )


@main.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--mapping", type=click.Path(path_type=Path), help="Mapping file for CSV series.")
@click.option(
    "--as",
    "kind",
    type=click.Choice(TRACKERS),
    help="Read every JSON and CSV file as this tracker's export [default: recognised by content].",
)
@_store_option
def ingest(paths: tuple[Path, ...], mapping: Path | None, kind: str | None, root: str | None) -> None:
    """Read reports, exports, series, GameDays and labels under PATHS into the store [default: the workspace's data/].

    Reading a file again changes nothing unless the file changed. Files that cannot be used are listed, the others
    come in, and the exit code is 2.
    """
    from . import pipeline

    workspace = _workspace()
    given = list(paths) or workspace.inputs()
    if not given:
        raise InputError(
            "Nothing lies under data/ here, and no path was given.",
            where=str(workspace.root),
            remedy="Run `resilience init`, or name the files: `resilience ingest PATH...`.",
        )
    with progress("Reading") as say:
        done = pipeline.ingest(
            _store(root),
            given,
            base=workspace.root,
            mapping=mapping,
            kind=kind,
            corrections=workspace.corrections,
            zone=workspace.zone,
            progress=say,
        )
    _tell_ingested(done)
    if len(done.refused):
        raise SystemExit(2)


def _tell_ingested(done: Ingested) -> None:
    names = {
        "report": "report file or folder",
        "tracker": "tracker export",
        "csv": "series CSV",
        "json": "saved response",
        "labels": "label file",
        "table": "other CSV",
        "gameday": "GameDay",
        "deployments": "deployment file",
        "calendar": "calendar",
    }
    read = ", ".join(f"{n} {names.get(kind, kind)}{'s' if n != 1 else ''}" for kind, n in done.files.items())
    click.echo(f"Read {read}.")
    for commit in done.commits:
        parts = [f"{n} {word}" for n, word in _counted(commit)]
        click.echo(f"  {commit.table}: {', '.join(parts)} (version {commit.version})")
    if not done.commits:
        click.echo("  Nothing changed.")
    for row in done.refused.head(20).itertuples():
        line = f":{row.line}" if isinstance(row.line, Integral) else ""
        click.echo(
            f"Not used: {safe(row.source_uri)}{line}: {safe(row.message)} {safe(row.remedy)}", err=True
        )
    if len(done.refused) > 20:
        click.echo(f"... and {len(done.refused) - 20} more.", err=True)
    if others := len(done.problems) - len(done.refused):
        click.echo(f"{others} smaller problem(s) on record: `resilience problems` groups them by remedy.")


def _counted(commit: Any) -> Iterator[tuple[int, str]]:
    for word in ("inserted", "updated", "deleted"):
        if n := getattr(commit, word):
            yield n, word


@main.command()
@click.option("--all", "everything", is_flag=True, help="Every row, not grouped.")
@_reading
def problems(everything: bool, root: str | None, form: str) -> None:
    """What was skipped, unreadable, missing or contradictory, grouped by what to do about it."""
    rows = _store(root).load("problems")
    if everything:
        show(rows[["source_uri", "line", "subject", "field", "kind", "message", "remedy"]], form)
        return
    grouped = rows.groupby(["kind", "remedy"], as_index=False, sort=True).agg(
        rows=("problem_id", "size"),
        files=("source_uri", "nunique"),
        example=("message", "first"),
        file=("source_uri", "first"),
    )
    show(grouped.sort_values(["rows", "kind", "remedy"], ascending=[False, True, True]), form)


@main.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--all", "everything", is_flag=True, help="Every component of every report, with where it stands."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "csv"]),
    default="table",
    show_default=True,
    help="How to print it.",
)
def reports(path: Path, everything: bool, form: str) -> None:
    """What the reports under PATH state and what they do not, file by file, before anything is stored."""
    from .sources import reports as source

    read = source.read(path)
    rows = read.incident_quality.merge(read.incidents[["incident_id", "source_uri"]], on="incident_id")
    if everything:
        show(rows[["source_uri", "component", "present", "n", "of", "origin"]], form)
    else:
        show(source.overview(rows), form)
    if form == "table":
        for row in read.problems[read.problems["field"].isna()].itertuples():
            click.echo(f"{row.kind}: {safe(row.source_uri)}: {safe(row.message)}")


@main.command()
@click.option("--incidents", "each", is_flag=True, help="One row per incident instead of the distribution.")
@_reading
def causes(each: bool, root: str | None, form: str) -> None:
    """What keeps failing: expected incidents per failure class, or the class of each incident."""
    from . import views
    from .analysis import causes as analysis

    store = _store(root)
    found = analysis.classify(views.incidents(store, kind="real"), views.labels(store))
    if each:
        show(found.table[[c for c in found.table if not c.startswith("p_")]], form, found.text)
    else:
        spread = analysis.distribution(found)
        show(spread.table, form, spread.text)


@main.command()
@click.option(
    "--by",
    type=click.Choice(["service", "cause", "severity", "quarter", "kind", "detected_by"]),
    help="Group by.",
)
@click.option(
    "--clock", type=click.Choice(CLOCKS), default="restore", show_default=True, help="Which duration."
)
@click.option("--kind", type=click.Choice(["real", "drill", "test"]), default="real", show_default=True)
@_reading
def times(by: str | None, clock: str, kind: str, root: str | None, form: str) -> None:
    """How long incidents take on one clock: n, median, geometric mean and mean, each with its interval."""
    from . import views
    from .analysis import times as analysis

    store = _store(root)
    incidents = views.incidents(store, kind=None if by == "kind" else kind, by=by)
    if clock == "inform":
        if by is not None:
            raise InputError("Time to inform is by audience.", remedy="Leave --by away.")
        incidents, by = analysis.informed(incidents, views.table(store, "incident_messages")), "audience"
    found = analysis.summarise(incidents, clock, by)
    show(with_ranges(found.table) if form == "table" else found.table, form, found.text)


@main.command()
@click.option("--metric", help="Metric to profile [default: request hits, else what has most points].")
@click.option(
    "--interval", "interval_s", type=float, help="Interval of its points in seconds [default: the longest]."
)
@click.option("--zone", help="IANA zone [default: the workspace's].")
@click.option("--hours", is_flag=True, help="All 168 hours of the week instead of one row per scope.")
@_reading
def capacity(
    metric: str | None, interval_s: float | None, zone: str | None, hours: bool, root: str | None, form: str
) -> None:
    """The week of a metric, per scope: peak to mean, busiest hour, or all 168 hours with quantiles."""
    from . import views
    from .analysis import capacity as analysis

    store = _store(root)
    usual = views.traffic(store, metric) or (metric or views.REQUESTS, 3600)
    rows = views.series_at(store, usual[0], interval_s or usual[1])
    out = views.left_out(store)
    found = analysis.profile(rows, zone or _workspace().zone, metric=usual[0], exclude=out.spans)
    show(found.table if hours else found.scopes, form, f"{found.text} {out.text}")


@main.command()
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
@_reading
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

    from . import views
    from .analysis import safe_windows as analysis

    store = _store(root)
    usual = views.traffic(store, metric) or (metric or views.REQUESTS, 3600)
    rows = views.series_at(store, usual[0], usual[1])
    start = rows["at"].max() if first is None else pd.Timestamp(_moment(first))
    rows = rows[rows["at"] < start].reset_index(drop=True)
    out = views.left_out(store, start)
    found = analysis.safe_windows(
        rows,
        views.table(store, "calendar"),
        zone=_workspace().zone,
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


@main.command()
@click.option("--experiments", is_flag=True, help="Faults of GameDays instead of incidents.")
@click.option("--monitors", is_flag=True, help="What a monitor on each series would have told, and cried.")
@click.option("--service", "services", multiple=True, help="Only of this service; may be repeated.")
@_reading
def onsets(experiments: bool, monitors: bool, services: tuple[str, ...], root: str | None, form: str) -> None:
    """When each incident began by its metrics, beside when it is said to have begun."""
    from . import views
    from .analysis import anchors
    from .analysis import monitors as judged

    if experiments and monitors:
        raise InputError("A monitor is judged by incidents.", remedy="Give --experiments or --monitors.")
    store = _store(root)
    series = views.recorded(store, services or None)
    if experiments:
        targets = views.table(store, "experiment_targets")
        found = anchors.of_experiments(views.table(store, "experiments"), targets, series)
    else:
        incidents = views.incidents(store, kind="real")
        of = views.incident_services(incidents)
        if services:
            of = of[of["service"].isin(services)]
            incidents = incidents[incidents["incident_id"].isin(of["incident_id"])].reset_index(drop=True)
        if monitors:
            result = judged.judge(series, incidents, of)
            show(result.table, form, result.text)
            return
        found = anchors.of_incidents(incidents, of, series)
    table = found.table
    if form == "table":  # what fits a line
        table = table.drop(columns=["detected_at", "kind", "n_searched"], errors="ignore")
    show(table, form, found.text)


@main.command()
@click.option("--metric", help="Metric that says how busy a service is [default: request hits].")
@click.option("--zone", help="IANA zone [default: the workspace's].")
@_reading
def dependencies(metric: str | None, zone: str | None, root: str | None, form: str) -> None:
    """Services that move or fail together although nobody declares it: candidates to verify by experiment."""
    from . import views
    from .analysis import dependencies as analysis

    store = _store(root)
    usual = views.traffic(store, metric) or (metric or views.REQUESTS, 3600)
    found = analysis.candidates(
        views.series_at(store, usual[0], 3600),
        views.table(store, "service_edges"),
        views.incident_services(views.incidents(store, kind="real")),
        metric=usual[0],
        zone=zone or _workspace().zone,
    )
    show(
        found.table.drop(columns=["p_series", "p_incidents"]) if form == "table" else found.table,
        form,
        found.text,
    )


@main.command()
@click.argument("start")
@click.argument("end")
@click.option(
    "--reference", nargs=2, metavar="FROM TO", help="Fault-free time [default: the day before START]."
)
@_reading
def roots(start: str, end: str, reference: tuple[str, str] | None, root: str | None, form: str) -> None:
    """Where trouble between START and END (ISO with offset) may have begun: services in the order to look at."""
    import pandas as pd

    from . import views
    from .analysis import dependencies as analysis

    window = _moment(start), _moment(end)
    day = window[0] - timedelta(days=1)
    calm = (day, window[0]) if reference is None else (_moment(reference[0]), _moment(reference[1]))
    store = _store(root)
    spans = min(calm[0], day), max(calm[1], window[1])
    series = views.table(store, "series", between=spans)
    if series.empty:
        raise InputError(
            "Nothing was recorded then.", where=f"{start} to {end}", remedy="Ingest series of that time."
        )
    window_at, calm_at = (tuple(map(pd.Timestamp, span)) for span in (window, calm))
    found = analysis.rank(series, window_at, calm_at, analysis.calls(views.table(store, "service_edges")))
    show(found.table, form, found.text)


main.add_command(gameday)


@main.command()
@click.argument("report_id", required=False)
@click.option("--all", "everything", is_flag=True, help="Every report that the store can give.")
@click.option("--force", is_flag=True, help="Also those whose inputs have not changed.")
@click.option("--why", is_flag=True, help="Say what made each one stale.")
@click.option(
    "--jobs", "at_once", type=click.IntRange(1, 64), default=4, show_default=True, help="How many at a time."
)
@click.option(
    "--timeout", type=click.IntRange(1), default=600, show_default=True, help="Seconds a cell may take."
)
@_store_option
def render(
    report_id: str | None,
    everything: bool,
    force: bool,
    why: bool,
    at_once: int,
    timeout: int,
    root: str | None,
) -> None:
    """Make reports/REPORT_ID (a GameDay's id, failure-classes, time-to-restore, capacity) and the gallery."""
    if (report_id is None) == (not everything):
        raise click.UsageError("Name one report, or give --all.")
    from .report import gallery
    from .report import render as report

    workspace, store = _workspace(), _store(root)
    wanted = report.jobs(store, workspace, report_id)
    workspace.reports.mkdir(parents=True, exist_ok=True)
    report.recover(workspace.reports)
    failed = 0
    with progress("Rendering") as say:
        made = report.render_all(wanted, store, workspace, at_once=at_once, force=force, seconds=timeout)
        for i, done in enumerate(made, 1):
            say(done.report_id, i, len(wanted))
            failed += done.state == "failed"
            said = f"  {safe(done.error)}" if done.error else ""
            click.echo(f"  {done.state:9} {done.path.relative_to(workspace.root)}{said}")
            for reason in done.why if why else ():
                click.echo(f"            because of {safe(reason)}")
    index = gallery.write(workspace.reports, workspace.title)
    click.echo(f"Gallery: {index}")
    if failed:
        raise SystemExit(1)


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@_store_option
def verify(folder: Path, root: str | None) -> None:
    """Make the report in FOLDER again from the versions it names: identical, or what differs (exit code 1)."""
    from .report import verify as report

    workspace = _workspace()
    found = report.verify(folder, workspace, root or str(workspace.store))
    click.echo(f"{folder}: {found.state}")
    for finding in found.findings:
        click.echo(f"  {safe(finding)}")
    if found.state == "differs":
        raise SystemExit(1)


@main.command()
@click.option("--now", help="Moment from which age is counted, ISO with offset [default: now].")
@_reading
def status(now: str | None, root: str | None, form: str) -> None:
    """What is in the store: rows, version, from when to when, and how old its newest row is."""
    import pandas as pd

    moment = _moment(now)
    store = _store(root).pinned()
    clocks = {
        "incidents": "started_at",
        "series": "at",
        "timeline": "at",
        "gamedays": "held_on",
        "labels": "labelled_at",
    }
    rows = []
    for table, version in store.versions().items():
        frame = store.load(table)
        at = frame[clocks[table]].dropna() if table in clocks else pd.Series(dtype="datetime64[us, UTC]")
        first, last = (
            (f"{at.min():%Y-%m-%d %H:%M}", f"{at.max():%Y-%m-%d %H:%M}") if len(at) else (None, None)
        )
        age = (moment - at.max()) / pd.Timedelta(days=1) if len(at) else None
        about = {"table": table, "rows": len(frame), "version": version}
        rows.append({**about, "first_utc": first, "last_utc": last, "age_days": age})
    show(pd.DataFrame(rows), form, "" if rows else "The store is empty. Run `resilience ingest`.")


@main.command()
@click.option(
    "--fields", "by_field", is_flag=True, help="Which source won each field of the linked incidents."
)
@_reading
def links(by_field: bool, root: str | None, form: str) -> None:
    """Rows of several sources that are the same incident, why, and how sure; what a person linked or parted."""
    from . import views

    store = _store(root)
    rows = store.load("incident_links")
    if by_field:
        rows = views.merged(store).fields
    show(rows, form, "" if len(rows) else "No incident is told by two sources, as far as is known.")


@main.command()
@_reading
def corrections(root: str | None, form: str) -> None:
    """Values corrected by data/corrections.yml, as `resilience ingest` last read it."""
    rows = _store(root).load("corrections")
    columns = ["target", "row_key", "column_name", "old_value", "new_value"]
    about = ["reason", "corrected_by", "corrected_at", "source_uri", "line"]
    show(rows[columns + about], form, "" if len(rows) else "Nothing is corrected.")


@main.command(hidden=True)
@click.argument("page", type=click.Choice(["data-dictionary", "gameday-file"]))
def docs(page: str) -> None:
    """Print a generated page of docs/."""
    if page == "data-dictionary":
        from . import schema

        click.echo(schema.data_dictionary(), nl=False)
    else:
        from .sources import gamedays as source

        click.echo(source.documentation(), nl=False)


@main.group()
def sync() -> None:
    """Fetch what other systems keep only for a while. See `resilience sync datadog --help`."""


@sync.command("datadog")
@click.option(
    "--config", "path", type=click.Path(path_type=Path), help="What to fetch [default: datadog.yml here]."
)
@click.option("--since", help="First date or moment [default: `since` of the file, else two years ago].")
@click.option("--until", help="Date or moment at which to end [default: now].")
@click.option("--dry-run", is_flag=True, help="Only say how many calls it would take.")
@click.option("--host", help="Another server, such as http://127.0.0.1:8080.")
@click.option(
    "--parallel", type=click.IntRange(1, 16), default=4, show_default=True, help="Most calls at once."
)
@click.option(
    "--max-wait",
    type=click.FloatRange(0.01, 3600),
    default=60.0,
    show_default=True,
    help="Longest wait, seconds.",
)
@_store_option
def sync_datadog(
    path: Path | None,
    since: str | None,
    until: str | None,
    dry_run: bool,
    host: str | None,
    parallel: int,
    max_wait: float,
    root: str | None,
) -> None:
    """Archive series and records of Datadog, from where the last run got to; safe to stop and to run again.

    Keys come from DD_API_KEY, DD_APP_KEY and DD_SITE in the environment. Exit code 2 where something is left.
    """
    import os

    from . import sync as syncing
    from . import sync_records
    from .archive import Archive
    from .sources import datadog_config
    from .sources.datadog_api import Api, Patience

    workspace = _workspace()
    config = datadog_config.read(path or workspace.root / "datadog.yml")
    last = config.moment(until) if until else datetime.now(UTC)
    first = config.moment(since or config.since or last - timedelta(days=730))
    if first >= last:
        raise InputError(f"{first:%Y-%m-%d %H:%M} is not before {last:%Y-%m-%d %H:%M}.", remedy="Swap them.")
    store = _store(root)
    if dry_run:
        click.echo(syncing.forecast(config, store, first, last, sync_records.parts(config)))
        return
    if host is not None:
        try:
            host = datadog_config.checked_host(host)
        except ValueError as error:
            raise InputError(f"--host: {error}.", remedy="Name a server that may see your keys.") from None
    patience = Patience(wait_s=max_wait)
    api = Api(os.environ, host=host or config.host, patience=patience, parallel=parallel)
    with progress("Fetching") as say:
        archive = Archive(workspace.root / "data" / "raw" / "datadog")
        done = sync_records.records(api, store, archive, config, first, last, say=say)
        series = syncing.series(api, store, config, first, last, parallel=parallel, say=say)
    failed, commits = done.failed + series.failed, done.commits + series.commits
    click.echo(
        f"{api.calls} calls ({api.retries} of them repeated), {series.points:,} points, {done.records:,} records."
    )
    for row in syncing.rows(commits).itertuples():
        parts = [f"{n} {word}" for n, word in _counted(row)] or ["progress only"]
        click.echo(f"  {row.table}: {', '.join(parts)} (version {row.version})")
    if not commits:
        click.echo("  Nothing changed.")
    for line in failed[:20]:
        click.echo(f"Not finished: {safe(line)}", err=True)
    if failed:
        raise SystemExit(2)


@main.group("store")
def store_group() -> None:
    """Look after the files of the store. See `resilience store clean --help`."""


@store_group.command("clean")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.option("--hours", type=click.IntRange(1), default=24, show_default=True, help="Younger files stay.")
@click.option("--versions", is_flag=True, help="Also old versions that no report names.")
@click.option(
    "--reports",
    "folders",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Where else reports lie; may be repeated.",
)
@_store_option
def store_clean(
    dry_run: bool, hours: int, versions: bool, folders: tuple[Path, ...], root: str | None
) -> None:
    """Remove files that no version uses, such as a killed process leaves; never what a provenance.json names."""
    from . import clean

    places = [_workspace().reports, *folders]
    done = clean.clean(_store(root), places, hours=hours, versions=versions, dry_run=dry_run)
    for one in done:
        kept = f", {one.named} version(s) kept because reports name them" if versions and one.named else ""
        click.echo(f"  {one.table}: {one.files} file(s) {'would go' if dry_run else 'removed'}{kept}")
    if not done:
        click.echo("Nothing to remove.")


def _moment(text: str | None) -> datetime:
    try:
        moment = datetime.now(UTC) if text is None else datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise InputError(f"{text!r} is not a moment.", remedy="Write it as 2021-06-01T00:00:00+00:00.")
    return moment


def _workspace() -> Workspace:
    from . import workspace

    return workspace.find(Path.cwd())


def _store(root: str | None) -> Store:
    from .store import Store

    return Store(root or _workspace().store)


def _write_sample(folder: Path, seed: int, world: str, size: str) -> None:
    import json

    from . import sample

    mine, truth = folder / "data" / "incidents", folder / "data" / "truth.json"
    wanted = {"seed": seed, "world": world, "size": size}
    if truth.is_file():
        known = json.loads(truth.read_text(encoding="utf-8"))
        if (there := {key: known.get(key) for key in wanted}) != wanted:
            raise InputError(
                f"This folder holds another sample: {', '.join(f'{k} {v}' for k, v in there.items())}.",
                where=str(truth),
                remedy="Use an empty folder for another.",
            )
    if mine.is_dir() and any(mine.iterdir()) and not truth.is_file():
        raise InputError(
            "This folder holds incident reports that are not the sample's.",
            where=str(mine),
            remedy="Simulated and real data are never mixed: use an empty folder.",
        )
    with progress("Simulating") as say:
        sample.write(folder, seed=seed, world=world, size=size, progress=lambda what: say(what, 0, 0))


main.add_command(placebo)
main.add_command(compare)
main.add_command(restated)
main.add_command(label)
main.add_command(evaluate)
for _command in (ledger, plan, probe, confirm):
    main.add_command(_command)

if __name__ == "__main__":
    main()
