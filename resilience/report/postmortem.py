"""One experiment of a GameDay as a postmortem in the form of a real incident's, which `ingest` reads back as a drill.

What the report would call a moment is stated only where it happened: an experiment that was not solved has no time of
resolution, although somebody ended its fault, so that no drill looks faster than it was.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from ..analysis import gameday as analysis
from ..analysis.briefing import sentence
from ..analysis.gameday import GameDayResult
from ..errors import InputError
from ..plain_text import one_line
from .gameday_experiment import OUTCOMES, notes_of

_MARKS = re.compile(r"[\\`*_{}\[\]<>#|~!&:]")


def incident_id(gameday_id: str, experiment_key: str) -> str:
    """Id of the drill as an incident, at most 80 characters."""
    whole = f"{gameday_id}.{experiment_key}"
    return whole if len(whole) <= 80 else f"{whole[:71]}.{hashlib.sha256(whole.encode()).hexdigest()[:8]}"


def postmortem(tables: Mapping[str, pd.DataFrame], experiment_key: str, *, names: bool = False) -> str:
    """Markdown of the experiment `experiment_key`, as `resilience ingest` reads it. `tables`: as `analysis.analyse`.

    Names of people become roles unless `names`. Raises InputError where there is no such experiment, or it never ran.
    """
    result = analysis.analyse(tables, names=names)
    rows = result.table[result.table["experiment_key"] == experiment_key]
    if rows.empty:
        known = ", ".join(result.table["experiment_key"]) or "none"
        raise InputError(f"There is no experiment {experiment_key!r:.90}.", remedy=f"Experiments: {known}.")
    row = next(rows.itertuples())
    if row.outcome == "not_run" or pd.isna(row.fault_started_at):
        raise InputError(
            f"{experiment_key} was not run, or when its fault began is not known.",
            remedy="A postmortem needs fault.started in gameday.yml.",
        )
    return "\n".join(_lines(result, row)) + "\n"


def _lines(result: GameDayResult, row: Any) -> Iterator[str]:
    day, zone = result.gameday, str(result.gameday["zone"])
    source = result.tables["experiments"].set_index("experiment_key").loc[row.experiment_key]
    events = result.tables["experiment_events"]
    events = events[events["experiment_key"] == row.experiment_key].sort_values(["at", "position"])
    first = events.groupby("moment")["at"].min()
    solved = row.outcome in ("solved", "workaround")
    mitigated = first.get("mitigated") if solved else None
    ended = source["fault_ended_at"] if solved and row.outcome == "solved" else pd.NaT
    late = pd.notna(ended) and mitigated is not None and ended < mitigated
    yield f"# {_text(row.title)}"
    yield ""
    fields = {
        "Incident ID": incident_id(str(day["gameday_id"]), row.experiment_key),
        "Kind": "drill",
        "Services": ", ".join(_text(target) for target in row.targets.split(", ")),
        "Environment": row.environment,
        "Started": _moment(row.fault_started_at),
        "Detected": _moment(first.get("alerted")),
        "Mitigated": _moment(mitigated),
        "Resolved": None if late else _moment(ended),
        "Detected by": "monitor" if "alerted" in first else None,
        "Simulated": "yes" if day["simulated"] else None,
    }
    yield from (f"**{name}:** {value}  " for name, value in fields.items() if value)
    yield ""
    yield "All times in UTC."
    yield from _section("Summary", [
        f"A drill of the GameDay {_text(day['title'])} on {day['held_on']:%Y-%m-%d}, "
        f"{'told in advance' if day['style'] == 'informed' else 'unannounced'}; no incident. "
        f"Heroes were told: {_sentence(row.symptom)} It was {OUTCOMES[row.outcome]}. {_sentence(row.outcome_text)}".strip()
    ])  # fmt: skip
    yield from _section("Impact", [_sentence(row.reason)])
    yield from _section("Cause", [f"Injected on purpose: {row.failure_class}."])
    yield from _section(
        "What was expected",
        [_sentence(v) for v in (row.prediction, row.hypothesis, row.backlog) if pd.notna(v)],
        "- ",
    )
    yield from _section("Contributing factors", _notes(result, "surprise", row.experiment_key), "- ")
    lines = [
        f"| {_moment(e.at)} | {e.moment}{f' ({_text(e.role)})' if pd.notna(e.role) else ''}"
        f"{f', {_text(e.text)}' if pd.notna(e.text) else ''} |"
        for e in events.itertuples()
    ]
    began = f"| {_moment(row.fault_started_at)} | fault injected by the villains |"
    over = (
        [f"| {_moment(source['fault_ended_at'])} | fault taken away |"]
        if pd.notna(source["fault_ended_at"])
        else []
    )
    told = sorted([began, *lines, *over], key=lambda line: line[:22])
    yield from _section("Timeline", ["| Time (UTC) | Event |", "| --- | --- |", *told])
    if row.censored:
        yield from _section("Resolution", [
            f"The time box of {row.planned_min:g} minutes was not enough: the true time is longer."
        ])  # fmt: skip
    yield from _section("Communication", list(_messages(result, row.experiment_key)), "- ")
    yield from _section("Action items", list(_actions(result, row.experiment_key)), "- ")
    yield from _section("Lessons learned", _notes(result, "learning", row.experiment_key), "- ")
    yield ""
    yield f"Clock times of the GameDay were local to {zone}."


def _section(title: str, lines: list[str], bullet: str = "") -> Iterator[str]:
    if lines:
        yield ""
        yield f"## {title}"
        yield ""
        yield from (bullet + line for line in lines)


def _notes(result: GameDayResult, kind: str, key: str) -> list[str]:
    return [_text(note.text) for note in notes_of(result, kind, key)]


def _messages(result: GameDayResult, key: str) -> Iterator[str]:
    for note in notes_of(result, "communication", key):
        at = f"{_moment(note.at)} UTC, " if pd.notna(note.at) else ""
        yield f"{_text(note.audience)}: {at}{_text(note.text)}"


def _actions(result: GameDayResult, key: str) -> Iterator[str]:
    for note in notes_of(result, "action", key):
        box = {"done": "[x] ", "open": "[ ] "}.get(note.state, "")
        owner = f" (owner: {_text(note.owner)})" if pd.notna(note.owner) else ""
        yield f"{box}{_text(note.text)}{owner}"


def _moment(at: Any) -> str | None:
    """To the second where it has one, as the tables hold it."""
    if at is None or pd.isna(at):
        return None
    utc = at.tz_convert("UTC")
    return utc.strftime("%Y-%m-%d %H:%M:%S" if utc.second else "%Y-%m-%d %H:%M")


def _sentence(text: Any) -> str:
    return "" if text is None or pd.isna(text) else sentence(_text(text))


def _text(text: Any) -> str:
    """`text` on one line, no part of it Markdown or HTML: what people wrote opens no heading and states no field."""
    return _MARKS.sub(lambda mark: f"&#{ord(mark[0])};", one_line(str(text)))
