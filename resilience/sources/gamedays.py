"""GameDays from data/gamedays/<id>/gameday.yml: a file with any error adds only rows of `problems`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd

from .. import schema
from ..errors import InputError
from . import gameday_file, gameday_values, yaml_text
from .gameday_docs import documentation
from .gameday_doubts import doubts
from .gameday_experiment import Action, Communication, Experiment
from .gameday_file import GameDayFile
from .problems import problem

__all__ = ["GameDays", "checked_id", "documentation", "read"]

NAME = "gameday.yml"
MOST_PROBLEMS = 100
Rows = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class GameDays:
    """The tables of `schema` that GameDays fill, by their names there. Frames may be empty, never absent."""

    gamedays: pd.DataFrame
    gameday_roles: pd.DataFrame
    gameday_scores: pd.DataFrame
    gameday_surveys: pd.DataFrame
    gameday_notes: pd.DataFrame
    experiments: pd.DataFrame
    experiment_targets: pd.DataFrame
    experiment_votes: pd.DataFrame
    experiment_probes: pd.DataFrame
    experiment_events: pd.DataFrame
    problems: pd.DataFrame


def read(path: str | Path, *, base: str | Path | None = None) -> GameDays:
    """GameDays of one gameday.yml, of one folder that holds it, or of a folder of such folders.

    The id of a GameDay is the name of its folder. `source_uri` is the file's path from `base` where it lies
    under it, else `<id>/gameday.yml`. A file with an error adds nothing but `problems`, one per error; a
    folder without a gameday.yml beside others with one is `skipped` there.
    Raises InputError where there is no such path, or no gameday.yml in it.
    """
    root = Path(os.path.abspath(path))  # not resolve(): a link keeps the name that the user sees
    rows: Rows = {field.name: [] for field in fields(GameDays)}
    try:
        files = _files(root, _clean(str(path)), rows["problems"], base)
    except OSError as error:
        what = f"This cannot be read: {error.strerror}."
        raise InputError(
            what, where=_clean(str(path))[:200], remedy="Check the path and its permissions."
        ) from None
    for file in files:
        _add(file, _uri(file, base), rows)
    unique = {row["problem_id"]: row for row in rows["problems"]}
    rows["problems"] = list(unique.values())
    return GameDays(**{name: schema.frame(name, found) for name, found in rows.items()})


def checked_id(gameday_id: str) -> str:
    """`gameday_id` itself, where it can name a GameDay; else InputError. It never leads out of its folder."""
    if re.fullmatch(gameday_values.SLUG, gameday_id):
        return gameday_id
    raise InputError(
        f"{gameday_values.shown(gameday_id)} cannot name a GameDay.",
        remedy="Its folder is named in lower-case letters, digits and hyphens, at most 80, such as 2020-12-10-vaccine.",
    )


def _files(root: Path, given: str, problems: list[dict[str, Any]], base: str | Path | None) -> list[Path]:
    """Each gameday.yml under `root`, sorted; what looks like one and is not is told in `problems`."""
    if not root.exists():
        raise InputError("There is no such file or folder.", where=given, remedy="Check the path.")
    if root.is_file():
        if root.name != NAME:
            raise InputError(f"The file is not named {NAME}.", where=given, remedy=f"Name it <id>/{NAME}.")
        return [root]
    if (root / NAME).is_file():
        return [root / NAME]
    found: list[Path] = []
    for entry in sorted(root.iterdir()):
        if (entry / NAME).is_file():
            found.append(entry / NAME)
        elif (entry.is_dir() and not entry.name.startswith(".")) or entry.suffix in (".yml", ".yaml"):
            what = f"The folder holds no {NAME}." if entry.is_dir() else "A GameDay is a folder, not a file."
            row = problem(_uri(entry, base), "skipped", what, f"Put the file at <id>/{NAME}; or remove this.")
            problems.append(row)
    if not found:
        raise InputError(
            f"There is no {NAME} in this folder.",
            where=given,
            remedy=f"A GameDay is a file <id>/{NAME} in it.",
        )
    return found


def _uri(file: Path, base: str | Path | None) -> str:
    if base is not None and file.is_relative_to(start := os.path.abspath(base)):
        return _clean(file.relative_to(start).as_posix())
    return _clean(f"{file.parent.name}/{file.name}" if file.name == NAME else file.name)


def _clean(text: str) -> str:
    """`text` without halves of surrogate pairs, which no table can hold: from file names and YAML escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def _add(file: Path, uri: str, rows: Rows) -> None:
    gameday_id = file.parent.name
    told = rows["problems"]

    def tell(kind: str, message: str, remedy: str, line: int | None, field: str | None = None) -> None:
        words = {"message": _clean(message), "remedy": _clean(remedy), "subject": _clean(gameday_id)}
        told.append(problem(uri, kind, line=line, field=None if field is None else _clean(field), **words))

    try:
        checked_id(gameday_id)
        data, line_of = yaml_text.load(file, uri)
    except InputError as error:
        tell("unreadable", error.what, error.remedy, error.line)
        return
    checked = gameday_file.check(data)
    if isinstance(checked, list):
        facts = sorted(checked, key=lambda fact: line_of(fact.loc))
        for loc, message, remedy in facts[:MOST_PROBLEMS]:
            tell("unreadable", message, remedy, line_of(loc), gameday_file.path(loc) or None)
        if len(facts) > MOST_PROBLEMS:
            tell(
                "unreadable",
                f"{len(facts) - MOST_PROBLEMS} more errors.",
                "Correct those listed first.",
                None,
            )
        return
    day, setting = checked
    for kind, loc, message, remedy in doubts(day, setting):
        tell(kind, message, remedy, line_of(loc), gameday_file.path(loc))
    for table, row in _rows(day):
        rows[table].append(
            {"gameday_id": gameday_id, **row, **({"source_uri": uri} if table == "gamedays" else {})}
        )


def _rows(day: GameDayFile) -> Iterator[tuple[str, dict[str, Any]]]:
    """Table and row, without the GameDay's id, of everything in `day`."""
    size = day.attendance
    yield (
        "gamedays",
        {
            **day.model_dump(include={"title", "theme", "zone", "style", "environment", "summary"}),
            "simulated": day.simulated is True,
            "held_on": pd.Timestamp(day.date, tz="UTC"),
            "starts_at": day.starts,
            "ends_at": day.ends,
            "attendance_tech": size and size.tech,
            "attendance_other": size and size.other,
        },
    )
    for role in day.roles:
        yield "gameday_roles", {**role.model_dump(), "names": ", ".join(role.names) or None}
    for i, score in enumerate(day.scores):
        yield "gameday_scores", {**score.model_dump(), "position": i}
    for question in day.survey:
        yield "gameday_surveys", question.model_dump()
    yield from _notes("", day)
    for number, experiment in enumerate(day.experiments, start=1):
        key = {"experiment_key": experiment.experiment_key}
        yield "experiments", _experiment(experiment, number, day.environment)
        for table, row in _of_experiment(experiment):
            yield table, {**key, **row}
        yield from _notes(experiment.experiment_key, experiment)


def _experiment(experiment: Experiment, number: int, environment: str) -> dict[str, Any]:
    plain = {
        "experiment_key",
        "title",
        "symptom",
        "failure_class",
        "planned_min",
        "prediction",
        "outcome",
        "outcome_text",
    }
    vote, backlog, fault, fallback = (
        experiment.vote,
        experiment.backlog,
        experiment.fault,
        experiment.fallback,
    )
    return {
        **experiment.model_dump(include=plain),
        "position": number,
        "environment": experiment.environment or environment,
        "vote_default": vote and vote.default,
        "expected_backlog": backlog and backlog.expected,
        "backlog_unit": backlog and backlog.unit,
        "backlog_metric": backlog and backlog.metric,
        "backlog_scope": backlog and backlog.scope,
        "hypothesis": experiment.steady_state and experiment.steady_state.hypothesis,
        "fault_started_at": fault and fault.started,
        "fault_ended_at": fault and fault.ended,
        "fallback": fallback and fallback.name,
        "fallback_exercised": fallback and fallback.exercised,
        "fallback_worked": fallback and fallback.worked,
        "fallback_load": fallback and fallback.load,
        "fallback_load_unit": fallback and fallback.load_unit,
    }


def _of_experiment(experiment: Experiment) -> Iterator[tuple[str, dict[str, Any]]]:
    for service in experiment.targets:
        yield "experiment_targets", {"service": service}
    for option, votes in (experiment.vote.options if experiment.vote else {}).items():
        yield "experiment_votes", {"option": option, "votes": votes}
    for probe in experiment.steady_state.probes if experiment.steady_state else ():
        yield "experiment_probes", {"probe": probe.name, **probe.model_dump(exclude={"name"})}
    for i, line in enumerate(experiment.timeline):
        yield "experiment_events", {**line.model_dump(), "position": i}


def _notes(key: str, part: GameDayFile | Experiment) -> Iterator[tuple[str, dict[str, Any]]]:
    notes: dict[str, Sequence[str | Action | Communication]] = {
        "surprise": part.surprises,
        "learning": part.learnings,
        "action": part.actions,
        "communication": part.communication,
    }
    for kind, given in notes.items():
        for i, note in enumerate(given):
            told: dict[str, Any] = {"text": note} if isinstance(note, str) else note.model_dump()
            yield "gameday_notes", {"experiment_key": key, "kind": kind, "position": i, **told}
