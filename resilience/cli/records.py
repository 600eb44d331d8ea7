"""What comes into the store, what did not, and what people corrected."""

from __future__ import annotations

from datetime import UTC, datetime
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import InputError
from ..moments import moment
from ..terminal import progress, safe, show
from ..workspace import INPUTS
from .common import counted, reading, store_at, store_option, workspace_here

if TYPE_CHECKING:
    from ..pipeline import Ingested


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


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--mapping", type=click.Path(path_type=Path), help="Mapping file for CSV series.")
@click.option(
    "--as",
    "kind",
    type=click.Choice(TRACKERS),
    help="Read every JSON and CSV file as this tracker's export [default: recognised by content].",
)
@store_option
def ingest(paths: tuple[Path, ...], mapping: Path | None, kind: str | None, root: str | None) -> None:
    """Read reports, exports, series, GameDays and labels under PATHS into the store [default: the workspace's data/].

    Reading a file again changes nothing unless the file changed. Files that cannot be used are listed, the others
    come in, and the exit code is 2.
    """
    from .. import pipeline

    workspace = workspace_here()
    given = list(paths) or workspace.inputs()
    strays = [] if paths else workspace.strays()
    beside = f"data/ holds {', '.join(map(safe, strays[:5]))}{' and more' * (len(strays) > 5)}, which no reader looks into"
    if not given:
        raise InputError(
            f"Nothing lies in {', '.join(INPUTS)} here, and no path was given{f'; {beside}' * bool(strays)}.",
            where=str(workspace.root),
            remedy="Move the files there, name them: `resilience ingest PATH...`, or begin with `resilience init`.",
        )
    with progress("Reading") as say:
        done = pipeline.ingest(
            store_at(root),
            given,
            base=workspace.root,
            mapping=mapping,
            kind=kind,
            corrections=workspace.corrections,
            zone=workspace.zone,
            progress=say,
        )
    _tell_ingested(done)
    if strays:
        click.echo(
            f"Left out: {beside}. Move it into one of {', '.join(INPUTS)}, or name it: `resilience ingest PATH`."
        )
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
        "unknown": "unknown file",
        "graph": "service graph",
    }
    read = ", ".join(f"{n} {names.get(kind, kind)}{'s' if n != 1 else ''}" for kind, n in done.files.items())
    click.echo(f"Read {read}.")
    for commit in done.commits:
        parts = [f"{n} {word}" for n, word in counted(commit)]
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


@click.command()
@click.option("--all", "everything", is_flag=True, help="Every row, not grouped.")
@reading
def problems(everything: bool, root: str | None, form: str) -> None:
    """What was skipped, unreadable, missing or contradictory, grouped by what to do about it."""
    rows = store_at(root).load("problems")
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


@click.command()
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
    from ..sources import reports as source

    read = source.read(path)
    rows = read.incident_quality.merge(read.incidents[["incident_id", "source_uri"]], on="incident_id")
    if everything:
        show(rows[["source_uri", "component", "present", "n", "of", "origin"]], form)
    else:
        show(source.overview(rows), form)
    if form == "table":
        for row in read.problems[read.problems["field"].isna()].itertuples():
            click.echo(f"{row.kind}: {safe(row.source_uri)}: {safe(row.message)}")


@click.command()
@click.option("--now", help="Moment from which age is counted, ISO with offset [default: now].")
@reading
def status(now: str | None, root: str | None, form: str) -> None:
    """What is in the store: rows, version, from when to when, and how old its newest row is."""
    import pandas as pd

    from .. import schema

    today = moment(now) if now else datetime.now(UTC)
    store = store_at(root).pinned()
    rows = []
    for table, version in store.versions().items():
        clock = next((c for c, kind in schema.dtypes(table).items() if "datetime" in str(kind)), None)
        n, first, last = store.extent(table, clock)
        shown = {"table": table, "rows": n, "version": version, "clock": clock}
        for name, at in (("first_utc", first), ("last_utc", last)):
            shown[name] = None if at is None else f"{at:%Y-%m-%d %H:%M}"
        rows.append({**shown, "age_days": None if last is None else (today - last) / pd.Timedelta(days=1)})
    show(pd.DataFrame(rows), form, "" if rows else "The store is empty. Run `resilience ingest`.")


@click.command()
@click.option(
    "--fields", "by_field", is_flag=True, help="Which source won each field of the linked incidents."
)
@reading
def links(by_field: bool, root: str | None, form: str) -> None:
    """Rows of several sources that are the same incident, why, and how sure; what a person linked or parted."""
    from .. import views

    store = store_at(root)
    rows = store.load("incident_links")
    if by_field:
        rows = views.merged(store).fields
    show(rows, form, "" if len(rows) else "No incident is told by two sources, as far as is known.")


@click.command()
@reading
def corrections(root: str | None, form: str) -> None:
    """Values corrected by data/corrections.yml, as `resilience ingest` last read it."""
    rows = store_at(root).load("corrections")
    columns = ["target", "row_key", "column_name", "old_value", "new_value"]
    about = ["reason", "corrected_by", "corrected_at", "source_uri", "line"]
    show(rows[columns + about], form, "" if len(rows) else "Nothing is corrected.")
