"""How long incidents take: random dates, claims of change, published figures that moved."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import InputError
from ..files import write_whole
from ..moments import moment
from ..terminal import progress, safe, show, with_ranges
from .common import CLOCKS, form_option, reading, store_at, store_option

if TYPE_CHECKING:
    import pandas as pd


_PATH = click.Path(path_type=Path)


def _clock(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option(
        "--clock", type=click.Choice(names), default="restore", show_default=True, help="Which duration."
    )


@click.command()
@click.argument("source", type=_PATH, required=False)
@click.option(
    "--date",
    help="First day of the later period, e.g. 2020-12-11 [default: the day after the store's first GameDay].",
)
@_clock(*CLOCKS[:-1])
@click.option(
    "--window",
    type=click.FloatRange(7, 3650),
    default=182.0,
    show_default=True,
    help="Days before and after a date.",
)
@click.option("--seed", default=0, show_default=True, help="Seed of the random dates.")
@click.option(
    "--out", type=_PATH, help="Page to write [default: reports/placebo.html, beside a CSV placebo.html]."
)
@store_option
def placebo(
    source: Path | None,
    date: str | None,
    clock: str,
    window: float,
    seed: int,
    out: Path | None,
    root: str | None,
) -> None:
    """How often would a date on which nothing happened have "cut MTTR by 10 %"?

    SOURCE is any CSV of incidents, or a file or folder of reports; without it the store is read. The mean before and
    after is compared at 1 000 random dates of that history, and at --date.
    """
    import pandas as pd

    from ..analysis import placebo as analysis
    from ..report import placebo_page

    incidents, said, notes, fallback = _incidents(source, root)
    at = pd.Timestamp(moment(date)) if date else _after_first_gameday(root) if source is None else None
    found = analysis.placebo(incidents, at, clock, window_days=window, seed=seed)
    click.echo(found.text)
    if found.claim is not None:
        click.echo(f"From the {found.window_days:.0f} days either side. {found.claim.text}")
    for note in notes:
        click.echo(safe(note))
    click.echo(placebo_page.terminal(found))
    target = out or fallback
    target.parent.mkdir(parents=True, exist_ok=True)
    home = "index.html" if source is None and out is None else None  # beside the gallery
    page = placebo_page.page(found, "Would it have happened anyway?", said, tuple(notes), home=home)
    write_whole(target, page)
    click.echo(f"Page: {target}")


@click.command()
@click.argument("source", type=_PATH, required=False)
@click.option("--date", required=True, help="First day of the later period, e.g. 2020-12-11.")
@_clock(*CLOCKS[:-1])
@click.option("--anchored", is_flag=True, help="Begin where the series in the store first moved.")
@form_option
@store_option
def compare(source: Path | None, date: str, clock: str, anchored: bool, form: str, root: str | None) -> None:
    """Did it change after a date? Supported, not distinguishable, or not measurable, and what could have been seen.

    SOURCE as in `placebo`. One comparison is the claim; those by severity and by who found it are exploratory.
    """
    import pandas as pd

    from ..analysis import claims

    if anchored and source is not None:
        raise InputError("Only the store holds series.", remedy="Leave SOURCE or --anchored away.")
    incidents, _, notes, _ = _incidents(source, root)
    onsets = _onsets(root, incidents) if anchored else None
    before, after, undated = claims.split(incidents, pd.Timestamp(moment(date)))
    found = claims.compare(before, after, clock, onsets=onsets)
    show(found.table, form, found.text)
    if form == "table":
        for note in [
            *notes,
            *([f"{undated} incidents have no date and are in neither period."] if undated else []),
        ]:
            click.echo(safe(note))


@click.command()
@click.option(
    "--since",
    required=True,
    help="Date or moment, or a version of the table incidents (`resilience status`).",
)
@form_option
@store_option
def restated(since: str, form: str, root: str | None) -> None:
    """Which published figures moved since then, and whether data, labels, taxonomy or definition moved them."""
    from .. import workspace
    from ..report import restated as report

    place = workspace.find(Path.cwd())
    store = store_at(root)
    version = int(since) if since.isdigit() else None
    at = moment(since) if version is None else datetime.now(UTC)
    old = store.as_of(at, "incidents", version)
    with progress("Making again"):
        found = report.restated(place, store, old)
    show(found.table, form, found.text)
    for name, why in found.failed.items():
        click.echo(f"Not compared: {safe(name)}: {safe(why)}", err=True)


def _incidents(source: Path | None, root: str | None) -> tuple[pd.DataFrame, str, list[str], Path]:
    """Real incidents of a file, a folder or the store; where they are from; what was taken for granted; where a "
    "page goes."""
    from .. import views, workspace
    from ..analysis import reporting

    if source is None:
        page = Path("placebo.html") if root else workspace.find(Path.cwd()).reports / "placebo.html"
        store = store_at(root)
        rows = reporting.dated(views.incidents(store, kind="real"), views.table(store, "timeline"))
        return rows, "the incidents in the store", [], page
    if not source.exists():
        raise InputError(
            "There is no such file.", where=str(source), remedy="Name a CSV, or a folder of reports."
        )
    notes: list[str] = []
    if source.suffix.lower() == ".csv":
        from ..sources import incident_csv

        read = incident_csv.read(source)
        rows, notes = read.incidents, list(read.notes)
    else:
        from ..sources import reports

        told = reports.read(source)
        rows = reporting.dated(told.incidents, told.timeline)
        placed = int((rows["dated_at"].notna() & reporting.begun(told.incidents).isna()).sum())
        if placed:
            notes.append(
                f"{placed} reports state no moment: the first date in their text places them in time."
            )
    real = rows[rows["kind"] == "real"].reset_index(drop=True)
    if len(real) < len(rows):
        notes.append(f"{len(rows) - len(real)} drills and tests are left out.")
    return real, source.name, notes, Path("placebo.html")


def _onsets(root: str | None, incidents: pd.DataFrame) -> pd.DataFrame:
    from .. import views

    return views.onsets(store_at(root), incidents)


def _after_first_gameday(root: str | None) -> pd.Timestamp | None:
    from ..analysis import claims

    days = store_at(root).load("gamedays")["held_on"]
    return None if days.empty else claims.after(days.min())


@click.command()
@click.option(
    "--by",
    type=click.Choice(["service", "cause", "severity", "quarter", "kind", "detected_by"]),
    help="Group by.",
)
@_clock(*CLOCKS)
@click.option("--kind", type=click.Choice(["real", "drill", "test"]), default="real", show_default=True)
@reading
def times(by: str | None, clock: str, kind: str, root: str | None, form: str) -> None:
    """How long incidents take on one clock: n, median, geometric mean and mean, each with its interval."""
    from .. import views
    from ..analysis import times as analysis

    store = store_at(root)
    incidents = views.incidents(store, kind=None if by == "kind" else kind, by=by)
    if clock == "inform":
        if by is not None:
            raise InputError("Time to inform is by audience.", remedy="Leave --by away.")
        incidents, by = analysis.informed(incidents, views.table(store, "incident_messages")), "audience"
    found = analysis.summarise(incidents, clock, by)
    show(with_ranges(found.table) if form == "table" else found.table, form, found.text)
