"""What an incident cost in orders or requests: against the same hours of other weeks, with a range and what came back.

The range comes from doing the same to weeks in which nothing happened: how far such an estimate is off when there is
nothing to find (Abadie, Diamond and Hainmueller's placebo in time, 2010).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..errors import InputError
from .grid import HOUR_US, MONDAY_US, WEEK_US, Grid, Spans, local, micros, read
from .movement import service_of
from .trend import folded

WEEKS = 8  # weeks before, and as many after, that say what would have been
MIN_WEEKS = 5
BEFORE_H, AFTER_H = (
    24,
    24,
)  # hours just before say how high the level stood; what comes back comes within as many after
_ENOUGH = 0.8
_NUMBERS = (
    "expected", "actual", "lost", "lost_low", "lost_high", "lost_pct", "came_back", "came_back_low", "came_back_high", "net",
)  # fmt: skip


@dataclass(frozen=True)
class Impact:
    """`table`: one row per incident and scope of its services, those that lost most first.

    incident_id, scope, service, started_at, ended_at; n (intervals that the incident touches), n_missing (of them without a
    value: not counted as zero, nor at all); expected and actual (sums over the others), lost (expected - actual; below 0
    more came than expected), lost_low, lost_high (95 %), lost_pct; came_back (more than expected within the 24 hours after),
    came_back_low, came_back_high; net (lost - came_back); n_weeks (that it was compared with); verdict (lost, more than
    usual, not distinguishable, not measured); reason (why not measured).
    """

    table: pd.DataFrame
    text: str


def impact(
    series: pd.DataFrame,
    incidents: pd.DataFrame,
    zone: str,
    *,
    metric: str,
    exclude: Spans | None = None,
    weeks: int = WEEKS,
) -> Impact:
    """What each of `incidents` (rows of that table: started_at, mitigated_at or resolved_at, services) cost in `metric`.

    Expected is the median, over `weeks` before and after, of the same local hours, each scaled by how the 24 hours before
    compare. `metric` must be a count per interval (orders, requests). `exclude`: other incidents, sales, holidays: they
    are no baseline; the incident itself may be among them. An interval that the incident only touches counts wholly.
    Incidents without start, end or a service with a series are listed with the reason. Raises InputError where the metric
    is no count.
    """
    found = read(series, metric, None, exclude)
    if found.rollup not in ("sum", "count"):
        raise InputError(
            f"{metric} is no count (its points are {found.rollup}): it cannot be summed.",
            remedy="Give orders or requests as counts.",
        )
    tables = {service_of(g.scope) or g.scope: (g, *_flat(g, zone)) for g in found.grids}
    rows: list[dict[str, object]] = []
    for incident in incidents.itertuples():
        end = incident.mitigated_at if pd.notna(incident.mitigated_at) else incident.resolved_at
        about = {"incident_id": incident.incident_id, "started_at": incident.started_at, "ended_at": end}
        named = [] if pd.isna(incident.services) else str(incident.services).split(", ")
        having = [tables[name] for name in named if name in tables]
        if pd.isna(incident.started_at) or pd.isna(end) or not end > incident.started_at:
            rows.append({**about, "reason": "its start or its end is not known"})
        elif not having:
            rows.append({**about, "reason": f"none of its services has a series of {metric}"})
        else:
            span = micros(incident.started_at), micros(end)
            rows += [
                {**about, **_one(grid, values, kept, first, zone, span, weeks)}
                for grid, values, kept, first in having
            ]
    columns = [
        "incident_id", "scope", "service", "started_at", "ended_at", "n", "n_missing", *_NUMBERS, "n_weeks", "verdict",
        "reason",
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=columns)
    table["verdict"] = table["verdict"].astype(object).fillna("not measured")
    table = table.astype(dict.fromkeys(("incident_id", "scope", "service", "verdict", "reason"), "str"))
    table = table.astype(
        {**dict.fromkeys(_NUMBERS, float), **dict.fromkeys(("n", "n_missing", "n_weeks"), "Int64")}
    )
    for name in ("started_at", "ended_at"):
        table[name] = pd.to_datetime(table[name], utc=True).astype("datetime64[us, UTC]")
    table = table.sort_values(
        ["lost", "incident_id", "scope"], ascending=[False, True, True], ignore_index=True
    )
    return Impact(table, _text(table, metric) + found.aside)


def _flat(grid: Grid, zone: str) -> tuple[np.ndarray, np.ndarray, int]:
    """All values and the ordinary ones by local slot, one after the other, and the slot of the first since 1970."""
    weeks, kept = folded(grid, zone)
    _, values = folded(Grid(grid.scope, grid.start_us, grid.step_us, grid.value), zone)
    return values.ravel(), kept.ravel(), int(weeks[0]) * kept.shape[1]


def _one(
    grid: Grid, values: np.ndarray, kept: np.ndarray, first: int, zone: str, span: tuple[int, int], weeks: int
) -> dict[str, object]:
    step, per_week = grid.step_us, WEEK_US // grid.step_us
    begin, end = ((local(np.array([at]), zone)[0] + MONDAY_US) for at in span)
    low, high = int(begin // step) - first, int(-(-end // step)) - first
    row: dict[str, object] = {
        "scope": grid.scope,
        "service": service_of(grid.scope),
        "n": high - low,
        "n_missing": high - low,
    }
    if low < 0 or high > len(values):
        return {**row, "reason": "the series does not reach over it"}
    during = np.arange(low, high)
    per_hour = HOUR_US / step
    before = np.arange(low - max(1, round(BEFORE_H * per_hour)), low)
    after = np.arange(high, high + max(1, round(AFTER_H * per_hour)))
    there = ~np.isnan(values[during])
    row["n_missing"] = int((~there).sum())
    if there.mean() < 0.5:
        return {**row, "reason": "too little was recorded during it"}
    shifts = per_week * np.r_[-np.arange(1, weeks + 1), np.arange(1, weeks + 1)]
    shifts = shifts[np.abs(shifts) >= len(during)]  # a week that it reaches into is no week without it
    before = before[~np.isnan(_take(kept, before))]
    after = after[~np.isnan(_take(kept, after))]
    if len(before) < 0.5 * BEFORE_H * per_hour:
        return {**row, "reason": "too little is known of the hours before it"}
    lost = _against(kept, values, during[there], before, shifts)
    if lost is None:
        return {**row, "reason": f"fewer than {MIN_WEEKS} ordinary weeks to compare with"}
    actual, expected, sd, n = lost
    spread = _quantile(n) * sd
    bounds = expected * np.exp(-spread) - actual, expected * np.exp(spread) - actual
    verdict = "lost" if bounds[0] > 0 else "more than usual" if bounds[1] < 0 else "not distinguishable"
    row |= {
        "expected": expected, "actual": actual, "lost": expected - actual, "lost_low": bounds[0], "lost_high": bounds[1],
        "lost_pct": 100 * (1 - actual / expected), "n_weeks": n, "verdict": verdict,
    }  # fmt: skip
    later = _against(kept, kept, after, before, shifts) if len(after) else None
    if later is not None:
        actual, expected, sd, n = later
        spread = _quantile(n) * sd
        row |= {
            "came_back": actual - expected, "came_back_low": actual - expected * np.exp(spread),
            "came_back_high": actual - expected * np.exp(-spread),
        }  # fmt: skip
        row["net"] = float(row["lost"]) - (actual - expected)  # type: ignore[arg-type]
    return row


def _take(values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """`values` at `at`, NaN outside."""
    inside = (at >= 0) & (at < len(values))
    return np.where(inside, values[np.where(inside, at, 0)], np.nan)


def _against(
    kept: np.ndarray, values: np.ndarray, asked: np.ndarray, before: np.ndarray, shifts: np.ndarray
) -> tuple[float, float, float, int] | None:
    """Sum over `asked`, its expectation, the deviation of its logarithm, and how many weeks said so; None with too few."""
    windows = (
        np.stack([_take(kept, asked + shift) for shift in shifts])
        if len(shifts)
        else np.zeros((0, len(asked)))
    )
    levels = (
        np.stack([_take(kept, before + shift) for shift in shifts])
        if len(shifts)
        else np.zeros((0, len(before)))
    )
    enough = ((~np.isnan(windows)).mean(axis=1) >= _ENOUGH) & ((~np.isnan(levels)).mean(axis=1) >= _ENOUGH)
    now = _take(kept, before)
    ratio, level = [], []
    for window, lead in zip(windows[enough], levels[enough], strict=True):
        both = ~np.isnan(lead)
        w = ~np.isnan(window)
        # of what a neighbour lacks, its own present share stands for the rest
        total = np.sum(window[w]) * len(window) / w.sum()
        ratio.append(total / np.sum(lead[both]) if np.sum(lead[both]) > 0 else np.nan)
        level.append(np.sum(now[both]) / both.mean())
    ratios, scale = np.array(ratio), float(np.median(level)) if level else 0.0
    ratios = ratios[np.isfinite(ratios) & (ratios > 0)]
    if len(ratios) < MIN_WEEKS or not scale > 0:
        return None
    others = np.array([np.median(np.delete(ratios, i)) for i in range(len(ratios))])
    sd = float(np.sqrt(np.mean(np.square(np.log(ratios / others)))))
    return float(values[asked].sum()), float(np.median(ratios)) * scale, max(sd, 1e-9), len(ratios)


def _quantile(n: int) -> float:
    from scipy.stats import t

    return float(t.ppf(0.975, n - 1))


def _rough(count: float) -> str:
    """A count to three digits: the range beside it says that more would be false."""
    return f"{float(f'{count:.3g}'):,.0f}"


def _text(table: pd.DataFrame, metric: str) -> str:
    if table.empty:
        return "There is no incident to measure."
    counts = table["verdict"].value_counts()
    lost, level, more, none = (
        int(counts.get(v, 0)) for v in ("lost", "not distinguishable", "more than usual", "not measured")
    )
    says = f"Of {len(table)} cases (one incident on one service), {metric} fell below what its hours usually bring "
    says += f"in {lost} (by chance alone in about {0.025 * (len(table) - none):.0f})"
    says += f"; in {level} no fall can be told from chance"
    says += f"; in {more} it rose above" if more else ""
    says += f"; {none} could not be measured" if none else ""
    if lost:
        row = table[table["verdict"] == "lost"].iloc[0]
        says += (
            f". Most: {row['incident_id']} on {row['service'] if pd.notna(row['service']) else row['scope']}, "
            f"{_rough(row['lost'])} ({_rough(row['lost_low'])} to {_rough(row['lost_high'])}) lost, {row['lost_pct']:.0f} % "
            "of what was expected"
        )
        if pd.notna(row["came_back"]):
            low, high = row["came_back_low"], row["came_back_high"]
            back = (
                f"about {_rough(row['came_back'])} ({_rough(low)} to {_rough(high)}) came back"
                if low > 0
                else "none of it came back "
            )
            says += f"; {back}{'' if low > 0 else 'that could be told from chance'} within {AFTER_H} hours"
    return (
        says
        + ". What several services lost in one incident overlaps where they call one another: it is not added up."
    )
