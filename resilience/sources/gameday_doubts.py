"""What a valid gameday.yml leaves open or contradicts: it is read all the same, and told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from .gameday_experiment import Communication, Experiment, Vote
from .gameday_fields import Loc
from .gameday_file import GameDayFile
from .gameday_values import Setting


class Doubt(NamedTuple):
    """One of them: `missing` or `contradiction`, where, what, and what to do."""

    kind: str
    loc: Loc
    message: str
    remedy: str


def doubts(day: GameDayFile, setting: Setting) -> Iterator[Doubt]:
    """All of `day`, in the order of the file."""
    for name in ("tech", "other"):
        if getattr(day.attendance, name, None) is None:
            yield Doubt(
                "missing",
                ("attendance", name),
                f"Attendance '{name}' is not stated.",
                "Add it; 0 where nobody came.",
            )
    for i, role in enumerate(day.roles):
        if role.people is not None and len(role.names) > role.people:
            what = f"{len(role.names)} names, but {role.people} people."
            yield Doubt("contradiction", ("roles", i, "people"), what, "Correct one of the two.")
    for i, question in enumerate(day.survey):
        if question.score is not None and question.scale_max is None:
            what = f"A mean answer of {question.score:g}, on an unknown scale."
            yield Doubt(
                "missing", ("survey", i, "scale_max"), what, "Add scale_max, the best possible answer."
            )
    yield from _untimed(day.communication)
    if not day.experiments:
        yield Doubt(
            "missing",
            ("experiments",),
            "No experiment is recorded.",
            "Add the experiments that were planned.",
        )
    for i, experiment in enumerate(day.experiments):
        here: Loc = ("experiments", i)
        for kind, loc, message, remedy in _of_experiment(experiment, day, setting):
            yield Doubt(kind, (*here, *loc), message, remedy)


def _of_experiment(experiment: Experiment, day: GameDayFile, setting: Setting) -> Iterator[Doubt]:
    ran = experiment.outcome != "not_run"
    if experiment.vote:
        yield from _of_vote(experiment.vote, (experiment.environment or day.environment) if ran else None)
    if ran:
        yield from _of_run(experiment)
        yield from _of_frame(experiment, day, setting)
    elif experiment.fault:
        what = "The outcome is not_run, but a fault was injected."
        yield Doubt("contradiction", ("outcome",), what, "Write aborted, or remove the fault.")
    yield from _untimed(experiment.communication)


def _of_vote(vote: Vote, executed: str | None) -> Iterator[Doubt]:
    most = max(vote.options.values())
    if most:
        wanted = sorted(option for option, votes in vote.options.items() if votes == most)
        said = f"{' and '.join(wanted)} won the vote with {most}"
    elif vote.default:
        wanted, said = [vote.default], f"Nobody voted, which means {vote.default}"
    else:
        yield Doubt(
            "missing", ("vote", "default"), "Nobody voted, and what that means is not stated.", "Add default."
        )
        return
    if executed and executed not in wanted:
        what = f"{said}, but it was executed in {executed}."
        yield Doubt(
            "contradiction",
            ("environment",),
            what,
            "Correct environment or vote; if both are right, say why in outcome_text.",
        )


def _of_run(experiment: Experiment) -> Iterator[Doubt]:
    """What drill times and verdict need."""
    if not (experiment.steady_state and experiment.steady_state.probes):
        yield Doubt(
            "missing",
            ("steady_state", "probes"),
            "No probe says what normal is: there will be no verdict.",
            "Add a probe.",
        )
    if not experiment.fault:
        what = "It ran, but when the fault started is not stated: there will be no drill times."
        yield Doubt("missing", ("fault",), what, "Add fault: {started, ended}; or write outcome: not_run.")
    elif not experiment.fault.ended:
        yield Doubt("missing", ("fault", "ended"), "When the fault ended is not stated.", "Add ended.")
    mitigated = min((line.at for line in experiment.timeline if line.moment == "mitigated"), default=None)
    if mitigated is None:
        if experiment.outcome in ("solved", "workaround"):
            what = f"The outcome is {experiment.outcome}, but when the impact stopped is not stated."
            yield Doubt("missing", ("timeline",), what, "Add a line with moment: mitigated.")
    elif experiment.fault:
        yield from _of_time_box(experiment, mitigated - experiment.fault.started)


def _of_time_box(experiment: Experiment, taken: timedelta) -> Iterator[Doubt]:
    minutes, box = taken.total_seconds() / 60, experiment.planned_min
    late = minutes >= box + 1  # times are written to the minute: less than one over the box is within it
    if (
        late
        if experiment.outcome in ("solved", "workaround")
        else not late and experiment.outcome == "not_solved"
    ):
        what = f"The outcome is {experiment.outcome}, but the impact stopped after {minutes:g} of {box:g} minutes."
        yield Doubt(
            "contradiction",
            ("outcome",),
            what,
            "Correct the outcome, which is as of the time box, or the times.",
        )


def _of_frame(experiment: Experiment, day: GameDayFile, setting: Setting) -> Iterator[Doubt]:
    for name in ("started", "ended"):
        at: datetime | None = getattr(experiment.fault, name, None)
        if at and ((day.starts and at < day.starts) or (day.ends and at > day.ends)):
            what = f"The fault {name} at {setting.shown(at)}, outside starts and ends of the GameDay."
            yield Doubt("contradiction", ("fault", name), what, "Correct one of them.")


def _untimed(messages: list[Communication]) -> Iterator[Doubt]:
    for i, message in enumerate(messages):
        if message.at is None:
            what = "When they were told is not stated: there will be no time to inform."
            yield Doubt("missing", ("communication", i, "at"), what, "Add at.")
