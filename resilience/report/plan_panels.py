"""The plan as a person sees it: four cards, why not the others, and whether such rankings have been right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ..analysis.attribution import SEVERITY_WEIGHTS
from ..analysis.backlog import Backlog
from ..analysis.backtest import ALL, NEVER, Backtest
from ..analysis.candidates import EDGE, FOLLOWS, asked, called_by
from ..analysis.plan import DRAWS, Plan
from .figures import incidents as figures
from .ledger_panels import CSS
from .panels import Panel, escape, facts, finding, known, publish, table

DRAWN = [
    (ALL, "frequency"),
    (ALL, "smoothed frequency"),
    (ALL, "recency"),
    (ALL, "random"),
    (NEVER, "smoothed frequency"),
]
"""What ours is drawn against: in cells that never failed the others know nothing."""


def cards(plan: Plan, queues: Mapping[str, Backlog] | None = None, zone: str = "UTC") -> Panel:
    """The chosen experiments as cards: what, where, when (in `zone`) and why. `queues`: service -> what piles up there."""
    names = [
        "fault", "failure_class", "service", "environment", "score", "loss", "stability", "rank", "rpn",
        "fmea_rank", "reason",
    ]  # fmt: skip
    publish(
        {
            "text": plan.text,
            "plan": {"text": plan.text, "chosen": plan.chosen[names].round(4).to_dict("records")},
        }
    )
    return Panel("", body=f"<style>{CSS}</style>{cards_html(plan, queues, zone)}")


def cards_html(plan: Plan, queues: Mapping[str, Backlog] | None, zone: str) -> str:
    """The plan in a sentence, the day from its first experiment to its last, and a card for each with why."""
    made = [_card(number, row, (queues or {}).get(row.service), zone) for number, row in _numbered(plan)]
    return f'{finding(plan.text)}{_day(plan, zone)}<ul class="lg-cards">{"".join(made)}</ul>'


def _numbered(plan: Plan) -> list[tuple[int, Any]]:
    return list(enumerate(plan.chosen.itertuples(), 1))


def _day(plan: Plan, zone: str) -> str:
    """When each experiment would run, first to last, each leading to its card; those that need no window come after."""
    timed = sorted((r for r in _numbered(plan) if known(r[1].starts_at)), key=lambda r: r[1].starts_at)
    if not timed:
        return ""
    days = [f"{row.starts_at.tz_convert(zone):%A %-d %B %Y}" for _, row in timed]
    one = days[0] == days[-1]
    said = [
        f"{'' if one else day + ', '}{_clock(row, zone)}" for day, (_, row) in zip(days, timed, strict=True)
    ]
    free = [r for r in _numbered(plan) if not known(r[1].starts_at)]
    items = "".join(
        f'<li><time>{when}</time><span><a href="#plan-{number}">{escape(_asked(row))}</a>: {escape(_broken(row))}'
        "</span></li>"
        for when, (number, row) in zip([*said, *["at any time"] * len(free)], [*timed, *free], strict=True)
    )
    where = f"{days[0]}, {zone} time" if one else f"{zone} time"
    return f'<p class="meta">{escape(where)}:</p><ol class="lg-day">{items}</ol>'


def _card(number: int, row: Any, queue: Backlog | None, zone: str) -> str:
    """One experiment: what is broken, where, when and why; how the choice came about is folded below."""
    edge = row.kind == EDGE
    at_stake = f"About {row.loss:.0f} minutes a year, weighted by severity"
    at_stake += (
        f", were {FOLLOWS:.0%} of what fails at {row.service} to reach {row.follower}: an assumption, until it is tested."
        if edge
        else f" (95 % interval {row.loss_low:.0f} to {row.loss_high:.0f}): {row.rate:.1f} incidents x {row.minutes:.0f} min "
        f"x weight {row.severity:.2f}."
    )
    again = f"hosen again in {row.stability:.0%} of {DRAWS} draws with other rates, labels and weights."
    why = (
        f"Nobody declared it, and nobody has tested it: {row.state_why.rstrip('.')}."
        if edge
        else row.state_why
    )
    pairs = [
        ("Fault", _broken(row)),
        ("When", when(row, zone)),
        ("Why", why),
        ("At stake", at_stake),
        ("How firm", f"C{again}" if row.stability >= 0.5 else f"A close call: c{again}"),
    ]  # fmt: skip
    behind = [
        ("Could reach", called_by(int(row.blast)).capitalize()),
        ("Would pile up", queue.text if queue else None),
        ("Chance that it holds", f"{row.hold_mean:.0%}{'' if row.runs else ', assumed: nobody has looked'}"),
        ("A test teaches", f"{row.teach:.0%} of what a first one would"),
        ("Score", f"{row.score:.3g}, place {row.rank} by score alone"),
        ("FMEA", f"risk priority number {row.rpn}, place {row.fmea_rank}; for comparison only"),
    ]  # fmt: skip
    return (
        f'<li id="plan-{number}"><h3>{number}. {escape(_asked(row))}</h3>{facts(pairs)}'
        f"<details><summary>Reach, queue and score</summary>{facts(behind)}</details></li>"
    )


def _broken(row: Any) -> str:
    return f"{row.fault.replace('-', ' ')}, on {row.environment}"


def _clock(row: Any, zone: str) -> str:
    return f"{row.starts_at.tz_convert(zone):%H:%M} to {row.ends_at.tz_convert(zone):%H:%M}"


def when(row: Any, zone: str) -> str:
    """When the experiment of one row of a plan's `chosen` would run, in local words, and why then."""
    if not known(row.starts_at):
        return str(row.window)
    return f"{row.starts_at.tz_convert(zone):%A %-d %B %Y}, {_clock(row, zone)} {zone}. {row.window}"


def contenders(plan: Plan, most: int = 12) -> Panel:
    """What a test of each cell would be worth: those that were chosen beside those that were passed over."""
    keys = ["failure_class", "service", "follower"]
    rows = pd.concat([plan.chosen.assign(taken=True), plan.rejected.assign(taken=False)], ignore_index=True)
    rows = rows.sort_values(["taken", "score"], ascending=False, kind="stable").drop_duplicates(keys)
    rows = rows[rows["score"] > 0].sort_values("score", ascending=False, kind="stable")
    rows = rows[rows["taken"] | (rows["taken"].cumsum() + (~rows["taken"]).cumsum() <= most)]
    if rows.empty:
        return Panel(
            "Nothing is worth a test: no cell has both a loss to expect and a fault that rehearses it."
        )
    share = (rows["score"] / rows["loss"]).fillna(0.0)
    drawn = pd.DataFrame(
        {
            "group": [_asked(row) for row in rows.itertuples()], "value": rows["score"],
            "low": rows["loss_low"] * share, "high": rows["loss_high"] * share, "taken": rows["taken"],
            "why": rows["reason"],
        }
    )  # fmt: skip
    weights = ", ".join(f"SEV{rank} {weight:g}" for rank, weight in SEVERITY_WEIGHTS.items())
    assumed = (
        " A dependency that nobody declared has none: how much it would carry on is an assumption."
        if rows["follower"].notna().any()
        else ""
    )
    said = (
        f"What a test would be worth, of the {len(rows)} first: minutes lost a year, weighted by severity, x chance that it "
        f"does not hold x what a test teaches. Weights: {weights}. The line is the 95 % interval of the loss; where lines "
        f"overlap, the order may be chance.{assumed} A better one is passed over where it cannot stand in one programme "
        "with one that was chosen."
    )
    return Panel(said, figures.contenders(drawn))


def rejected(plan: Plan, first: int = 8, most: int = 25) -> Panel:
    """The next in line, one per cell, each with the plain reason why it was not taken: `first` of them, and up to `most`
    folded below."""
    rows = plan.others
    if rows.empty:
        return Panel("", body=finding("No other cell or dependency was considered."))
    others = "other cell or dependency was" if len(rows) == 1 else "other cells and dependencies were"
    said = finding(f"{len(rows):,} {others} considered. Below, by score, what came next, with the reason.")
    shown = [_other(row) for row in rows.head(most).itertuples()]
    more = (
        f"<details><summary>The next {len(shown) - first}</summary>{_listed(shown[first:], first + 1)}</details>"
        if len(shown) > first
        else ""
    )
    where = "<p>All, fault by fault: <code>resilience plan --explain --format csv</code></p>"
    return Panel("", body=f"{said}{_listed(shown[:first], 1)}{more}{where}")


def _asked(row: Any) -> str:
    said = asked(row)
    return said[:1].upper() + said[1:]


def _other(row: Any) -> str:
    about = f"{row.state}; score {row.score:.1f}, RPN {row.rpn}"
    return f"<li><strong>{escape(_asked(row))}</strong> ({escape(about)}): {escape(row.reason)}</li>"


def _listed(items: Sequence[str], start: int) -> str:
    return f'<ol class="lg-others" start="{start}">{"".join(items)}</ol>'


def backtest(judged: Backtest) -> Panel:
    """Whether the ranking finds what fails next, whatever the answer."""
    publish({"backtest": {"text": judged.text, "measurable": judged.measurable}})
    if not judged.measurable:
        return Panel(judged.text)
    rows = judged.table[(judged.table["k"] == 15) & (judged.table["metric"] == "recall")]
    others = pd.MultiIndex.from_frame(rows[["cells", "method"]]).isin(DRAWN)
    drawn = rows[others & rows["against_ours"].notna()]
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
    said = (
        f"{judged.text} Drawn: points of severity in the first 15 cells, ours less the other's; above zero is better. "
        "The table has the others."
    )
    figure = figures.counts(bars, "ours less the other (points of severity in the first 15)", zero=False)
    formats = dict.fromkeys(("value", "against_ours", "low", "high"), ".3f")
    return Panel(said, figure, table(judged.table, columns, formats))
