"""GameDays and their experiments."""

from __future__ import annotations

import pandas as pd

from .columns import Table, Time, column, maybe
from .words import ENVIRONMENTS, EXPERIMENT_MOMENTS, NOTE_KINDS, OUTCOMES, STATISTICS, STYLES


class GameDays(Table):
    """One row per GameDay."""

    gameday_id: str = column("Folder name under data/gamedays", str_matches=r"^[a-z0-9][a-z0-9-]{0,79}\Z")
    title: str = column("Title; untrusted text")
    theme: str = maybe("What it was about, e.g. security")
    held_on: Time = column("Midnight UTC of the local calendar date", "UTC")
    zone: str = column("IANA zone in which its clock times are written")
    style: str = column("informed: told in advance; uninformed: no briefing", isin=STYLES)
    environment: str = column("Where experiments ran unless one says otherwise", isin=ENVIRONMENTS)
    starts_at: Time = maybe("When it began", "UTC")
    ends_at: Time = maybe("When it ended", "UTC")
    attendance_tech: pd.Int64Dtype = maybe("People from Tech who took part", "people", ge=0)
    attendance_other: pd.Int64Dtype = maybe("People from outside Tech who took part", "people", ge=0)
    summary: str = maybe("What it was for, in plain words; untrusted text")
    simulated: bool = column("True for the sample marketplace")
    source_uri: str = column("gameday.yml it came from")


class GameDayRoles(Table):
    """One row per GameDay and role."""

    gameday_id: str = column("Key of gamedays")
    role: str = column("Role, e.g. villain, hero, observer")
    people: pd.Int64Dtype = maybe("How many", "people", ge=0)
    names: str = maybe("Names, joined by ', '; never shown unless asked for")


class GameDayScores(Table):
    """One row per score event of a team."""

    gameday_id: str = column("Key of gamedays")
    position: int = column("Place in the file, from 0", ge=0)
    team: str = column("Team name")
    at: Time = column("When", "UTC")
    points: float = column("Points won, or lost where negative", "points")
    reason: str = maybe("Why; untrusted text")


class GameDaySurveys(Table):
    """One row per survey question and moment."""

    gameday_id: str = column("Key of gamedays")
    question: str = column("Question as asked")
    moment: str = column("Asked before or after", isin=("before", "after"))
    asked: int = column("How many people were asked", "people", ge=0)
    answered: int = column("How many answered", "people", ge=0)
    score: float = maybe("Mean answer", "see scale_max")
    scale_max: float = maybe("Best possible answer", "points")


class GameDayNotes(Table):
    """Surprises, learnings, actions and communication of a GameDay or of one experiment."""

    gameday_id: str = column("Key of gamedays")
    experiment_key: str = column("Key of experiments; empty where it is about the whole day")
    kind: str = column("surprise, learning, action or communication", isin=NOTE_KINDS)
    position: int = column("Place in the file, from 0", ge=0)
    text: str = column("What; untrusted text")
    at: Time = maybe("When, for a communication", "UTC")
    audience: str = maybe("To whom, for a communication: inside, customer service, customers")
    owner: str = maybe("Role that owns an action")
    state: str = maybe("State of an action", isin=("open", "done"))


class Experiments(Table):
    """One row per experiment of a GameDay."""

    gameday_id: str = column("Key of gamedays")
    experiment_key: str = column(
        "Stable name that repeats over the years", str_matches=r"^[a-z0-9][a-z0-9-]{0,79}\Z"
    )
    position: int = column("Number in the programme, from 1", ge=1)
    title: str = column("Title; untrusted text")
    symptom: str = column("What the heroes were told; untrusted text")
    failure_class: str = column("Injected class of failure, from the taxonomy")
    environment: str = column("Where it was executed", isin=ENVIRONMENTS)
    vote_default: str = maybe("What no vote means", isin=ENVIRONMENTS)
    planned_min: float = column("Time box", "min", gt=0)
    prediction: str = maybe("What the villains predicted, before")
    expected_backlog: float = maybe("Backlog predicted, before", "see backlog_unit", ge=0)
    backlog_unit: str = maybe("Unit of the backlog, e.g. messages")
    backlog_metric: str = maybe("Metric that shows the backlog")
    backlog_scope: str = maybe("Scope of that metric")
    hypothesis: str = maybe("Steady-state hypothesis in words")
    fault_started_at: Time = maybe("When the fault was injected", "UTC")
    fault_ended_at: Time = maybe("When the injection ended", "UTC")
    outcome: str = column("What the heroes achieved within the time box", isin=OUTCOMES)
    outcome_text: str = maybe("The outcome in words; untrusted text")
    fallback: str = maybe("Fallback that was meant to carry the load")
    fallback_exercised: pd.BooleanDtype = maybe("Whether it was used")
    fallback_worked: pd.BooleanDtype = maybe("Whether it held; one success is one success")
    fallback_load: float = maybe("Load it carried", "see fallback_load_unit", ge=0)
    fallback_load_unit: str = maybe("Unit of that load, e.g. messages/s")


class ExperimentTargets(Table):
    """One row per experiment and targeted service."""

    gameday_id: str = column("Key of gamedays")
    experiment_key: str = column("Key of experiments")
    service: str = column("Service name")


class ExperimentVotes(Table):
    """One row per option of an environment vote."""

    gameday_id: str = column("Key of gamedays")
    experiment_key: str = column("Key of experiments")
    option: str = column("Environment put to the vote", isin=ENVIRONMENTS)
    votes: int = column("Votes given", "votes", ge=0)


class ExperimentProbes(Table):
    """One row per probe of a steady-state hypothesis: a statistic of a series that must stay within a band."""

    gameday_id: str = column("Key of gamedays")
    experiment_key: str = column("Key of experiments")
    probe: str = column("Name of the probe")
    metric: str = column("Metric of series")
    scope: str = column("Scope of series")
    statistic: str = column("Statistic taken over the window", isin=STATISTICS)
    low: float = maybe("Lowest tolerated value; null is no bound", "unit of the metric")
    high: float = maybe("Highest tolerated value; null is no bound", "unit of the metric")


class ExperimentEvents(Table):
    """One row per line of an experiment's timeline."""

    gameday_id: str = column("Key of gamedays")
    experiment_key: str = column("Key of experiments")
    position: int = column("Place in the file, from 0", ge=0)
    moment: str = column("What the line marks", isin=EXPERIMENT_MOMENTS)
    at: Time = column("When", "UTC")
    role: str = maybe("Who, as a role")
    text: str = maybe("What; untrusted text")
