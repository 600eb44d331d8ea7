"""The rehearsal ledger, the plan, its export, and the probes and confirmations that exported experiments call."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import InputError
from ..files import write_whole
from ..terminal import PATIENCE_S, progress, safe, show
from .common import reading, store_at, workspace_here

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd
    from pandas import DateOffset

    from ..analysis.backlog import Backlog
    from ..analysis.ledger import Ledger
    from ..analysis.plan import Plan
    from ..analysis.reveal import Revealed
    from ..evidence import Evidence
    from ..store import Store
    from ..workspace import Workspace

_LEDGER = [
    "failure_class", "service", "environment", "state", "n", "raw_rate", "rate", "rate_low", "rate_high", "loss",
    "loss_low", "loss_high", "last_at", "last_rehearsed_at", "last_verdict", "last_held", "stale_reason",
    "after_verdict", "open_actions", "edges", "note", "incidents", "state_why",
]  # fmt: skip
_UNITS = {"n": "incidents", "rate": "expected a year", "loss": "loss, weighted min a year"}
_MOST_ROWS, _MOST_MOVES = 40, 12
_CHOSEN = [
    "failure_class", "service", "follower", "fault", "environment", "score", "loss", "hold_mean", "teach", "stability",
    "rank", "rpn", "fmea_rank", "blast", "starts_at", "ends_at", "window", "backlog", "drain_min", "reason",
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
    from .. import evidence, planning
    from ..analysis.attribution import PRODUCTION
    from ..analysis.ledger import STATES

    store = store_at(root).pinned()
    with progress("Ledger", after_s=PATIENCE_S) as say:
        zone = workspace_here().zone
        # the plan on the page is the one that `resilience plan` gives: it, too, tries undeclared dependencies
        found = evidence.read(
            store, evidence.moment(as_of), hidden=page, zone=zone, say=lambda step: say(step, 0, 0)
        )
        say("rates, losses and states", 0, 0)
        book = evidence.build(found)
        if page:
            say("the plan", 0, 0)
            chosen = planning.propose(store, found, book, zone)
            begins = planning.begins(found, chosen, zone)
            queues = planning.backlogs(store, found, begins, zone, chosen.rules.minutes)
    if as_of:
        _say_what_lies_beyond(store, found)
    if page:
        click.echo(f"Wrote {write_page(workspace_here(), found, book, chosen, queues)}.")
        return
    rows = book.table if everything else book.table[book.table["state"] != "never seen, never rehearsed"]
    if state:
        if not any(state.lower() in name for name in STATES):
            raise InputError(f"There is no state {state!r}.", remedy=f"States: {'; '.join(STATES)}.")
        rows = rows[rows["state"].str.contains(state, case=False, regex=False)]
    if form != "table":
        show(rows[_LEDGER], form)
        return
    shown = rows.head(_MOST_ROWS).drop(columns="incidents").rename(columns=_UNITS)
    elsewhere = shown["environment"] != PRODUCTION
    shown["service"] = shown["service"].mask(elsewhere, shown["service"] + " (" + shown["environment"] + ")")
    show(shown[["failure_class", "service", "state", *_UNITS.values(), "last_held"]], form, book.text)
    said, moved = evidence.last_gameday(found, book)
    click.echo("\n".join(_moves(said, moved)))
    if len(rows) > _MOST_ROWS:
        click.echo(
            f"{len(rows) - _MOST_ROWS} more cells that failed or were rehearsed, and what each is based on: "
            "`resilience ledger --format csv`, or `resilience ledger --html` to look at."
        )


def _moves(said: str, moved: pd.DataFrame) -> list[str]:
    """What a GameDay moved, for a person: cell, state before and after, and why."""
    if not said:
        return []
    lines = [f"{said}{':' if len(moved) else '.'}"]
    for row in moved.head(_MOST_MOVES).itertuples():
        was = row.was if isinstance(row.was, str) else "not in the ledger"
        lines.append(
            f"  {safe(row.failure_class)} at {safe(row.service)}: {was} → {row.state}. {safe(row.state_why)}"
        )
    return [*lines, *([f"  and {len(moved) - _MOST_MOVES} more"] if len(moved) > _MOST_MOVES else []), ""]


def write_page(
    workspace: Workspace, found: Evidence, book: Ledger, chosen: Plan | None, queues: Mapping[str, Backlog]
) -> Path:
    """Write reports/ledger.html, whole or not at all, and return its path."""
    from ..report import ledger_page

    workspace.reports.mkdir(parents=True, exist_ok=True)
    path = workspace.reports / "ledger.html"
    write_whole(
        path,
        ledger_page.page(
            book, chosen, workspace.title, simulated=found.simulated, incidents=found.incidents, queues=queues,
            zone=workspace.zone,
        ),
    )  # fmt: skip
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
    "--blast-radius",
    "blast",
    type=click.IntRange(min=0),
    metavar="N",
    help="Production only where at most N services call it.",
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
    import pandas as pd

    from .. import evidence, planning
    from ..analysis.candidates import asked
    from ..analysis.plan import Rules

    if reveal and not as_of:
        raise click.UsageError("--reveal needs --as-of: the moment until which everything is known.")
    after = _span(reveal) if reveal else None
    Rules(slots=slots, minutes=minutes)  # what cannot be asked is refused before anything is read
    if date:
        planning.day(date, pd.Timestamp(0, tz="UTC"))
    store, workspace = store_at(root).pinned(), workspace_here()
    with progress("Plan", after_s=PATIENCE_S) as say:
        found = evidence.read(
            store,
            evidence.moment(as_of),
            hidden=hidden,
            zone=workspace.zone,
            say=lambda step: say(step, 0, 0),
        )
        say("rates, losses and states", 0, 0)
        book = evidence.build(found)
        say("candidates and their safe windows", 0, 0)
        _refuse_unknown(avoid, book.table["service"])
        chosen = planning.propose(
            store, found, book, workspace.zone, date, slots=slots, minutes=minutes, environment=environment, style=style,
            blast_limit=blast, must_not=dict.fromkeys(avoid, "You asked to avoid it."),
        )  # fmt: skip
        day = planning.day(date, found.as_of, chosen)
        begins = planning.begins(found, chosen, workspace.zone, date)
        say("what piles up meanwhile", 0, 0)
        queues = planning.backlogs(store, found, begins, workspace.zone, minutes)
    if as_of:
        _say_what_lies_beyond(store, found)
    rows = chosen.chosen.assign(
        backlog=[queues[s].peak if s in queues else None for s in chosen.chosen["service"]],
        drain_min=[queues[s].drain_min if s in queues else None for s in chosen.chosen["service"]],
    ).astype({"backlog": float, "drain_min": float})
    if form != "table":
        show(chosen.rejected[_REJECTED] if explain else rows[_CHOSEN], form)
    else:
        click.echo("\n".join(_cards(chosen, queues, workspace.zone)))
        if explain:
            others = chosen.others
            said = (
                f"Why not the others? The first {min(_MOST_ROWS, len(others))} of {len(others)} cells and dependencies by "
                "score; all, fault by fault, in `--explain --format csv`."
            )
            shown = others.head(_MOST_ROWS)
            shown = shown.assign(cell=[asked(row) for row in shown.itertuples()])
            show(shown[["cell", "fault", "score", "reason"]], form, said)
    if after is not None:
        told = uncover(store, found, book, chosen, after)
        show(told.summary, form, told.text)
    if folder and chosen.chosen.empty:
        raise InputError("Nothing was exported: no experiment can be proposed.", remedy="See --explain.")
    if folder:
        written = _export(
            store, workspace, found, chosen, folder, day, begins, title, style or "informed", queues
        )
        click.echo(
            f"Wrote {len(written)} files to {folder}; begin with its README.md. Nothing was run.", err=True
        )


def _cards(chosen: Plan, queues: Mapping[str, Backlog], zone: str) -> list[str]:
    """The plan for a person: a sentence, then per experiment what, where, when, why, how far, and what piles up."""
    import textwrap

    import pandas as pd

    from ..analysis.candidates import asked, called_by

    lines = textwrap.wrap(safe(chosen.text), 110)
    for number, row in enumerate(chosen.chosen.itertuples(), 1):
        when = row.window
        if pd.notna(row.starts_at):
            start, end = row.starts_at.tz_convert(zone), row.ends_at.tz_convert(zone)
            when = f"{start:%A %Y-%m-%d %H:%M} to {end:%H:%M} {zone}. {row.window}"
        reach = called_by(int(row.blast))
        waiting = queues[row.service].text if row.service in queues else "not known: no traffic"
        told = [
            ("fault", f"{row.fault} on {row.environment}"), ("why", row.reason), ("when", when),
            ("could reach", reach), ("backlog", waiting),
            ("score", f"{row.score:.3g}, place {row.rank} by score alone; FMEA place {row.fmea_rank} (for comparison only)"),
        ]  # fmt: skip
        lines += ["", f"{number}. {safe(asked(row))}"]
        for what, text in told:
            lines += textwrap.wrap(
                f"{safe(text)}", 96, initial_indent=f"   {what:12} ", subsequent_indent=" " * 16
            )
    return [*lines, ""]


def uncover(store: Store, found: Evidence, book: Ledger, chosen: Plan, span: DateOffset) -> Revealed:
    """What failed within `span` after the moment of `found`."""
    from .. import evidence
    from ..analysis import reveal

    until = found.as_of + span
    return reveal.reveal(book, chosen, evidence.read(store, until).touches, until, evidence.latest(store))


def _span(text: str) -> DateOffset:
    """A span as typed ('6m', '90d'). Raises InputError where it is none."""
    import pandas as pd

    units = {"d": "days", "w": "weeks", "m": "months", "y": "years"}
    number = text[:-1]
    if text[-1:] not in units or not number.isascii() or not number.isdigit() or not 0 < int(number) < 1200:
        raise InputError(f"{text!r} is no span.", remedy="Write a number and d, w, m or y, e.g. 6m.")
    return pd.DateOffset(**{units[text[-1]]: int(number)})


def _say_what_lies_beyond(store: Store, found: Evidence) -> None:
    from .. import evidence

    if found.as_of > (last := evidence.latest(store)):
        click.echo(
            f"The last thing on record is of {last:%Y-%m-%d}; from then to {found.as_of:%Y-%m-%d} nothing is taken to fail.",
            err=True,
        )


def _refuse_unknown(services: Iterable[str], known: Iterable[str]) -> None:
    """A service that is to be avoided and is misspelt would be broken."""
    from difflib import get_close_matches

    names = sorted(set(known))
    for service in services:
        if service not in names:
            near = ", ".join(get_close_matches(service, names)) or "none is spelt like it"
            raise InputError(f"Nothing is known of a service {service!r}.", remedy=f"Known: {near}.")


def freeze_plan_reveal(store: Store, zone: str, as_of: str = "2020-11-30", span: str = "6m") -> str:
    """The sentences of a plan made from what was known at `as_of` and of what followed; for the demo."""
    from .. import evidence, planning

    with progress("Plan", after_s=PATIENCE_S) as say:
        found = evidence.read(
            store, evidence.moment(as_of), hidden=True, zone=zone, say=lambda step: say(step, 0, 0)
        )
        say("rates, losses and states", 0, 0)
        book = evidence.build(found)
        say("candidates and their safe windows", 0, 0)
        chosen = planning.propose(store, found, book, zone)
    return f"{chosen.text} {uncover(store, found, book, chosen, _span(span)).text}"


def _export(
    store: Store, workspace: Workspace, found: Evidence, chosen: Plan, folder: Path, day: pd.Timestamp,
    begins: Mapping[str, pd.Timestamp], title: str, style: str, queues: Mapping[str, Backlog],
) -> list[Path]:  # fmt: skip
    from .. import planning
    from ..analysis import faults
    from ..report import experiments
    from ..report.experiment_tools import watched

    limits = {
        watched(row): planning.steady_state(store, found, watched(row), begins[row.service], workspace.zone)
        for row in chosen.chosen.itertuples()
    }
    callers = found.graph.groupby("callee")["caller"].agg(sorted).to_dict() if len(found.graph) else {}
    made = experiments.export(
        chosen, {fault.key: fault for fault in faults.packaged()}, limits, gameday_id=f"gameday-{day:%Y-%m}", title=title,
        date=day, zone=workspace.zone, begins=begins, style=style, callers=callers, simulated=found.simulated,
        backlog=queues,
    )  # fmt: skip
    return experiments.write(made, folder)
