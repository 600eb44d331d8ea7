"""The panels of the GameDay page: the first screen, what the day showed as a whole, and what was said about it."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pandas as pd

from ..analysis.briefing import VERDICTS as PLAIN
from ..analysis.gameday import GameDayResult
from ..analysis.outcomes import STATES
from . import companions
from .figures import gameday as figures
from .gameday_experiment import MARKS as MARKS
from .gameday_experiment import OUTCOMES, notes_of
from .gameday_experiment import experiments as experiments
from .panels import Panel, Panels, bullets, count, escape, facts, finding, known, table

CARDS = 8  # experiments that the first screen tells one by one; more are told as a table further down
_NOTE_TITLES = {"surprise": "What surprised us", "learning": "What we learned", "action": "What we do next"}
_STATE_MARKS = dict(zip(STATES, ("✓", "–", "✗"), strict=True))


def first_screen(result: GameDayResult) -> Panel:
    """For anybody: what we tried, what happened, what it means for customers, what we do next."""
    brief, day = result.brief, result.gameday
    answers = [
        ("What we tried", brief.tried),
        ("What happened", brief.happened),
        ("What it means for customers", brief.customers),
        ("What we do next", brief.next),
    ]
    told = "".join(f"<div><dt>{escape(q)}</dt><dd>{escape(a)}</dd></div>" for q, a in answers)
    why = f'<p class="why">{escape(day["summary"])}</p>' if known(day["summary"]) else ""
    cards = ""
    if 0 < len(brief.table) <= CARDS:
        cards = f'<ol class="cards briefs">{"".join(_card(row) for row in brief.table.itertuples())}</ol>'
    beside = (
        f'<p class="meta">Beside this page: <a href="{companions.TABLE}">a table for customer service</a> and <a '
        f'href="{companions.SLIDE}">the day on one slide</a>.</p>'
    )
    return Panel(
        "",
        body=f'<p class="day">{escape(day["title"])}</p>{why}<dl class="answers">{told}</dl>{beside}{cards}',
    )


def _card(row: Any) -> str:
    parts = facts(
        [
            ("Tried", row.tried),
            ("What happened", row.happened),
            ("Customers", row.customers),
            ("Next", row.next),
        ]
    )
    return (
        f'<li class="card"><h3><a href="#experiment-{escape(row.experiment_key)}">{escape(row.title)}</a></h3>'
        f"<p>{_verdict(row.verdict, PLAIN[row.verdict])}</p>{parts}</li>"
    )


def _verdict(verdict: str, words: str) -> str:
    return f'<span class="verdict {verdict}"><span aria-hidden="true">{MARKS[verdict]}</span> {escape(words)}</span>'


def overview(result: GameDayResult) -> Panel | Panels:
    """Every experiment in a line, with what was injected, where and what came of it; above it, when and on what."""
    day = result.gameday
    came = {"from Tech": day["attendance_tech"], "from outside Tech": day["attendance_other"]}
    there = {words: int(number) for words, number in came.items() if known(number)}
    people = [f"{number} {words}" for words, number in there.items()]
    roles = [
        f"{int(row.people)} {row.role}"
        for row in result.tables["gameday_roles"].itertuples()
        if known(row.people)
    ]
    named = [
        f"{row.role}: {row.names}" for row in result.tables["gameday_roles"].itertuples() if known(row.names)
    ]
    about = facts(
        [
            ("When", f"{day['held_on']:%A %-d %B %Y}"),
            (
                "Where",
                f"{day['environment']}, {'told in advance' if day['style'] == 'informed' else 'unannounced'}",
            ),
            ("Theme", day["theme"]),
            (
                "Who took part",
                "nobody" if there and not any(there.values()) else ", ".join(people) or "not recorded",
            ),
            ("Roles", ", ".join(roles) or None),
            ("Names", "; ".join(named) or None),
        ]
    )
    rows = "".join(
        f'<tr><td class="num">{row.position}</td><td><a href="#{escape(row.anchor)}">{escape(row.title)}</a></td>'
        f"<td>{escape(row.targets)}</td><td>{escape(row.environment)}</td><td>{_verdict(row.verdict, row.verdict)}</td>"
        + "".join(
            f"<td>{_verdict(v, v)}</td>" for v in (row.verdict_before, row.verdict_during, row.verdict_after)
        )
        + f"<td>{escape(OUTCOMES[row.outcome])}</td></tr>"
        for row in result.table.itertuples()
    )
    heads = "".join(
        f'<th scope="col">{name}</th>'
        for name in ("#", "Experiment", "Targets", "Where", "Verdict", "Before", "During", "After", "Heroes")
    )
    listed = (
        '<div class="scroll" tabindex="0" role="region" aria-label="Experiments"><table><thead><tr>'
        f"{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )
    legend = (
        '<p class="meta">Held: normal service stayed within its limits. Deviated: it left them. Inconclusive: the data '
        "cannot say.</p>"
    )
    drawn = figures.programme(result.table, str(day["zone"])) if len(result.table) > CARDS else None
    if drawn is None:
        return Panel("", body=finding(result.text) + listed + legend + about)
    return Panels([Panel(result.text, drawn, listed, about + legend), Panel("", body=_index(result))])


def _index(result: GameDayResult) -> str:
    """Where there are too many for cards: each experiment's name and verdict, leading to it."""
    rows = "".join(
        f'<li><a href="#{escape(row.anchor)}">{escape(row.title)}</a> {_verdict(row.verdict, row.verdict)}</li>'
        for row in result.table.itertuples()
    )
    return f'<nav aria-label="Experiments"><ol class="index">{rows}</ol></nav>'


def outcomes(result: GameDayResult) -> Panel:
    """The eleven outcomes, each with its state, why, and a link to its evidence on this page. No sum."""
    rows = "".join(
        f'<tr role="row"><th scope="row" role="rowheader">{escape(row.outcome)}</th>'
        f'<td role="cell" class="state {row.state.replace(" ", "-")}"><span aria-hidden="true">'
        f'{_STATE_MARKS[row.state]}</span> {escape(row.state)}</td><td role="cell">{escape(row.why)} '
        f'<a href="#{escape(row.anchor)}" aria-label="Evidence: {escape(row.outcome)}">evidence</a></td></tr>'
        for row in result.outcomes.itertuples()
    )
    text = (
        "What GameDays are held for, one by one. “Evidenced” says that it was seen on this day; nothing is added up, "
        "and what "
        "nobody measured is not counted as missed."
    )
    body = (
        # Roles, since a narrow screen shows a row as a block, and a browser then forgets that it was one.
        '<div class="scroll" tabindex="0" role="region" aria-label="Outcomes"><table class="outcomes" role="table">'
        '<thead role="rowgroup"><tr role="row"><th scope="col" role="columnheader">Outcome</th><th scope="col" '
        'role="columnheader">On this day</th><th scope="col" role="columnheader">Why</th></tr></thead>'
        f'<tbody role="rowgroup">{rows}</tbody></table></div>'
    )
    return Panel("", body=finding(text) + body)


def heroes(result: GameDayResult) -> Panel:
    """How long the heroes took, against the time box; unsolved experiments stay in."""
    ran = result.table[result.table["attempted"] & result.table["planned_min"].notna()].reset_index(drop=True)
    timed = int(ran["mitigated_min"].notna().sum())
    if ran.empty or not ran[["alerted_min", "diagnosed_min", "mitigated_min"]].notna().any(axis=None):
        return Panel(
            "Nobody recorded when the heroes were alerted, found the cause or mitigated it: not measured.",
            body=_anchor("heroes"),
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
    return Panel(text, figures.heroes(ran), table(ran, columns), _anchor("heroes"))


def _anchor(name: str) -> str:
    return f'<span id="{name}"></span>'


def blast_radius(result: GameDayResult) -> Panel:
    """Which services moved in each experiment, and which of them nobody had declared."""
    moved = result.blast.table
    titles = dict(zip(result.table["experiment_key"], result.table["title"], strict=True))
    blast, ran = result.blast, len(result.table)
    if not blast.watched:
        text = f"How far the faults reached is not measured: {_reasons(blast.why)}."
        return Panel(text, body=_anchor("blast-radius"))
    surprises = blast.surprises()
    graph = (
        f"{count(blast.edges, 'dependency', 'dependencies')} are declared"
        if blast.edges
        else "no dependencies are declared in the store, so none can be called a surprise"
    )
    text = (
        f"{count(len(moved), 'movement')} of a service in {count(len(blast.watched), 'experiment')} of {ran}; "
        f"{len(surprises)} of them neither a target nor joined to one ({graph}). Moving at the same time is a hint, not a "
        "proof: confirm each by an experiment."
    )
    if blast.chance:
        text += f" Without a fault, some service would seem to have moved {max(blast.chance.values()):.0%} of the time."
    if blast.why:
        text += f" Not measured in {len(blast.why)}: {_reasons(blast.why)}."
    if blast.apart:
        text += f" Left out, with an incident of their own on that day: {', '.join(blast.apart)}."
    if moved.empty:
        return Panel(text, body=_anchor("blast-radius"))
    first = moved.assign(rank=moved["relation"] != "surprise").sort_values(
        ["rank", "experiment_key", "at"], kind="stable"
    )
    shown = first.head(_MOST_MOVED)
    left = len(first) - len(shown)
    text += f" The figure shows {len(shown)}, surprises first; {left} more are in the table." if left else ""
    zone = str(result.gameday["zone"])
    listed = first.assign(
        title=first["experiment_key"].map(titles), clock=first["at"].dt.tz_convert(zone).dt.strftime("%H:%M")
    )
    columns = {
        "title": "Experiment", "service": "Service", "relation": "Relation", "path": "Declared way",
        "metric": "First metric",
        "clock": "Moved at", "after_min": "After the fault (min)",
    }  # fmt: skip
    return Panel(text, figures.blast(shown, titles), table(listed, columns), _anchor("blast-radius"))


def _reasons(why: dict[str, str]) -> str:
    """Each reason once, with how many experiments it holds for where there are several; numbers in them differ."""
    found = Counter(_NUMBER.sub("N", reason) for reason in why.values())
    first = {_NUMBER.sub("N", reason): reason for reason in reversed(why.values())}
    if len(found) == 1:
        return next(iter(first.values()), "none was run")
    return "; ".join(f"{first[reason]} ({n})" for reason, n in found.most_common(3))


_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_MOST_MOVED = 40


def communication(result: GameDayResult) -> Panel:
    """Who was told what and when, and how long after the fault the first message went out."""
    titles = dict(zip(result.table["experiment_key"], result.table["title"], strict=True))
    said = result.tables["gameday_notes"]
    said = said[said["kind"] == "communication"].sort_values("at", kind="stable")
    if said.empty:
        return Panel("No message to anybody is on record: not measured.", body=_anchor("communication"))
    first = result.told[(result.told["audience"] != "inside") & (result.told["inform_min"] >= 0)]
    spread = (
        f"After a fault, the first message to customer service or customers took {first['inform_min'].min():.0f} to "
        f"{first['inform_min'].max():.0f} min (n {len(first)})."
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
        body=_anchor("communication"),
        table=table(listed, columns),
    )


def changed(result: GameDayResult) -> Panels:
    """The cells that this GameDay touched, before and after, and the same experiments at other GameDays."""
    panels = []
    if result.changes is None:
        text = "No classified incidents are in the store: before and after cannot be compared."
        panels.append(Panel(text, body=_anchor("what-it-changed")))
    elif result.changes.table.empty:
        panels.append(Panel(result.changes.text, body=_anchor("what-it-changed")))
    else:
        cells = result.changes.table
        columns = {
            "failure_class": "Failure class", "service": "Service", "before": "A year, before", "before_low": "from",
            "before_high": "to", "after": "A year, after", "after_low": "from ", "after_high": "to ",
            "before_unknown": "Class unknown, before", "after_unknown": "Class unknown, after", "verdict": "Verdict",
        }  # fmt: skip
        single = (
            " Single cells are exploratory (their verdicts are adjusted for how many were looked at); an incident "
            "may strike "
            "several. The class is the likeliest one; incidents of unknown class are counted apart."
        )
        drawn = figures.cells(cells) if len(cells) <= _MOST_CELLS else None
        panels.append(
            Panel(result.changes.text + single, drawn, table(cells, columns), _anchor("what-it-changed"))
        )
    if result.detection is not None:
        said = f"<h3>Did people notice incidents sooner?</h3>{finding(result.detection.text)}"
        panels.append(Panel("", body=said))
    panels.append(_history(result))
    return Panels(panels)


_MOST_CELLS = 30


def _history(result: GameDayResult) -> Panel:
    again = result.history
    if again.empty:
        return Panel(
            "",
            body="<h3>The same experiments in other years</h3><p>None of them is on record at another GameDay.</p>",
        )
    here = result.table.assign(
        gameday_id=result.gameday["gameday_id"],
        held_on=result.gameday["held_on"],
        style=result.gameday["style"],
    )
    both = pd.concat([again, here[here["experiment_key"].isin(again["experiment_key"])][list(again.columns)]])
    both = both.sort_values(["experiment_key", "held_on"], kind="stable")
    both = both.assign(day=both["held_on"].dt.strftime("%Y-%m-%d"))
    columns = {
        "experiment_key": "Experiment", "day": "Held on", "title": "Title", "targets": "Targets", "style": "Style",
        "environment": "Where", "verdict": "Verdict", "outcome": "Heroes", "mitigated_min": "Mitigated (min)",
        "fallback": "Fallback",
    }  # fmt: skip
    text = (
        f"{count(both['experiment_key'].nunique(), 'experiment')} of this day ran at other GameDays too. Style, "
        "place and targets "
        "differ from time to time, so times are not averaged."
    )
    return Panel(
        "", body=f"<h3>The same experiments in other years</h3>{finding(text)}{table(both, columns)}"
    )


def scores(result: GameDayResult) -> Panel:
    """What each team survived and when it scored, teams by name; no ranking."""
    rows = result.tables["gameday_scores"]
    if rows.empty:
        return Panel("Teams were not scored on this day.", body=_anchor("teams"))
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
    return Panel(text, figures.scores(rows, zone), events, _anchor("teams") + survived)


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
            body=_anchor("survey"),
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
    return Panel(text, figures.survey(rows), table(rows, columns), _anchor("survey"))


def notes(result: GameDayResult) -> Panels:
    """Surprises, learnings, actions of the day and of its experiments; says which were not recorded."""
    titles = result.table.set_index("experiment_key")["title"].to_dict()
    panels = [Panel("", body=_anchor("take-away"))]
    for kind, heading in _NOTE_TITLES.items():
        items = []
        for note in notes_of(result, kind):
            about = f"{titles[note.experiment_key]}: " if note.experiment_key in titles else ""
            who = ", ".join(str(v) for v in (note.owner, note.state) if known(v))
            items.append(f"{about}{note.text}" + (f" ({who})" if who else ""))
        panels.append(
            Panel("", body=f"<h3>{heading}</h3>" + (bullets(items) or "<p>Nothing was recorded.</p>"))
        )
    return Panels(panels)
