"""One experiment on the GameDay page: what was tried, predicted and seen, then its series around the fault."""

from __future__ import annotations

from typing import Any

import pandas as pd

from ..analysis.gameday import GameDayResult
from ..analysis.steady_state import fault_window, finest
from .figures import gameday as figures
from .panels import Panel, Panels, anchor, bullets, escape, facts, known, table

MARKS = {"held": "●", "deviated": "◆", "inconclusive": "○"}
COMPACT = 12  # experiments from which on each is told in short: one small figure, details folded
_VERDICT_WORDS = {
    "held": "Held: normal service stayed within its limits",
    "deviated": "Deviated: normal service left its limits",
    "inconclusive": "Inconclusive: the data cannot say",
}
OUTCOMES = {
    "solved": "solved by the heroes",
    "workaround": "worked around by the heroes",
    "not_solved": "not solved within the time box",
    "not_attempted": "nobody was asked to solve it",
    "aborted": "aborted",
    "not_run": "not run",
}


def experiments(result: GameDayResult) -> Panels:
    """Each experiment, in the order of the programme; in short where there are many."""
    compact = len(result.table) > COMPACT
    panels = [_experiment(result, row, compact) for row in result.table.itertuples()]
    return Panels([Panel("", body=anchor("experiments")), *panels])


def notes_of(result: GameDayResult, kind: str, key: str | None = None) -> list[Any]:
    """Notes of one kind, of one experiment or of all."""
    notes = result.tables["gameday_notes"]
    notes = notes[notes["kind"] == kind]
    return list((notes if key is None else notes[notes["experiment_key"] == key]).itertuples())


def _experiment(result: GameDayResult, row: Any, compact: bool) -> Panel:
    talk = [
        f"{note.text} (to {note.audience}"
        + (f", {note.at.tz_convert(result.gameday['zone']):%H:%M})" if known(note.at) else ")")
        for note in notes_of(result, "communication", row.experiment_key)
    ]
    vote = f'<p class="loud"><strong>Vote.</strong> {escape(row.vote)}</p>' if row.vote_loud else ""
    told = (
        facts(
            [
                ("What heroes were told", row.symptom),
                ("Targets", row.targets),
                ("Injected", row.failure_class),
                ("Where", row.environment),
                ("Vote", None if row.vote_loud else row.vote),
                ("Steady state", row.hypothesis),
                ("Predicted", row.prediction),
                (
                    "What happened",
                    f"{OUTCOMES[row.outcome]}. {row.outcome_text if known(row.outcome_text) else ''}",
                ),
                ("Before, during, after", f"{row.verdict_before}, {row.verdict_during}, {row.verdict_after}"),
                ("First movement", row.onset),
                ("How far it reached", row.blast),
                ("Backlog", row.backlog),
                ("Fallback", row.fallback),
                ("Time box", _box(row)),
            ]
        )
        + (f"<p>Who was told</p>{bullets(talk)}" if talk else "")
        + _timeline(result, row.experiment_key)
    )
    if compact:
        told = f"<details><summary>What was tried, predicted and recorded</summary>{told}</details>"
    body = (
        f'<h3 id="{escape(row.anchor)}">{row.position}. {escape(row.title)}</h3>'
        f'<p class="verdict-line"><span class="verdict {row.verdict}"><span aria-hidden="true">{MARKS[row.verdict]}</span> '
        f"{escape(_VERDICT_WORDS[row.verdict])}.</span> {escape(row.reason)}</p>{vote}{told}"
    )
    probes = result.probes[result.probes["experiment_key"] == row.experiment_key]
    drawn = _series(result, row.experiment_key, _telling(probes) if compact else None)
    if drawn is None:
        return Panel("No series was recorded around this experiment, so there is nothing to draw.", body=body)
    columns = {
        "probe": "Probe", "window": "Window", "statistic": "Statistic", "value": "Value", "low": "Lowest allowed",
        "high": "Highest allowed", "n": "Points", "n_expected": "Points expected", "within": "Within",
    }  # fmt: skip
    return Panel(_series_text(row, probes, compact), drawn, table(probes, columns), body)


def _box(row: Any) -> str | None:
    if not row.attempted:
        return None
    if row.censored:
        return (
            f"{row.planned_min:g} min, which were not enough: the true time is longer, and counted as such."
        )
    took = f"; mitigated after {row.mitigated_min:g} min" if known(row.mitigated_min) else ""
    return f"{row.planned_min:g} min{took}."


def _timeline(result: GameDayResult, key: str) -> str:
    events = result.tables["experiment_events"]
    events = events[events["experiment_key"] == key].sort_values(["at", "position"])
    if events.empty:
        return ""
    clock = events["at"].dt.tz_convert(str(result.gameday["zone"])).dt.strftime("%H:%M")
    columns = {"clock": "When", "moment": "Moment", "role": "Who", "text": "What"}
    listed = table(events.assign(clock=clock), columns)
    return f"<details><summary>Timeline of {len(events)} lines</summary>{listed}</details>"


def _telling(probes: pd.DataFrame) -> list[str]:
    """The two probes that went furthest, as a share of their limit: those that a short panel shows."""
    during = probes[probes["window"] == "during"]
    over = (during["value"] / during["high"]).astype(float).fillna(during["low"] / during["value"])
    ranked = during.assign(over=over.astype(float)).sort_values(
        "over", ascending=False, na_position="last", kind="stable"
    )
    return list(ranked["probe"].head(2))


def _series_text(row: Any, probes: pd.DataFrame, compact: bool) -> str:
    """What each probe measured before, during and after, its limits, and how many points that rests on."""
    shown = probes[probes["probe"].isin(_telling(probes))] if compact else probes
    parts = []
    for name, rows in shown.groupby("probe", sort=False):
        values = rows.set_index("window")["value"]
        seen = ", ".join(f"{values[w]:.3g} {w}" if known(values[w]) else f"no data {w}" for w in values.index)
        first = rows.iloc[0]
        limits = [f"at least {first['low']:g}"] * known(first["low"]) + [
            f"at most {first['high']:g}"
        ] * known(first["high"])
        unit = f" {first['unit']}" if known(first["unit"]) and first["unit"] else ""
        parts.append(f"{name} ({first['statistic']}{unit}): {seen}; allowed {' and '.join(limits)}")
    during = probes[probes["window"] == "during"]
    points = (
        f" Measured on {int(during['n'].sum())} of {int(during['n_expected'].sum())} points during the fault."
        if parts
        else ""
    )
    left = probes["probe"].nunique() - shown["probe"].nunique()
    more = f" The {left} other{'s are' if left != 1 else ' is'} in the table." if left else ""
    return f"{row.title}, around the fault (shaded). {'. '.join(parts)}.{points}{more}"


def _series(result: GameDayResult, key: str, only: list[str] | None) -> Any:
    source = result.tables["experiments"].set_index("experiment_key").loc[key]
    fault = fault_window(source)
    if fault is None:
        return None
    box = pd.Timedelta(minutes=float(source["planned_min"]))
    probes = result.tables["experiment_probes"]
    probes = probes[probes["experiment_key"] == key]
    wanted = [
        {
            "title": f"{p.probe} ({p.scope})",
            "metric": p.metric,
            "scope": p.scope,
            "low": p.low,
            "high": p.high,
        }
        for p in probes.itertuples()
        if only is None or p.probe in only
    ]
    if known(source["backlog_metric"]) and known(source["backlog_scope"]):
        wanted.append(
            {"title": f"backlog ({source['backlog_scope']})", "metric": source["backlog_metric"],
             "scope": source["backlog_scope"], "expected": source["expected_backlog"]}
        )  # fmt: skip
    drawn = []
    for panel in wanted:
        points = finest(result.tables["series"], panel["metric"], panel["scope"])
        points = points[(points["at"] >= fault[0] - box) & (points["at"] < fault[1] + box)]
        if points["value"].notna().any():
            unit = points["unit"].iloc[0]
            drawn.append({**panel, "points": points, "unit": unit if known(unit) else ""})
    if not drawn:
        return None
    events = result.tables["experiment_events"]
    mine = events[events["experiment_key"] == key]
    height = 110 if only is not None else 190
    return figures.probes(drawn, fault, mine, str(result.gameday["zone"]), row_height=height)
