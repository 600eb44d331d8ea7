"""The fields of one experiment in a gameday.yml, and what cannot be true of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated

from .. import schema
from ..failure_classes import FAILURE_CLASSES, RENAMED
from .gameday_fields import (
    Amount,
    Clock,
    Count,
    Environment,
    Loc,
    Many,
    Number,
    Part,
    Refusal,
    Slug,
    Text,
    Truth,
    about,
    maybe,
    repeats,
    some,
)
from .gameday_values import Setting, number, one_of

WEEK_MIN = 7 * 24 * 60
AROUND = timedelta(hours=24)
AFTER_MIDNIGHT = "Correct one; after midnight write the date too, such as 2020-12-11T00:10."


class Action(Part):
    """Something to do after the GameDay."""

    text: Text = about("What is to be done", "'What we do next', on the first screen", "Alert on queue age")
    owner: Text | None = maybe(
        "Role or team that does it, rather than a person", "Beside the action", "payments team"
    )
    state: Annotated[str, one_of(("open", "done"))] | None = maybe(
        "Whether it is done; leave it out where nobody knows", "Open actions stay in the ledger", "open"
    )


class Communication(Part):
    """A message to people outside the technical work. Without a time it is told, but not timed."""

    audience: Text = about("To whom: inside, customer service, customers", "Who was told", "customer service")
    at: Clock | None = maybe(
        "When; at most 90 days from the GameDay", "Time to inform an audience", '"11:25"'
    )
    text: Text = about("What they were told", "Beside the time", "Prices may be stale")


class Vote(Part):
    """Where the heroes wanted the experiment to run."""

    options: dict[Environment, Count] = about(
        "Votes for each environment offered",
        "Tally; the winner against where it ran",
        "{production: 41, isolated: 9}",
        unit="votes",
    )
    default: Environment | None = maybe(
        "Where it runs when nobody votes", "Flagged where nobody voted and this is production", "production"
    )

    def impossible(self, setting: Setting) -> Iterator[Refusal]:
        if not self.options:
            yield Refusal(
                ("options",),
                "Nothing was put to the vote.",
                "Write {production: 0, isolated: 0}, or no vote.",
            )


class Backlog(Part):
    """What was expected to pile up while the experiment ran; written before it."""

    expected: Amount = about("How much", "Predicted against observed", "80000", unit="see `unit`")
    unit: Text = about("Unit of it", "Axis of the backlog", "messages")
    metric: Text | None = maybe(
        "Metric that shows it", "Where the observed backlog is read", "queue.messages.ready"
    )
    scope: Text | None = maybe("Scope of that metric: sorted tags", "As `metric`", "queue:price-updates")


class Probe(Part):
    """One measurable part of 'everything is fine': a statistic of a metric that stays within a band."""

    name: Text = about("Name, once per experiment", "Row of the verdict's table", "listing latency")
    metric: Text = about(
        "Name of the metric, as in the series", "Which series is judged", "http.request.duration"
    )
    scope: Text = about(
        "What it is measured on: sorted tags joined by commas, `*` where there are none",
        "Which series is judged",
        "service:product-listing-page",
    )
    statistic: Annotated[str, one_of(schema.STATISTICS)] = about(
        "What is taken of the points of a window",
        "Held against the band before, during and after the fault",
        "mean",
    )
    low: Number | None = maybe(
        "Lowest value that is still fine; left out: no bound",
        "`held` or `deviated`",
        "0",
        unit="the metric's",
    )
    high: Number | None = maybe(
        "Highest value that is still fine; give low, high or both",
        "`held` or `deviated`",
        "0.4",
        unit="the metric's",
    )

    def impossible(self, setting: Setting) -> Iterator[Refusal]:
        if self.low is None and self.high is None:
            yield Refusal(
                (), "The probe has neither low nor high: nothing could break it.", "Give low, high or both."
            )
        elif self.low is not None and self.high is not None and self.low > self.high:
            yield Refusal(("low",), f"low {self.low:g} is above high {self.high:g}.", "Swap or correct them.")


class SteadyState(Part):
    """What normal looks like, written down before the experiment."""

    hypothesis: Text | None = maybe(
        "What stays true although the fault is there",
        "Heads the verdict",
        "Listing pages answer within 400 ms",
    )
    probes: Many[Probe] = some("The same as measurements", "The verdict; without probes there is none")

    def impossible(self, setting: Setting) -> Iterator[Refusal]:
        yield from repeats("probes", (probe.name for probe in self.probes), "name")


class Fault(Part):
    """When the fault was really there. Left out where the experiment did not run."""

    started: Clock = about(
        "When it was injected; at most 24 hours from the GameDay", "Start of every drill time", '"11:20"'
    )
    ended: Clock | None = maybe(
        "When the injection ended", "With `started`: the window of the verdict", '"11:40"'
    )

    def impossible(self, setting: Setting) -> Iterator[Refusal]:
        if self.ended and self.ended < self.started:
            what = f"The fault ended at {setting.shown(self.ended)}, before it started at {setting.shown(self.started)}."
            yield Refusal(("ended",), what, AFTER_MIDNIGHT, timing=True)


class Moment(Part):
    """One line of what happened."""

    at: Clock = about("When; from the fault's start to 24 hours after it", "Place on the timeline", '"11:24"')
    moment: Annotated[str, one_of(schema.EXPERIMENT_MOMENTS)] = about(
        "alerted: a monitor spoke; diagnosed: cause known; mitigated: impact stopped; note: anything, also before the fault",
        "Alert delay, time to diagnose, time to mitigate",
        "alerted",
    )
    role: Text | None = maybe("Who, as a role rather than a name", "Beside the line", "hero")
    text: Text | None = maybe("What happened", "The line itself", "Alert on stale prices")


class Fallback(Part):
    """What was meant to carry the load while the fault was there."""

    name: Text = about("What it is", "Row of the fallbacks", "cached prices")
    exercised: Truth | None = maybe("Whether it was really used", "Only then it counts as a trial", "true")
    worked: Truth | None = maybe(
        "Whether it held; only where exercised", "'Last held, 1 of 1': one success is one success", "true"
    )
    load: Amount | None = maybe(
        "Load it carried; only where exercised",
        "'At 67 messages/s', and no claim beyond it",
        "67",
        unit="see `load_unit`",
    )
    load_unit: Text | None = maybe("Unit of that load; load needs it", "As `load`", "messages/s")

    def impossible(self, setting: Setting) -> Iterator[Refusal]:
        for name in ("worked", "load"):
            if getattr(self, name) is not None and not self.exercised:
                yield Refusal(
                    (name,),
                    f"{name} is stated, but not that the fallback was exercised.",
                    f"Write exercised: true where it was really used, else leave {name} out.",
                )
        if self.load is not None and self.load_unit is None:
            yield Refusal(("load",), "The load has no unit.", "Add load_unit, such as messages/s.")


class Experiment(Part):
    """One experiment, in the order of the programme."""

    experiment_key: Slug = about(
        "Name that stays the same when it is repeated in another year; once per file",
        "Joins its repetitions into one history",
        "price-sync-stopped",
    )
    title: Text = about("Title", "Heading", "Synchronization issues")
    symptom: Text = about("What the heroes were told", "Under the heading", "Prices differ between pages")
    targets: Many[Text] = about(
        "Services that the heroes were pointed at, at least one, each once",
        "Anything else that moved is a surprise",
        "[search, product-page]",
    )
    failure_class: Annotated[str, one_of(FAILURE_CLASSES, RENAMED)] = about(
        "Class of the injected fault; unknown where none fits", "Row of the rehearsal ledger", "datastore"
    )
    environment: Environment | None = maybe(
        "Where it really ran; left out: the GameDay's", "Beside the result, against the vote", "production"
    )
    vote: Vote | None = maybe("How the heroes voted on where to run it", "Vote against executed")
    planned_min: Annotated[float, number(low=0, above=True, high=WEEK_MIN)] = about(
        "Time box", "Where drill times are cut off: unsolved means 'longer than'", "20", unit="min"
    )
    prediction: Text | None = maybe(
        "What the villains expected, written before",
        "Prediction against outcome",
        "Prices get stale, pages stay up",
    )
    backlog: Backlog | None = maybe("What was expected to pile up", "Predicted against observed")
    steady_state: SteadyState | None = maybe("What normal looks like", "The verdict")
    fault: Fault | None = maybe("When the fault was there", "Start of all drill times")
    timeline: Many[Moment] = some("What happened", "Timeline and drill times")
    outcome: Annotated[str, one_of(schema.OUTCOMES)] = about(
        "What the heroes achieved within the time box. solved: cause removed; workaround: impact stopped otherwise; "
        "not_solved: neither; not_attempted: nobody was asked to; aborted: called off while it ran; not_run: never started",
        "The result",
        "solved",
    )
    outcome_text: Text | None = maybe("The outcome in words", "Under the result", "Consumers restarted")
    fallback: Fallback | None = maybe("What was meant to carry the load", "Whether it held")
    communication: Many[Communication] = some("Who was told about this experiment", "Time to inform")
    surprises: Many[Text] = some("What nobody expected", "Surprises", "[The cache never expires]")
    learnings: Many[Text] = some("What was learnt", "Learnings", "[Queue age shows it first]")
    actions: Many[Action] = some("What is to be done", "'What we do next'")

    def impossible(self, setting: Setting) -> Iterator[Refusal]:
        if not self.targets:
            yield Refusal(
                ("targets",), "The experiment has no target.", "Name at least one service: [search]."
            )
        yield from repeats("targets", self.targets)
        if self.fault:
            yield from self._misplaced(self.fault.started, setting)

    def _misplaced(self, started: datetime, setting: Setting) -> Iterator[Refusal]:
        for i, line in enumerate(self.timeline):
            loc, what = ("timeline", i, "at"), f"'{line.moment}' at {setting.shown(line.at)} is"
            if line.at < started and line.moment != "note":
                what += f" before the fault started at {setting.shown(started)}."
                yield Refusal(loc, what, "Correct one of the two, or make it a note.", timing=True)
            elif abs(line.at - started) > AROUND:
                what += f" more than 24 hours from the fault's start at {setting.shown(started)}."
                yield Refusal(loc, what, "Correct the date of one of the two.", timing=True)

    def times(self) -> Iterator[tuple[Loc, datetime]]:
        """Every time of the experiment, and where it stands."""
        if self.fault:
            yield ("fault", "started"), self.fault.started
        if self.fault and self.fault.ended:
            yield ("fault", "ended"), self.fault.ended
        for i, line in enumerate(self.timeline):
            yield ("timeline", i, "at"), line.at
        for i, message in enumerate(self.communication):
            if message.at:
                yield ("communication", i, "at"), message.at
