"""What people did in one experiment: how they voted, how long they took, whom they told, and what carried the load."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from .steady_state import fault_window, finest

ATTEMPTED = ("solved", "workaround", "not_solved", "aborted")
"""Outcomes of an experiment that heroes worked on."""


def minutes(row: Any, events: pd.DataFrame) -> dict[str, Any]:
    """Minutes from the fault to the first alert, diagnosis and mitigation; `censored` where the box ran out."""
    first = events.groupby("moment")["at"].min()
    found = {}
    for moment in ("alerted", "diagnosed", "mitigated"):
        known = moment in first and not pd.isna(row.fault_started_at)
        found[f"{moment}_min"] = (
            (first[moment] - row.fault_started_at) / pd.Timedelta(minutes=1) if known else np.nan
        )
    ended = row.outcome in ("not_solved", "aborted") or found["mitigated_min"] > row.planned_min
    return {**found, "censored": bool(ended)}


def vote(row: Any, votes: pd.DataFrame) -> dict[str, Any]:
    """`voted`: the environment chosen, null where none was; `vote`: in words; `vote_loud`: worth a warning.

    Loud is what nobody chose: production by default, or an execution elsewhere than voted.
    """
    if votes.empty and pd.isna(row.vote_default):
        return {"voted": None, "vote": None, "vote_loud": False}
    total = int(votes["votes"].sum())
    tally = ", ".join(f"{v.option} {v.votes}" for v in votes.sort_values("option").itertuples())
    if total == 0:
        if pd.isna(row.vote_default):
            said = f"Nobody voted, and nothing said what no vote means; it ran on {row.environment}."
            return {"voted": None, "vote": said, "vote_loud": True}
        loud = " Nobody chose production." if row.vote_default == "production" else ""
        said = f"Nobody voted: no vote meant {row.vote_default}.{loud}{_executed(row.vote_default, row)}"
        return {"voted": row.vote_default, "vote": said, "vote_loud": True}
    best = votes[votes["votes"] == votes["votes"].max()]["option"].tolist()
    if len(best) > 1:
        said = f"The vote was a tie ({tally}); it ran on {row.environment}."
        return {"voted": None, "vote": said, "vote_loud": row.environment == "production"}
    said = f"Voted {best[0]} ({tally})." + _executed(best[0], row)
    return {"voted": best[0], "vote": said, "vote_loud": best[0] != row.environment}


def _executed(voted: str, row: Any) -> str:
    return "" if voted == row.environment else f" It was executed on {row.environment} instead."


def backlog(row: Any, series: pd.DataFrame) -> dict[str, Any]:
    """Largest backlog from the fault's start until one time box after its end, and how many points saw it."""
    fault, seen, n = fault_window(row), float("nan"), 0
    if fault is not None and pd.notna(row.backlog_metric) and pd.notna(row.backlog_scope):
        points = finest(series, row.backlog_metric, row.backlog_scope)
        end = fault[1] + pd.Timedelta(minutes=row.planned_min)
        values = points[(points["at"] >= fault[0]) & (points["at"] < end)]["value"].dropna()
        seen, n = (float(values.max()) if len(values) else seen), len(values)
    words = None
    if pd.notna(row.expected_backlog):
        unit = f" {row.backlog_unit}" if pd.notna(row.backlog_unit) else ""
        words = f"{row.expected_backlog:,.0f}{unit} predicted; " + _seen(row.expected_backlog, seen, n)
    return {"observed_backlog": seen, "backlog_n": n, "backlog": words}


def _seen(expected: float, seen: float, n: int) -> str:
    if np.isnan(seen):
        return "what piled up was not measured."
    apart = (
        "" if not expected else f", {abs(seen / expected - 1):.0%} {'more' if seen > expected else 'less'}"
    )
    return (
        f"{seen:,.0f} seen at most{apart if abs(seen - expected) >= 0.005 * expected else ''} ({n} points)."
    )


def fallback(row: Any) -> dict[str, Any]:
    """`fallback`: what was tried and how far that goes, in words; `fallback_held`: null where it is not known."""
    if pd.isna(row.fallback):
        return {"fallback": None, "fallback_held": None}
    if not (pd.notna(row.fallback_exercised) and row.fallback_exercised):
        said = f"{row.fallback}: not exercised, so nothing is known about it."
        return {"fallback": said, "fallback_held": None}
    if pd.isna(row.fallback_worked):
        said = f"{row.fallback}: exercised; nobody recorded whether it held."
        return {"fallback": said, "fallback_held": None}
    unit = f" {row.fallback_load_unit}" if pd.notna(row.fallback_load_unit) else ""
    load = "" if pd.isna(row.fallback_load) else f", at {row.fallback_load:g}{unit}"
    held = bool(row.fallback_worked)
    return {
        "fallback": f"{row.fallback}: held {int(held)} of 1{load}, {row.environment}.",
        "fallback_held": held,
    }


def told(experiments: pd.DataFrame, notes: pd.DataFrame) -> pd.DataFrame:
    """First message to each audience of each experiment that had a fault.

    Columns: experiment_key, audience, at (UTC), inform_min (minutes after the fault; negative where told before it),
    text. A message without a time is not here.
    """
    sent = notes[(notes["kind"] == "communication") & notes["at"].notna() & notes["audience"].notna()]
    start = experiments.set_index("experiment_key")["fault_started_at"].dropna()
    sent = sent[sent["experiment_key"].isin(start.index)].sort_values(["at", "position"])
    first = sent.drop_duplicates(["experiment_key", "audience"])[["experiment_key", "audience", "at", "text"]]
    if first.empty:
        return first.assign(inform_min=pd.Series(dtype=float))
    after = (first["at"] - first["experiment_key"].map(start)) / pd.Timedelta(minutes=1)
    return first.assign(inform_min=after.astype(float)).reset_index(drop=True)


def survived(experiments: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """What each team scored while each experiment ran; teams by name, experiments by programme: no ranking.

    A score belongs to the last experiment whose fault had begun, up to one time box after its end. Columns: team,
    experiment_key (null where it belongs to none), gained (points above zero), lost, first_gain_min (minutes from the
    fault to the first gain), reasons. A team without a score in an experiment has a row of zeros there.
    """
    columns = ["team", "experiment_key", "gained", "lost", "first_gain_min", "reasons"]
    ran = experiments[experiments["fault_started_at"].notna()].sort_values("fault_started_at", kind="stable")
    if scores.empty:
        return pd.DataFrame(columns=list(columns))
    owner: list[str | None] = []
    for score in scores.itertuples():
        begun = [row for row in ran.itertuples() if row.fault_started_at <= score.at]
        end = fault_window(begun[-1])[1] + pd.Timedelta(minutes=begun[-1].planned_min) if begun else None  # type: ignore[index]
        owner.append(begun[-1].experiment_key if begun and score.at <= end else None)
    marked = scores.assign(experiment_key=owner)
    start = ran.set_index("experiment_key")["fault_started_at"]
    rows = []
    for team in sorted(marked["team"].unique()):
        mine = marked[marked["team"] == team].sort_values("at")
        keys: list[str | None] = [
            *ran["experiment_key"],
            *([None] if mine["experiment_key"].isna().any() else []),
        ]
        for key in keys:
            here = mine[mine["experiment_key"].isna()] if key is None else mine[mine["experiment_key"] == key]
            gains = here[here["points"] > 0]
            first = (
                (gains["at"].iloc[0] - start[key]) / pd.Timedelta(minutes=1) if key and len(gains) else np.nan
            )
            reasons = "; ".join(here["reason"].dropna())
            lost = abs(float(here.loc[here["points"] < 0, "points"].sum()))
            rows.append((team, key, float(gains["points"].sum()), lost, first, reasons))
    return pd.DataFrame(rows, columns=columns)


def own(tables: Mapping[str, pd.DataFrame], table: str, key: str) -> pd.DataFrame:
    """Rows of `table` that belong to the experiment `key`."""
    return tables[table][tables[table]["experiment_key"] == key]
