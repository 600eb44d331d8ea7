"""What has been rehearsed: every GameDay experiment as evidence about its failure class x service cells.

One success is one success: it is dated, it has an environment and a load, and it goes stale by age or when traffic
outgrows the load it held at. The same evidence, faded, is what a planner still believes: a Beta posterior.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

STALE_DAYS = 365
OUTGROWN = (
    1.25  # today's peak over the load that a rehearsal reached, above which it no longer speaks for today
)
HALF_LIFE_DAYS = 365.0
# How much a verdict found there says about production; a judgement, stated, and varied in the planner's stability check.
ENVIRONMENT_TRUST = {"production": 1.0, "staging": 0.6, "isolated": 0.5}
AFTER_FIX = 0.25  # what an old failure still says once its actions are closed
PRIOR = (1.0, 1.0)  # Beta: an experiment that nobody has tried may as well hold as not

_HISTORY = (
    "failure_class", "service", "gameday_id", "experiment_key", "title", "held_on", "style", "environment", "verdict",
    "reason", "outcome", "detect_min", "mitigate_min", "censored", "planned_min", "load", "load_unit", "load_basis",
    "fallback", "open_actions", "closed_actions", "source_uri", "simulated",
)  # fmt: skip
_SUMMARY = (
    "failure_class", "service", "runs", "held", "deviated", "inconclusive", "last_rehearsed_at", "last_gameday",
    "last_experiment", "last_style", "last_environment", "last_verdict", "last_reason", "drill_detect_min",
    "drill_mitigate_min", "drill_n", "drill_censored", "last_held_at", "last_held", "held_environment", "held_load",
    "peak_load", "load_unit", "stale", "stale_reason", "open_actions", "closed_actions", "hold_mean", "teach",
)  # fmt: skip


def history(
    days: Iterable[tuple[Mapping[str, pd.DataFrame], pd.DataFrame]], loads: pd.DataFrame | None = None
) -> pd.DataFrame:
    """One row per GameDay experiment that ran and service that it targeted, in order of time.

    `days`: for each GameDay its tables and the `table` of its `gameday.analyse`. `loads` (gameday_id, experiment_key,
    service, load, load_unit): mean requests/s of the target while the fault lasted; without it the load that a fallback
    carried stands in where it was written down. Experiments that did not run rehearsed nothing and have no row.
    """
    known = (
        {} if loads is None or loads.empty else loads.set_index(["gameday_id", "experiment_key", "service"])
    )
    rows = []
    for tables, result in days:
        day = tables["gamedays"].iloc[0]
        notes, targets = tables["gameday_notes"], tables["experiment_targets"]
        for run in result.itertuples():
            if run.outcome == "not_run":
                continue
            mine = notes[(notes["experiment_key"] == run.experiment_key) & (notes["kind"] == "action")]
            planned = tables["experiments"].set_index("experiment_key").loc[run.experiment_key]
            for service in sorted(targets.loc[targets["experiment_key"] == run.experiment_key, "service"]):
                key = (day["gameday_id"], run.experiment_key, service)
                load, unit, basis = _load(known, key, planned)
                rows.append(
                    (
                        run.failure_class, service, day["gameday_id"], run.experiment_key, run.title, day["held_on"],
                        day["style"], run.environment, run.verdict, run.reason, run.outcome, run.alerted_min,
                        run.mitigated_min, run.censored, run.planned_min, load, unit, basis, run.fallback,
                        int((mine["state"] != "done").sum()), int((mine["state"] == "done").sum()),
                        day["source_uri"], bool(day["simulated"]),
                    )
                )  # fmt: skip
    found = pd.DataFrame(rows, columns=list(_HISTORY)).astype({"load": float})
    found["held_on"] = pd.to_datetime(found["held_on"], utc=True)
    return ordered(found)


def ordered(past: pd.DataFrame) -> pd.DataFrame:
    """Rows of one or several histories in order of time."""
    return past.sort_values(["held_on", "gameday_id", "experiment_key", "service"], ignore_index=True)


def _load(
    known: object, key: tuple[str, str, str], planned: pd.Series
) -> tuple[float, str | None, str | None]:
    if isinstance(known, pd.DataFrame) and key in known.index:
        row = known.loc[key]
        return float(row["load"]), str(row["load_unit"]), "traffic during the fault"
    if (
        pd.notna(planned["fallback_load"])
        and pd.notna(planned["fallback_exercised"])
        and planned["fallback_exercised"]
    ):
        return float(planned["fallback_load"]), planned["fallback_load_unit"], "load of its fallback"
    return np.nan, None, None


def summarise(
    past: pd.DataFrame,
    *,
    as_of: pd.Timestamp,
    peaks: pd.DataFrame | None = None,
    stale_days: float = STALE_DAYS,
    half_life_days: float = HALF_LIFE_DAYS,
) -> pd.DataFrame:
    """One row per rehearsed cell, from the `history` held before `as_of`.

    `peaks` (service, peak, unit): traffic of today's busy hours, to compare loads in the same unit with. `hold_mean`
    is the chance that it would hold now, `teach` the share of what a first test would teach that another would teach
    now (see `belief`). Drill times are minutes from the fault within the time box, apart from real times; `drill_censored`
    counts those that the box cut off.
    """
    past = past[past["held_on"] < as_of]
    if past.empty:
        return pd.DataFrame(columns=list(_SUMMARY))
    high = {} if peaks is None else {(r.service, r.unit): float(r.peak) for r in peaks.itertuples()}
    rows = []
    for (failure_class, service), runs in past.groupby(["failure_class", "service"], sort=True):
        last, held = runs.iloc[-1], runs[runs["verdict"] == "held"]
        verdicts = runs["verdict"].value_counts()
        at = held.iloc[-1] if len(held) else None
        peak = high.get((service, at["load_unit"]), np.nan) if at is not None else np.nan
        stale, why = _stale(at, as_of, peak, stale_days)
        most = {unit: value for (name, unit), value in high.items() if name == service}
        hold, teach = belief(runs, as_of=as_of, peaks=most, half_life_days=half_life_days)
        said = None
        if at is not None:
            load = f", at {at['load']:.3g} {at['load_unit']}" if pd.notna(at["load"]) else ", load not known"
            said = f"{len(held)} of {len(runs)}, {at['environment']}{load}"
        rows.append(
            (
                failure_class, service, len(runs), *(int(verdicts.get(v, 0)) for v in ("held", "deviated", "inconclusive")),
                last["held_on"], last["gameday_id"], last["experiment_key"], last["style"], last["environment"],
                last["verdict"], last["reason"], last["detect_min"], last["mitigate_min"],
                int(runs["mitigate_min"].notna().sum()), int(runs["censored"].sum()),
                pd.NaT if at is None else at["held_on"], said, None if at is None else at["environment"],
                np.nan if at is None else at["load"], peak, None if at is None else at["load_unit"], stale, why,
                int(runs["open_actions"].sum()), int(runs["closed_actions"].sum()), hold, teach,
            )
        )  # fmt: skip
    return pd.DataFrame(rows, columns=list(_SUMMARY))


def _stale(
    at: pd.Series | None, as_of: pd.Timestamp, peak: float, stale_days: float
) -> tuple[bool, str | None]:
    if at is None:
        return False, None
    age = (as_of - at["held_on"]) / pd.Timedelta(days=1)
    reasons = []
    if age > stale_days:
        reasons.append(f"held {age:.0f} days ago, and {stale_days:.0f} is the limit")
    if pd.notna(at["load"]) and pd.notna(peak) and peak > OUTGROWN * at["load"]:
        reasons.append(f"held at {at['load']:.3g} {at['load_unit']}, and busy hours now reach {peak:.3g}")
    return bool(reasons), "; ".join(reasons) or None


def belief(
    runs: pd.DataFrame,
    *,
    as_of: pd.Timestamp,
    peaks: Mapping[str, float] | None = None,
    half_life_days: float = HALF_LIFE_DAYS,
    trust: Mapping[str, float] | None = None,
) -> tuple[float, float]:
    """Chance that a cell would hold now, and how much one more test would teach, against a first test (= 1).

    Each past run counts as a success or failure of weight 0.5^(age / half-life) x trust in its environment x the share
    of today's busy load that it reached; a failure whose actions are all closed counts a quarter, since what failed is no
    longer what stands there. What a test teaches is the expected fall of the posterior variance, var / (a + b + 1).
    Inconclusive runs say nothing.
    """
    trusted = trust or ENVIRONMENT_TRUST
    a, b = PRIOR
    for run in runs.itertuples():
        age = max((as_of - run.held_on) / pd.Timedelta(days=1), 0.0)
        weight = 0.5 ** (age / half_life_days) * trusted.get(run.environment, 0.5)
        most = (peaks or {}).get(run.load_unit, np.nan)
        if pd.notna(run.load) and pd.notna(most) and most > 0:
            weight *= min(1.0, run.load / most)
        if run.verdict == "held":
            a += weight
        elif run.verdict == "deviated":
            b += weight * (AFTER_FIX if run.closed_actions and not run.open_actions else 1.0)
    return a / (a + b), _taught(a, b) / _taught(*PRIOR)


def _taught(a: float, b: float) -> float:
    return a * b / ((a + b) ** 2 * (a + b + 1) ** 2)
