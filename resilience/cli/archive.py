"""Fetching what other systems keep only for a while, and looking after the files of the store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from ..errors import InputError
from ..terminal import progress, safe
from .common import counted, store_at, store_option, workspace_here

_LIMITS = "limits.json"
_LIMIT_S = 2 * 3600.0  # longer than any period that Datadog counts calls over


@click.group()
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
@click.option(
    "--wait-out-limits",
    is_flag=True,
    help="Go on waiting until a rate limit starts anew: a first archive takes hours, in one run.",
)
@store_option
def sync_datadog(
    path: Path | None,
    since: str | None,
    until: str | None,
    dry_run: bool,
    host: str | None,
    parallel: int,
    max_wait: float,
    wait_out_limits: bool,
    root: str | None,
) -> None:
    """Archive series and records of Datadog, from where the last run got to; safe to stop and to run again.

    Keys come from DD_API_KEY, DD_APP_KEY and DD_SITE in the environment. Exit code 2 where something is left.
    """
    import os

    from .. import sync as syncing
    from .. import sync_forecast, sync_records
    from ..archive import Archive
    from ..sources import datadog_config
    from ..sources.datadog_api import Api, Patience

    workspace = workspace_here()
    config = datadog_config.read(path or workspace.root / "datadog.yml")
    last = config.moment(until) if until else datetime.now(UTC)
    first = config.moment(since or config.since or last - timedelta(days=730))
    if first >= last:
        raise InputError(f"{first:%Y-%m-%d %H:%M} is not before {last:%Y-%m-%d %H:%M}.", remedy="Swap them.")
    store, raw = store_at(root), workspace.root / "data" / "raw" / "datadog"
    if dry_run:
        parts, limits = sync_records.parts(config), sync_forecast.remembered(raw / _LIMITS)
        click.echo(sync_forecast.forecast(config, store, first, last, parts, limits))
        return
    if host is not None:
        try:
            host = datadog_config.checked_host(host)
        except ValueError as error:
            raise InputError(f"--host: {error}.", remedy="Name a server that may see your keys.") from None
    patience = Patience(wait_s=max_wait, limit_s=_LIMIT_S if wait_out_limits else 0.0)
    api = Api(os.environ, host=host or config.host, patience=patience, parallel=parallel)
    try:
        with progress("Fetching", every_s=5.0) as say:
            done = sync_records.records(api, store, Archive(raw), config, first, last, say=say)
            series = syncing.series(api, store, config, first, last, parallel=parallel, say=say)
    except KeyboardInterrupt:
        click.echo(
            f"Stopped after {api.calls} calls. What had arrived is committed; run the same command again to go on.",
            err=True,
        )
        raise SystemExit(130) from None
    finally:
        sync_forecast.remember(raw / _LIMITS, api.limits)
    failed, commits = done.failed + series.failed, done.commits + series.commits
    click.echo(
        f"{api.calls} calls ({api.retries} of them repeated), {series.points:,} points, {done.records:,} records."
    )
    for row in syncing.rows(commits).itertuples():
        parts = [f"{n} {word}" for n, word in counted(row)] or ["progress only"]
        click.echo(f"  {row.table}: {', '.join(parts)} (version {row.version})")
    if not commits:
        click.echo("  Nothing changed.")
    for line in failed[:20]:
        click.echo(f"Not finished: {safe(line)}", err=True)
    if failed:
        raise SystemExit(2)


@click.group("store")
def store_group() -> None:
    """Look after the files of the store: `clean`, `compact`."""


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
@store_option
def store_clean(
    dry_run: bool, hours: int, versions: bool, folders: tuple[Path, ...], root: str | None
) -> None:
    """Remove files that no version uses, such as a killed process leaves; never what a provenance.json names."""
    from .. import clean

    places = [workspace_here().reports, *folders]
    done = clean.clean(store_at(root), places, hours=hours, versions=versions, dry_run=dry_run)
    for one in done:
        kept = f", {one.named} version(s) kept because reports name them" if versions and one.named else ""
        click.echo(f"  {one.table}: {one.files} file(s) {'would go' if dry_run else 'removed'}{kept}")
    if not done:
        click.echo("Nothing to remove.")


@store_group.command("compact")
@store_option
def store_compact(root: str | None) -> None:
    """Write the files of the series anew, one series after another: whatever reads single series is faster then."""
    from .. import points

    n = points.compact(store_at(root))
    click.echo(f"{n} point(s) in order." if n else "There are no series.")
