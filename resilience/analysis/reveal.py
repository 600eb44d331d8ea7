"""Freeze, plan, reveal: four cells chosen from what was known, and what failed in the months after, beside
simpler choices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from .. import plain_text
from .attribution import NOT_STATED, PRODUCTION
from .ledger import Ledger
from .plan import Plan
from .taxonomy import UNKNOWN


@dataclass(frozen=True)
class Revealed:
    """`table`, one row per choice and cell: choice ('ours', 'frequency'), failure_class, service, incidents
    (expected number afterwards, by label probabilities), severity (their weight), ids (those at least as
    likely as not there). `summary`, one row per choice: choice, incidents, severity, share (of all severity
    afterwards); 'random' is the mean over all cells.
    """

    table: pd.DataFrame
    summary: pd.DataFrame
    text: str


def reveal(
    book: Ledger, chosen: Plan, after: pd.DataFrame, until: pd.Timestamp, ends: pd.Timestamp | None = None
) -> Revealed:
    """What `after` (touches of incidents from `book.as_of` to `until`) held in the chosen cells.

    Frequency takes as many cells by incidents counted before, ties by name; a dependency counts as the service's cells.
    `ends`: when the last thing on record happened; what was to come after it is not known, and that is said.
    """
    rows = after[(after["at"] >= book.as_of) & (after["at"] < until) & (after["environment"] == PRODUCTION)]
    rows = rows.assign(severity=rows["weight"] * rows["severity_weight"])
    total, count = float(rows["severity"].sum()), rows["incident_id"].nunique()
    known = book.table[
        (book.table["environment"] == PRODUCTION)
        & (book.table["failure_class"] != UNKNOWN)
        & (book.table["service"] != NOT_STATED)
    ]
    often = known.sort_values(["n", "failure_class", "service"], ascending=[False, True, True])
    cells = {
        "ours": list(zip(chosen.chosen["failure_class"], chosen.chosen["service"], strict=True)),
        "frequency": list(zip(often["failure_class"], often["service"], strict=True))[: len(chosen.chosen)],
    }
    table = pd.DataFrame(
        [_cell(rows, choice, *cell) for choice, picked in cells.items() for cell in picked],
        columns=["choice", "failure_class", "service", "incidents", "severity", "ids"],
    )
    summary = table.groupby("choice")[["incidents", "severity"]].sum().reindex(list(cells), fill_value=0.0)
    summary = summary.rename_axis("choice").reset_index()
    placed = rows[(rows["failure_class"] != UNKNOWN) & (rows["service"] != NOT_STATED)]
    lot = len(chosen.chosen) / max(len(known), 1)
    summary.loc[len(summary)] = ["random", placed["weight"].sum() * lot, placed["severity"].sum() * lot]
    summary["share"] = summary["severity"] / total if total else np.nan
    text = _text(summary, book.as_of, until, count)
    if ends is not None and ends < until:
        text = f"{text} The last thing on record is of {ends:%Y-%m-%d}; what came after that is not known."
    return Revealed(table, summary, text)


def _cell(
    rows: pd.DataFrame, choice: str, failure_class: str, service: str
) -> tuple[str, str, str, float, float, str]:
    mine = rows[rows["service"] == service]
    mine = mine[(mine["failure_class"] == failure_class) | (failure_class == "dependency")]
    ids = ", ".join(mine.loc[mine["weight"] >= 0.5, "incident_id"].drop_duplicates())
    return choice, failure_class, service, float(mine["weight"].sum()), float(mine["severity"].sum()), ids


def _text(summary: pd.DataFrame, as_of: pd.Timestamp, until: pd.Timestamp, count: int) -> str:
    if not count:
        return f"Nothing failed from {as_of:%Y-%m-%d} to {until:%Y-%m-%d}, or nobody wrote it down: nothing is revealed."
    by = summary.set_index("choice")
    followed = f"{plain_text.count(count, 'incident')} followed until {until:%Y-%m-%d}"
    return (
        f"Known until {as_of:%Y-%m-%d}; {followed}. The cells chosen then held "
        f"{by.loc['ours', 'incidents']:.1f} of them ({by.loc['ours', 'share']:.1%} of the severity), the most frequent ones "
        f"{by.loc['frequency', 'incidents']:.1f} ({by.loc['frequency', 'share']:.1%}), as many drawn by lot "
        f"{by.loc['random', 'incidents']:.2f} ({by.loc['random', 'share']:.1%}). One date is an anecdote: "
        "`resilience evaluate plan` takes many."
    )
