"""The rehearsal ledger, the plan, its export, and the probes and confirmations that exported experiments call."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import InputError
from ..terminal import show
from .common import reading, store_at, workspace_here

if TYPE_CHECKING:
    import pandas as pd

    from ..analysis.ledger import Ledger
    from ..analysis.plan import Plan
    from ..evidence import Evidence
    from ..store import Store
    from ..workspace import Workspace

_LEDGER = [
    "failure_class", "service", "environment", "state", "n", "raw_rate", "rate", "rate_low", "rate_high", "loss",
    "loss_low", "loss_high", "last_at", "last_rehearsed_at", "last_verdict", "last_held", "stale_reason",
    "after_verdict", "open_actions", "edges", "note", "incidents", "state_why",
]  # fmt: skip
_CHOSEN = [
    "failure_class", "service", "follower", "fault", "environment", "score", "loss", "hold_mean", "teach", "stability",
    "rank", "rpn", "fmea_rank", "blast", "starts_at", "ends_at", "window", "reason",
]  # fmt: skip
_REJECTED = ["failure_class", "service", "follower", "fault", "environment", "score", "rank", "rpn", "reason"]
_AS_OF = click.option(
    "--as-of", metavar="MOMENT", default="", help="Use only what was known then, ISO date or time."
)


@click.command()
@click.option("--state", metavar="WORDS", help="Only cells whose state contains these words.")
@click.option(
    "--all", "everything", is_flag=True, help="Also cells that were never seen and never rehearsed."
)
@click.option(
    "--html", "page", is_flag=True, help="Write the matrix with its evidence to reports/ledger.html."
)
@_AS_OF
@reading
def ledger(state: str | None, everything: bool, page: bool, as_of: str, root: str | None, form: str) -> None:
    """What fails and what has been rehearsed: one row per failure class and service, costly and unrehearsed first."""
    from .. import evidence

    store = store_at(root).pinned()
    found = evidence.read(store, evidence.moment(as_of))
    book = evidence.build(found)
    if page:
        windows = evidence.month_after_next(store, found, workspace_here().zone)
        chosen = evidence.choose(found, book, evidence.constraints(store, found), windows)
        click.echo(f"Wrote {write_page(workspace_here(), found, book, chosen)}.")
        return
    rows = book.table if everything else book.table[book.table["state"] != "never seen, never rehearsed"]
    if state:
        rows = rows[rows["state"].str.contains(state, case=False, regex=False)]
    columns = (
        _LEDGER
        if form != "table"
        else ["failure_class", "service", "state", "n", "rate", "loss", "last_held"]
    )
    show(rows[columns], form, book.text)


def write_page(workspace: Workspace, found: Evidence, book: Ledger, chosen: Plan | None) -> Path:
    """Write reports/ledger.html, whole or not at all, and return its path."""
    from ..report import ledger_panels

    workspace.reports.mkdir(parents=True, exist_ok=True)
    path = workspace.reports / "ledger.html"
    part = path.with_name(path.name + ".part")
    part.write_text(
        ledger_panels.page(book, chosen, workspace.title, simulated=found.simulated),
        encoding="utf-8",
        newline="\n",
    )
    part.replace(path)
    return path


@click.command()
@click.option("--slots", default=4, show_default=True, help="Experiments of the GameDay.")
@click.option("--minutes", default=20.0, show_default=True, help="Time box of each.")
@click.option(
    "--date", metavar="MONTH|DAY", help="When, e.g. 2021-12 or 2021-12-09; safe windows are looked for there."
)
@click.option(
    "--environment",
    type=click.Choice(["production", "staging", "isolated"]),
    help="Only there [default: any].",
)
@click.option(
    "--style", type=click.Choice(["informed", "uninformed"]), help="Unannounced ones never run on production."
)
@click.option(
    "--blast-radius", "blast", type=int, metavar="N", help="Production only where at most N services call it."
)
@click.option("--avoid", multiple=True, metavar="SERVICE", help="Not this one; may be repeated.")
@click.option(
    "--hidden/--no-hidden",
    default=True,
    show_default=True,
    help="Look for undeclared dependencies to verify.",
)
@click.option("--explain", is_flag=True, help="Every candidate that was not taken, with its reason.")
@click.option(
    "--reveal", metavar="SPAN", help="With --as-of: what failed within this span after it, e.g. 6m."
)
@click.option(
    "--export",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write everything needed to run it.",
)
@click.option("--title", default="Next GameDay", show_default=True, help="Title of the exported GameDay.")
@_AS_OF
@reading
def plan(
    slots: int, minutes: float, date: str | None, environment: str | None, style: str | None, blast: int | None,
    avoid: tuple[str, ...], hidden: bool, explain: bool, reveal: str | None, folder: Path | None, title: str, as_of: str,
    root: str | None, form: str,
) -> None:  # fmt: skip
    """Which experiments to run next, where and when, and why not the others. Nothing is executed."""
    from .. import evidence

    if reveal and not as_of:
        raise click.UsageError("--reveal needs --as-of: the moment until which everything is known.")
    store, workspace = store_at(root).pinned(), workspace_here()
    found = evidence.read(store, evidence.moment(as_of), hidden=hidden, zone=workspace.zone)
    book = evidence.build(found)
    rules = evidence.constraints(
        store, found, slots=slots, minutes=minutes, environment=environment, style=style, blast_limit=blast,
        must_not=dict.fromkeys(avoid, "You asked to avoid it."),
    )  # fmt: skip
    day = _day(date, found.as_of)
    between = _between(date, day, workspace.zone)
    chosen = evidence.choose(found, book, rules, evidence.windows(store, found, workspace.zone, between))
    if explain:
        columns = _REJECTED if form != "table" else ["failure_class", "service", "fault", "score", "reason"]
        rows = (
            chosen.rejected
            if form != "table"
            else chosen.rejected.drop_duplicates(["failure_class", "service"]).head(40)
        )
        show(rows[columns], form, chosen.text)
    else:
        columns = (
            _CHOSEN
            if form != "table"
            else ["failure_class", "service", "fault", "environment", "score", "stability", "reason"]
        )
        show(chosen.chosen[columns], form, chosen.text)
    if reveal:
        told = uncover(store, found, book, chosen, reveal)
        show(told.summary, form, told.text)
    if folder:
        written = _export(store, workspace, found, chosen, folder, day, title, style or "informed")
        click.echo(
            f"Wrote {len(written)} files to {folder}; begin with its README.md. Nothing was run.", err=True
        )


def uncover(store: Store, found: Evidence, book: Ledger, chosen: Plan, span: str) -> Any:
    """What failed within `span` ('6m', '90d') after the moment of `found`. Raises InputError where the span
    cannot be read."""
    import pandas as pd

    from .. import evidence
    from ..analysis import reveal

    units = {"d": "days", "w": "weeks", "m": "months", "y": "years"}
    if len(span) < 2 or span[-1] not in units or not span[:-1].isdigit():
        raise InputError(f"{span!r} is no span.", remedy="Write a number and d, w, m or y, e.g. 6m.")
    until = found.as_of + pd.DateOffset(**{units[span[-1]]: int(span[:-1])})
    return reveal.reveal(book, chosen, evidence.read(store, until).touches, until)


def freeze_plan_reveal(store: Store, as_of: str = "2020-11-30", span: str = "6m") -> str:
    """The sentences of a plan made from what was known at `as_of` and of what followed; for the demo."""
    from .. import evidence

    found = evidence.read(store, evidence.moment(as_of))
    book = evidence.build(found)
    chosen = evidence.choose(found, book, evidence.constraints(store, found))
    return f"{chosen.text} {uncover(store, found, book, chosen, span).text}"


def _day(date: str | None, as_of: pd.Timestamp) -> pd.Timestamp:
    """The local day of the GameDay: the day given, the second Thursday of a month given, or of the month after next."""
    import pandas as pd

    if date is None:
        base = (as_of.tz_localize(None) + pd.DateOffset(months=2)).normalize().replace(day=1)
    else:
        try:
            base = pd.Timestamp(date)
        except ValueError as error:
            raise InputError(
                f"{date!r} is no month or day.", remedy="Write 2021-12 or 2021-12-09."
            ) from error
        if len(date) > 7:
            return base
    return base + pd.Timedelta(days=(3 - base.day_of_week) % 7 + 7)


def _between(date: str | None, day: pd.Timestamp, zone: str) -> tuple[pd.Timestamp, pd.Timestamp]:
    """The day given, or its whole month."""
    import pandas as pd

    first = day.tz_localize(zone)
    if date is not None and len(date) > 7:
        return first, first + pd.DateOffset(days=1)
    return first.replace(day=1), first.replace(day=1) + pd.DateOffset(months=1)


def _export(
    store: Store, workspace: Workspace, found: Evidence, chosen: Plan, folder: Path, day: pd.Timestamp, title: str,
    style: str,
) -> list[Path]:  # fmt: skip
    from .. import evidence
    from ..analysis import faults
    from ..report import experiments

    limits = {
        row.service: evidence.steady_state(store, found, row.service, day, workspace.zone)
        for row in chosen.chosen.itertuples()
    }
    callers = found.graph.groupby("callee")["caller"].agg(sorted).to_dict() if len(found.graph) else {}
    made = experiments.export(
        chosen, {fault.key: fault for fault in faults.packaged()}, limits, gameday_id=f"gameday-{day:%Y-%m}", title=title,
        date=day, zone=workspace.zone, style=style, callers=callers, simulated=found.simulated,
    )  # fmt: skip
    return experiments.write(made, folder)


@click.command()
@click.argument("metric")
@click.argument("scope")
@click.option(
    "--statistic", default="mean", show_default=True, help="mean, median, min, max or sum of the points."
)
@click.option("--minutes", default=20.0, show_default=True, help="Over the minutes before --at.")
@click.option("--low", type=float, help="Lowest value that is steady.")
@click.option("--high", type=float, help="Highest value that is steady.")
@click.option("--per-minute", is_flag=True, help="Counts per minute, whatever the interval.")
@click.option("--at", metavar="MOMENT", default="", help="End of the window [default: now].")
@click.option(
    "--from",
    "source",
    type=click.Choice(["datadog", "store"]),
    default="datadog",
    show_default=True,
    help="Where to measure.",
)
@click.option("--host", help="Another server than Datadog's, for tests.", hidden=True)
@click.option("--store", "root", metavar="DIR|URL", help="Store to read with --from store.")
def probe(
    metric: str, scope: str, statistic: str, minutes: float, low: float | None, high: float | None, per_minute: bool,
    at: str, source: str, host: str | None, root: str | None,
) -> None:  # fmt: skip
    """Measure one steady-state probe now: exit code 0 inside its limits, 1 outside, 2 without enough data.

    Exported Chaos Toolkit experiments call it. Keys come from DD_API_KEY, DD_APP_KEY and DD_SITE in the environment.
    """
    from datetime import UTC, datetime

    import pandas as pd

    from .. import evidence, views
    from ..analysis import probing

    end = evidence.moment(at) or pd.Timestamp(datetime.now(UTC))
    if source == "store":
        between = (end - pd.Timedelta(minutes=minutes), end)
        points = views.table(
            store_at(root), "series", where={"metric": [metric], "scope": [scope]}, between=between
        )
    else:
        points = _measured(metric, scope, end, minutes, host)
    found = probing.probe(
        points, at=end, minutes=minutes, statistic=statistic, low=low, high=high, per_minute=per_minute
    )
    click.echo(f"{metric} {scope}: {found.text}")
    raise SystemExit(found.code)


def _measured(metric: str, scope: str, end: pd.Timestamp, minutes: float, host: str | None) -> pd.DataFrame:
    """Points of the last minutes from Datadog, at one minute."""
    import os

    import pandas as pd

    from ..sources import datadog
    from ..sources.datadog_api import Api

    tags = ",".join(scope.split(","))
    count = any(word in metric for word in ("hits", "count", "requests"))
    how = f"sum:{metric}{{{tags}}}.as_count()" if count else f"avg:{metric}{{{tags}}}"
    start = end - pd.Timedelta(minutes=minutes)
    request = {
        "data": {
            "type": "timeseries_request",
            "attributes": {
                "from": int(start.timestamp() * 1000), "to": int(end.timestamp() * 1000), "interval": 60_000,
                "queries": [{"data_source": "metrics", "name": "a", "query": how}], "formulas": [{"formula": "a"}],
            },
        }
    }  # fmt: skip
    reply = Api(os.environ, host=host).call("timeseries", body=request)
    read = datadog.points(request, reply.data, where="Datadog", interval_s=60.0)
    frames = [
        pd.DataFrame(
            {"at": pd.to_datetime(p.at, unit="us", utc=True), "value": p.value, "interval_s": p.interval_s}
        )
        for p in read
    ]
    empty = pd.DataFrame({"at": pd.to_datetime([], utc=True), "value": [], "interval_s": []})
    return pd.concat(frames, ignore_index=True) if frames else empty


@click.command()
@click.argument("text")
def confirm(text: str) -> None:
    """Ask a person to do TEXT by hand and to say so; exit code 1 where nobody can be asked or the answer is no."""
    import sys

    if not sys.stdin.isatty():
        click.echo(f"Nobody to ask: {text}", err=True)
        raise SystemExit(1)
    raise SystemExit(0 if click.confirm(f"{text}. Done?") else 1)
