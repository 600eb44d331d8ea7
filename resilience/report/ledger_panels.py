"""The rehearsal ledger and the plan as a person sees them: the matrix, each cell's evidence, cards,
reasons, the backtest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ..analysis.attribution import NOT_STATED
from ..analysis.backtest import OURS, Backtest
from ..analysis.candidates import EDGE
from ..analysis.ledger import STATES, Ledger
from ..analysis.plan import Plan
from ..analysis.taxonomy import UNKNOWN
from .figures import incidents as figures
from .panels import Panel, escape, facts, finding, known, publish, table

MARKS: dict[str, tuple[str, str]] = dict(
    zip(
        STATES,
        [
            ("!", "costly"), ("✖", "again"), ("✕", "nothold"), ("◷", "stale"), ("?", "unclear"), ("✓", "held"),
            ("○", "seen"), ("·", "never"), ("?", "unclear"),
        ],
        strict=True,
    )
)  # fmt: skip
"""State -> its sign and the name of its colour: the sign alone tells it."""
FIRST_ROWS = 30  # services in the first matrix; the others are folded below
EVIDENCE = 260  # cells with their evidence on the page: all that were seen or rehearsed come first
_TOP = 12
_CSS = (Path(__file__).parent / "html" / "ledger.css").read_text(encoding="utf-8")


def headline(book: Ledger) -> Panel:
    """What stands out, and the costly cells that nobody has rehearsed, with their intervals."""
    publish({"text": book.text, "as_of": book.as_of.isoformat(), "states": _counts(book)})
    rows = book.table[book.table["state"] == STATES[0]].head(_TOP)
    if rows.empty:
        return Panel(book.text)
    bars = pd.DataFrame(
        {
            "group": rows["failure_class"] + " at " + rows["service"], "expected": rows["rate"], "low": rows["rate_low"],
            "high": rows["rate_high"],
        }
    )  # fmt: skip
    columns = {
        "failure_class": "Failure class", "service": "Service", "n": "Incidents", "raw_rate": "Counted per year",
        "rate": "Expected per year", "rate_low": "Low", "rate_high": "High", "minutes": "Minutes each", "loss": "Loss",
        "loss_low": "Low", "loss_high": "High",
    }  # fmt: skip
    said = (
        f"{book.text} Drawn: the {len(rows)} costliest that were never rehearsed, by incidents a year to "
        "expect (the order is by "
        "expected loss; where intervals overlap, it may be chance)."
    )
    figure = figures.counts(bars, "incidents a year to expect, with 95 % interval")
    return Panel(said, figure, table(rows, columns, dict.fromkeys(("loss", "loss_low", "loss_high"), ".0f")))


def _counts(book: Ledger) -> dict[str, int]:
    found = book.table["state"].value_counts()
    return {state: int(found.get(state, 0)) for state in STATES}


def matrix(book: Ledger, reports: str = "../") -> Panel:
    """Services x failure classes, a sign per cell; a cell opens to its evidence. `reports`: way from the
    page to their folder."""
    return Panel("", body=f"<style>{_CSS}</style>{matrix_html(book)}{evidence_html(book, reports)}")


def matrix_html(book: Ledger) -> str:
    """The matrix alone: filters that need no script, the first services, and the others folded."""
    rows = book.table[(book.table["service"] != NOT_STATED) & (book.table["failure_class"] != UNKNOWN)]
    if rows.empty:
        return finding("There is no service to draw: no report names one, and no GameDay has a target.")
    place = rows["service"].where(
        rows["environment"] == "production", rows["service"] + " (" + rows["environment"] + ")"
    )
    rows = rows.assign(place=place)
    classes = sorted(rows["failure_class"].unique())
    order = rows.groupby("place")["loss"].sum().sort_values(ascending=False, kind="stable").index.tolist()
    shown = {(row.place, row.failure_class): row for row in rows.itertuples()}
    opened = set(_opened(book)["cell"])
    head = "".join(f'<th scope="col"><span>{escape(name)}</span></th>' for name in classes)

    def part(names: list[str], label: str) -> str:
        body = "".join(
            f'<tr><th scope="row" title="{escape(name)}">{escape(name)}</th>'
            + "".join(_cell(shown.get((name, c)), opened) for c in classes)
            + "</tr>"
            for name in names
        )
        return (
            f'<div class="lg-scroll" tabindex="0" role="region" aria-label="{escape(label)}"><table class="lg"><thead><tr>'
            f'<th scope="col">Service</th>{head}</tr></thead><tbody>{body}</tbody></table></div>'
        )

    rest = ""
    if len(order) > FIRST_ROWS:
        inner = part(order[FIRST_ROWS:], "matrix of the other services")
        rest = f"<details><summary>The other {len(order) - FIRST_ROWS} services</summary>{inner}</details>"
    count = _counts(book)
    rules, legend = [], [_choice("all", "every state", sum(count.values()), "", checked=True)]
    for number, state in enumerate(STATES[:-1]):
        legend.append(_choice(f"s{number}", state, count[state], _mark(state)))
        rules.append(
            f".lg-book:has(#lg-s{number}:checked) table.lg .lg-mark:not(.lg-{MARKS[state][1]}){{opacity:.08}}"
        )
    said = (
        f"One row per service, most expected loss first; one column per failure class. {count[STATES[0]]} "
        "cells are costly and "
        "were never rehearsed. Choose a state to see only its cells; a cell with evidence opens it."
    )
    return (
        f'{finding(said)}<style>{"".join(rules)}</style><div class="lg-book"><fieldset style="border:0;padding:0;margin:0">'
        f'<legend>Show</legend><ul class="lg-legend">{"".join(legend)}</ul></fieldset>'
        f"{part(order[:FIRST_ROWS], 'matrix of the costliest services')}{rest}</div>"
    )


def _choice(name: str, state: str, count: int, mark: str, *, checked: bool = False) -> str:
    on = " checked" if checked else ""
    return (
        f'<li><label><input type="radio" name="lg-state" id="lg-{name}"{on}>{mark}'
        f"<span>{escape(state)} ({count})</span></label></li>"
    )


def _mark(state: str) -> str:
    sign, colour = MARKS[state]
    return f'<span class="lg-mark lg-{colour}" aria-hidden="true">{sign}</span>'


def _cell(row: Any, opened: set[str]) -> str:
    if row is None:
        return "<td></td>"
    sign, colour = MARKS[row.state]
    if (name := _id(row)) in opened:
        said = escape(f"{row.failure_class} at {row.place}: {row.state}")
        return f'<td><a class="lg-mark lg-{colour}" href="#{name}" aria-label="{said}" title="{said}">{sign}</a></td>'
    return f'<td><span class="lg-mark lg-{colour}">{sign}</span></td>'


def _id(row: Any) -> str:
    """A name for the cell that a page can link to; made of letters, digits and dashes only."""
    text = f"{row.failure_class}--{row.service}--{row.environment}".lower()
    return "cell-" + "".join(
        c if c.isascii() and c.isalnum() else "-" if c in "-._ " else f"x{ord(c):x}" for c in text
    )


def _opened(book: Ledger) -> pd.DataFrame:
    """Cells whose evidence stands on the page: rehearsed ones, then seen ones by loss, to a limit that
    keeps the page small."""
    rows = book.table[(book.table["runs"] > 0) | (book.table["n_incidents"] > 0) | book.table["costly"]]
    rows = rows.assign(_last=rows["runs"] == 0).sort_values("_last", kind="stable").head(EVIDENCE)
    return rows.assign(cell=[_id(row) for row in rows.itertuples()])


def evidence_html(book: Ledger, reports: str) -> str:
    """Each cell that was seen or rehearsed: its state in words, its numbers, its incidents and GameDays."""
    rows = _opened(book).sort_index()
    left = int(((book.table["runs"] > 0) | (book.table["n_incidents"] > 0)).sum()) - len(rows)
    parts = [_evidence(row, book, reports) for row in rows.itertuples()]
    more = (
        f"<p>{left} more cells with one incident each are in <code>resilience ledger --format csv</code>.</p>"
        if left > 0
        else ""
    )
    return (
        f"<details open><summary>The evidence of {len(rows)} cells</summary>{''.join(parts)}{more}</details>"
    )


def _evidence(row: Any, book: Ledger, reports: str) -> str:
    days = book.history[
        (book.history["failure_class"] == row.failure_class) & (book.history["service"] == row.service)
    ]
    runs = "".join(
        f'<li><a href="{escape(reports)}{escape(r.gameday_id)}/report.html">{r.held_on:%Y-%m-%d}</a> {escape(r.title)}: '
        f"{escape(r.verdict)}, {escape(r.environment)}, {escape(r.style)}. {escape(r.reason)}</li>"
        for r in days.itertuples()
    )
    pairs = [
        ("Real incidents", f"{row.n:.1f}; {row.rate:.2f} a year to expect ({row.rate_low:.2f} to {row.rate_high:.2f})"),
        ("To expect anyway", _fall(row)),
        ("Expected loss", f"{row.loss:.0f} severity-weighted minutes a year ({row.loss_low:.0f} to {row.loss_high:.0f})"),
        ("Incidents", _incidents(row)),
        ("Found after, real", _found(row.real_detect_min, f"median of {row.n_detect:.0f}")),
        ("Found after, drill", _found(row.drill_detect_min, "told where to look; never pooled with real times")),
        ("Last held", f"{row.last_held_at:%Y-%m-%d}, {row.last_held}" if known(row.last_held_at) else None),
        ("Since its rehearsal", _since(row)),
        ("Open actions", f"{row.open_actions} from GameDays, {row.open_incident_actions:.0f} from reports"),
        ("Not declared", row.edges or None),
        ("Note", row.note or None),
    ]  # fmt: skip
    place = row.service if row.environment == "production" else f"{row.service} ({row.environment})"
    return (
        f'<section class="lg-cell" id="{_id(row)}"><h3>{_mark(row.state)}<span>{escape(row.failure_class)} at '
        f"{escape(place)}</span></h3>"
        f"<p><strong>{escape(row.state)}.</strong> "
        f"{escape(row.state_why)}</p>{facts(pairs)}{f'<ul>{runs}</ul>' if runs else ''}</section>"
    )


def _fall(row: Any) -> str | None:
    if not known(row.expected_fall_pct) or row.n < 0.5 or row.expected_fall_pct <= 0:
        return None
    return f"{row.expected_fall_pct:.0f} % fewer than counted, without anybody doing anything (regression to the mean)"


def _found(minutes: float, how: str) -> str | None:
    return f"{minutes:.0f} min ({how})" if known(minutes) else None


def _incidents(row: Any) -> str | None:
    if not known(row.incidents):
        return None
    listed = len(row.incidents.split(", "))
    return row.incidents + (f" and {row.n_incidents - listed} more" if row.n_incidents > listed else "")


def _since(row: Any) -> str | None:
    if not known(row.after_n):
        return None
    return (
        f"{row.after_n:.1f} incidents in {row.after_years:.2f} years; {row.after_expected:.2f} to expect "
        "had it changed nothing "
        f"(the counted rate before would give {row.after_raw:.2f}): {row.after_verdict}"
    )


def cards(plan: Plan) -> Panel:
    """The chosen experiments as cards: what, where, when and why."""
    names = [
        "fault",
        "failure_class",
        "service",
        "environment",
        "score",
        "loss",
        "stability",
        "rank",
        "rpn",
        "fmea_rank",
        "reason",
    ]
    publish({"plan": {"text": plan.text, "chosen": plan.chosen[names].round(4).to_dict("records")}})
    return Panel("", body=cards_html(plan))


def cards_html(plan: Plan) -> str:
    """The chosen experiments as HTML cards."""
    made = []
    for number, row in enumerate(plan.chosen.itertuples(), 1):
        what = (
            f"{row.failure_class} at {row.service}"
            if row.kind != EDGE
            else f"Does {row.follower} depend on {row.service}?"
        )
        when = (
            f"{row.starts_at:%Y-%m-%d %H:%M} to {row.ends_at:%H:%M} UTC. {row.window}"
            if known(row.starts_at)
            else row.window
        )
        pairs = [
            ("Fault", row.fault.replace("-", " ")), ("Where", row.environment), ("When", when),
            ("Could reach", f"{row.blast} services" if row.blast else "not known: no declared call leads to it"),
            ("Chance that it holds", f"{row.hold_mean:.0%}, before anybody looks"),
            ("Chosen again", f"in {row.stability:.0%} of draws with other rates, labels and weights"),
            ("FMEA", f"RPN {row.rpn}, place {row.fmea_rank} (for comparison only)"),
        ]  # fmt: skip
        made.append(f"<li><h3>{number}. {escape(what)}</h3><p>{escape(row.reason)}</p>{facts(pairs)}</li>")
    return f'<style>{_CSS}</style>{finding(plan.text)}<ul class="lg-cards">{"".join(made)}</ul>'


def rejected(plan: Plan, most: int = 25) -> Panel:
    """The next in line, one row per cell, each with the plain reason why it was not taken."""
    rows = plan.rejected.drop_duplicates(["failure_class", "service", "follower"])
    taken = set(zip(plan.chosen["failure_class"], plan.chosen["service"], strict=True))
    rows = rows[[pair not in taken for pair in zip(rows["failure_class"], rows["service"], strict=True)]]
    said = (
        f"{len(rows)} other cells and dependencies were considered. Below are the first "
        f"{min(most, len(rows))} by score, with the "
        "reason; all are in `resilience plan --explain --format csv`."
    )
    columns = {
        "failure_class": "Failure class", "service": "Service", "follower": "Follower", "state": "State", "score": "Score",
        "reason": "Why not", "rpn": "FMEA RPN",
    }  # fmt: skip
    return Panel("", body=finding(said) + table(rows.head(most), columns, {"score": ".1f"}))


def backtest(judged: Backtest) -> Panel:
    """Whether the ranking finds what fails next, whatever the answer."""
    publish({"backtest": {"text": judged.text, "measurable": judged.measurable}})
    if not judged.measurable:
        return Panel(judged.text)
    rows = judged.table[(judged.table["k"] == 15) & (judged.table["metric"] == "recall")]
    drawn = rows[(rows["method"] != OURS) & rows["against_ours"].notna()]
    bars = pd.DataFrame(
        {
            "group": drawn["cells"] + ": ours less " + drawn["method"], "expected": 100 * drawn["against_ours"],
            "low": 100 * drawn["low"], "high": 100 * drawn["high"],
        }
    )  # fmt: skip
    columns = {
        "cells": "Cells", "k": "First k", "metric": "Metric", "method": "Ranking", "value": "Value",
        "against_ours": "Ours less this", "low": "Low", "high": "High",
    }  # fmt: skip
    said = f"{judged.text} Drawn: points of severity in the first 15 cells, ours less the other's; above zero is better."
    figure = figures.counts(bars, "ours less the other (points of severity in the first 15)", zero=False)
    formats = dict.fromkeys(("value", "against_ours", "low", "high"), ".3f")
    return Panel(said, figure, table(judged.table, columns, formats))


def page(
    book: Ledger, plan: Plan | None, title: str, *, simulated: bool, context: Mapping[str, str] | None = None
) -> str:
    """reports/ledger.html: matrix, plan and evidence on one page that needs no script and no plotly."""
    css = (Path(__file__).parent / "html" / "page.css").read_text(encoding="utf-8")
    banner = (
        '<p class="simulated">Simulated: this page is made from a sample marketplace.</p>'
        if simulated
        else ""
    )
    proposed = ""
    if plan is not None:
        why = f"<details><summary>Why not the others?</summary>{rejected(plan).body}</details>"
        proposed = f"<h2>What should we rehearse next?</h2>{cards_html(plan)}{why}"
    policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}: rehearsal ledger</title>\n"
        f"<style>{css}\n{_CSS}</style>\n</head>\n<body>\n"
        '<a class="skip" href="#main">Skip to the ledger</a><header><nav aria-label="Reports">'
        '<a href="index.html">All reports</a></nav></header>\n'
        f'<main id="main"><h1>What fails, and what have we rehearsed?</h1>{banner}{finding(book.text)}{proposed}'
        f"<h2>Which cells were never rehearsed?</h2>{matrix_html(book)}<h2>What is that based "
        f"on?</h2>{evidence_html(book, '')}</main>\n</body>\n</html>\n"
    )
