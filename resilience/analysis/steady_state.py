"""Did normal service stay normal? A steady-state hypothesis held against the series before, during and after a fault.

Nothing is decided by data that is not there: a probe without enough points makes the verdict `inconclusive`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
NO_WINDOWS = pd.DataFrame(columns=list(_WINDOW_COLUMNS))


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
        measured = _measured(points, list(spans.values()), probe.statistic)
        for window, (value, n, expected) in zip(WINDOWS, measured, strict=True):
            low_ok = pd.isna(probe.low) or value >= probe.low
            high_ok = pd.isna(probe.high) or value <= probe.high
            within = None if np.isnan(value) else bool(low_ok and high_ok)
            about = (experiment.experiment_key, probe.probe, probe.metric, probe.scope, unit, probe.statistic)
            rows.append((*about, probe.low, probe.high, window, value, n, expected, within))
    return pd.DataFrame(rows, columns=_WINDOW_COLUMNS).astype({"within": object})


def _measured(
    points: pd.DataFrame, spans: Sequence[tuple[pd.Timestamp, pd.Timestamp]], statistic: str
) -> list[tuple[float, int, int]]:
    """Per span: statistic over the intervals wholly within [start, end), how many hold a value, how many could."""
    if points.empty:
        return [(float("nan"), 0, 0)] * len(spans)
    interval = pd.Timedelta(seconds=float(points["interval_s"].iloc[0]))
    at, values = points["at"].dt.as_unit("us").astype("int64").to_numpy(), points["value"].to_numpy()
    found = []
    for start, end in spans:
        first, last = (moment.value // 1000 for moment in (start, end - interval))
        inside = values[(at >= first) & (at <= last)]
        known = inside[~np.isnan(inside)]
        expected = max(len(inside), int((end - start) / interval) - 1, 1)
        enough = len(known) >= (expected if statistic == "sum" else MIN_COVERAGE * expected)
        value = float(STATISTICS[statistic](known)) if enough and len(known) else float("nan")
        found.append((value, len(known), expected))
    return found


def verdict(experiment: Any, probes: pd.DataFrame) -> tuple[str, str]:
    """Verdict of `experiment` on its rows of `windows`, and the reason in words."""
    if experiment.outcome == "not_run":
        return "inconclusive", "It was not run."
    if fault_window(experiment) is None:
        return "inconclusive", "Nobody recorded when the fault started."
    if probes.empty:
        return "inconclusive", "No steady-state probe was written for it, so there is nothing to compare."
    unknown, outside = (
        {window: _probes(probes, window, state) for window in WINDOWS} for state in (None, False)
    )
    for window in ("before", "during"):
        if unknown[window] and not (window == "during" and outside["during"]):
            return "inconclusive", f"Too little data {window} the fault for: {', '.join(unknown[window])}."
    if outside["before"]:
        return "inconclusive", f"Already outside its limits before the fault: {', '.join(outside['before'])}."
    if outside["during"]:
        return "deviated", f"Left its limits during the fault: {', '.join(outside['during'])}."
    if outside["after"]:
        return (
            "deviated",
            f"Held during the fault, outside its limits afterwards: {', '.join(outside['after'])}.",
        )
    if unknown["after"]:
        return (
            "inconclusive",
            f"Held during the fault; too little data afterwards for: {', '.join(unknown['after'])}.",
        )
    return "held", "Every probe stayed within its limits before, during and after the fault."


def _probes(probes: pd.DataFrame, window: str, within: bool | None) -> list[str]:
    """Names of the probes whose `within` in `window` is as given."""
    rows = zip(probes["probe"], probes["window"], probes["within"], strict=True)
    return [
        probe
        for probe, of, found in rows
        if of == window and (pd.isna(found) if within is None else found == within)
    ]


def by_window(probes: pd.DataFrame) -> dict[str, str]:
    """A verdict per window over all probes: one outside is `deviated`, else one unknown is `inconclusive`."""
    found = {}
    for window in WINDOWS:
        within = probes.loc[probes["window"] == window, "within"]
        outside, known = (within == False).any(), len(within) and within.notna().all()  # noqa: E712
        found[window] = "deviated" if outside else "held" if known else "inconclusive"
    return found
