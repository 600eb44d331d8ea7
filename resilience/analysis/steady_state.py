"""Did normal service stay normal? A steady-state hypothesis held against the series before, during and after a fault.

Nothing is decided by data that is not there: a probe without enough points makes the verdict `inconclusive`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

VERDICTS = ("held", "deviated", "inconclusive")
WINDOWS = ("before", "during", "after")
MIN_COVERAGE = 0.8  # share of a window's intervals that must hold a value before the window says anything

STATISTICS: dict[str, Callable[[np.ndarray], Any]] = {
    "mean": np.mean,
    "median": np.median,
    "min": np.min,
    "max": np.max,
    "sum": np.sum,
    "p95": lambda values: np.quantile(values, 0.95),
}


def fault_window(experiment: Any) -> tuple[pd.Timestamp, pd.Timestamp] | None:
    """Start and end (UTC) of an experiment's fault; the time box stands in for an end that nobody recorded."""
    start, end = experiment.fault_started_at, experiment.fault_ended_at
    if pd.isna(start):
        return None
    return start, start + pd.Timedelta(minutes=experiment.planned_min) if pd.isna(end) else end


def finest(series: pd.DataFrame, metric: str, scope: str) -> pd.DataFrame:
    """Rows of one metric and scope at the shortest interval recorded; rollups are never mixed."""
    rows = series[(series["metric"] == metric) & (series["scope"] == scope)]
    if rows.empty:
        return rows
    rows = rows[rows["interval_s"] == rows["interval_s"].min()]
    return rows[rows["rollup"] == rows["rollup"].iloc[0]].sort_values("at", ignore_index=True)


_WINDOW_COLUMNS = [
    "experiment_key", "probe", "metric", "scope", "unit", "statistic", "low", "high", "window", "value", "n", "n_expected",
    "within",
]  # fmt: skip
NO_WINDOWS = pd.DataFrame({name: pd.Series(dtype=object) for name in _WINDOW_COLUMNS})


def windows(experiment: Any, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """One row per probe and window; `within` is null where the window holds too little to say.

    Columns: experiment_key, probe, metric, scope, unit, statistic, low, high, window, value, n (points that hold a
    value), n_expected, within.
    """
    fault = fault_window(experiment)
    wanted = tables["experiment_probes"]
    wanted = wanted[wanted["experiment_key"] == experiment.experiment_key]
    if fault is None or wanted.empty:
        return NO_WINDOWS
    box = pd.Timedelta(minutes=experiment.planned_min)
    spans = dict(zip(WINDOWS, [(fault[0] - box, fault[0]), fault, (fault[1], fault[1] + box)], strict=True))
    rows = []
    for probe in wanted.itertuples():
        points = finest(tables["series"], probe.metric, probe.scope)
        unit = points["unit"].iloc[0] if len(points) else None
        for window, (start, end) in spans.items():
            value, n, expected = _measure(points, start, end, probe.statistic)
            low_ok = pd.isna(probe.low) or value >= probe.low
            high_ok = pd.isna(probe.high) or value <= probe.high
            within = None if np.isnan(value) else bool(low_ok and high_ok)
            about = (experiment.experiment_key, probe.probe, probe.metric, probe.scope, unit, probe.statistic)
            rows.append((*about, probe.low, probe.high, window, value, n, expected, within))
    return pd.DataFrame(rows, columns=_WINDOW_COLUMNS).astype({"within": object})


def _measure(points: pd.DataFrame, start: Any, end: Any, statistic: str) -> tuple[float, int, int]:
    """Statistic over the intervals that lie wholly within [start, end), how many hold a value, how many could."""
    if points.empty:
        return float("nan"), 0, 0
    interval = pd.Timedelta(seconds=float(points["interval_s"].iloc[0]))
    inside = points[(points["at"] >= start) & (points["at"] + interval <= end)]
    values = inside["value"].dropna().to_numpy()
    expected = max(len(inside), int((end - start) / interval) - 1, 1)
    enough = len(values) >= (expected if statistic == "sum" else MIN_COVERAGE * expected)
    value = float(STATISTICS[statistic](values)) if enough and len(values) else float("nan")
    return value, len(values), expected


def verdict(experiment: Any, probes: pd.DataFrame) -> tuple[str, str]:
    """Verdict of `experiment` on its rows of `windows`, and the reason in words."""
    if experiment.outcome == "not_run":
        return "inconclusive", "It was not run."
    if fault_window(experiment) is None:
        return "inconclusive", "Nobody recorded when the fault started."
    if probes.empty:
        return "inconclusive", "No steady-state probe was written for it, so there is nothing to compare."
    within = {window: rows.set_index("probe")["within"] for window, rows in probes.groupby("window")}
    for window in ("before", "during"):
        unknown = within[window][within[window].isna()]
        if len(unknown) and not (window == "during" and (within["during"] == False).any()):  # noqa: E712
            return "inconclusive", f"Too little data {window} the fault for: {', '.join(unknown.index)}."
    unsteady = within["before"][within["before"] == False]  # noqa: E712
    if len(unsteady):
        return "inconclusive", f"Already outside its limits before the fault: {', '.join(unsteady.index)}."
    left = within["during"][within["during"] == False]  # noqa: E712
    if len(left):
        return "deviated", f"Left its limits during the fault: {', '.join(left.index)}."
    late = within["after"][within["after"] == False]  # noqa: E712
    if len(late):
        return "deviated", f"Held during the fault, outside its limits afterwards: {', '.join(late.index)}."
    unknown = within["after"][within["after"].isna()]
    if len(unknown):
        return (
            "inconclusive",
            f"Held during the fault; too little data afterwards for: {', '.join(unknown.index)}.",
        )
    return "held", "Every probe stayed within its limits before, during and after the fault."


def by_window(probes: pd.DataFrame) -> dict[str, str]:
    """A verdict per window over all probes: one outside is `deviated`, else one unknown is `inconclusive`."""
    found = {}
    for window in WINDOWS:
        within = probes.loc[probes["window"] == window, "within"]
        outside, known = (within == False).any(), len(within) and within.notna().all()  # noqa: E712
        found[window] = "deviated" if outside else "held" if known else "inconclusive"
    return found
