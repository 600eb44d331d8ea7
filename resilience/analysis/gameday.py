"""One GameDay -> GameDayResult: a verdict per experiment, the heroes' minutes, votes, backlog, fallbacks.

A verdict compares a steady-state hypothesis with the series before, during and after the fault. Nothing is
decided by data that is not there: a probe without enough points makes the verdict `inconclusive`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..errors import InputError

VERDICTS = ("held", "deviated", "inconclusive")
WINDOWS = ("before", "during", "after")
MIN_COVERAGE = 0.8  # share of a window's intervals that must hold a value before the window says anything

_STATISTICS: dict[str, Callable[[np.ndarray], Any]] = {
    "mean": np.mean,
    "median": np.median,
    "min": np.min,
    "max": np.max,
    "sum": np.sum,
    "p95": lambda values: np.quantile(values, 0.95),
}


@dataclass(frozen=True)
class GameDayResult:
    """What one GameDay showed.

    `gameday`: its row as a mapping. `table`: one row per experiment with verdict and reason. `probes`: one row
    per experiment x probe x window. `tables`: the rows it was made from, for figures. `text`: the sentence.
    """

    gameday: Mapping[str, Any]
    table: pd.DataFrame
    probes: pd.DataFrame
    tables: Mapping[str, pd.DataFrame]
    text: str

    def numbers(self) -> dict[str, Any]:
        """Everything that is published as numbers, rounded once, ready for JSON."""
        day = {
            name: self.gameday[name]
            for name in ("gameday_id", "title", "style", "environment", "attendance_tech", "attendance_other")
        }
        return {
            "gameday": {
                **{name: _plain(value) for name, value in day.items()},
                "held_on": f"{self.gameday['held_on']:%Y-%m-%d}",
            },
            "text": self.text,
            "verdicts": {v: int((self.table["verdict"] == v).sum()) for v in VERDICTS},
            "experiments": _records(self.table),
            "probes": _records(self.probes),
        }


def analyse(tables: Mapping[str, pd.DataFrame]) -> GameDayResult:
    """`tables`: rows of one GameDay from every gameday and experiment table, and `series` around its faults.

    Raises InputError unless `gamedays` holds exactly one row.
    """
    days = tables["gamedays"]
    if len(days) != 1:
        raise InputError(
            f"A GameDay result needs one GameDay; {len(days)} were given.",
            remedy="See `resilience gamedays` for the ids in the store.",
        )
    gameday: dict[str, Any] = {str(name): value for name, value in days.iloc[0].to_dict().items()}
    experiments = tables["experiments"].sort_values("position", ignore_index=True)
    probes = pd.concat(
        [_probe_windows(row, tables) for row in experiments.itertuples()] or [_NO_WINDOWS], ignore_index=True
    )
    table = pd.DataFrame([_experiment(row, probes, tables) for row in experiments.itertuples()])
    return GameDayResult(gameday, table, probes, dict(tables), _headline(gameday, table))


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
_NO_WINDOWS = pd.DataFrame({name: pd.Series(dtype=object) for name in _WINDOW_COLUMNS})


def _probe_windows(experiment: Any, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """One row per probe and window; `within` is null where the window holds too little to say."""
    fault = fault_window(experiment)
    wanted = tables["experiment_probes"]
    wanted = wanted[wanted["experiment_key"] == experiment.experiment_key]
    if fault is None or wanted.empty:
        return _NO_WINDOWS
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
    return (
        float(_STATISTICS[statistic](values)) if enough and len(values) else float("nan"),
        len(values),
        expected,
    )


def _verdict(experiment: Any, probes: pd.DataFrame) -> tuple[str, str]:
    """Verdict and its reason in words."""
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


def _experiment(row: Any, probes: pd.DataFrame, tables: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    def own(table: str) -> pd.DataFrame:
        return tables[table][tables[table]["experiment_key"] == row.experiment_key]

    verdict, reason = _verdict(row, probes[probes["experiment_key"] == row.experiment_key])
    minutes = _minutes(row, own("experiment_events"))
    voted, vote = _vote(row, own("experiment_votes"))
    observed, backlog_n = _backlog(row, tables["series"])
    return {
        "position": row.position,
        "experiment_key": row.experiment_key,
        "title": row.title,
        "symptom": row.symptom,
        "failure_class": row.failure_class,
        "targets": ", ".join(sorted(own("experiment_targets")["service"])),
        "environment": row.environment,
        "voted": voted,
        "vote": vote,
        "verdict": verdict,
        "reason": reason,
        "planned_min": row.planned_min,
        **minutes,
        "outcome": row.outcome,
        "outcome_text": row.outcome_text,
        "prediction": row.prediction,
        "expected_backlog": row.expected_backlog,
        "observed_backlog": observed,
        "backlog_n": backlog_n,
        "backlog_unit": row.backlog_unit,
        "fallback": _fallback(row),
    }


def _minutes(row: Any, events: pd.DataFrame) -> dict[str, Any]:
    """Minutes from the fault to the first alert, diagnosis and mitigation; censored where the box ran out."""
    first = events.groupby("moment")["at"].min()
    found = {}
    for moment in ("alerted", "diagnosed", "mitigated"):
        known = moment in first and not pd.isna(row.fault_started_at)
        found[f"{moment}_min"] = (
            (first[moment] - row.fault_started_at) / pd.Timedelta(minutes=1) if known else np.nan
        )
    ended = row.outcome in ("not_solved", "aborted") or found["mitigated_min"] > row.planned_min
    return {**found, "censored": bool(ended)}


def _vote(row: Any, votes: pd.DataFrame) -> tuple[str | None, str | None]:
    """Environment that the vote chose, and the vote in words; nulls where there was none."""
    if votes.empty and pd.isna(row.vote_default):
        return None, None
    total = int(votes["votes"].sum())
    tally = ", ".join(f"{v.option} {v.votes}" for v in votes.sort_values("option").itertuples())
    if total == 0:
        if pd.isna(row.vote_default):
            return None, "Nobody voted, and nothing said what no vote means."
        loud = " Nobody chose production." if row.vote_default == "production" else ""
        return row.vote_default, f"Nobody voted: no vote meant {row.vote_default}.{loud}" + _executed(
            row.vote_default, row
        )
    best = votes[votes["votes"] == votes["votes"].max()]["option"].tolist()
    if len(best) > 1:
        return None, f"The vote was a tie ({tally}); it ran on {row.environment}."
    return best[0], f"Voted {best[0]} ({tally})." + _executed(best[0], row)


def _executed(voted: str, row: Any) -> str:
    return "" if voted == row.environment else f" It was executed on {row.environment} instead."


def _backlog(row: Any, series: pd.DataFrame) -> tuple[float, int]:
    """Largest backlog from the fault's start until one time box after its end, and how many points saw it."""
    fault = fault_window(row)
    if fault is None or pd.isna(row.backlog_metric) or pd.isna(row.backlog_scope):
        return float("nan"), 0
    points = finest(series, row.backlog_metric, row.backlog_scope)
    end = fault[1] + pd.Timedelta(minutes=row.planned_min)
    values = points[(points["at"] >= fault[0]) & (points["at"] < end)]["value"].dropna()
    return (float(values.max()) if len(values) else float("nan")), len(values)


def _fallback(row: Any) -> str | None:
    if pd.isna(row.fallback):
        return None
    if not (pd.notna(row.fallback_exercised) and row.fallback_exercised):
        return f"{row.fallback}: not exercised, so nothing is known about it."
    if pd.isna(row.fallback_worked):
        return f"{row.fallback}: exercised; nobody recorded whether it held."
    load = (
        ""
        if pd.isna(row.fallback_load)
        else f", at {row.fallback_load:g} {row.fallback_load_unit or ''}".rstrip()
    )
    return f"{row.fallback}: held {'1' if row.fallback_worked else '0'} of 1{load}, {row.environment}."


def _headline(gameday: Mapping[str, Any], table: pd.DataFrame) -> str:
    if table.empty:
        return f"{gameday['title']} has no experiments on record."
    count = table["verdict"].value_counts()
    parts = [f"{count[v]} {v}" for v in VERDICTS if v in count]
    solved = int(table["outcome"].isin(["solved", "workaround"]).sum())
    tried = int((~table["outcome"].isin(["not_run", "not_attempted"])).sum())
    heroes = (
        f"Heroes solved or worked around {solved} of the {tried} they tried."
        if tried
        else "No heroes took part."
    )
    return (
        f"{len(table)} experiment{'s' if len(table) != 1 else ''}: {', '.join(parts)}. {heroes} "
        "One GameDay is one observation of each: it shows what happened, not how often it will."
    )


def _plain(value: Any) -> Any:
    """A JSON value: missing is null, floats are rounded to four decimals, times are ISO strings."""
    if value is None or (np.isscalar(value) and pd.isna(value)):
        return None
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    if isinstance(value, np.generic):
        value = value.item()
    return round(value, 4) if isinstance(value, float) else value


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(k): _plain(v) for k, v in record.items()} for record in table.to_dict("records")]
