"""Times of drills: every experiment a dot, unsolved ones kept, informed and uninformed never pooled.

Heroes who are told that something fails detect nothing: an informed drill has an alert delay, a time to diagnose and a
time to mitigate, and no time to detect.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..errors import InputError, RefusedError
from . import survival
from .clocks import MIN_N

CLOCKS = {"alert": "alerted", "diagnose": "diagnosed", "mitigate": "mitigated"}
"""Clock -> the moment that ends it; all begin when the fault was injected."""

_RAN = ("solved", "workaround", "not_solved", "aborted")
_TITLES = {"alert": "Alert delay", "diagnose": "Time to diagnose", "mitigate": "Time to mitigate"}


@dataclass(frozen=True)
class DrillTimes:
    """`table`: one row per experiment that ran: gameday_id, experiment_key, title, style, environment, outcome, planned_min,
    minutes (null where it did not happen), lasted_min (how long it has been seen not to), over. `curve`: share not over
    by then, per style, as `survival.curve`, up to the longest time box. `text`: per style, what half of them took."""

    table: pd.DataFrame
    curve: pd.DataFrame
    clock: str
    text: str


def times(
    gamedays: pd.DataFrame,
    experiments: pd.DataFrame,
    events: pd.DataFrame,
    clock: str = "mitigate",
    style: str | None = None,
) -> DrillTimes:
    """Minutes from the fault to the first alert, diagnosis or mitigation of each experiment, and survival to the time box.

    What did not happen within the box counts as having lasted the box. `style` picks informed or uninformed; without it
    both are shown, apart. Raises RefusedError for "detect" of informed drills, InputError for another clock.
    """
    if clock == "detect":
        if style != "uninformed":
            raise RefusedError(
                "Informed drills have no time to detect: the heroes are told that something fails.",
                remedy=f"Ask for {', '.join(CLOCKS)}, or choose uninformed drills.",
            )
        clock = "alert"
    if clock not in CLOCKS:
        raise InputError(f"There is no clock {clock!r} for drills.", remedy=f"Clocks: {', '.join(CLOCKS)}.")
    rows = experiments[experiments["outcome"].isin(_RAN) & experiments["fault_started_at"].notna()]
    rows = rows.merge(gamedays[["gameday_id", "style"]], on="gameday_id")
    if style is not None:
        rows = rows[rows["style"] == style]
    key = ["gameday_id", "experiment_key"]
    first = events[events["moment"] == CLOCKS[clock]].groupby(key)["at"].min().rename("ended_at")
    rows = rows.join(first, on=key)
    rows["ended_at"] = pd.to_datetime(rows["ended_at"], utc=True)  # none at all has no type
    took = (rows["ended_at"] - rows["fault_started_at"]).dt.total_seconds() / 60
    inside = took.notna() & (took >= 0) & (took <= rows["planned_min"])
    if clock == "mitigate":
        inside &= rows["outcome"].isin(("solved", "workaround"))
    columns = [*key, "title", "style", "environment", "outcome", "planned_min"]
    table = rows[columns].assign(
        minutes=took.where(inside), lasted_min=took.where(inside, rows["planned_min"]), over=inside
    )
    table = table.sort_values(["style", *key], ignore_index=True)
    curves, says = [], []
    for name, part in table.groupby("style", sort=True):
        curves.append(survival.curve(part["lasted_min"], part["over"]).assign(style=name))
        says.append(_text(str(name), part, clock))
    empty = survival.curve([], []).assign(style=pd.Series(dtype="str"))
    return DrillTimes(table, pd.concat(curves, ignore_index=True) if curves else empty.iloc[:0], clock, " ".join(says) or (
        "No experiment ran: there are no drill times."
    ))  # fmt: skip


def _text(style: str, part: pd.DataFrame, clock: str) -> str:
    n, kept = len(part), int((~part["over"]).sum())
    half = survival.median(part["lasted_min"], part["over"])
    said = (
        "half of them not within the time box"
        if np.isinf(half.median)
        else f"half within {half.median:.0f} min"
    )
    sure = ""
    if n >= MIN_N:
        ends = ["not reached" if np.isinf(v) else f"{v:.0f}" for v in (half.low, half.high)]
        sure = f" (95 % interval {ends[0]} to {ends[1]} min)"
    left = f"; {kept} not within the box, kept" if kept else ""
    return f"{_TITLES[clock]}, {style} drills: {n} experiments, {said}{sure}{left}."
