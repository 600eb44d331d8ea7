"""What if an instance were lost, or the load were k times as high: the last ordinary weeks replayed on what is left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..errors import InputError
from .grid import SLOTS, WEEK_US, Grid, Spans, hour_of_week, read
from .movement import how_many, service_of

WEEKS = 8
MIN_WEEKS = 2


@dataclass(frozen=True)
class WhatIf:
    """`table`: one row per scope, those that break first, then by share used.

    scope, service; limit (load per interval that it carries); at_least (true where the limit is only the highest load seen
    to be carried); capacity (what is left of it); peak (highest load of the weeks replayed, times k); used (peak /
    capacity); state (holds, breaks, not known); n (intervals replayed), n_over (of them beyond the capacity);
    over_min_per_week, over_least, over_most (minutes beyond it in the median, the best and the worst week); worst_hour
    (hour of the local week that is beyond it most often, 0 is Monday 00:00); carries_times (the most k at which nothing was
    beyond, of the load as it was); reason (why not known). `times`: the k that was asked.
    """

    table: pd.DataFrame
    text: str
    times: float


def what_if(
    series: pd.DataFrame,
    zone: str,
    *,
    metric: str,
    limits: Mapping[str, float],
    at_least: Iterable[str] = (),
    times: float = 1.0,
    lost: float = 0.0,
    instances: int | Mapping[str, int] | None = None,
    exclude: Spans | None = None,
    weeks: int = WEEKS,
) -> WhatIf:
    """The last `weeks` ordinary weeks of `metric` with `times` their load on what is left of each scope's capacity.

    `limits`: service or scope -> load per interval that it carries; `at_least`: those of which only the highest load
    carried is known, so that what lies beyond is not known rather than broken. `lost`: share of capacity that is gone;
    `instances`: how many there are (one number, or by service), of which one is gone (N-1): then 1/N is lost, where load
    is spread evenly and N - 1 carry (N - 1)/N of it. Nothing is modelled: load that the fault itself brings (retries,
    failover of others) is not in it. Raises InputError for arguments that make no sense.
    """
    if not (times > 0 and np.isfinite(times) and 0 <= lost < 1):
        raise InputError(
            f"{times:g} times the load with {lost:.0%} of capacity lost is no question.",
            remedy="Give times above 0, and a share lost from 0 to below 1.",
        )
    if instances is not None and lost:
        raise InputError("Both a lost share and a number of instances are given.", remedy="Give one of them.")
    found = read(series, metric, None, exclude)
    vague = set(at_least)
    rows = []
    for grid in found.grids:
        service = service_of(grid.scope)
        names = (grid.scope, service or "")
        limit = float(next((limits[n] for n in names if n in limits), np.nan))
        count = (
            next((instances[n] for n in names if n in instances), None)
            if isinstance(instances, Mapping)
            else instances
        )
        rows.append(
            _one(
                grid, service, zone, limit, not vague.isdisjoint(names), times, lost, count, instances, weeks
            )
        )
    table = pd.DataFrame(rows).astype(
        {"scope": "str", "service": "str", "reason": "str", "worst_hour": "Int64"}
    )
    rank = table["state"].map(["breaks", "not known", "holds"].index)
    table = table.assign(rank=rank).sort_values(["rank", "used", "scope"], ascending=[True, False, True])
    table = table.drop(columns="rank").reset_index(drop=True)
    return WhatIf(table, _text(table, metric, times, lost, instances, weeks) + found.aside, times)


def _one(
    grid: Grid, service: str | None, zone: str, limit: float, vague: bool, times: float, lost: float,
    count: int | None, instances: object, weeks: int,
) -> dict[str, object]:  # fmt: skip
    row: dict[str, object] = {
        "scope": grid.scope, "service": service, "limit": limit, "at_least": vague, "capacity": np.nan, "peak": np.nan,
        "used": np.nan, "state": "not known", "n": 0, "n_over": 0, "over_min_per_week": np.nan, "over_least": np.nan,
        "over_most": np.nan, "worst_hour": None, "carries_times": np.nan, "reason": None,
    }  # fmt: skip
    if not limit > 0:
        return {**row, "reason": "what it carries is not known"}
    if instances is not None and (count is None or count < 2):
        why = (
            "how many instances it has is not known"
            if count is None
            else "without its only instance nothing is left"
        )
        state = "not known" if count is None else "breaks"
        return {**row, "state": state, "reason": why}
    capacity = limit * (1 - (lost if count is None else 1 / count))
    value, week, edges = _last(grid, weeks)
    if not len(value):
        return {**row, "capacity": capacity, "reason": f"fewer than {MIN_WEEKS} ordinary weeks"}
    over = value * times > capacity
    minutes = grid.step_us / 6e7 * np.array([over[week == w].sum() for w in np.unique(week)])
    peak = float(value.max())
    hours = np.bincount(hour_of_week(edges[over], zone), minlength=SLOTS) if over.any() else None
    unsure = vague and bool(over.any())
    return {
        **row, "capacity": capacity, "peak": peak * times, "used": peak * times / capacity, "n": len(value),
        "n_over": int(over.sum()), "state": "not known" if unsure else "breaks" if over.any() else "holds",
        "over_min_per_week": float(np.median(minutes)), "over_least": float(minutes.min()),
        "over_most": float(minutes.max()), "worst_hour": None if hours is None else int(hours.argmax()),
        "carries_times": capacity / peak if peak > 0 else np.nan,
        "reason": "beyond the highest load that it was seen to carry" if unsure else None,
    }  # fmt: skip


def _last(grid: Grid, weeks: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values, week (0 the last) and edges of the last `weeks` stretches of seven days that are mostly there."""
    back = (grid.end_us - grid.edges) // WEEK_US
    there = ~np.isnan(grid.kept)
    n = np.bincount(back[there], minlength=int(back.max()) + 1)
    whole = np.flatnonzero(n >= 0.5 * WEEK_US / grid.step_us)[:weeks]
    if len(whole) < MIN_WEEKS:
        return np.zeros(0), np.zeros(0), np.zeros(0)
    used = there & np.isin(back, whole)
    return grid.kept[used], back[used], grid.edges[used]


def _text(table: pd.DataFrame, metric: str, times: float, lost: float, instances: object, weeks: int) -> str:
    asked = f"{times:g} times the load" if times != 1 else "the load as it was"
    gone = (
        "one instance less"
        if instances is not None
        else f"{lost:.0%} of capacity gone"
        if lost
        else "all capacity"
    )
    counts = table["state"].value_counts()
    breaks, holds, unknown = (int(counts.get(s, 0)) for s in ("breaks", "holds", "not known"))
    says = f"With {asked} and {gone}, in the last {weeks} ordinary weeks {breaks} of {how_many(table['scope'])} of {metric} "
    says += f"would have been asked for more than they carry, {holds} not"
    says += f"; of {unknown} it is not known" if unknown else ""
    worst = table[(table["state"] == "breaks") & table["used"].notna()]
    if len(worst):
        row = worst.iloc[0]
        says += f". Most: {row['service'] if pd.notna(row['service']) else row['scope']}, {row['used']:.0%} at its peak, "
        says += (
            f"{row['over_min_per_week']:.0f} minutes beyond in the median week ({row['over_least']:.0f} to "
        )
        says += f"{row['over_most']:.0f})"
    return says + ". Retries and failover that a fault brings are not in it."
