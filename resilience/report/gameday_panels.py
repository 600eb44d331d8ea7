"""The panels of the GameDay page: the first screen, what the day showed as a whole, and what was noted of it."""

from __future__ import annotations

from typing import Any

from ..analysis.briefing import VERDICTS as PLAIN
from ..analysis.gameday import GameDayResult
from ..analysis.outcomes import STATES
from . import companions
from .figures import gameday as figures
from .gameday_effects import blast_radius as blast_radius
from .gameday_effects import changed as changed
from .gameday_experiment import MARKS, OUTCOMES, notes_of
from .gameday_experiment import experiments as experiments
from .gameday_people import communication as communication
from .gameday_people import heroes as heroes
from .gameday_people import scores as scores
from .gameday_people import survey as survey
from .panels import Panel, Panels, anchor, bullets, escape, facts, finding, known

CARDS = 8  # experiments that the first screen tells one by one; more are told as a table further down
_NOTE_TITLES = {"surprise": "What surprised us", "learning": "What we learned", "action": "What we do next"}
_MANY = {"hero": "heroes", "villain": "villains", "observer": "observers"}
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
    listed, about = _listed(result), _about(result)
    legend = (
        '<p class="meta">Held: normal service stayed within its limits. Deviated: it left them. Inconclusive: the data '
        "cannot say.</p>"
    )
    if not result.table["fault_started_at"].notna().any():
        return Panel("", body=finding(result.text) + listed + legend + about)
    many = len(result.table) > CARDS
    drawn = figures.programme(result.table, str(result.gameday["zone"]), by="targets" if many else "title")
    index = [Panel("", body=_index(result))] if many else []
    return Panels([Panel(result.text, drawn, listed), Panel("", body=legend + about), *index])


def _about(result: GameDayResult) -> str:
    """When, where and who; that nobody wrote down who came is said."""
    day = result.gameday
    came = {"from Tech": day["attendance_tech"], "from outside Tech": day["attendance_other"]}
    there = {words: int(number) for words, number in came.items() if known(number)}
    people = [f"{number} {words}" for words, number in there.items()]
    roles = [
        f"{int(row.people)} {_MANY.get(row.role, row.role) if row.people != 1 else row.role}"
        for row in result.tables["gameday_roles"].itertuples()
        if known(row.people)
    ]
    named = [
        f"{row.role}: {row.names}" for row in result.tables["gameday_roles"].itertuples() if known(row.names)
    ]
    return facts(
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


def _listed(result: GameDayResult) -> str:
    """A row per experiment, with its verdict before, during and after the fault."""
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
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="Experiments"><table><thead><tr>'
        f"{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


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


def notes(result: GameDayResult) -> Panels:
    """Surprises, learnings, actions of the day and of its experiments; says which were not recorded."""
    titles = result.table.set_index("experiment_key")["title"].to_dict()
    panels = [Panel("", body=anchor("take-away"))]
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
