"""How long incidents take: every summary with its gate, what it could not use, and what is still open.

The clocks are in `clocks`, claims about change in `claims`; both are reachable from here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .. import schema
from ..errors import InputError, RefusedError
from ..plain_text import count
from . import intervals, linking, survival
from .claims import Claim, compare
from .clocks import BEYOND, CLOCKS, FLOOR_MIN, MIN_N, Clock, clock_of, durations, minutes, refuse_pooling

__all__ = [
    "CLOCKS", "FLOOR_MIN", "MIN_N", "NOT_STATED", "Claim", "Clock", "Found", "Times", "compare", "durations", "found_by",
    "informed", "minutes", "summarise",
]  # fmt: skip

MIN_RESTRICTED = 30  # a normal interval covers .83 at n 10 (METHODS)
NOT_STATED = "(not stated)"


@dataclass(frozen=True)
class Times:
    """Durations summarised. `table`: one row per group, minutes; a null interval is one that was not earned.

    Columns: group, n (used), n_open, n_beyond (of n_open, open longer than the archive), n_missing, missing_reasons,
    n_stated (of n, taken from the report's own figure), n_zero (of n, recorded as 0: counted as half a minute in logs),
    total_min (a count of the n, hence no interval), and for median, geomean and mean `*_min`, `*_low`, `*_high` (95 %).
    With what is still open counted as long as it has lasted: km_median_* by Kaplan and Meier (infinite: not reached) and
    restricted_*, the mean of min(duration, restricted_to_min), from n = 30. `text`: the finding in a sentence or two.
    `clock`: its definition.
    """

    table: pd.DataFrame
    text: str
    clock: Clock


def summarise(
    incidents: pd.DataFrame,
    clock: str,
    by: str | Sequence[str] | None = None,
    stated: bool = True,
    until: pd.Timestamp | None = None,
) -> Times:
    """Median, geometric mean and mean on `clock`, per group of the column(s) `by`, each with a 95 % interval or none.

    `incidents` has the columns of the table of that name, plus whatever `by` names: 'severity', 'kind', or a joined
    'service', 'cause', 'team'; 'quarter' is made here from started_at (UTC) where it is not joined. With services the
    caller gives one row per incident and service; counts then overlap and the text says so. `stated=False` uses
    timestamps only. An open incident is counted as lasting until `until`, by default the last moment that any row holds,
    in the figures made for that. Intervals need n >= 10; the mean's also that a lognormal fits (`intervals.lognormal_fits`).
    Raises RefusedError where real incidents, drills and tests would be pooled, where a drill is asked for its time
    to detect, and where an incident would be counted twice; InputError for an unknown clock or column.
    """
    which = clock_of(clock)
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
    refuse_pooling(frame, which, names)
    group = pd.Series("all", index=frame.index, dtype="str")
    if names and len(frame):
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
    found["lasted"] = _lasted(frame, which, found, until)
    rows = [{"group": str(name), **_row(part)} for name, part in found.groupby(group, sort=True)]
    columns = ["group", *_row(found.iloc[:0])]
    table = pd.DataFrame(rows, columns=columns)
    return Times(table, " ".join([_text(table, frame, which, names), *_odd(frame, found)]), which)


def _row(found: pd.DataFrame) -> dict[str, object]:
    used = found.loc[found["minutes"].notna(), "minutes"].to_numpy(dtype=float)
    missing = found.loc[found["minutes"].isna() & ~found["open"], "reason"].value_counts().sort_index()
    row: dict[str, object] = {
        "n": len(used),
        "n_open": int(found["open"].sum()),
        "n_beyond": int((found["reason"] == BEYOND).sum()),
        "n_missing": int(missing.sum()),
        "missing_reasons": "; ".join(f"{reason}: {count}" for reason, count in missing.items()),
        "n_stated": int((found["basis"] == "stated").sum()),
        "n_zero": int((used == 0).sum()),
        "total_min": float(used.sum()) if len(used) else np.nan,
    }
    for name, (point, (low, high)) in _points(used).items():
        row |= {f"{name}_min": point, f"{name}_low": low, f"{name}_high": high}
    return row | _with_open(found)


def _with_open(found: pd.DataFrame) -> dict[str, float]:
    """Kaplan-Meier median and restricted mean of ended and open ones; null where there is nothing, or too little."""
    seen = found[found["lasted"].notna()]
    lasted, over = seen["lasted"].to_numpy(dtype=float), seen["minutes"].notna().to_numpy()
    median, mean = survival.Median(*[np.nan] * 3), survival.RestrictedMean(*[np.nan] * 4)
    if len(lasted):
        median = survival.median(lasted, over)
    if len(lasted) < MIN_N:
        median = survival.Median(median.median, np.nan, np.nan)
    if len(lasted) >= MIN_RESTRICTED:
        mean = survival.restricted_mean(lasted, over)
    return {
        "km_median_min": median.median,
        "km_median_low": median.low,
        "km_median_high": median.high,
        "restricted_min": mean.mean,
        "restricted_low": mean.low,
        "restricted_high": mean.high,
        "restricted_to_min": mean.limit,
    }


def _lasted(frame: pd.DataFrame, clock: Clock, found: pd.DataFrame, until: pd.Timestamp | None) -> pd.Series:
    """Minutes that each has lasted: to its end, or to `until` while open; null where neither is known.

    One that is open longer than the archive was watched for as long as that, and is counted so.
    """
    moments = [c for c in frame if str(c).endswith("_at") and isinstance(frame[c].dtype, pd.DatetimeTZDtype)]
    last = until if until is not None else frame[moments].max().max()
    so_far = (last - frame[clock.start]).dt.total_seconds() / 60
    beyond = found["reason"] == BEYOND
    if beyond.any():
        watched = so_far[found["minutes"].notna()].max()
        so_far = so_far.mask(beyond, max(watched, 0.0))
    return found["minutes"].fillna(so_far.where(found["open"] & (so_far >= 0)))


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

    def of(n: int) -> str:
        return f"{n} {what.removesuffix('s') if n == 1 and len(present) < 2 else what}"

    total, n = frame["incident_id"].nunique(), int(table["n"].sum())
    head = f"{clock.title} ({clock.definition})"
    if n == 0:
        says = [f"{head}: none of {of(total)} has a usable duration."]
    elif names:
        thin = int((table["n"] < MIN_N).sum())
        words = " and ".join(
            {"detected_by": "who found it", "cause": "failure class"}.get(n, n) for n in names
        )
        says = [f"{head} of {of(total)} by {words}: {count(len(table), 'group')}.", *_range(table)]
        if thin:
            says.append(
                f"{thin} of them hold{'s' if thin == 1 else ''} fewer than {MIN_N} durations: single cases, no averages."
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
        says = [f"{head} of {of(n)}: half took {minutes(row['median_min'])} or less ({sure})."]
        if row["n_open"]:
            says.append(_open_text(row))
    left = []
    if table["n_open"].sum():
        left.append(
            f"{int(table['n_open'].sum())} open or without a recorded end (so the true figures are longer)"
        )
    if clock.name == "inform" and frame["incident_id"].duplicated().any():
        told = ", ".join(f"{n} to {group}" for group, n in zip(table["group"], table["n"], strict=True))
        says.append(
            f"First messages on record: {told}; where there is none, it is not known when they were told."
        )
    elif table["n_missing"].sum():
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


def _range(table: pd.DataFrame) -> list[str]:
    """The shortest and the longest median of groups that have an interval, and whether these two intervals overlap."""
    sure = table[table["median_low"].notna()].sort_values("median_min", kind="stable")
    if len(sure) < 2:
        return []
    low, high = sure.iloc[0], sure.iloc[-1]
    apart = low["median_high"] < high["median_low"]
    return [
        f"Medians from {minutes(low['median_min'])} ({low['group']}) to {minutes(high['median_min'])} ({high['group']}); "
        f"the intervals of these two {'do not overlap' if apart else 'overlap, so that may be chance'}."
    ]


def _odd(frame: pd.DataFrame, found: pd.DataFrame) -> list[str]:
    """What to check before the figures are believed: durations that no archive of this length can tell."""
    says = []
    beyond = frame.loc[(found["reason"] == BEYOND).to_numpy()].drop_duplicates("incident_id")
    if len(beyond):
        oldest = beyond.sort_values("started_at").iloc[0]
        says.append(
            f"{len(beyond)} open longer than the archive ({oldest['incident_id']}, since {oldest['started_at']:%Y-%m-%d}): "
            "begun before every incident with a duration. The end was probably never written down, or the start is wrong."
        )
    used = found[found["minutes"].notna()].assign(began=frame["started_at"]).drop_duplicates("incident_id")
    if len(used) > MIN_N:
        longest = used["minutes"].idxmax()
        others = used["began"].drop(longest)
        span = (others.max() - others.min()).total_seconds() / 60
        if used["minutes"][longest] > span > 0:
            says.append(
                f"{used['incident_id'][longest]} took {minutes(used['minutes'][longest])}, longer than the "
                f"{minutes(span)} in which all others began: check its dates."
            )
    return says


def _open_text(row: pd.Series) -> str:
    """What the median is once the open ones count as long as they have lasted."""
    n, half = int(row["n_open"]), row["km_median_min"]
    if not np.isfinite(half):
        return f"With the {n} open counted as long as they have lasted, the median is not reached."
    high = "not reached" if np.isinf(row["km_median_high"]) else minutes(row["km_median_high"])
    sure = "" if np.isnan(row["km_median_low"]) else f" ({minutes(row['km_median_low'])} to {high})"
    return f"With the {n} open counted as long as they have lasted, the median is {minutes(half)}{sure}."


def informed(incidents: pd.DataFrame, messages: pd.DataFrame) -> pd.DataFrame:
    """One row per incident and audience, with `audience` and `informed_at`, ready for the clock "inform".

    `messages` is the table incident_messages. An audience that no message reached has a null moment, so that it is
    counted as missing. Then: `summarise(informed(...), "inform", by="audience")`.
    """
    first = (
        messages[["incident_id", "audience", "at"]]
        .sort_values("at")
        .drop_duplicates(["incident_id", "audience"])
    )
    audiences = pd.DataFrame({"audience": list(schema.AUDIENCES)})
    every = incidents.merge(audiences, how="cross").merge(first, on=["incident_id", "audience"], how="left")
    return every.rename(columns={"at": "informed_at"})


@dataclass(frozen=True)
class Found:
    """Who noticed first. `table`: detected_by, n, share, low, high (95 %, of those that say); customers first."""

    table: pd.DataFrame
    n: int
    n_unknown: int
    text: str


def found_by(incidents: pd.DataFrame) -> Found:
    """Share of incidents by who noticed first, among those whose report says; the share of customers stands first."""
    refuse_pooling(incidents, CLOCKS["restore"], [])
    known = incidents.loc[incidents["detected_by"] != "unknown", "detected_by"]
    n, unknown = len(known), len(incidents) - len(known)
    order = ("customer", *(who for who in schema.DETECTED_BY if who not in ("customer", "unknown")))
    rows = []
    for who in order:
        count = int((known == who).sum())
        low, high = intervals.proportion(count, n)
        rows.append(
            {"detected_by": who, "n": count, "share": count / n if n else np.nan, "low": low, "high": high}
        )
    if not n:
        text = (
            f"None of {unknown} reports says who noticed first: the share found by customers is not measured."
        )
    else:
        first = rows[0]
        text = (
            f"Customers found {first['n']} of the {n} incidents whose report says who noticed first ({first['share']:.0%}; "
            f"95 % interval {first['low']:.0%} to {first['high']:.0%}). {unknown} do not say."
        )
    return Found(pd.DataFrame(rows), n, unknown, text)
