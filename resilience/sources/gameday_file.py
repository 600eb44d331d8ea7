"""What a gameday.yml may say: the whole day, what cannot be true of it, and every error in words.

The models here and in `gameday_experiment` are the contract, and docs/gameday-file.md is made from them. They refuse
what is impossible; what is only missing or doubtful is for `gameday_doubts`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from .. import schema
from . import gameday_values as values
from .gameday_experiment import AFTER_MIDNIGHT, AROUND, Action, Communication, Experiment
from .gameday_fields import (
    Clock,
    Count,
    Date,
    Environment,
    Loc,
    Many,
    Number,
    Part,
    Refusal,
    Text,
    Truth,
    about,
    maybe,
    part_in,
    repeats,
    some,
)
from .gameday_values import Kind, Setting, guess, one_of, shown

LONGEST = timedelta(days=7)
ANNOUNCED = timedelta(days=90)


class Attendance(Part):
    """How many people took part. A number left out is unknown, not zero."""

    tech: Count | None = maybe(
        "People from Tech", "Size of the day, on the first screen", "96", unit="people"
    )
    other: Count | None = maybe(
        "People from outside Tech, such as customer service", "Beside those from Tech", "14", unit="people"
    )


class Role(Part):
    """One role, and the people in it."""

    role: Text = about("What they did: villain, hero, observer; once each", "The cast of the day", "villain")
    people: Count | None = maybe("How many", "The cast of the day", "6", unit="people")
    names: Many[Text] = some("Who; shown nowhere unless asked for", "Only with `--names`", "[A. Person]")


class Score(Part):
    """A team won or lost points."""

    team: Text = about("Name of the team", "Its line in the chart of scores", "Otters")
    at: Clock = about("When, between starts and ends", "Place on the time axis", '"10:20"')
    points: Number = about("Points won; negative where lost", "Step of the line", "30", unit="points")
    reason: Text | None = maybe("What for", "Label of the step", "Restored checkout")


class Question(Part):
    """One question of the survey. Ask it in the same words before and after: that is how the two are compared."""

    question: Text = about(
        "The question as asked; once before, once after", "Pairs the answers", "Do you trust our fallbacks?"
    )
    moment: Annotated[str, one_of(("before", "after"))] = about(
        "When it was asked", "Side of the pair", "before"
    )
    asked: Count = about("How many were asked", "Response rate, beside every mean", "96", unit="people")
    answered: Count = about("How many of them answered", "n of the mean", "71", unit="people")
    score: Number | None = maybe("Mean answer", "Trust before against after", "3.1", unit="points")
    scale_max: Number | None = maybe("Best possible answer", "What the mean is out of", "5", unit="points")

    def impossible(self, setting: Setting) -> Iterator[Refusal]:
        if self.answered > self.asked:
            yield Refusal(
                ("answered",),
                f"{self.answered} answered, but only {self.asked} were asked.",
                "Correct one of the two.",
            )
        if self.score is not None and self.answered == 0:
            yield Refusal(
                ("score",),
                "There is a mean answer, but nobody answered.",
                "Leave score out, or correct answered.",
            )
        if self.score is not None and self.scale_max is not None and self.score > self.scale_max:
            yield Refusal(
                ("score",),
                f"{self.score:g} is above the scale's best, {self.scale_max:g}.",
                "Correct one of the two.",
            )


class GameDayFile(Part):
    """The whole day."""

    title: Text = about("Title", "Heading, and name in the gallery", "Vaccine our system")
    theme: Text | None = maybe(
        "What it was about; `security` is one", "Filter of the gallery", "peak readiness"
    )
    date: Date = about("Local date on which it began", "Order of the gallery; before and after", "2020-12-10")
    zone: Annotated[str, Kind("time zone", values.zone)] = about(
        "IANA zone of all clock times in the file",
        "Joins them to metrics; pages show this zone",
        "Europe/Berlin",
    )
    style: Annotated[str, one_of(schema.STYLES)] = about(
        "informed: told in advance; uninformed: no briefing",
        "Drill times of the two are never pooled",
        "informed",
    )
    environment: Environment = about(
        "Where experiments ran unless one says otherwise. production: customers are on it; staging: a copy; "
        "isolated: an account of its own",
        "Beside every result",
        "production",
    )
    starts: Clock | None = maybe("When it began", "Frame of the day", '"10:00"')
    ends: Clock | None = maybe("When it ended, at most 7 days later", "Frame of the day", '"13:00"')
    summary: Text | None = maybe(
        "Why it was held, in plain words",
        "First screen, for people outside Tech",
        "A rehearsal before Christmas.",
    )
    simulated: Truth | None = maybe("true where it never happened", "Every page says 'simulated'", "true")
    attendance: Attendance | None = maybe("How many took part", "Size of the day")
    roles: Many[Role] = some("Who did what", "The cast of the day")
    scores: Many[Score] = some("Score events, where teams competed", "Scores over time")
    survey: Many[Question] = some("What people thought before and after", "Trust and confidence")
    experiments: Many[Experiment] = some("The experiments, in the order of the programme", "One section each")
    communication: Many[Communication] = some("Who was told about the day", "Time to inform")
    surprises: Many[Text] = some(
        "What nobody expected, of the whole day", "Surprises", "[Two teams own one queue]"
    )
    learnings: Many[Text] = some("What was learnt, of the whole day", "Learnings", "[Vote a day earlier]")
    actions: Many[Action] = some("What is to be done, of the whole day", "'What we do next'")

    def impossible(self, setting: Setting) -> Iterator[Refusal]:
        yield from repeats("roles", (role.role for role in self.roles), "role")
        yield from repeats("survey", ((q.question, q.moment) for q in self.survey), "question")
        yield from repeats("experiments", (e.experiment_key for e in self.experiments), "experiment_key")
        yield from self._outside(setting)

    def _outside(self, setting: Setting) -> Iterator[Refusal]:
        say = setting.shown
        first, last = self._frame(setting.zone)
        if self.starts and abs((self.starts.astimezone(setting.zone).date() - self.date).days) > 1:
            yield Refusal(
                ("starts",),
                f"It starts at {say(first)}, more than a day from its date {self.date}.",
                "Correct one of the two.",
                timing=True,
            )
        if self.ends and not first < last <= first + LONGEST:
            order = "which is not after" if last <= first else "more than 7 days after"
            yield Refusal(
                ("ends",),
                f"It ends at {say(last)}, {order} its start at {say(first)}.",
                AFTER_MIDNIGHT,
                timing=True,
            )
            return  # without a frame, nothing is outside it
        frame = f"the GameDay, {say(first)} to {say(last)}."
        for i, score in enumerate(self.scores):
            if not first <= score.at <= last:
                yield Refusal(
                    ("scores", i, "at"),
                    f"The score at {say(score.at)} is outside {frame}",
                    "Correct it, or starts and ends.",
                    timing=True,
                )
        for loc, at in self._times():
            margin, words = (ANNOUNCED, "90 days") if "communication" in loc else (AROUND, "24 hours")
            if not first - margin <= at <= last + margin:
                yield Refusal(
                    loc, f"{say(at)} is more than {words} from {frame}", "Correct the date.", timing=True
                )

    def _frame(self, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """From when to when; where that is not stated, the local calendar day, or 24 hours from the start."""
        midnight, next_midnight = (
            datetime.combine(self.date + timedelta(days=days), datetime.min.time(), zone).astimezone(UTC)
            for days in (0, 1)
        )
        return self.starts or midnight, self.ends or (self.starts + AROUND if self.starts else next_midnight)

    def _times(self) -> Iterator[tuple[Loc, datetime]]:
        for i, message in enumerate(self.communication):
            if message.at:
                yield ("communication", i, "at"), message.at
        for i, experiment in enumerate(self.experiments):
            for loc, at in experiment.times():
                yield ("experiments", i, *loc), at


class Fact(NamedTuple):
    """Something to tell about a place in the file."""

    loc: Loc
    message: str
    remedy: str


def check(data: Any) -> tuple[GameDayFile, Setting] | list[Fact]:
    """`data` of a gameday.yml as a model, with what its clock times refer to; or every error found.

    Checks between parts, such as scores against the end of the day, come once each part by itself is right.
    """
    setting = _setting(data)
    try:
        return GameDayFile.model_validate(data, context=setting), setting
    except ValidationError as error:
        return [_fact(details) for details in error.errors(include_url=False)]


def path(loc: Loc) -> str:
    """A place in the file as one writes it: experiments[3].fault.ended."""
    words = "".join(f"[{part}]" if isinstance(part, int) else f".{str(part)[:80]}" for part in loc)
    return words.removeprefix(".")


def _setting(data: Any) -> Setting:
    given = data if isinstance(data, dict) else {}
    try:
        return Setting(values.calendar_date(given.get("date")), ZoneInfo(values.zone(given.get("zone"))))
    except PydanticCustomError:
        return Setting(date(2020, 1, 1), ZoneInfo("UTC"), settled=False)


def _fact(error: ErrorDetails) -> Fact:
    loc, kind, given = error["loc"], error["type"], error["input"]
    if loc[-1:] == ("[key]",):
        loc = loc[:-1]
    if kind == "extra_forbidden":
        known = list(_part_at(loc[:-1]).model_fields)
        what = f"The key {shown(loc[-1])} is not known here."
        return Fact(loc, what, f"{guess(str(loc[-1]), known)}Known: {', '.join(known)}.")
    if kind == "missing":
        return Fact(
            loc, f"The key {loc[-1]} is missing.", "Add it; resilience docs gameday-file explains every key."
        )
    if kind == "list_type":
        return Fact(
            loc, f"This is {shown(given)}, not a list.", "Begin each item with '- ', or write [one, two]."
        )
    if kind in ("model_type", "dict_type"):
        part = _part_at(loc)
        keys = ", ".join(part.model_fields)
        return Fact(
            loc, f"This is {shown(given)}, not keys with values.", f"Write key: value lines. Known: {keys}."
        )
    return Fact(loc, error["msg"], error["ctx"]["remedy"])


def _part_at(loc: Loc) -> type[Part]:
    """The part that stands at `loc`, or that holds it."""
    part: type[Part] = GameDayFile
    for name in loc:
        field = part.model_fields.get(name) if isinstance(name, str) else None
        part = (field and part_in(field.annotation)) or part
    return part
