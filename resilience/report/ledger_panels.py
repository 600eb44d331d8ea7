"""The rehearsal ledger as a person sees it: what costs most, the matrix, and the evidence of the cell that one chooses.

Nothing here needs a script. A cell is a link; its evidence shows while the page's address names it (CSS `:target`),
so that it can be sent as a link, and Back closes it. Filters are radio buttons that style sheets read (`:has`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from ..analysis.attribution import NOT_STATED
from ..analysis.ledger import STATES, Ledger
from ..analysis.taxonomy import UNKNOWN
from .figures import incidents as figures
from .panels import Panel, escape, facts, finding, known, publish, report_link, root, table

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
FIRST_ROWS = 30  # services that are shown at first: those with most to lose
EVIDENCE = 600  # cells whose evidence is on the page, the costliest, so that it stays below a megabyte
NOTHING = STATES[-2]  # never seen, never rehearsed: an empty cell
_TOP = 12
CSS = (Path(__file__).parent / "html" / "ledger.css").read_text(encoding="utf-8")


def headline(book: Ledger) -> Panel:
    """What stands out, and the costly cells that nobody has rehearsed, with their intervals."""
    publish({"ledger": book.text, "as_of": book.as_of.isoformat(), "states": _counts(book)})
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


def matrix(book: Ledger, incidents: pd.DataFrame | None = None) -> Panel:
    """Services x failure classes, a sign per cell; a cell opens to its evidence. `incidents` (incident_id, source_uri):
    where the reports lie that evidence leads to."""
    return Panel("", body=f"<style>{CSS}</style>{matrix_html(book, incidents, root())}")


def matrix_html(book: Ledger, incidents: pd.DataFrame | None, base: str) -> str:
    """The filters, the matrix, and below it the evidence of which one cell at most shows. `base`: way to the workspace."""
    rows = book.table[(book.table["service"] != NOT_STATED) & (book.table["failure_class"] != UNKNOWN)]
    if rows.empty:
        return finding("There is no service to draw: no report names one, and no GameDay has a target.")
    rows = rows.assign(place=_places(rows))
    classes = sorted(rows["failure_class"].unique())
    order = rows.groupby("place")["loss"].sum().sort_values(ascending=False, kind="stable").index.tolist()
    shown = {(row.place, row.failure_class): row for row in rows.itertuples()}
    opened = _opened(book.table)
    known_ids = set(opened["cell"])
    head = "".join(f'<th scope="col"><span>{escape(name)}</span></th>' for name in classes)
    lines = "".join(
        f"<tr{' class=lg-rest' if number >= FIRST_ROWS else ''}>"
        f'<th scope="row">{escape(name)}</th>'
        + "".join(_cell(shown.get((name, c)), known_ids) for c in classes)
        + "</tr>"
        for number, name in enumerate(order)
    )
    count = _counts(book)
    said = (
        f"One row per service, most expected loss first; one column per failure class. {count[STATES[0]]} cells "
        "are costly and were never rehearsed. Choose a state to see only the services that have it, and a "
        "cell to see what it is based on; "
        "a dot is a cell that was never seen nor rehearsed."
    )
    if count[STATES[-1]]:
        expected = book.table.loc[book.table["state"] == STATES[-1], "n"].sum()
        said += f" Not drawn: about {expected:.0f} incidents whose cause or service is not known."
    uris = {} if incidents is None else incidents.set_index("incident_id")["source_uri"].to_dict()
    evidence = "".join(_evidence(row, book, uris, base) for row in opened.itertuples())
    with_evidence = (rows["runs"] > 0) | (rows["n_incidents"] > 0)
    more = int(with_evidence.sum()) - len(opened)
    left = (
        f"<p>The evidence of {more} more cells is in <code>resilience ledger --format csv</code>.</p>"
        if more > 0
        else ""
    )
    return (
        f'{finding(said)}<div class="lg-book">{_filters(count, len(order))}'
        '<div class="lg-scroll" tabindex="0" role="region" aria-label="matrix of services and failure classes">'
        f'<table class="lg"><thead><tr><th scope="col">Service</th>{head}</tr></thead><tbody>{lines}</tbody></table></div>'
        f"{left}{evidence}</div>"
    )


def _places(rows: pd.DataFrame) -> pd.Series:
    """Each row's service, with its environment where that is not production."""
    elsewhere = rows["service"] + " (" + rows["environment"] + ")"
    return rows["service"].where(rows["environment"] == "production", elsewhere)


def _filters(count: dict[str, int], services: int) -> str:
    """A radio button per state and one for all, with the style that each of them switches on."""
    total = sum(count[state] for state in STATES[:-1])
    choices, rules = [_choice("all", "every state", total, "", checked=True)], []
    for number, state in enumerate(STATES[:-1]):
        colour = MARKS[state][1]
        choices.append(_choice(f"s{number}", state, count[state], _mark(state)))
        chosen = f".lg-book:has(#lg-s{number}:checked) table.lg"
        rules.append(
            f"{chosen} tbody tr:not(:has(.lg-{colour})){{display:none}}{chosen} td>:not(.lg-{colour}){{opacity:.12}}"
        )
    rest = (
        f'<p><label class="lg-rest-label"><input type="checkbox" id="lg-rest"> All {services} services, not only the '
        f"{FIRST_ROWS} with most to lose</label></p>"
        if services > FIRST_ROWS
        else ""
    )
    return (
        f"<style>{''.join(rules)}</style><fieldset><legend>Show</legend>"
        f'<ul class="lg-legend">{"".join(choices)}</ul></fieldset>{rest}'
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
        link = f'id="at-{name}" href="#{name}" aria-label="{said}" title="{said}"'
        return f'<td><a class="lg-mark lg-{colour}" {link}>{sign}</a></td>'
    if row.state == NOTHING:
        return f'<td><i class="lg-{colour}"></i></td>'
    return f'<td><span class="lg-mark lg-{colour}">{sign}</span></td>'


def _id(row: Any) -> str:
    """A name for the cell that a page can link to; made of letters, digits and dashes only."""
    text = f"{row.failure_class}--{row.service}--{row.environment}".lower().removesuffix("--production")
    return "cell-" + "".join(
        c if c.isascii() and c.isalnum() else "-" if c in "-._ " else f"x{ord(c):x}" for c in text
    )


def _opened(table_: pd.DataFrame) -> pd.DataFrame:
    """Cells whose evidence stands on the page: rehearsed ones, then seen ones by loss, to a limit that keeps it small."""
    rows = table_[(table_["runs"] > 0) | (table_["n_incidents"] > 0) | table_["costly"]]
    rows = rows.assign(_last=rows["runs"] == 0).sort_values("_last", kind="stable").head(EVIDENCE)
    return rows.assign(cell=[_id(row) for row in rows.itertuples()], place=_places(rows))


def _evidence(row: Any, book: Ledger, uris: dict[str, str], base: str) -> str:
    """One cell: its state in words, its numbers, its incidents and GameDays."""
    days = book.history[
        (book.history["failure_class"] == row.failure_class) & (book.history["service"] == row.service)
    ]
    runs = "".join(
        f'<li><a href="{escape(base)}/reports/{escape(r.gameday_id)}/report.html">{r.held_on:%Y-%m-%d}</a> '
        f"{escape(r.title)}: {escape(r.verdict)}, {escape(r.environment)}, {escape(r.style)}. {escape(r.reason)}</li>"
        for r in days.itertuples()
    )
    pairs = [
        ("Real incidents", f"{row.n:.1f}; {row.rate:.2f} a year to expect ({row.rate_low:.2f} to {row.rate_high:.2f})"),
        ("To expect anyway", _fall(row)),
        ("Expected loss", f"{row.loss:.0f} severity-weighted minutes a year ({row.loss_low:.0f} to {row.loss_high:.0f})"),
        ("Found after, real", _found(row.real_detect_min, f"median of {row.n_detect:.0f}")),
        ("Found after, drill", _found(row.drill_detect_min, "told where to look; never pooled with real times")),
        ("Last held", f"{row.last_held_at:%Y-%m-%d}, {row.last_held}" if known(row.last_held_at) else None),
        ("Since its rehearsal", _since(row)),
        ("Open actions", f"{row.open_actions} from GameDays, {row.open_incident_actions:.0f} from reports"),
        ("Not declared", row.edges or None),
        ("Note", row.note or None),
    ]  # fmt: skip
    printed = " lg-key" if row.runs or row.costly else ""
    return (
        f'<section class="lg-cell{printed}" id="{row.cell}" tabindex="-1">'
        f'<p class="lg-close"><a href="#at-{row.cell}">Close</a></p>'
        f"<h3>{_mark(row.state)}<span>{escape(row.failure_class)} at {escape(row.place)}</span></h3>"
        f"<p><strong>{escape(row.state)}.</strong> {escape(row.state_why)}</p>{facts(pairs)}"
        f"{_incidents(row, uris, base)}{f'<p>GameDays:</p><ul>{runs}</ul>' if runs else ''}</section>"
    )


def _fall(row: Any) -> str | None:
    if not known(row.expected_fall_pct) or row.n < 0.5 or row.expected_fall_pct <= 0:
        return None
    return f"{row.expected_fall_pct:.0f} % fewer than counted, without anybody doing anything (regression to the mean)"


def _found(minutes: float, how: str) -> str | None:
    return f"{minutes:.0f} min ({how})" if known(minutes) else None


def _incidents(row: Any, uris: dict[str, str], base: str) -> str:
    """Incidents that are at least as likely as not of this cell, each leading to its report."""
    if not known(row.incidents):
        return ""
    listed = row.incidents.split(", ")
    links = []
    for one in listed:
        address = report_link(uris.get(one), base)
        links.append(f'<a href="{escape(address)}">{escape(one)}</a>' if address else escape(one))
    more = f" and {row.n_incidents - len(listed)} more" if row.n_incidents > len(listed) else ""
    return f"<p>Reports: {', '.join(links)}{more}</p>"


def _since(row: Any) -> str | None:
    if not known(row.after_n):
        return None
    return (
        f"{row.after_n:.1f} incidents in {row.after_years:.2f} years; {row.after_expected:.2f} to expect "
        f"had it changed nothing (the counted rate before would give {row.after_raw:.2f}): {row.after_verdict}"
    )
