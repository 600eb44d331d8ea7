"""Safe windows of several services side by side: when each may be tried, and at which hours of the week most may."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..errors import InputError
from .grid import SLOTS, hour_of_week
from .movement import owner
from .safe_windows import safe_windows


@dataclass(frozen=True)
class SafeHours:
    """`table`: one row per target, most safe starts first: target, n (starts looked at), n_safe, best_at (UTC), room (share

    of what the fault leaves that stays free then), closed_by (what closes most of the others), reason (why none was looked
    at). `hours`: one row per hour of the local week: hour_of_week, n (starts of all targets), safe (share of them).
    """

    table: pd.DataFrame
    hours: pd.DataFrame
    text: str


def safe_hours(
    load: pd.DataFrame,
    calendar: pd.DataFrame,
    *,
    zone: str,
    targets: Collection[str],
    minutes: float,
    **given: Any,
) -> SafeHours:
    """`safe_windows` for each of `targets` apart; the arguments are its own. Those it refuses say why."""
    of = load["scope"].map({scope: owner(scope) for scope in load["scope"].unique()})
    rows, starts = [], []
    for target in targets:
        row: dict[str, Any] = {"target": target, "n": 0, "n_safe": 0}
        try:
            found = safe_windows(
                load[of == target].reset_index(drop=True),
                calendar,
                zone=zone,
                targets=[target],
                minutes=minutes,
                **given,
            ).table
        except InputError as error:
            rows.append({**row, "reason": str(error)})
            continue
        starts.append(found[["starts_at", "safe"]])
        row |= {"n": len(found), "n_safe": int(found["safe"].sum())}
        if found["safe"].any():
            best = found.loc[found["room"].where(found["safe"]).idxmax()]
            row |= {"best_at": best["starts_at"], "room": float(best["room"])}
        if not found["safe"].all():
            row["closed_by"] = found["reason"].dropna().str.split(":").str[0].mode().iloc[0]
        rows.append(row)
    columns = ["target", "n", "n_safe", "best_at", "room", "closed_by", "reason"]
    table = pd.DataFrame(rows, columns=columns).astype(
        dict.fromkeys(("target", "closed_by", "reason"), "str")
    )
    table = table.astype({"room": float})
    table["best_at"] = pd.to_datetime(table["best_at"], utc=True).astype("datetime64[us, UTC]")
    table = table.sort_values(["n_safe", "target"], ascending=[False, True], ignore_index=True)
    return SafeHours(table, _hours(starts, zone), _text(table, zone, minutes))


def _hours(starts: list[pd.DataFrame], zone: str) -> pd.DataFrame:
    n, safe = np.zeros(SLOTS), np.zeros(SLOTS)
    for found in starts:
        hour = hour_of_week(found["starts_at"].astype("datetime64[us, UTC]").astype("int64").to_numpy(), zone)
        n += np.bincount(hour, minlength=SLOTS)
        safe += np.bincount(hour, found["safe"], minlength=SLOTS)
    share = np.divide(safe, n, out=np.full(SLOTS, np.nan), where=n > 0)
    return pd.DataFrame({"hour_of_week": np.arange(SLOTS), "n": n.astype(int), "safe": share})


def _text(table: pd.DataFrame, zone: str, minutes: float) -> str:
    looked = table[table["n"] > 0]
    if looked.empty:
        return "No window could be looked for: no target has enough ordinary weeks of load."
    able = looked[looked["n_safe"] > 0]
    says = f"A fault of {minutes:g} minutes is safe at some time on {len(able)} of {len(looked)} services"
    if len(able):
        row = able.iloc[0]
        at = row["best_at"].tz_convert(zone)
        says += f", most often on {row['target']} ({row['n_safe'] / row['n']:.0%} of starts; most room "
        says += f"{at:%A %Y-%m-%d %H:%M})"
    never = looked[looked["n_safe"] == 0]
    if len(never):
        says += f". Never on {', '.join(never['target'].head(3))}{' and others' if len(never) > 3 else ''}: "
        says += f"{never['closed_by'].mode().iloc[0]}"
    if left := len(table) - len(looked):
        says += f". {left} could not be judged"
    return says + ". Safe means: room left under the fault, somebody at hand, nothing closed, nothing open."
