"""How long incidents take: one definition per clock, every duration with its basis, every summary with its gate.

Left for later, on purpose: the clock "inform", Kaplan-Meier for open incidents, and claims about change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..errors import InputError, RefusedError
from . import intervals, linking

MIN_N = 10  # below this: the points, no interval (METHODS: "Under n 10: dots")
FLOOR_MIN = 0.5  # what a recorded zero stands for in logs: reports are written to the minute
NOT_STATED = "(not stated)"
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
    )
}


@dataclass(frozen=True)
class Times:
    """Durations summarised. `table`: one row per group, minutes; a null interval is one that was not earned.

    Columns: group, n (used), n_open, n_missing, missing_reasons, n_stated (of n, taken from the report's own figure),
    n_zero (of n, recorded as 0: counted as half a minute in logs), total_min, and for median, geomean and mean
    `*_min`, `*_low`, `*_high` (95 %). `text`: the finding in a sentence or two. `clock`: its definition.
    """

    table: pd.DataFrame
    text: str
    clock: Clock


def durations(incidents: pd.DataFrame, clock: str) -> pd.DataFrame:
    """One row per row of `incidents`, in its order and with its index: the minutes on `clock`, or why there are none.

    Columns: incident_id; minutes; basis ('derived' from timestamps, which wins, or 'stated' by the report, or null);
    open (begun, and neither its end nor anything later is recorded: still running, or never written down);
    reason (why minutes is null); stated_min (what the report states, kept beside). A negative duration is not used,
    nor the stated figure beside it: the report contradicts itself, and which half is wrong is not ours to pick.
    """
    which = _clock(clock)
    start, end = incidents[which.start], incidents[which.end]
    derived = (end - start).dt.total_seconds() / 60
    stated = incidents[which.stated] if which.stated else pd.Series(np.nan, index=incidents.index)
    finite = stated.where(np.isfinite(stated) & (stated >= 0))
    negative = derived < 0
    minutes = derived.fillna(finite).mask(negative)
    basis = np.select([minutes.isna(), derived.notna()], ["", "derived"], "stated")
    no_later = incidents[[*_LATER.get(which.end, ())]].isna().all(axis=1)
    unfinished = start.notna() & end.isna() & no_later & minutes.isna() & (which.end in _LATER)
    word = {"at": which.start.removesuffix("_at"), "to": which.end.removesuffix("_at")}
    reason = np.select(
        [minutes.notna(), negative, unfinished, start.isna() & end.isna(), start.isna()],
        ["", "negative", "open", f"{word['at']} and {word['to']} not recorded", f"{word['at']} not recorded"],
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


def summarise(
    incidents: pd.DataFrame, clock: str, by: str | Sequence[str] | None = None, stated: bool = True
) -> Times:
    """Median, geometric mean and mean on `clock`, per group of the column(s) `by`, each with a 95 % interval or none.

    `incidents` has the columns of the table of that name, plus whatever `by` names: 'severity', 'kind', or a joined
    'service', 'cause', 'team'; 'quarter' is made here from started_at (UTC) where it is not joined. With services the
    caller gives one row per incident and service; counts then overlap and the text says so. `stated=False` uses
    timestamps only. Intervals need n >= 10; the mean's also that a lognormal fits (`intervals.lognormal_fits`).
    Raises RefusedError where real incidents, drills and tests would be pooled, where a drill is asked for its time
    to detect, and where an incident would be counted twice; InputError for an unknown clock or column.
    """
    which = _clock(clock)
    names = [by] if isinstance(by, str) else list(by or ())
    frame = incidents.reset_index(drop=True)
    if "quarter" in names and "quarter" not in frame:
        frame = frame.assign(quarter=frame["started_at"].dt.tz_localize(None).dt.to_period("Q").astype("str"))
        frame["quarter"] = frame["quarter"].mask(frame["started_at"].isna())
    absent = [name for name in names if name not in frame]
    if absent:
        raise InputError(
            f"There is no column {', '.join(absent)} to group by.", remedy="Join it to the incidents first."
        )
    _refuse_pooling(frame, which, names)
    group = pd.Series("all", index=frame.index, dtype="str")
    if names:
        group = frame[names].astype("str").fillna(NOT_STATED).agg(" / ".join, axis=1)
    repeated = pd.DataFrame({"group": group, "id": frame["incident_id"]}).duplicated()
    if repeated.any():
        first = frame.loc[repeated, "incident_id"].iloc[0]
        raise RefusedError(
            f"{int(repeated.sum())} row(s) repeat an incident within a group, first {first}.",
            remedy="One row per incident, or group by what the rows were split by, such as service.",
        )
    found = durations(frame, clock)
    if not stated:
        taken = found["basis"] == "stated"
        found.loc[taken, ["minutes", "basis"]] = [np.nan, None]
        found.loc[taken, "reason"] = "stated only"
    rows = [{"group": str(name), **_row(part)} for name, part in found.groupby(group, sort=True)]
    columns = ["group", *_row(found.iloc[:0])]
    table = pd.DataFrame(rows, columns=columns)
    return Times(table, _text(table, frame, which, names), which)


def _clock(name: str) -> Clock:
    if name not in CLOCKS:
        raise InputError(f"There is no clock '{name}'.", remedy=f"Clocks: {', '.join(CLOCKS)}.")
    return CLOCKS[name]


def _refuse_pooling(frame: pd.DataFrame, clock: Clock, names: list[str]) -> None:
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
            remedy="Ask for acknowledge or mitigate, or join the GameDay's `style` and choose uninformed drills.",
        )
    if "style" in drill and len(drill["style"].unique()) > 1 and "style" not in names:
        raise RefusedError(
            "Informed and uninformed drills would be pooled: only one of them was warned.",
            remedy="Choose one style, or group by style.",
        )


def _row(found: pd.DataFrame) -> dict[str, object]:
    used = found.loc[found["minutes"].notna(), "minutes"].to_numpy(dtype=float)
    missing = found.loc[found["minutes"].isna() & ~found["open"], "reason"].value_counts().sort_index()
    row: dict[str, object] = {
        "n": len(used),
        "n_open": int(found["open"].sum()),
        "n_missing": int(missing.sum()),
        "missing_reasons": "; ".join(f"{reason}: {count}" for reason, count in missing.items()),
        "n_stated": int((found["basis"] == "stated").sum()),
        "n_zero": int((used == 0).sum()),
        "total_min": float(used.sum()) if len(used) else np.nan,
    }
    for name, (point, (low, high)) in _points(used).items():
        row |= {f"{name}_min": point, f"{name}_low": low, f"{name}_high": high}
    return row


def _points(used: np.ndarray) -> dict[str, tuple[float, intervals.Interval]]:
    none = intervals.NONE
    if not len(used):
        return dict.fromkeys(("median", "geomean", "mean"), (np.nan, none))
    above = np.where(used == 0, FLOOR_MIN, used)
    earned = len(used) >= MIN_N and bool(np.ptp(used) > 0)  # equal values have no spread to infer from
    fits = earned and intervals.lognormal_fits(above)
    return {
        "median": (float(np.median(used)), intervals.median(used) if earned else none),
        "geomean": (float(np.exp(np.log(above).mean())), intervals.geometric_mean(above) if earned else none),
        "mean": (float(used.mean()), intervals.lognormal_mean(above) if fits else none),
    }


def _text(table: pd.DataFrame, frame: pd.DataFrame, clock: Clock, names: list[str]) -> str:
    kinds = {"real": "incidents", "drill": "drills", "test": "tests"}
    present = [kinds[k] for k in sorted(frame["kind"].dropna().unique(), key=list(kinds).index)]
    what = " and ".join(present) or "incidents"
    total, n = frame["incident_id"].nunique(), int(table["n"].sum())
    head = f"{clock.title} ({clock.definition})"
    if n == 0:
        says = [f"{head}: none of {total} {what} has a usable duration."]
    elif names:
        thin = int((table["n"] < MIN_N).sum())
        words = " and ".join(
            {"detected_by": "who found it", "cause": "failure class"}.get(n, n) for n in names
        )
        says = [f"{head} of {total} {what} by {words}: {len(table)} groups."]
        if thin:
            says.append(
                f"{thin} of them hold fewer than {MIN_N} durations: read them as single cases, not as averages."
            )
        if frame["incident_id"].duplicated().any():
            says.append(
                f"An incident can stand in several groups, so counts overlap and do not add up to {total}."
            )
    else:
        row = table.iloc[0]
        sure = f"95 % interval {minutes(row['median_low'])} to {minutes(row['median_high'])}"
        if np.isnan(row["median_low"]):
            sure = "no interval: too few to say how sure" if n < MIN_N else "no interval: all are equal"
        says = [f"{head} of {n} {what}: half took {minutes(row['median_min'])} or less ({sure})."]
    left = []
    if table["n_open"].sum():
        left.append(
            f"{int(table['n_open'].sum())} open or without a recorded end (so the true figures are longer)"
        )
    if table["n_missing"].sum():
        left.append(f"{int(table['n_missing'].sum())} without a usable duration")
    if left:
        says.append(f"Left out: {', '.join(left)}.")
    if table["n_stated"].sum():
        says.append(f"{int(table['n_stated'].sum())} of {n} are the reports' own figures, not timestamps.")
    if told := linking.sentence(frame):
        says.append(told)
    simulated = (
        frame["simulated"].fillna(False).astype(bool) if "simulated" in frame else pd.Series(dtype=bool)
    )
    if simulated.any():
        says.append(
            "All are simulated." if simulated.all() else f"{int(simulated.sum())} rows are simulated."
        )
    return " ".join(says)


def minutes(value: float) -> str:
    """`value` minutes as people say it: '42 min', '3.5 h', '11 days'; 'unknown' where null."""
    if not np.isfinite(value):
        return "unknown"
    if value < 120:
        return f"{value:.0f} min" if value >= 10 or value == round(value) else f"{value:.1f} min"
    return f"{value / 60:.1f} h" if value < 2880 else f"{value / 1440:.1f} days"
