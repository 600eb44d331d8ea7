"""The plan as a person sees it: four cards, why not the others, and whether such rankings have been right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ..analysis.backlog import Backlog
from ..analysis.backtest import ALL, NEVER, Backtest
from ..analysis.candidates import EDGE
from ..analysis.plan import Plan
from .figures import incidents as figures
from .ledger_panels import CSS
from .panels import Panel, count, escape, facts, finding, known, publish, table

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
    publish({"plan": {"text": plan.text, "chosen": plan.chosen[names].round(4).to_dict("records")}})
    return Panel("", body=f"<style>{CSS}</style>{cards_html(plan, queues, zone)}")


def cards_html(plan: Plan, queues: Mapping[str, Backlog] | None, zone: str) -> str:
    """The chosen experiments as HTML cards."""
    made = []
    for number, row in enumerate(plan.chosen.itertuples(), 1):
        queue = (queues or {}).get(row.service)
        pairs = [
            ("Fault", f"{row.fault.replace('-', ' ')}, on {row.environment}"), ("When", when(row, zone)),
            ("Could reach", f"{row.blast} services" if row.blast else "not known: no declared call leads to it"),
            ("Would pile up", queue.text if queue else None),
            ("Chance that it holds", f"{row.hold_mean:.0%}, before anybody looks"),
            ("FMEA", f"RPN {row.rpn}, place {row.fmea_rank} (for comparison only)"),
        ]  # fmt: skip
        made.append(
            f"<li><h3>{number}. {escape(_asked(row))}</h3><p>{escape(row.reason)}</p>{facts(pairs)}</li>"
        )
    return f'{finding(plan.text)}<ul class="lg-cards">{"".join(made)}</ul>'


def when(row: Any, zone: str) -> str:
    """When the experiment of one row of a plan's `chosen` would run, in local words, and why then."""
    if not known(row.starts_at):
        return str(row.window)
    start, end = row.starts_at.tz_convert(zone), row.ends_at.tz_convert(zone)
    return f"{start:%A %Y-%m-%d %H:%M} to {end:%H:%M} {zone}. {row.window}"


def rejected(plan: Plan, first: int = 8, most: int = 25) -> Panel:
    """The next in line, one per cell, each with the plain reason why it was not taken: `first` of them, and up to `most`
    folded below."""
    rows = plan.rejected.drop_duplicates(["failure_class", "service", "follower"])
    taken = set(zip(plan.chosen["failure_class"], plan.chosen["service"], strict=True))
    rows = rows[[pair not in taken for pair in zip(rows["failure_class"], rows["service"], strict=True)]]
    if rows.empty:
        return Panel("", body=finding("No other cell or dependency was considered."))
    said = finding(
        f"{count(len(rows), 'other cell or dependency', 'other cells and dependencies')} considered. Below, by score, what "
        "came next, with the reason."
    )
    shown = [_other(row) for row in rows.head(most).itertuples()]
    more = (
        f"<details><summary>The next {len(shown) - first}</summary>{_listed(shown[first:], first + 1)}</details>"
        if len(shown) > first
        else ""
    )
    where = "<p>All, fault by fault: <code>resilience plan --explain --format csv</code></p>"
    return Panel("", body=f"{said}{_listed(shown[:first], 1)}{more}{where}")


def _asked(row: Any) -> str:
    """The cell, or the question whether there is a dependency."""
    if row.kind == EDGE:
        return f"Does {row.follower} depend on {row.service}?"
    return f"{row.failure_class} at {row.service}"


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
