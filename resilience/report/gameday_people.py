"""The people of a GameDay: how long the heroes took, who was told, how teams scored, what was answered."""

from __future__ import annotations

from typing import Any

import pandas as pd

from ..analysis.gameday import GameDayResult
from .figures import gameday as figures
from .panels import Panel, anchor, count, known, table


def heroes(result: GameDayResult) -> Panel:
    """How long the heroes took, against the time box; unsolved experiments stay in."""
    ran = result.table[result.table["attempted"] & result.table["planned_min"].notna()].reset_index(drop=True)
    timed = int(ran["mitigated_min"].notna().sum())
    if ran.empty or not ran[["alerted_min", "diagnosed_min", "mitigated_min"]].notna().any(axis=None):
        return Panel(
            "Nobody recorded when the heroes were alerted, found the cause or mitigated it: not measured.",
            body=anchor("heroes"),
        )
    unsolved = int(ran["censored"].sum())
    longer = (
        f" {count(unsolved, 'experiment')} ran out of time: the true time is longer than the box."
        if unsolved
        else ""
    )
    told = (
        "Heroes were told where to look and had a time box, so these are not incident times."
        if result.gameday["style"] == "informed"
        else "Heroes were not told, but they knew that it was a GameDay, so these are not incident times."
    )
    teams = " The first team counts." if len(result.teams) else ""
    text = f"{timed} of {count(len(ran), 'experiment')} that ran have a recorded mitigation.{teams}{longer} {told}"
    columns = {
        "title": "Experiment", "planned_min": "Time box (min)", "onset_min": "Series moved (min)",
        "alerted_min": "Alerted (min)", "diagnosed_min": "Diagnosed (min)", "mitigated_min": "Mitigated (min)",
        "outcome": "Outcome",
    }  # fmt: skip
    return Panel(text, figures.heroes(ran), table(ran, columns), anchor("heroes"))


def communication(result: GameDayResult) -> Panel:
    """Who was told what and when, and how long after the fault the first message went out."""
    titles = dict(zip(result.table["experiment_key"], result.table["title"], strict=True))
    said = result.tables["gameday_notes"]
    said = said[said["kind"] == "communication"].sort_values("at", kind="stable")
    if said.empty:
        return Panel("No message to anybody is on record: not measured.", body=anchor("communication"))
    first = result.told[(result.told["audience"] != "inside") & (result.told["inform_min"] >= 0)]
    spread = (
        f"After a fault, the first message to customer service or customers took {first['inform_min'].min():.0f} to "
        f"{first['inform_min'].max():.0f} min ({count(len(first), 'first message')})."
        if len(first)
        else "None of them tells anybody outside Tech, with a time, about a fault that had begun."
    )
    zone = str(result.gameday["zone"])
    day = result.gameday["held_on"].strftime("%Y-%m-%d")
    local = said["at"].dt.tz_convert(zone)
    clock = local.dt.strftime("%H:%M").where(
        local.dt.strftime("%Y-%m-%d") == day, local.dt.strftime("%-d %b %H:%M")
    )
    after = result.told.set_index(["experiment_key", "audience"])["inform_min"]
    listed = said.assign(
        about=said["experiment_key"].map(titles).fillna("the whole day"),
        clock=clock,
        after=[after.get((r.experiment_key, r.audience)) for r in said.itertuples()],
    )
    listed["after"] = listed["after"].mask(listed.duplicated(["experiment_key", "audience"])).astype(float)
    columns = {
        "clock": "When", "audience": "To whom", "about": "About", "text": "What they were told",
        "after": "First told, min after the fault",
    }  # fmt: skip
    return Panel(
        f"{count(len(said), 'message')} on record. {spread}",
        body=anchor("communication"),
        table=table(listed, columns),
    )


def scores(result: GameDayResult) -> Panel:
    """What each team survived and when it scored, teams by name; no ranking."""
    rows = result.tables["gameday_scores"]
    if rows.empty:
        return Panel("Teams were not scored on this day.", body=anchor("teams"))
    text = (
        f"{rows['team'].nunique()} teams over {len(rows)} score events: which experiments each got points in, and when. "
        "Teams stand by name; it is not a league table."
    )
    titles = dict(zip(result.table["experiment_key"], result.table["title"], strict=True))
    mine = result.teams.assign(
        about=result.teams["experiment_key"].map(titles).fillna("outside the experiments")
    )
    columns = [
        title for title in [*titles.values(), "outside the experiments"] if (mine["about"] == title).any()
    ]
    grid = []
    for team, cells in mine.groupby("team", sort=True):
        row: dict[str, Any] = {"team": team}
        for cell in cells.itertuples():
            row[cell.about] = _scored(cell)
        grid.append(row)
    survived = table(pd.DataFrame(grid), {"team": "Team", **{name: name for name in columns}})
    zone = str(result.gameday["zone"])
    shown = rows.assign(at=rows["at"].dt.tz_convert(zone).dt.strftime("%H:%M"))
    events = table(shown, {"at": "When", "team": "Team", "points": "Points", "reason": "Why"})
    return Panel(text, figures.scores(rows, zone), events, anchor("teams") + survived)


def _scored(cell: Any) -> str:
    if not cell.gained and not cell.lost:
        return "no score"
    first = f", first after {cell.first_gain_min:.0f} min" if known(cell.first_gain_min) else ""
    lost = f"−{cell.lost:g}" if cell.lost else ""
    return " ".join(filter(None, [f"+{cell.gained:g}{first}" if cell.gained else "", lost]))


def survey(result: GameDayResult) -> Panel:
    """What people answered before and after, with how many were asked and answered."""
    rows = result.tables["gameday_surveys"]
    if rows.empty:
        return Panel(
            "Nobody was asked before or after: trust and confidence were not measured.",
            body=anchor("survey"),
        )
    share = rows["answered"].sum() / max(int(rows["asked"].sum()), 1)
    found = result.outcomes.set_index("outcome").loc["Trust and confidence grew"]
    text = (
        f"Mean answers before and after to {count(rows['question'].nunique(), 'question')}; {share:.0%} of those "
        "asked answered. "
        f"Trust and confidence: {found['state']}. Who answers before and after may differ, so a change is a hint."
    )
    columns = {
        "question": "Question", "moment": "When", "score": "Mean", "scale_max": "Best possible",
        "answered": "Answered", "asked": "Asked",
    }  # fmt: skip
    return Panel(text, figures.survey(rows), table(rows, columns), anchor("survey"))
