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
    panels = [panel for row in result.table.itertuples() for panel in _experiment(result, row, compact)]
    return Panels([Panel("", body=anchor("experiments")), *panels])


def notes_of(result: GameDayResult, kind: str, key: str | None = None) -> list[Any]:
    """Notes of one kind, of one experiment or of all."""
    notes = result.tables["gameday_notes"]
    notes = notes[notes["kind"] == kind]
    return list((notes if key is None else notes[notes["experiment_key"] == key]).itertuples())


def _experiment(result: GameDayResult, row: Any, compact: bool) -> list[Panel]:
    """What was tried and came of it, its series around the fault, and then the rest of what is on record."""
    talk = [
        f"{note.text} (to {note.audience}"
        + (f", {note.at.tz_convert(result.gameday['zone']):%H:%M})" if known(note.at) else ")")
        for note in notes_of(result, "communication", row.experiment_key)
    ]
    vote = f'<p class="loud"><strong>Vote.</strong> {escape(row.vote)}</p>' if row.vote_loud else ""
    broken = f"{row.failure_class.replace('-', ' ')} at {row.targets}, on {row.environment}"
    came = OUTCOMES[row.outcome]
    story = facts(
        [
            ("What heroes were told", row.symptom),
            ("What we broke", broken),
            ("What we predicted", row.prediction),
            (
                "What happened",
                f"{came[:1].upper()}{came[1:]}. {row.outcome_text if known(row.outcome_text) else ''}",
            ),
        ]
    )
    told = (
        facts(
            [
                ("What should stay true", row.hypothesis),
                ("Vote", None if row.vote_loud else row.vote),
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
        told = f"<details><summary>What was tried, predicted and recorded</summary>{story}{told}</details>"
        story = ""
    body = (
        f'<h3 id="{escape(row.anchor)}">{row.position}. {escape(row.title)}</h3>'
        f'<p class="verdict-line"><span class="verdict {row.verdict}"><span aria-hidden="true">{MARKS[row.verdict]}</span> '
        f"{escape(_VERDICT_WORDS[row.verdict])}.</span> {escape(row.reason)}</p>{vote}{story}"
    )
    probes = result.probes[result.probes["experiment_key"] == row.experiment_key]
    drawn = _series(result, row.experiment_key, _telling(probes) if compact else None)
    if drawn is None:
        nothing = Panel(
            "No series was recorded around this experiment, so there is nothing to draw.", body=body
        )
        return [nothing, Panel("", body=told)]
    columns = {
        "probe": "Probe", "window": "Window", "statistic": "Statistic", "value": "Value", "low": "Lowest allowed",
        "high": "Highest allowed", "n": "Points", "n_expected": "Points expected", "within": "Within",
    }  # fmt: skip
    said = _series_text(probes, compact)
    return [Panel(said, drawn, table(probes, columns), body), Panel("", body=told)]


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


def _series_text(probes: pd.DataFrame, compact: bool) -> str:
    """Which probes left their limits while the fault lasted, and how far; what the others did; on how many points."""
    during = probes[probes["window"] == "during"]
    shown = during[during["probe"].isin(_telling(probes))] if compact else during
    before = probes[probes["window"] == "before"].set_index("probe")["value"]
    parts = []
    for words, rows in (
        ("Left its limits during the fault", shown[shown["within"].eq(False)]),
        ("Stayed within its limits", shown[shown["within"].eq(True)]),
        ("Cannot be told", shown[shown["within"].isna()]),
    ):
        if len(rows):
            said = "; ".join(_measured(row, before.get(row.probe)) for row in rows.itertuples())
            parts.append(f"{words if len(rows) == 1 else words.replace(' its ', ' their ')}: {said}.")
    if parts:
        parts.append(
            f"Measured on {int(during['n'].sum())} of {int(during['n_expected'].sum())} points during the fault (shaded)."
        )
    if left := during["probe"].nunique() - shown["probe"].nunique():
        parts.append(f"The {left} other{'s are' if left != 1 else ' is'} in the table.")
    return " ".join(parts)


def _measured(row: Any, before: Any) -> str:
    """One probe: its value during the fault, before it, and what was allowed."""
    unit = f" {row.unit}" if known(row.unit) and row.unit else ""
    limits = [f"at least {row.low:g}"] * known(row.low) + [f"at most {row.high:g}"] * known(row.high)
    was = f", {before:.3g} before" if known(before) else ""
    seen = f"{row.value:.3g}{unit}" if known(row.value) else "no data"
    return f"{row.probe} ({row.statistic} {seen}{was}; {' and '.join(limits)} allowed)"


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
