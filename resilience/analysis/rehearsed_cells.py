"""What a GameDay's failure class x service cells did before and after it. "After", never "because of".

Cells that failed most before fall anyway, and few cells hold enough incidents to show anything, so a verdict says
which of the three it is: supported, not distinguishable, not measurable.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd
import scipy

from . import claims, intervals
from .taxonomy import UNKNOWN

LEVEL = 0.05
LEAST_DAYS = 60  # of observation on either side
YEAR = 365.25
COLUMNS = [
    "failure_class", "service", "experiment_key", "before", "before_unknown", "before_low", "before_high",
    "after", "after_unknown", "after_low", "after_high", "verdict", "text",
]  # fmt: skip


@dataclass(frozen=True)
class Changes:
    """`table`: one row per cell touched, columns as `COLUMNS`.

    before and after: real incidents per year that struck the cell's service with its class as the likeliest; _unknown:
    how many more per year struck that service without a known class; low and high: 95 % of the rate. `text`: all
    cells together, the one comparison that was chosen in advance; single cells are exploratory.
    """

    table: pd.DataFrame
    text: str
    verdict: str


def changes(
    experiments: pd.DataFrame, targets: pd.DataFrame, incidents: pd.DataFrame, held_on: pd.Timestamp
) -> Changes:
    """Cells that the experiments which ran touch, up to the day `held_on` (UTC) and after it (`claims.after`).

    `incidents`: one row per real incident with started_at or detected_at, services (joined by ', ') and
    failure_class. Both sides reach as far as the archive does. Rates: Garwood; tests: the exact conditional test of
    two Poisson rates (Przyborowski and Wilenski 1940), over cells by Holm.
    """
    ran = experiments[experiments["fault_started_at"].notna()]
    cells = targets.merge(ran[["experiment_key", "failure_class"]], on="experiment_key")
    cells = cells[cells["failure_class"] != UNKNOWN]
    if cells.empty:
        return Changes(
            _empty(),
            "No experiment with a known class of failure ran, so no cell was touched.",
            "not measurable",
        )
    cells = (
        cells.groupby(["failure_class", "service"], sort=True)["experiment_key"]
        .agg(lambda keys: ", ".join(sorted(set(keys))))
        .reset_index()
    )
    at = incidents["started_at"].fillna(incidents["detected_at"])
    known = incidents[at.notna()].assign(at=at[at.notna()])
    if known.empty:
        return Changes(
            _empty(), "No real incident with a time is in the store: not measurable.", "not measurable"
        )
    split = claims.after(held_on)
    days = (
        max((split - known["at"].min()) / pd.Timedelta(days=1), 0.0),
        max((known["at"].max() - split) / pd.Timedelta(days=1), 0.0),
    )
    each = known[["incident_id", "at", "failure_class"]].assign(service=known["services"].str.split(", "))
    each = each.explode("service").drop_duplicates(["incident_id", "service"])
    rows = [_cell(cell, each, split, days) for cell in cells.itertuples()]
    _verdicts(rows, days)
    table = pd.DataFrame(rows)[COLUMNS]
    pairs = set(zip(cells["failure_class"], cells["service"], strict=True))
    hit = each[[pair in pairs for pair in zip(each["failure_class"], each["service"], strict=True)]]
    hit = hit.drop_duplicates("incident_id")
    counts = int((hit["at"] < split).sum()), int((hit["at"] >= split).sum())
    verdict = _verdict(counts, days, LEVEL)
    return Changes(table, _text(len(table), counts, days, verdict), verdict)


def _empty() -> pd.DataFrame:
    return pd.DataFrame(columns=list(COLUMNS))


def _cell(cell: Any, each: pd.DataFrame, split: pd.Timestamp, days: tuple[float, float]) -> dict[str, Any]:
    here = each[each["service"] == cell.service]
    row: dict[str, Any] = {
        "failure_class": cell.failure_class, "service": cell.service, "experiment_key": cell.experiment_key,
    }  # fmt: skip
    counts = []
    for side, there, span in (
        ("before", here["at"] < split, days[0]),
        ("after", here["at"] >= split, days[1]),
    ):
        count = int((there & (here["failure_class"] == cell.failure_class)).sum())
        unknown = int((there & (here["failure_class"] == UNKNOWN)).sum())
        per_year = YEAR / span if span else float("nan")
        low, high = intervals.poisson_count(count)
        row |= {
            side: count * per_year, f"{side}_unknown": unknown * per_year,
            f"{side}_low": low * per_year, f"{side}_high": high * per_year,
        }  # fmt: skip
        counts.append(count)
    return row | {"counts": tuple(counts)}


def _p_value(counts: tuple[int, int], days: tuple[float, float]) -> float:
    if not sum(counts):
        return 1.0
    return float(scipy.stats.binomtest(counts[1], sum(counts), days[1] / sum(days)).pvalue)


def _verdict(counts: tuple[int, int], days: tuple[float, float], level: float) -> str:
    """In words. Not measurable: even none at all afterwards would have been within chance, and so would what was seen."""
    if min(days) < LEAST_DAYS:
        return "not measurable"
    if _p_value(counts, days) <= level:
        fell = counts[1] / days[1] < counts[0] / days[0]
        return "supported: fewer after" if fell else "supported: more after"
    return "not distinguishable" if _p_value((counts[0], 0), days) <= level else "not measurable"


def _verdicts(rows: list[dict[str, Any]], days: tuple[float, float]) -> None:
    """Holm over the cells: the smallest p meets the strictest level, and the first that fails ends the claims."""
    order = sorted(rows, key=lambda row: _p_value(row["counts"], days))
    claimed = True
    for place, row in enumerate(order):
        level = LEVEL / (len(order) - place)
        found = _verdict(row["counts"], days, level)
        if found.startswith("supported") and not claimed:
            found = "not distinguishable"
        claimed = claimed and found.startswith("supported")
        before, after = row["counts"]
        row |= {"verdict": found, "text": f"{before} before, {after} after: {found}."}


def _text(cells: int, counts: tuple[int, int], days: tuple[float, float], verdict: str) -> str:
    before, after = (
        count * YEAR / span if span else float("nan") for count, span in zip(counts, days, strict=True)
    )
    head = (
        f"{cells} cell{'s' if cells != 1 else ''} of failure class x service touched. Real incidents in any of them: "
        f"{counts[0]} in the {days[0]:.0f} days before ({before:.1f} a year), {counts[1]} in the {days[1]:.0f} days after"
        + (f" ({after:.1f} a year)." if days[1] else ".")
    )
    why = {
        "not measurable": (
            f"Not measurable: it takes {LEAST_DAYS} days on either side, and enough incidents before that none after would "
            "stand out."
        ),
        "not distinguishable": "Not distinguishable: a difference like this is within what chance gives.",
    }.get(
        verdict,
        f"{verdict[0].upper()}{verdict[1:]}, not because of: cells that failed most fall anyway, seasons differ, and other "
        "work went on.",
    )
    return f"{head} {why}"
