"""Did it change? A claim with its verdict, its interval, and the smallest change that could have been seen.

"After" is all that a claim says: what came with the date, and why, no table of incidents can tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy  # its parts are loaded when first used: statistics take most of a second

from ..errors import RefusedError
from . import linking, permutation, reporting
from .clocks import FLOOR_MIN, MIN_N, Clock, clock_of, durations, minutes, refuse_pooling
from .intervals import NONE, Interval

SUPPORTED, NOT_DISTINGUISHABLE, NOT_MEASURABLE = "supported", "not distinguishable", "not measurable"
SERIAL = 0.15  # correlation of one incident with the next above which whole months are permuted
ANCHORED = 0.6  # share of either period whose start a series must show before starts are compared
STRATA = ("severity", "detected_by")
_MOST_OPEN = 0.1
_WORDS = {"detected_by": "found by"}


@dataclass(frozen=True)
class Claim:
    """What can be said of a change from one period to the next, on one clock.

    `verdict`: supported, not distinguishable or not measurable (`reason` says why). `effect`: geometric mean after,
    as a multiple of the one before, within strata; `interval` 95 %; `p_value` two-sided. `mde`: the smallest fall, as
    a share, that this many incidents show four times in five, over the 80 % interval of their spread. `table`: first
    the primary comparison, then exploratory ones, whose p-values are adjusted for their number. `text`: all of it in
    sentences, the verdict first. `anchored`: whether durations start where the series first moved.
    """

    verdict: str
    effect: float
    interval: Interval
    p_value: float
    mde: Interval
    table: pd.DataFrame
    text: str
    clock: Clock
    reason: str = ""
    anchored: bool = False


def split(incidents: pd.DataFrame, at: pd.Timestamp) -> tuple[pd.DataFrame, pd.DataFrame, int]:
    """Incidents begun before `at`, those begun then or later, and how many have no known beginning."""
    began = reporting.begun(incidents)
    return incidents[began < at], incidents[began >= at], int(began.isna().sum())


def after(held_on: pd.Timestamp) -> pd.Timestamp:
    """Where a GameDay splits time: the day after it (UTC) is the first of the later period.

    Who had an incident on the day itself had not learnt from it yet.
    """
    return held_on + pd.Timedelta(days=1)


def compare(
    before: pd.DataFrame,
    after: pd.DataFrame,
    clock: str,
    *,
    onsets: pd.DataFrame | None = None,
    by: Sequence[str] = STRATA,
    trust_starts: bool = False,
    draws: int = permutation.DRAWS,
    seed: int = 0,
) -> Claim:
    """Compare two sets of incidents on `clock`: one comparison named in advance; one per level of `by`, exploratory.

    Both have the columns of the table incidents. A studentised permutation test of mean logs within severity and
    detected_by, so far as the rows suffice for these strata; in blocks of months where one incident tells the next.
    What would make the answer one about reporting is looked for first, and makes it *not measurable*.

    `onsets` (incident_id, onset or onset_at; null where none was found; as `anchors.of_incidents` gives them) are
    when the series first moved. Where they anchor 60 % of both periods, clocks that begin with the start begin there
    instead, for the anchored ones. Time to detect is not measurable without: people who record starts earlier would
    seem to detect later. `trust_starts` says that starts have been recorded alike, on your word. Other clocks from
    the start are compared as recorded, and a change must show from the detection on as well.

    Raises RefusedError where kinds or styles would be pooled or an incident is in both, InputError for an unknown
    clock.
    """
    which = clock_of(clock)
    rows = pd.concat([before, after], ignore_index=True)
    late = np.arange(len(rows)) >= len(before)
    refuse_pooling(rows, which, [])
    if rows["incident_id"].duplicated().any():
        first = rows.loc[rows["incident_id"].duplicated(), "incident_id"].iloc[0]
        raise RefusedError(
            f"An incident is counted twice, first {first}.",
            remedy="Give each incident once: in one period, and not one row per service.",
        )
    found = durations(rows, clock)
    rows = rows.assign(minutes=found["minutes"], basis=found["basis"], open=found["open"], late=late)
    anchored, why = _anchor(rows, which, onsets, trust_starts)
    reasons = [why] if why else []
    if anchored is not None:
        rows = anchored
    reasons += _unusable(rows, which, anchored is not None)
    used = rows[rows["minutes"].notna()].copy()
    used["logs"] = np.log(used["minutes"].clip(lower=FLOOR_MIN))
    used["began"] = reporting.begun(used)
    used = used.sort_values("began", kind="stable", na_position="last")
    test, how = (None, "") if reasons else _primary(used, draws, seed)
    if not reasons and test is None:
        reasons.append(how)
    if test is not None and test.p_value < permutation.ALPHA:
        reasons += _of_the_same(used, test, draws, seed)
        if anchored is None and not trust_starts:
            reasons += _from_detection(rows, used, which, test, draws, seed)
    verdict = NOT_MEASURABLE if reasons else _verdict(test)
    table = _table(used, which, None if reasons else test, verdict, by, draws, seed)
    return _claim(verdict, table, None if reasons else test, which, how, reasons, rows, anchored is not None)


def _verdict(test: permutation.Test | None) -> str:
    return SUPPORTED if test is not None and test.p_value < permutation.ALPHA else NOT_DISTINGUISHABLE


def _anchor(
    rows: pd.DataFrame, clock: Clock, onsets: pd.DataFrame | None, trusted: bool
) -> tuple[pd.DataFrame | None, str]:
    """Durations from the series' onset where enough of both periods have one; or why the start cannot be compared."""
    if clock.start != "started_at" or trusted:
        return None, ""
    known = pd.Series(False, index=rows.index)
    if onsets is not None:
        moments = onsets.rename(columns={"onset_at": "onset"}).dropna(subset="onset")
        begin = moments.set_index("incident_id")["onset"].reindex(rows["incident_id"]).set_axis(rows.index)
        known = begin.notna()
    shares = [
        float(known[rows["late"] == late].mean()) if (rows["late"] == late).any() else 0.0
        for late in (False, True)
    ]
    if min(shares) >= ANCHORED:
        true = (rows[clock.end] - begin).dt.total_seconds() / 60
        return rows.assign(minutes=true.where(known & (true >= 0)), basis="anchored"), ""
    if clock.name != "detect":
        return None, ""
    return None, (
        f"the series show when it began for {shares[0]:.0%} of incidents before and {shares[1]:.0%} after; without that for "
        f"{ANCHORED:.0%} of both, a change in recording cannot be told from one in detection"
    )


def _unusable(rows: pd.DataFrame, clock: Clock, anchored: bool) -> list[str]:
    """What speaks against measuring at all, in the order in which it is looked for."""
    found = []
    if told := reporting.changed(rows):
        found.append(told)
    halves = [rows[~rows["late"]], rows[rows["late"]]]
    counts = [int(half["minutes"].notna().sum()) for half in halves]
    if min(counts) < MIN_N:
        found.append(
            f"{counts[0]} durations before and {counts[1]} after; at least {MIN_N} of each are needed"
        )
    open_shares = [float(half["open"].mean()) if len(half) else 0.0 for half in halves]
    if max(open_shares) > _MOST_OPEN:
        found.append(
            f"{open_shares[0]:.0%} before and {open_shares[1]:.0%} after are still open, and would be left out of the "
            "average"
        )
    if not anchored and clock.stated:
        table = [[int((half["basis"] == basis).sum()) for basis in ("derived", "stated")] for half in halves]
        if min(map(sum, table)) and scipy.stats.fisher_exact(table).pvalue < 0.01:
            found.append(
                f"recording changed: {table[0][1]} of {sum(table[0])} durations before are the reports' own figures, "
                f"{table[1][1]} of {sum(table[1])} after"
            )
    return found


def _primary(used: pd.DataFrame, draws: int, seed: int) -> tuple[permutation.Test | None, str]:
    """The test within the finest strata that the rows suffice for, and how it was made; or why it could not be."""
    logs, late = used["logs"].to_numpy(), used["late"].to_numpy(dtype=bool)
    names, strata = _strata(used)
    within = (
        f"within {' and '.join(names).replace('detected_by', 'who found it')}" if names else "not stratified"
    )
    dated = used["began"].notna().to_numpy()
    serial = permutation.lag1(logs[dated], late[dated], strata[dated])
    if serial <= SERIAL:
        known = max(serial + 0.5 / np.sqrt(max(len(used), 1)), 0.0)
        test = permutation.by_rows(logs, late, strata, correlation=known, draws=draws, seed=seed)
        return test, within if test else "all durations are equal: there is no spread to compare with"
    month = used["began"].dt.tz_localize(None).dt.to_period("M").astype("str")
    blocks = pd.factorize(month[dated] + np.where(late[dated], "b", "a"))[0]
    test = permutation.by_blocks(
        logs[dated], late[dated], strata[dated], blocks, correlation=serial, draws=draws, seed=seed
    )
    if test is None:
        return None, (
            f"one incident tells of the next (correlation {serial:.2f}), so that months count and not incidents, and "
            "at least "
            "four months on either side are needed"
        )
    return (
        test,
        f"{within}, in blocks of months because one incident tells of the next (correlation {serial:.2f})",
    )


def _strata(used: pd.DataFrame) -> tuple[list[str], np.ndarray]:
    """The finest strata in which at most a tenth of the rows has no counterpart in the other period."""
    late = used["late"].to_numpy(dtype=bool)
    for names in (list(STRATA), [STRATA[0]], [STRATA[1]]):
        if any(name not in used or used[name].nunique(dropna=False) < 2 for name in names):
            continue
        codes = used.groupby(names, dropna=False, sort=True).ngroup().to_numpy()
        n, n1 = np.bincount(codes), np.bincount(codes, late)
        kept = (n1 > 0) & (n1 < n)
        enough = min(n1[kept].sum(), (n - n1)[kept].sum()) - kept.sum() >= 5
        if n[kept].sum() >= 0.9 * n.sum() and enough:
            return names, codes
    return [], np.zeros(len(used), dtype=int)


def _of_the_same(used: pd.DataFrame, test: permutation.Test, draws: int, seed: int) -> list[str]:
    """Without severities a change must stay where the excess of reports is taken for minor ones."""
    part, rates = reporting.without_excess(used)
    if len(part) == len(used):
        return []
    other, _ = _primary(part, draws, seed)
    if other is not None and other.p_value < permutation.ALPHA and other.effect * test.effect > 0:
        return []
    return [
        f"{rates}, without a severity: were the {len(used) - len(part)} that one period has more of minor ones, chance "
        "alone could have done it"
    ]


def _from_detection(
    rows: pd.DataFrame, used: pd.DataFrame, clock: Clock, test: permutation.Test, draws: int, seed: int
) -> list[str]:
    """A change on a clock from the recorded start must show from the detection on too, where that is recorded."""
    if clock.start != "started_at":
        return []
    rest = (used[clock.end] - used["detected_at"]).dt.total_seconds() / 60
    part = used.assign(logs=np.log(rest.clip(lower=FLOOR_MIN)))[rest >= 0]
    if len(part) < ANCHORED * len(used) or min(part["late"].sum(), (~part["late"]).sum()) < MIN_N:
        return []
    other, _ = _primary(part, draws, seed)
    if other is not None and other.p_value < permutation.ALPHA and other.effect * test.effect > 0:
        return []
    return [
        "counted from the recorded start it differs, counted from the detection on it does not. People may record starts "
        "otherwise than before; only the onsets of the series could tell"
    ]


def _table(
    used: pd.DataFrame,
    clock: Clock,
    test: permutation.Test | None,
    verdict: str,
    by: Sequence[str],
    draws: int,
    seed: int,
) -> pd.DataFrame:
    """The primary comparison, then one per level of each column of `by`, Holm-adjusted and never `supported`."""
    first = {
        "comparison": f"{clock.title}: all",
        "role": "primary",
        **_figures(used, test),
        "verdict": verdict,
    }
    rows, tests = [], []
    for name in by if test is not None else ():
        if name not in used:
            continue
        for level, part in used.groupby(name, sort=True):
            logs, late = part["logs"].to_numpy(), part["late"].to_numpy(dtype=bool)
            if min(late.sum(), (~late).sum()) < MIN_N:
                continue
            flat = np.zeros(len(part), dtype=int)
            serial = max(permutation.lag1(logs, late, flat), 0.0)
            one = permutation.by_rows(logs, late, flat, correlation=serial, draws=draws, seed=seed)
            if one is not None:
                tests.append(one)
                rows.append(
                    {
                        "comparison": f"{_WORDS.get(name, name)}: {level}",
                        "role": "exploratory",
                        **_figures(part, one),
                    }
                )
    adjusted = permutation.holm(np.array([t.p_value for t in tests]))
    for row, p in zip(rows, adjusted, strict=True):
        row |= {"p_adjusted": p, "verdict": "look here" if p < permutation.ALPHA else NOT_DISTINGUISHABLE}
    table = pd.DataFrame([first, *rows])
    return table if "p_adjusted" in table else table.assign(p_adjusted=np.nan)


def _figures(used: pd.DataFrame, test: permutation.Test | None) -> dict[str, object]:
    late = used["late"].to_numpy(dtype=bool)
    means = [float(np.exp(used.loc[half, "logs"].mean())) if half.any() else np.nan for half in (~late, late)]
    found: dict[str, object] = {
        "n_before": int((~late).sum()),
        "n_after": int(late.sum()),
        "geomean_before_min": means[0],
        "geomean_after_min": means[1],
    }
    nothing = dict.fromkeys(("effect", "low", "high", "p_value"), np.nan)
    if test is None:
        return found | nothing
    values = (*np.exp([test.effect, test.low, test.high]), test.p_value)
    return found | dict(zip(nothing, map(float, values), strict=True))


def mde(test: permutation.Test) -> Interval:
    """Smallest fall, as a share, that the test shows four times in five: from the least to the most likely spread."""
    low, high = permutation.sigma_range(test.se, test.df)
    return Interval(*(float(1 - np.exp(-permutation.smallest_change(se, test.df))) for se in (low, high)))


def _claim(
    verdict: str,
    table: pd.DataFrame,
    test: permutation.Test | None,
    clock: Clock,
    how: str,
    reasons: list[str],
    rows: pd.DataFrame,
    anchored: bool,
) -> Claim:
    first = table.iloc[0]
    left = len(rows) - int(first["n_before"] + first["n_after"])
    start = f"{clock.title.lower()} ({clock.definition}{', from the onset that the series show' if anchored else ''})"
    says = []
    if test is None:
        says.append(f"Not measurable: {start}: {'; '.join(reasons)}.")
        effect, interval, p, smallest = np.nan, NONE, np.nan, NONE
    else:
        effect, interval, p = float(first["effect"]), Interval(first["low"], first["high"]), test.p_value
        smallest = mde(test)
        word = "Supported" if verdict == SUPPORTED else "Not distinguishable from chance"
        says.append(
            f"{word} ({f'p {p:.3f}' if p >= 0.001 else 'p < 0.001'}): {start}, like for like {percent(effect)} after "
            f"(95 % interval {percent(interval.low)} to {percent(interval.high)}; {how}). Geometric mean "
            f"{minutes(first['geomean_before_min'])} of {first['n_before']} before, "
            f"{minutes(first['geomean_after_min'])} of {first['n_after']} after."
        )
        says.append(
            f"So many incidents show a fall of {smallest.low:.0%} to {smallest.high:.0%} or more four times in five; "
            "a smaller one would mostly go unseen."
        )
        looks = int((table["verdict"] == "look here").sum())
        if len(table) > 1:
            says.append(
                f"{len(table) - 1} exploratory comparisons, {looks} of them worth a look; none is a claim."
            )
    if left:
        says.append(f"Left out: {left} of {len(rows)} without a usable duration.")
    if told := linking.sentence(rows):
        says.append(told)
    reason = "; ".join(reasons)
    return Claim(verdict, effect, interval, p, smallest, table, " ".join(says), clock, reason, anchored)


def percent(ratio: float) -> str:
    """A ratio as people say it: 0.75 is '25 % shorter'."""
    if not np.isfinite(ratio):
        return "unknown"
    change = abs(ratio - 1)
    return "no change" if round(change * 100) == 0 else f"{change:.0%} {'shorter' if ratio < 1 else 'longer'}"
