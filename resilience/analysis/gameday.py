"""One GameDay -> GameDayResult: what was tried, what happened, how far it reached, and what it may be said to show."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from ..errors import InputError
from . import (
    blast_radius,
    briefing,
    detection,
    outcomes,
    reach,
    rehearsal,
    rehearsed_cells,
    roles,
    steady_state,
)
from .detection import Detection
from .steady_state import VERDICTS, fault_window

DIGITS = 6  # significant ones of every published number


@dataclass(frozen=True)
class Around:
    """What surrounds a GameDay. Each part may be empty; the result then says what is not known.

    `reached`: which services moved in each experiment, and which could be judged (`reach.reach`).
    `edges`: rows of service_edges. `incidents`: real ones with failure_class, or None where they were not classified.
    `others`: the tables of other GameDays that repeat one of its experiments or came before it. `detection`: the
    comparison of real incidents' time to detect before and after; None where there are none.
    """

    reached: reach.Reach = reach.NONE
    edges: pd.DataFrame | None = None
    incidents: pd.DataFrame | None = None
    others: Sequence[Mapping[str, pd.DataFrame]] = ()
    detection: Detection | None = None


@dataclass(frozen=True)
class GameDayResult:
    """What one GameDay showed. Numbers are rounded here, once: pages, tables and JSON say the same.

    `gameday`: its row as a mapping. `table`: one row per experiment. `probes`: one row per experiment x probe x
    window. `told`: first message per experiment and audience; `told_before`: those of earlier GameDays. `teams`: what
    each team scored in each experiment. `blast`: what moved. `changes`: the cells it touched, before and after.
    `history`: the same experiments at other GameDays. `outcomes`: the eleven. `brief`: plain words. `tables`: the rows
    it was made from, names hidden unless asked for. `text`: the sentence.
    """

    gameday: Mapping[str, Any]
    table: pd.DataFrame
    probes: pd.DataFrame
    told: pd.DataFrame
    told_before: pd.DataFrame
    teams: pd.DataFrame
    blast: blast_radius.BlastRadius
    changes: rehearsed_cells.Changes | None
    history: pd.DataFrame
    detection: Detection | None
    tables: Mapping[str, pd.DataFrame]
    text: str

    @property
    def people(self) -> int | None:
        """How many took part, where anybody counted."""
        known = [self.gameday[f"attendance_{group}"] for group in ("tech", "other")]
        counted = [int(n) for n in known if pd.notna(n)]
        return sum(counted) if counted else None

    @property
    def surprise_edges(self) -> pd.DataFrame:
        return blast_radius.surprise_edges(self.blast, self.tables["experiment_targets"])

    @cached_property
    def outcomes(self) -> pd.DataFrame:
        return outcomes.card(self)

    @cached_property
    def brief(self) -> briefing.Briefing:
        teams = self.tables["gameday_scores"]["team"].nunique()
        return briefing.brief(self.gameday, self.table, self.tables["gameday_notes"], self.people, teams)

    def numbers(self) -> dict[str, Any]:
        """Everything that is published as numbers, ready for JSON."""
        names = (
            "gameday_id",
            "title",
            "theme",
            "style",
            "environment",
            "zone",
            "attendance_tech",
            "attendance_other",
        )
        day = {name: _plain(self.gameday[name]) for name in names}
        return {
            "gameday": {**day, "held_on": f"{self.gameday['held_on']:%Y-%m-%d}"},
            "text": self.text,
            "verdicts": {v: int((self.table["verdict"] == v).sum()) for v in VERDICTS},
            "brief": {
                k: _plain(v) if k != "experiments" else _records(self.brief.table)
                for k, v in self.brief.numbers().items()
            },
            "outcomes": _records(self.outcomes),
            "experiments": _records(self.table.drop(columns="anchor", errors="ignore")),
            "probes": _records(self.probes),
            "moved": _records(self.blast.table),
            "surprise_edges": _records(self.surprise_edges),
            "told": _records(self.told),
            "messages": _records(self._messages()),
            "teams": _records(self.teams),
            "changes": {"text": self.changes.text, "cells": _records(self.changes.table)}
            if self.changes
            else None,
            "history": _records(self.history),
            "detection": {"verdict": self.detection.verdict, "text": self.detection.text}
            if self.detection
            else None,
        }

    def _messages(self) -> pd.DataFrame:
        """Everything that was said to anybody, in the order of time."""
        notes = self.tables["gameday_notes"]
        columns = ["experiment_key", "audience", "at", "text"]
        return notes.loc[notes["kind"] == "communication", columns].sort_values("at", kind="stable")


def analyse(
    tables: Mapping[str, pd.DataFrame], around: Around | None = None, *, names: bool = False
) -> GameDayResult:
    """`tables`: rows of one GameDay from every gameday and experiment table, and `series` around its faults.

    Names of people become roles unless `names`. Raises InputError unless `gamedays` holds exactly one row.
    """
    days = tables["gamedays"]
    if len(days) != 1:
        raise InputError(
            f"A GameDay result needs one GameDay; {len(days)} were given.",
            remedy="See `resilience gameday list` for the ids in the store.",
        )
    around = around or Around()
    shown = dict(tables) if names else roles.hidden(tables)
    others = list(around.others) if names else [roles.hidden(other) for other in around.others]
    gameday: dict[str, Any] = {
        str(name): value for name, value in shown["gamedays"].iloc[0].to_dict().items()
    }
    experiments = shown["experiments"].sort_values("position", ignore_index=True)
    probes = pd.concat(
        [steady_state.windows(row, shown) for row in experiments.itertuples()] or [steady_state.NO_WINDOWS],
        ignore_index=True,
    )
    blast = blast_radius.radius(
        experiments, shown["experiment_targets"], around.reached,
        pd.DataFrame({c: [] for c in _EDGES}) if around.edges is None else around.edges,
    )  # fmt: skip
    table = pd.DataFrame([_experiment(row, probes, blast, shown) for row in experiments.itertuples()])
    changed = None
    if around.incidents is not None and not table.empty:
        changed = rehearsed_cells.changes(
            experiments, shown["experiment_targets"], around.incidents, gameday["held_on"]
        )
    earlier = [rehearsal.told(o["experiments"], o["gameday_notes"]) for o in others
               if o["gamedays"]["held_on"].iloc[0] < gameday["held_on"]]  # fmt: skip
    told = rehearsal.told(experiments, shown["gameday_notes"])
    return GameDayResult(
        gameday=gameday,
        table=_rounded(table),
        probes=_rounded(probes),
        told=_rounded(told),
        told_before=pd.concat(earlier, ignore_index=True) if earlier else told.iloc[:0],
        teams=_rounded(rehearsal.survived(experiments, shown["gameday_scores"])),
        blast=dataclasses.replace(blast, table=_rounded(blast.table)),
        changes=changed and rehearsed_cells.Changes(_rounded(changed.table), changed.text, changed.verdict),
        history=_history(experiments, others),
        detection=around.detection,
        tables=shown,
        text=_headline(gameday, table),
    )


_EDGES = ("from_kind", "from_name", "relation", "to_kind", "to_name")
_HISTORY = [
    "experiment_key", "gameday_id", "held_on", "title", "style", "environment", "targets", "verdict", "outcome",
    "mitigated_min", "planned_min", "fallback",
]  # fmt: skip


def _experiment(
    row: Any, probes: pd.DataFrame, blast: blast_radius.BlastRadius, tables: Mapping[str, pd.DataFrame]
) -> dict[str, Any]:
    key = row.experiment_key
    mine = probes[probes["experiment_key"] == key]
    verdict, reason = steady_state.verdict(row, mine)
    spans = steady_state.by_window(mine)
    fault = fault_window(row)
    events = rehearsal.own(tables, "experiment_events", key)
    return {
        "position": row.position,
        "experiment_key": key,
        "anchor": f"experiment-{key}",
        "title": row.title,
        "symptom": row.symptom,
        "failure_class": row.failure_class,
        "targets": ", ".join(sorted(rehearsal.own(tables, "experiment_targets", key)["service"])),
        "environment": row.environment,
        **rehearsal.vote(row, rehearsal.own(tables, "experiment_votes", key)),
        "verdict": verdict,
        "reason": reason,
        **{f"verdict_{window}": found for window, found in spans.items()},
        "fault_started_at": row.fault_started_at,
        "fault_min": np.nan if fault is None else (fault[1] - fault[0]) / pd.Timedelta(minutes=1),
        "planned_min": row.planned_min,
        **rehearsal.minutes(row, events),
        **_onset(row, blast, events),
        "attempted": row.outcome in rehearsal.ATTEMPTED,
        "outcome": row.outcome,
        "outcome_text": row.outcome_text,
        "prediction": row.prediction,
        "hypothesis": row.hypothesis,
        "expected_backlog": row.expected_backlog,
        **rehearsal.backlog(row, tables["series"]),
        **rehearsal.fallback(row),
        "blast": blast.text(key),
    }


def _onset(row: Any, blast: blast_radius.BlastRadius, events: pd.DataFrame) -> dict[str, Any]:
    """When the series first moved, against the fault and the heroes' first alert; `onset`: that in words."""
    mine = blast.table[blast.table["experiment_key"] == row.experiment_key]
    empty = {"onset_at": pd.NaT, "onset_min": np.nan, "onset": None}
    if mine.empty:
        watched = blast.watched.get(row.experiment_key, 0)
        return {**empty, "onset": "No series left its usual band during the fault." if watched else None}
    first = mine.sort_values(["at", "service"]).iloc[0]
    minute = pd.Timedelta(minutes=1)
    low, high = ((first[side] - row.fault_started_at) / minute for side in ("earliest", "latest"))
    said = (
        f"{first['service']} moved first ({first['metric']}), {_from_fault(first['after_min'])} the fault (from "
        f"{low:+.0f} to {high:+.0f} min)"
    )
    alerts = events.loc[events["moment"] == "alerted", "at"]
    if len(alerts):
        lag = (alerts.min() - first["at"]) / minute
        said += f"; the first alert came {abs(lag):.0f} min {'after' if lag >= 0 else 'before'} that"
    return {"onset_at": first["at"], "onset_min": float(first["after_min"]), "onset": f"{said}."}


def _from_fault(minutes: float) -> str:
    """Minutes from the fault in words: what moved before it did not move '-1 min after'."""
    whole = round(float(minutes))
    return f"{abs(whole)} min {'before' if whole < 0 else 'after'}" if whole else "with"


def _history(experiments: pd.DataFrame, others: Sequence[Mapping[str, pd.DataFrame]]) -> pd.DataFrame:
    """The same experiment_key at other GameDays, oldest first."""
    rows = []
    for tables in others:
        day = tables["gamedays"].iloc[0]
        again = tables["experiments"][
            tables["experiments"]["experiment_key"].isin(experiments["experiment_key"])
        ]
        for row in again.itertuples():
            verdict, _ = steady_state.verdict(row, steady_state.windows(row, tables))
            events = rehearsal.own(tables, "experiment_events", row.experiment_key)
            targets = rehearsal.own(tables, "experiment_targets", row.experiment_key)["service"]
            rows.append(
                (row.experiment_key, day["gameday_id"], day["held_on"], row.title, day["style"], row.environment,
                 ", ".join(sorted(targets)), verdict, row.outcome, rehearsal.minutes(row, events)["mitigated_min"],
                 row.planned_min, rehearsal.fallback(row)["fallback"])
            )  # fmt: skip
    found = pd.DataFrame(rows, columns=_HISTORY)
    return _rounded(found.sort_values(["experiment_key", "held_on"], ignore_index=True))


def _headline(gameday: Mapping[str, Any], table: pd.DataFrame) -> str:
    if table.empty:
        return f"{gameday['title']} has no experiments on record."
    count = table["verdict"].value_counts()
    parts = [f"{count[v]} {v}" for v in VERDICTS if v in count]
    solved = int(table["outcome"].isin(["solved", "workaround"]).sum())
    tried = int(table["attempted"].sum())
    heroes = (
        f"Heroes solved or worked around {solved} of the {tried} they tried."
        if tried
        else "No heroes took part."
    )
    return (
        f"{len(table)} experiment{'s' if len(table) != 1 else ''}: {', '.join(parts)}. {heroes} "
        "One GameDay is one observation of each: it shows what happened, not how often it will."
    )


def _rounded(table: pd.DataFrame) -> pd.DataFrame:
    """Floats to `DIGITS` significant digits; the only rounding of what is published."""
    return table.assign(
        **{
            c: [float(f"{v:.{DIGITS}g}") for v in table[c]]
            for c in table
            if pd.api.types.is_float_dtype(table[c])
        }
    )


def _plain(value: Any) -> Any:
    """A JSON value: missing is null, times are ISO strings."""
    if value is None or (np.isscalar(value) and pd.isna(value)) or value is pd.NaT:
        return None
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    return value.item() if isinstance(value, np.generic) else value


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(k): _plain(v) for k, v in record.items()} for record in table.to_dict("records")]


def around(tables: Mapping[str, pd.DataFrame], context: Mapping[str, pd.DataFrame]) -> Around:
    """`Around` of the GameDay in `tables` from the rows that `views.gameday_context` reads."""
    days = context["gamedays"].sort_values(["held_on", "gameday_id"])["gameday_id"]
    parts = {n: dict(iter(rows.groupby("gameday_id"))) for n, rows in context.items() if "gameday_id" in rows}
    others = [
        {n: part.get(day, context[n].iloc[:0]) for n, part in parts.items()} | {"series": context["series"]}
        for day in days
    ]
    reached = reach.reach(tables["experiments"], context["series"], context["classes"])
    held_on = tables["gamedays"]["held_on"].iloc[0]
    noticed = detection.around(context["real"], context["onsets"], held_on)
    return Around(reached, context["service_edges"], context["classes"], others, noticed)
