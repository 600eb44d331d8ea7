"""The panels of the GameDay page."""

from __future__ import annotations

from typing import Any

import pandas as pd

from ..analysis.gameday import GameDayResult, fault_window, finest
from .figures import gameday as figures
from .panels import Panel, Panels, bullets, count, escape, facts, finding, known, table

_VERDICT_WORDS = {
    "held": "Held: normal service stayed within its limits",
    "deviated": "Deviated: normal service left its limits",
    "inconclusive": "Inconclusive: the data cannot say",
}
_OUTCOMES = {
    "solved": "solved by the heroes",
    "workaround": "worked around by the heroes",
    "not_solved": "not solved within the time box",
    "not_attempted": "nobody was asked to solve it",
    "aborted": "aborted",
    "not_run": "not run",
}
_NOTE_TITLES = {"surprise": "What surprised us", "learning": "What we learned", "action": "What we do next"}
MARKS = {"held": "●", "deviated": "◆", "inconclusive": "○"}


def overview(result: GameDayResult) -> Panel:
    """First screen: when, where, who, and one line per experiment in plain words."""
    day = result.gameday
    people = [
        f"{int(day[f'attendance_{group}'])} {words}"
        for group, words in (("tech", "from Tech"), ("other", "from outside Tech"))
        if known(day[f"attendance_{group}"])
    ]
    told = "told in advance" if day["style"] == "informed" else "unannounced"
    about = facts(
        [
            ("When", f"{day['held_on']:%A %d %B %Y}"),
            ("Where", f"{day['environment']}, {told}"),
            ("Theme", day["theme"]),
            ("Who took part", ", ".join(people) or "not recorded"),
        ]
    )
    rows = "".join(
        f'<li><span class="verdict {row.verdict}"><span aria-hidden="true">{MARKS[row.verdict]}</span> {row.verdict}</span>'
        f" <strong>{escape(row.title)}</strong> — {escape(_OUTCOMES[row.outcome])}.</li>"
        for row in result.table.itertuples()
    )
    summary = f"<p>{escape(day['summary'])}</p>" if known(day["summary"]) else ""
    legend = "Held: normal service stayed within its limits. Deviated: it left them. Inconclusive: the data cannot say."
    title = f'<p class="day">{escape(day["title"])}</p>'
    return Panel(
        "",
        body=f'{title}{summary}{finding(result.text)}<ol class="experiments">{rows}</ol><p class="meta">{legend}</p>{about}',
    )


def heroes(result: GameDayResult) -> Panel:
    """How long the heroes took, against the time box; unsolved experiments stay in."""
    ran = result.table[
        (~result.table["outcome"].isin(["not_run", "not_attempted"])) & result.table["planned_min"].notna()
    ].reset_index(drop=True)
    timed = int(ran["mitigated_min"].notna().sum())
    if ran.empty or not ran[["alerted_min", "diagnosed_min", "mitigated_min"]].notna().any(axis=None):
        return Panel(
            "Nobody recorded when the heroes were alerted, found the cause or mitigated it: not measured."
        )
    unsolved = int(ran["censored"].sum())
    longer = (
        f" {count(unsolved, 'experiment')} ran out of time: the true time is longer than the box."
        if unsolved
        else ""
    )
    text = (
        f"{timed} of {count(len(ran), 'experiment')} that ran have a recorded mitigation.{longer} Heroes were told where to "
        "look and had a time box, so these are not incident times."
    )
    columns = {
        "title": "Experiment",
        "planned_min": "Time box (min)",
        "alerted_min": "Alerted (min)",
        "diagnosed_min": "Diagnosed (min)",
        "mitigated_min": "Mitigated (min)",
        "outcome": "Outcome",
    }
    return Panel(text, figures.heroes(ran), table(ran, columns))


def experiments(result: GameDayResult) -> Panels:
    """Each experiment: what was tried, predicted and seen, then its series around the fault."""
    return Panels([_experiment(result, row) for row in result.table.itertuples()])


def _experiment(result: GameDayResult, row: Any) -> Panel:
    source = result.tables["experiments"].set_index("experiment_key").loc[row.experiment_key]
    backlog = None
    if known(row.expected_backlog):
        seen = (
            f"{row.observed_backlog:,.0f} seen ({row.backlog_n} points)"
            if known(row.observed_backlog)
            else "not measured"
        )
        backlog = f"{row.expected_backlog:,.0f} {row.backlog_unit or ''} predicted, {seen}"
    talk = [
        f"{note.text} (to {note.audience}"
        + (f", {note.at.tz_convert(result.gameday['zone']):%H:%M})" if known(note.at) else ")")
        for note in _notes(result, "communication", row.experiment_key)
    ]
    loud = known(row.vote) and (row.vote.startswith("Nobody voted") or "instead" in row.vote)
    vote = f'<p class="loud"><strong>Vote.</strong> {escape(row.vote)}</p>' if loud else ""
    body = (
        f'<h3 id="{row.experiment_key}">{row.position}. {escape(row.title)}</h3>'
        f'<p class="verdict-line"><span class="verdict {row.verdict}"><span aria-hidden="true">{MARKS[row.verdict]}</span> '
        f"{escape(_VERDICT_WORDS[row.verdict])}.</span> {escape(row.reason)}</p>{vote}"
        + facts(
            [
                ("What heroes were told", row.symptom),
                ("Targets", row.targets),
                ("Injected", row.failure_class),
                ("Where", row.environment),
                ("Vote", None if loud else row.vote),
                ("Steady state", source["hypothesis"]),
                ("Predicted", row.prediction),
                (
                    "Outcome",
                    f"{_OUTCOMES[row.outcome]}. {row.outcome_text if known(row.outcome_text) else ''}",
                ),
                ("Backlog", backlog),
                ("Fallback", row.fallback),
            ]
        )
        + (f"<p>Who was told</p>{bullets(talk)}" if talk else "")
    )
    drawn = _series(result, row.experiment_key, source)
    if drawn is None:
        why = "No series was recorded around this experiment, so there is nothing to draw."
        return Panel(why, body=body)
    probes = result.probes[result.probes["experiment_key"] == row.experiment_key]
    columns = {
        "probe": "Probe", "window": "Window", "statistic": "Statistic", "value": "Value", "low": "Lowest allowed",
        "high": "Highest allowed", "n": "Points", "n_expected": "Points expected", "within": "Within",
    }  # fmt: skip
    return Panel(_series_text(row, probes), drawn, table(probes, columns), body)


def _series_text(row: Any, probes: pd.DataFrame) -> str:
    """What each probe measured before, during and after, its limits, and how many points that rests on."""
    parts = []
    for name, rows in probes.groupby("probe", sort=False):
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
    return f"{row.title}, around the fault (shaded). {'. '.join(parts)}.{points}"


def _series(result: GameDayResult, key: str, source: pd.Series) -> Any:
    fault = fault_window(source)
    if fault is None:
        return None
    box = pd.Timedelta(minutes=float(source["planned_min"]))
    probes = result.tables["experiment_probes"]
    wanted = [
        {
            "title": f"{p.probe} ({p.scope})",
            "metric": p.metric,
            "scope": p.scope,
            "low": p.low,
            "high": p.high,
        }
        for p in probes[probes["experiment_key"] == key].itertuples()
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
            drawn.append(
                {
                    **panel,
                    "points": points,
                    "unit": points["unit"].iloc[0] if known(points["unit"].iloc[0]) else "",
                }
            )
    if not drawn:
        return None
    events = result.tables["experiment_events"]
    return figures.probes(drawn, fault, events[events["experiment_key"] == key], str(result.gameday["zone"]))


def _notes(result: GameDayResult, kind: str, key: str | None = None) -> list[Any]:
    notes = result.tables["gameday_notes"]
    notes = notes[notes["kind"] == kind]
    return list((notes if key is None else notes[notes["experiment_key"] == key]).itertuples())


def scores(result: GameDayResult) -> Panel:
    """Scores over time of a team-scored day; no ranking."""
    rows = result.tables["gameday_scores"]
    if rows.empty:
        return Panel("Teams were not scored on this day.")
    text = (
        f"{rows['team'].nunique()} teams over {len(rows)} score events. It shows when teams gained or lost points through "
        "the day; it is not a league table."
    )
    columns = {"at": "When (UTC)", "team": "Team", "points": "Points", "reason": "Why"}
    shown = rows.assign(at=rows["at"].dt.strftime("%H:%M"))
    return Panel(text, figures.scores(rows, str(result.gameday["zone"])), table(shown, columns))


def survey(result: GameDayResult) -> Panel:
    """What people answered before and after, with how many were asked and answered."""
    rows = result.tables["gameday_surveys"]
    if rows.empty:
        return Panel("Nobody was asked before or after: trust and confidence were not measured.")
    share = rows["answered"].sum() / max(int(rows["asked"].sum()), 1)
    text = (
        f"Mean answers before and after to {rows['question'].nunique()} question(s); {share:.0%} of those asked answered. "
        "Who answers before and after may differ, so a change is a hint, not a measurement."
    )
    columns = {
        "question": "Question", "moment": "When", "score": "Mean", "scale_max": "Best possible",
        "answered": "Answered", "asked": "Asked",
    }  # fmt: skip
    return Panel(text, figures.survey(rows), table(rows, columns))


def notes(result: GameDayResult) -> Panels:
    """Surprises, learnings, actions of the day and of its experiments; says which were not recorded."""
    titles = result.table.set_index("experiment_key")["title"].to_dict()
    panels = []
    for kind, heading in _NOTE_TITLES.items():
        items = []
        for note in _notes(result, kind):
            about = f"{titles[note.experiment_key]}: " if note.experiment_key in titles else ""
            who = ", ".join(str(v) for v in (note.owner, note.state) if known(v))
            items.append(f"{about}{note.text}" + (f" ({who})" if who else ""))
        panels.append(
            Panel("", body=f"<h3>{heading}</h3>" + (bullets(items) or "<p>Nothing was recorded.</p>"))
        )
    return Panels(panels)
