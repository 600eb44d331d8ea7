"""The clocks: one definition each, every duration with its basis, and what may be asked of a drill.

docs/decisions/0003-clocks.md says why.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..errors import InputError, RefusedError

MIN_N = 10  # below this: the points, no interval (METHODS: "Under n 10: dots")
FLOOR_MIN = 0.5  # what a recorded zero stands for in logs: reports are written to the minute
BEYOND = "open longer than the archive"
_LATER = {
    "acknowledged_at": ("mitigated_at", "resolved_at"),
    "mitigated_at": ("resolved_at",),
    "resolved_at": (),
}


@dataclass(frozen=True)
class Clock:
    """One definition of a duration, in minutes: `end` - `start`. `stated` is the report's own figure, if it has one."""

    name: str
    title: str
    start: str
    end: str
    definition: str
    stated: str | None = None


CLOCKS = {
    clock.name: clock
    for clock in (
        Clock(
            "detect", "Time to detect", "started_at", "detected_at", "detected - started", "stated_detect_min"
        ),
        Clock(
            "acknowledge", "Time to acknowledge", "detected_at", "acknowledged_at", "acknowledged - detected"
        ),
        Clock("mitigate", "Time to mitigate", "started_at", "mitigated_at", "mitigated - started"),
        Clock(
            "restore",
            "Time to restore",
            "started_at",
            "resolved_at",
            "resolved - started",
            "stated_restore_min",
        ),
        Clock(
            "repair",
            "Time to repair",
            "detected_at",
            "mitigated_at",
            "mitigated - detected",
            "stated_repair_min",
        ),
        Clock(
            "inform",
            "Time to inform",
            "detected_at",
            "informed_at",
            "first message to an audience - detected",
        ),
    )
}


def durations(incidents: pd.DataFrame, clock: str) -> pd.DataFrame:
    """One row per row of `incidents`, in its order and with its index: the minutes on `clock`, or why there are none.

    Columns: incident_id; minutes; basis ('derived' from timestamps, which wins, or 'stated' by the report, or null);
    open (begun, and neither its end nor anything later is recorded: still running, or never written down);
    reason (why minutes is null); stated_min (what the report states, kept beside). One that is open since before the
    first with a duration began is open longer than the archive, and `reason` says so. A negative duration is not used,
    nor the stated figure beside it: the report contradicts itself, and which half is wrong is not ours to pick.
    """
    which = clock_of(clock)
    absent = [name for name in (which.start, which.end) if name not in incidents]
    if absent:
        raise InputError(
            f"{which.title} needs {', '.join(absent)}, which these rows do not have.",
            remedy="Join the messages first: times.informed(incidents, messages)."
            if which.name == "inform"
            else "Give rows of the table incidents.",
        )
    start, end = incidents[which.start], incidents[which.end]
    derived = (end - start).dt.total_seconds() / 60
    stated = (
        incidents[which.stated]
        if which.stated and which.stated in incidents
        else pd.Series(np.nan, index=incidents.index)
    )
    finite = stated.where(np.isfinite(stated) & (stated >= 0))
    negative = derived < 0
    minutes = derived.fillna(finite).mask(negative)
    basis = np.select([minutes.isna(), derived.notna()], ["", "derived"], "stated")
    no_later = incidents[[c for c in _LATER.get(which.end, ()) if c in incidents]].isna().all(axis=1)
    unfinished = start.notna() & end.isna() & no_later & minutes.isna() & (which.end in _LATER)
    first = start[minutes.notna()].min()  # of those with a duration: here the archive begins
    before_all = unfinished & (start < first) if pd.notna(first) else unfinished & False
    word = {"at": which.start.removesuffix("_at"), "to": which.end.removesuffix("_at")}
    reason = np.select(
        [minutes.notna(), negative, before_all, unfinished, start.isna() & end.isna(), start.isna()],
        [
            "",
            "negative",
            BEYOND,
            "open",
            f"{word['at']} and {word['to']} not recorded",
            f"{word['at']} not recorded",
        ],
        f"{word['to']} not recorded",
    )
    table = {
        "incident_id": incidents["incident_id"],
        "minutes": minutes.astype(float),
        "basis": pd.Series(basis, index=incidents.index, dtype="str").replace("", None),
        "open": unfinished.astype(bool),
        "reason": pd.Series(reason, index=incidents.index, dtype="str").replace("", None),
        "stated_min": stated.astype(float),
    }
    return pd.DataFrame(table, index=incidents.index)


def clock_of(name: str) -> Clock:
    if name not in CLOCKS:
        raise InputError(f"There is no clock '{name}'.", remedy=f"Clocks: {', '.join(CLOCKS)}.")
    return CLOCKS[name]


def refuse_pooling(frame: pd.DataFrame, clock: Clock, names: list[str]) -> None:
    kinds = sorted(frame["kind"].dropna().unique())
    if len(kinds) > 1 and "kind" not in names:
        raise RefusedError(
            f"{', '.join(kinds)} would be pooled: heroes of a drill know where to look and have a time box, so its "
            "times are not those of an incident.",
            remedy="Choose one kind, or group by kind.",
        )
    drill = frame[frame["kind"] == "drill"]
    uninformed = "style" in drill and bool((drill["style"] == "uninformed").all())
    if clock.name == "detect" and len(drill) and not uninformed:
        raise RefusedError(
            "A drill has no time to detect unless it was uninformed: the heroes are told that something fails.",
            remedy="Ask for alert delay, time to diagnose or to mitigate (`drills.times`), or join the GameDay's `style` "
            "and choose uninformed drills.",
        )
    if "style" in drill and len(drill["style"].unique()) > 1 and "style" not in names:
        raise RefusedError(
            "Informed and uninformed drills would be pooled: only one of them was warned.",
            remedy="Choose one style, or group by style.",
        )


def minutes(value: float) -> str:
    """`value` minutes as people say it: '42 min', '3.5 h', '11 days'; 'unknown' where null."""
    if not np.isfinite(value):
        return "unknown"
    if value < 120:
        return f"{value:.0f} min" if value >= 10 or value == round(value) else f"{value:.1f} min"
    return f"{value / 60:.1f} h" if value < 2880 else f"{value / 1440:.1f} days"
