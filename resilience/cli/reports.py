"""The pages made of the store."""

from __future__ import annotations

from pathlib import Path

import click

from ..terminal import progress, safe
from .common import store_at, store_option, workspace_here


@click.command()
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
@click.option(
    "--names", is_flag=True, help="Keep the names of people on GameDay pages, which tell roles otherwise."
)
@store_option
def render(
    report_id: str | None,
    everything: bool,
    force: bool,
    why: bool,
    at_once: int,
    timeout: int,
    names: bool,
    root: str | None,
) -> None:
    """Make a report's page under reports/, and the gallery above it.

    REPORT_ID is a GameDay's id (`resilience gameday list`) or failure-classes, time-to-restore, next-experiments, capacity.
    """
    if (report_id is None) == (not everything):
        raise click.UsageError("Name one report, or give --all.")
    from ..report import gallery
    from ..report import render as report

    workspace, store = workspace_here(), store_at(root)
    wanted = report.jobs(store, workspace, report_id, names=names)
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


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@store_option
def verify(folder: Path, root: str | None) -> None:
    """Make the report in FOLDER again from the versions it names: identical, or what differs (exit code 1)."""
    from ..report import verify as report

    workspace = workspace_here()
    found = report.verify(folder, workspace, root or str(workspace.store))
    click.echo(f"{folder}: {found.state}")
    for finding in found.findings:
        click.echo(f"  {safe(finding)}")
    if found.state == "differs":
        raise SystemExit(1)
