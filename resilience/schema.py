"""Every table: its columns, types, units, meaning and rules. Written once; the data dictionary is made from it.

Times are UTC in microseconds. Durations are float minutes and named ``*_min``. Missing is null, never zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaErrors

from .errors import InputError

KINDS = ("real", "drill", "test")
DETECTED_BY = ("monitor", "colleague", "customer", "partner", "unknown")
STYLES = ("informed", "uninformed")
ENVIRONMENTS = ("production", "staging", "isolated")
MOMENTS = ("started", "detected", "declared", "acknowledged", "mitigated", "resolved")
FACTOR_KINDS = ("contributing factor", "root cause", "trigger", "why")
AUDIENCES = ("inside", "customer service", "customers")
COMPONENTS = (
    *MOMENTS,
    *(
        "time to detect",
        "time to restore",
        "zone",
        "timeline",
        "detected by",
        "severity",
        "services",
        "impact",
        "summary",
    ),
    *("factors", "actions", "owners", "messages", "responders"),
)
DATE_FROM = ("line", "row above", "heading", "field", "front matter", "file name")
EXPERIMENT_MOMENTS = ("alerted", "diagnosed", "mitigated", "note")
OUTCOMES = ("solved", "workaround", "not_solved", "not_attempted", "aborted", "not_run")
NOTE_KINDS = ("surprise", "learning", "action", "communication")
ROLLUPS = ("avg", "sum", "min", "max", "count", "last", "unknown")
LINKED_BY = ("id", "similarity", "person")
CALENDAR_KINDS = ("freeze", "sale", "holiday", "enlarged", "support")
STATISTICS = ("mean", "median", "min", "max", "sum", "p95")

Time = Annotated[pd.DatetimeTZDtype, "us", "UTC"]


def _column(meaning: str, unit: str = "", *, nullable: bool = False, **rules: Any) -> Any:
    return pa.Field(nullable=nullable, description=meaning, metadata={"unit": unit}, **rules)


def _maybe(meaning: str, unit: str = "", **rules: Any) -> Any:
    return _column(meaning, unit, nullable=True, **rules)


class _Table(pa.DataFrameModel):
    class Config:
        strict = True
        coerce = False


class Incidents(_Table):
    """One row per incident report, whoever wrote it. Drills and tests are here too, told apart by `kind`."""

    incident_id: str = _column("Identifier stated by the report, else made from its file name")
    title: str = _column("Title as written; untrusted text")
    kind: str = _column("real incident, GameDay drill, or test of the tooling; never pooled", isin=KINDS)
    severity: str = _maybe("Severity as written, e.g. SEV1")
    services: str = _maybe("Affected services, sorted, joined by ', '; one row each in incident_services")
    teams: str = _maybe("Teams involved, sorted, joined by ', '; one row each in incident_teams")
    environment: str = _maybe("Where it happened, as written, e.g. production")
    started_at: Time = _maybe("When the fault began", "UTC")
    detected_at: Time = _maybe("When somebody or something noticed", "UTC")
    declared_at: Time = _maybe("When it was declared an incident", "UTC")
    acknowledged_at: Time = _maybe("When a responder took it", "UTC")
    mitigated_at: Time = _maybe("When the impact stopped", "UTC")
    resolved_at: Time = _maybe(
        "When it was over; null and no later time stated means still open or unknown", "UTC"
    )
    detected_by: str = _column("Who noticed first", isin=DETECTED_BY)
    stated_detect_min: float = _maybe(
        "Time to detect as the report states it (detected - started)", "min", ge=0
    )
    stated_repair_min: float = _maybe("Time to repair as stated (mitigated - detected)", "min", ge=0)
    stated_restore_min: float = _maybe("Time to restore as stated (resolved - started)", "min", ge=0)
    summary: str = _maybe("The report's own summary; untrusted text")
    impact: str = _maybe("What the report says of the impact; untrusted text")
    responders: pd.Int64Dtype = _maybe("How many people responded, where the report says", "people", ge=0)
    roles: str = _maybe("Roles that the report says were filled, sorted, joined by ', '; never names")
    text: str = _column("The whole report as text, for classification; untrusted")
    simulated: bool = _column("True where the report says of itself that it is simulated")
    source: str = _column("Reader that made the row, e.g. markdown")
    source_uri: str = _column("File it came from, relative to where reading began")


class IncidentServices(_Table):
    """One row per incident and affected service. Counts per service overlap: an incident may touch several."""

    incident_id: str = _column("Key of incidents")
    service: str = _column("Service name")


class IncidentTeams(_Table):
    """One row per incident and team involved."""

    incident_id: str = _column("Key of incidents")
    team: str = _column("Team name")


class Timeline(_Table):
    """One row per line of a report's timeline, in its order; of a report without one, per sentence with a clock time."""

    incident_id: str = _column("Key of incidents")
    position: int = _column("Place in the report's timeline, from 0", ge=0)
    at: Time = _maybe("When; null where date or zone is not known", "UTC")
    stated: str = _maybe("The time as written")
    date_from: str = _maybe("Where its date stands; null where none is known", isin=DATE_FROM)
    date_note: str = _maybe(
        "What else the date rests on: a midnight passed, a year or an order of day and month"
    )
    moment: str = _maybe("Lifecycle moment the line marks, where it says so", isin=MOMENTS)
    text: str = _column("What happened; untrusted text")
    line: int = _column("Line in the source file, from 1", ge=1)


class IncidentFactors(_Table):
    """One row per contributing factor as the report lists it. The list comes first; a class is an index onto it."""

    incident_id: str = _column("Key of incidents")
    position: int = _column(
        "Place in the list, from 0; contributing factors, root causes, triggers, whys", ge=0
    )
    kind: str = _column("Heading under which it stands", isin=FACTOR_KINDS)
    text: str = _column("The factor as written; untrusted text")
    line: int = _column("Line in the source file, from 1", ge=1)


class IncidentMessages(_Table):
    """The first message to each audience, where a report's words leave no doubt to whom it went."""

    incident_id: str = _column("Key of incidents")
    audience: str = _column("Who was told", isin=AUDIENCES)
    at: Time = _maybe("When; null where not known", "UTC")
    text: str = _column("The line that says so; untrusted text")
    line: int = _column("Line in the source file, from 1", ge=1)


class IncidentQuality(_Table):
    """What each report states and what it does not, component by component. They are not added up to a score."""

    incident_id: str = _column("Key of incidents")
    component: str = _column("What a report may state", isin=COMPONENTS)
    present: bool = _column("Whether this one states it so that it can be used")
    n: pd.Int64Dtype = _maybe("How many, for components that are counted", "rows", ge=0)
    of: pd.Int64Dtype = _maybe("Of how many, e.g. timeline rows with a known time of all", "rows", ge=0)
    origin: str = _maybe("Where it stands, or why it is not known; may quote untrusted text")


class Actions(_Table):
    """One row per follow-up action of a report."""

    incident_id: str = _column("Key of incidents")
    position: int = _column("Place in the report's list, from 0", ge=0)
    text: str = _column("What is to be done; untrusted text")
    owner: str = _maybe("Who, as written; pages show roles, not names")
    state: str = _maybe("State as written, e.g. open, done")
    due: str = _maybe("Due date as written")
    line: int = _column("Line in the source file, from 1", ge=1)


class Problems(_Table):
    """Everything that a reader skipped, could not parse, or found contradictory. Nothing is dropped silently."""

    problem_id: str = _column("Hash of file, line, field and message")
    source_uri: str = _column("File it is about")
    line: pd.Int64Dtype = _maybe("Line in the file, from 1", ge=1)
    subject: str = _maybe("Incident or GameDay it is about")
    field: str = _maybe("Column that is null or doubtful because of it")
    kind: str = _column(
        "skipped (on purpose), missing, unreadable, contradiction, doubtful (possible, but worth a look)",
        isin=("skipped", "missing", "unreadable", "contradiction", "doubtful"),
    )
    message: str = _column("What is wrong, with the values as written; untrusted text")
    remedy: str = _column("What to do about it")


class Series(_Table):
    """Metric points in long form. A gap stays a null or an absent row, never a zero."""

    metric: str = _column("Metric name")
    scope: str = _column("What it is measured on: sorted tags joined by ',', e.g. service:search")
    at: Time = _column("Left edge of the interval", "UTC")
    value: float = _maybe("Value; its unit is in `unit`", "see unit")
    interval_s: float = _column("Length of the interval", "s", gt=0)
    rollup: str = _column("How points were aggregated into the interval", isin=ROLLUPS)
    unit: str = _maybe("Unit of the value")
    source: str = _column("Reader and file that made the row")


class GameDays(_Table):
    """One row per GameDay."""

    gameday_id: str = _column("Folder name under data/gamedays", str_matches=r"^[a-z0-9][a-z0-9-]{0,79}\Z")
    title: str = _column("Title; untrusted text")
    theme: str = _maybe("What it was about, e.g. security")
    held_on: Time = _column("Midnight UTC of the local calendar date", "UTC")
    zone: str = _column("IANA zone in which its clock times are written")
    style: str = _column("informed: told in advance; uninformed: no briefing", isin=STYLES)
    environment: str = _column("Where experiments ran unless one says otherwise", isin=ENVIRONMENTS)
    starts_at: Time = _maybe("When it began", "UTC")
    ends_at: Time = _maybe("When it ended", "UTC")
    attendance_tech: pd.Int64Dtype = _maybe("People from Tech who took part", "people", ge=0)
    attendance_other: pd.Int64Dtype = _maybe("People from outside Tech who took part", "people", ge=0)
    summary: str = _maybe("What it was for, in plain words; untrusted text")
    simulated: bool = _column("True for the sample marketplace")
    source_uri: str = _column("gameday.yml it came from")


class GameDayRoles(_Table):
    """One row per GameDay and role."""

    gameday_id: str = _column("Key of gamedays")
    role: str = _column("Role, e.g. villain, hero, observer")
    people: pd.Int64Dtype = _maybe("How many", "people", ge=0)
    names: str = _maybe("Names, joined by ', '; never shown unless asked for")


class GameDayScores(_Table):
    """One row per score event of a team."""

    gameday_id: str = _column("Key of gamedays")
    position: int = _column("Place in the file, from 0", ge=0)
    team: str = _column("Team name")
    at: Time = _column("When", "UTC")
    points: float = _column("Points won, or lost where negative", "points")
    reason: str = _maybe("Why; untrusted text")


class GameDaySurveys(_Table):
    """One row per survey question and moment."""

    gameday_id: str = _column("Key of gamedays")
    question: str = _column("Question as asked")
    moment: str = _column("Asked before or after", isin=("before", "after"))
    asked: int = _column("How many people were asked", "people", ge=0)
    answered: int = _column("How many answered", "people", ge=0)
    score: float = _maybe("Mean answer", "see scale_max")
    scale_max: float = _maybe("Best possible answer", "points")


class Experiments(_Table):
    """One row per experiment of a GameDay."""

    gameday_id: str = _column("Key of gamedays")
    experiment_key: str = _column(
        "Stable name that repeats over the years", str_matches=r"^[a-z0-9][a-z0-9-]{0,79}\Z"
    )
    position: int = _column("Number in the programme, from 1", ge=1)
    title: str = _column("Title; untrusted text")
    symptom: str = _column("What the heroes were told; untrusted text")
    failure_class: str = _column("Injected class of failure, from the taxonomy")
    environment: str = _column("Where it was executed", isin=ENVIRONMENTS)
    vote_default: str = _maybe("What no vote means", isin=ENVIRONMENTS)
    planned_min: float = _column("Time box", "min", gt=0)
    prediction: str = _maybe("What the villains predicted, before")
    expected_backlog: float = _maybe("Backlog predicted, before", "see backlog_unit", ge=0)
    backlog_unit: str = _maybe("Unit of the backlog, e.g. messages")
    backlog_metric: str = _maybe("Metric that shows the backlog")
    backlog_scope: str = _maybe("Scope of that metric")
    hypothesis: str = _maybe("Steady-state hypothesis in words")
    fault_started_at: Time = _maybe("When the fault was injected", "UTC")
    fault_ended_at: Time = _maybe("When the injection ended", "UTC")
    outcome: str = _column("What the heroes achieved within the time box", isin=OUTCOMES)
    outcome_text: str = _maybe("The outcome in words; untrusted text")
    fallback: str = _maybe("Fallback that was meant to carry the load")
    fallback_exercised: pd.BooleanDtype = _maybe("Whether it was used")
    fallback_worked: pd.BooleanDtype = _maybe("Whether it held; one success is one success")
    fallback_load: float = _maybe("Load it carried", "see fallback_load_unit", ge=0)
    fallback_load_unit: str = _maybe("Unit of that load, e.g. messages/s")


class ExperimentTargets(_Table):
    """One row per experiment and targeted service."""

    gameday_id: str = _column("Key of gamedays")
    experiment_key: str = _column("Key of experiments")
    service: str = _column("Service name")


class ExperimentVotes(_Table):
    """One row per option of an environment vote."""

    gameday_id: str = _column("Key of gamedays")
    experiment_key: str = _column("Key of experiments")
    option: str = _column("Environment put to the vote", isin=ENVIRONMENTS)
    votes: int = _column("Votes given", "votes", ge=0)


class ExperimentProbes(_Table):
    """One row per probe of a steady-state hypothesis: a statistic of a series that must stay within a band."""

    gameday_id: str = _column("Key of gamedays")
    experiment_key: str = _column("Key of experiments")
    probe: str = _column("Name of the probe")
    metric: str = _column("Metric of series")
    scope: str = _column("Scope of series")
    statistic: str = _column("Statistic taken over the window", isin=STATISTICS)
    low: float = _maybe("Lowest tolerated value; null is no bound", "unit of the metric")
    high: float = _maybe("Highest tolerated value; null is no bound", "unit of the metric")


class ExperimentEvents(_Table):
    """One row per line of an experiment's timeline."""

    gameday_id: str = _column("Key of gamedays")
    experiment_key: str = _column("Key of experiments")
    position: int = _column("Place in the file, from 0", ge=0)
    moment: str = _column("What the line marks", isin=EXPERIMENT_MOMENTS)
    at: Time = _column("When", "UTC")
    role: str = _maybe("Who, as a role")
    text: str = _maybe("What; untrusted text")


class GameDayNotes(_Table):
    """Surprises, learnings, actions and communication of a GameDay or of one experiment."""

    gameday_id: str = _column("Key of gamedays")
    experiment_key: str = _column("Key of experiments; empty where it is about the whole day")
    kind: str = _column("surprise, learning, action or communication", isin=NOTE_KINDS)
    position: int = _column("Place in the file, from 0", ge=0)
    text: str = _column("What; untrusted text")
    at: Time = _maybe("When, for a communication", "UTC")
    audience: str = _maybe("To whom, for a communication: inside, customer service, customers")
    owner: str = _maybe("Role that owns an action")
    state: str = _maybe("State of an action", isin=("open", "done"))


class Labels(_Table):
    """Human answers to 'what was the cause?'. They live apart from incidents, with who and when."""

    incident_id: str = _column("Key of incidents")
    failure_class: str = _column("Class from the taxonomy, or unknown")
    second_class: str = _maybe("Second cause, where there are two")
    labelled_by: str = _column("Who answered")
    labelled_at: Time = _column("When", "UTC")
    taxonomy_version: str = _column("Version of the taxonomy the answer refers to")


class IncidentNames(_Table):
    """What other sources may call an incident: ids and addresses, one row each. Links are found by them."""

    incident_id: str = _column("Key of incidents")
    name: str = _column("Id or address as the tracker states it; untrusted text")


class IncidentLinks(_Table):
    """Pairs of incidents of different sources that are the same, and those a person said are not. Rows stay apart."""

    incident_id: str = _column("Key of incidents, the smaller of the two")
    other_id: str = _column("Key of incidents, the larger of the two")
    linked: bool = _column("True: counted as one incident; False: a person undid or forbade it")
    reason: str = _column("Why, with what was compared; untrusted text")
    score: float = _column("1 for ids and people; else how alike, from 0 to 1", "", ge=0, le=1)
    decided_by: str = _column("id: one names the other; similarity; or person", isin=LINKED_BY)


class Corrections(_Table):
    """Entries of data/corrections.yml, applied where tables are read for an analysis; the stored rows stay raw."""

    target: str = _column("Table that is corrected")
    row_key: str = _column("Key of the row, as JSON")
    column_name: str = _column("Column that is corrected")
    old_value: str = _column("Value that the source states, as JSON; another one there is an error")
    new_value: str = _column("Value used instead, as JSON")
    reason: str = _column("Why; untrusted text")
    corrected_by: str = _column("Who")
    corrected_at: Time = _column("When", "UTC")
    source_uri: str = _column("File it came from")
    line: int = _column("Line in that file, from 1", ge=1)


class Events(_Table):
    """One row per event of the monitoring system: deploys, alerts, changes."""

    event_id: str = _column("Identifier given by the source")
    at: Time = _column("When", "UTC")
    title: str = _maybe("Title as written; untrusted text")
    text: str = _maybe("Message as written; untrusted text")
    status: str = _maybe("Status as written, e.g. error")
    service: str = _maybe("Service, from the tags or as stated")
    tags: str = _maybe("Sorted tags, joined by ','")
    source: str = _column("System it was fetched from")


class Monitors(_Table):
    """One row per monitor, as it stood when it was last fetched."""

    monitor_id: str = _column("Identifier given by the source")
    name: str = _column("Name as written; untrusted text")
    kind: str = _maybe("Type of the monitor as written, e.g. query alert")
    query: str = _maybe("What it watches, as written")
    state: str = _maybe("State as written, e.g. OK, Alert, No Data")
    state_since: Time = _maybe("When it entered that state", "UTC")
    service: str = _maybe("Service, from the tags")
    tags: str = _maybe("Sorted tags, joined by ','")
    created_at: Time = _maybe("When it was made", "UTC")
    modified_at: Time = _maybe("When its definition was last changed", "UTC")
    source: str = _column("System it was fetched from")


class SloHistory(_Table):
    """One row per service level objective and calendar month (UTC); a month without data has no value."""

    slo_id: str = _column("Identifier given by the source")
    month_at: Time = _column("First moment of the month", "UTC")
    until_at: Time = _column("End of what was measured; before the month's end where that lies ahead", "UTC")
    name: str = _column("Name as written; untrusted text")
    kind: str = _maybe("metric, monitor or time_slice, as written")
    service: str = _maybe("Service, from the tags")
    target_percent: float = _maybe("Target of its first time frame", "percent")
    value_percent: float = _maybe("Share of good events or time; null where there is no data", "percent")
    error: str = _maybe("Why there is no value, as the source says it")
    source: str = _column("System it was fetched from")


class ServiceEdges(_Table):
    """One row per relation of services: of the catalog, declared or discovered, or a call that a graph file holds."""

    edge_id: str = _column("Identifier given by the source")
    from_kind: str = _column("Kind of the first, e.g. service, api, team")
    from_name: str = _column("Name of the first")
    relation: str = _column("Relation as written, e.g. RelationTypeDependsOn")
    to_kind: str = _column("Kind of the second")
    to_name: str = _column("Name of the second")
    origin: str = _maybe("Where the catalog has it from, e.g. schema or discovery")
    source: str = _column("System it was fetched from")


class Services(_Table):
    """One row per service that a graph file describes. Services are in other tables too; this one says what they are."""

    service: str = _column("Service name")
    team: str = _maybe("Team that owns it")
    criticality: pd.Int64Dtype = _maybe("1 is most critical, as the file's owner counts", ge=1)
    kind: str = _maybe("Kind as written, e.g. page, office, machine")
    source: str = _column("File it came from")


class Deployments(_Table):
    """One row per deployment of a service."""

    deployment_id: str = _column("Identifier given by the source")
    service: str = _column("Service name")
    started_at: Time = _column("When it began", "UTC")
    finished_at: Time = _maybe("When it ended", "UTC")
    environment: str = _maybe("Where, as written")
    version: str = _maybe("Version, as written")
    team: str = _maybe("Team, as written")
    kind: str = _maybe("release, rollback, migration or the like, as written")
    source: str = _column("System it was fetched from")


class Calendar(_Table):
    """One row per entry of data/calendar.yml: when nothing is tried, when traffic is no ordinary week, who is at hand."""

    source: str = _column("File it came from")
    kind: str = _column("What holds then", isin=CALENDAR_KINDS)
    position: int = _column("Place in its list, from 0", ge=0)
    title: str = _column("Title as written")
    starts_at: Time = _maybe("First moment; null where it repeats weekly", "UTC")
    ends_at: Time = _maybe("First moment after it; null where it repeats weekly", "UTC")
    weekdays: str = _maybe(
        "Weekdays on which it repeats, sorted, 0 is Monday, joined by ','; null where it has dates"
    )
    from_min: float = _maybe("Local time of the day from which it holds", "min", ge=0, le=1440)
    until_min: float = _maybe("Local time of the day until which it holds", "min", ge=0, le=1440)
    services: str = _maybe("Services it concerns, sorted, joined by ', '; null: all")
    line: int = _column("Line in the file, from 1", ge=1)


TABLES: dict[str, tuple[type[pa.DataFrameModel], tuple[str, ...]]] = {
    "incidents": (Incidents, ("incident_id",)),
    "incident_services": (IncidentServices, ("incident_id", "service")),
    "incident_teams": (IncidentTeams, ("incident_id", "team")),
    "timeline": (Timeline, ("incident_id", "position")),
    "incident_factors": (IncidentFactors, ("incident_id", "position")),
    "incident_messages": (IncidentMessages, ("incident_id", "audience")),
    "incident_quality": (IncidentQuality, ("incident_id", "component")),
    "actions": (Actions, ("incident_id", "position")),
    "problems": (Problems, ("problem_id",)),
    "series": (Series, ("metric", "scope", "interval_s", "rollup", "at")),
    "gamedays": (GameDays, ("gameday_id",)),
    "gameday_roles": (GameDayRoles, ("gameday_id", "role")),
    "gameday_scores": (GameDayScores, ("gameday_id", "position")),
    "gameday_surveys": (GameDaySurveys, ("gameday_id", "question", "moment")),
    "gameday_notes": (GameDayNotes, ("gameday_id", "experiment_key", "kind", "position")),
    "experiments": (Experiments, ("gameday_id", "experiment_key")),
    "experiment_targets": (ExperimentTargets, ("gameday_id", "experiment_key", "service")),
    "experiment_votes": (ExperimentVotes, ("gameday_id", "experiment_key", "option")),
    "experiment_probes": (ExperimentProbes, ("gameday_id", "experiment_key", "probe")),
    "experiment_events": (ExperimentEvents, ("gameday_id", "experiment_key", "position")),
    "labels": (Labels, ("incident_id", "labelled_by")),
    "incident_names": (IncidentNames, ("incident_id", "name")),
    "incident_links": (IncidentLinks, ("incident_id", "other_id")),
    "corrections": (Corrections, ("target", "row_key", "column_name")),
    "events": (Events, ("event_id",)),
    "monitors": (Monitors, ("monitor_id",)),
    "slo_history": (SloHistory, ("slo_id", "month_at")),
    "service_edges": (ServiceEdges, ("edge_id",)),
    "services": (Services, ("service",)),
    "deployments": (Deployments, ("deployment_id",)),
    "calendar": (Calendar, ("source", "kind", "position")),
}

GAMEDAY_TABLES = tuple(name for name in TABLES if name.startswith(("gameday", "experiment")))


def key(table: str) -> tuple[str, ...]:
    """Columns that identify a row of `table`."""
    return TABLES[table][1]


def dtypes(table: str) -> dict[str, Any]:
    """Column name -> pandas dtype of `table`, in order."""
    return {name: column.dtype.type for name, column in TABLES[table][0].to_schema().columns.items()}


def frame(table: str, rows: Iterable[Mapping[str, Any]] | pd.DataFrame = ()) -> pd.DataFrame:
    """A checked frame of `table` from row mappings or a frame; absent columns are null.

    Times may be aware datetimes or timestamps of any zone; they become UTC microseconds.
    Raises InputError where a value does not fit its column: the end of every source.
    """
    given = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(list(rows))
    wanted = dtypes(table)
    unknown = sorted(set(given.columns) - set(wanted))
    if unknown:
        raise InputError(
            f"{table} has no column {', '.join(unknown)}.", remedy=f"It has: {', '.join(wanted)}."
        )
    columns = {}
    for name, dtype in wanted.items():
        values = given[name] if name in given else pd.Series([None] * len(given), dtype=object)
        try:
            if isinstance(dtype, pd.DatetimeTZDtype):
                values = pd.to_datetime(values, utc=True)
            columns[name] = values.astype(dtype).reset_index(drop=True)
        except (TypeError, ValueError, OverflowError) as error:
            raise InputError(
                f"Column {name} of {table} cannot hold these values: {error}.", remedy=f"It holds {dtype}."
            ) from error
    return check(table, pd.DataFrame(columns, columns=list(wanted)))


def check(table: str, given: pd.DataFrame) -> pd.DataFrame:
    """`given`, unchanged, when it obeys every rule of `table`; else InputError with rows and remedy."""
    model, keys = TABLES[table]
    try:
        model.validate(given, lazy=True)
    except SchemaErrors as error:
        raise InputError(
            _sentence(table, error), remedy="Correct the rows named, or the reader that made them."
        ) from None
    repeated = given.duplicated(list(keys))
    if repeated.any():
        first = given.loc[repeated, list(keys)].iloc[0].to_dict()
        raise InputError(
            f"{table}: {int(repeated.sum())} row(s) repeat a key, first {first}.",
            remedy=f"Each ({', '.join(keys)}) may stand once.",
        )
    return given


def _sentence(table: str, error: SchemaErrors) -> str:
    cases = error.failure_cases
    parts = []
    for (column, rule), group in cases.groupby(["column", "check"], dropna=False, sort=True):
        rows = [int(i) for i in group["index"].dropna().head(5)]
        values = ", ".join(repr(v)[:60] for v in group["failure_case"].head(3))
        where = f" in row(s) {', '.join(map(str, rows))}" if rows else ""
        parts.append(f"{table}.{column}: {len(group)} value(s) break '{rule}'{where}: {values}")
    return "; ".join(parts) + "."


_RULES = {
    "isin": "one of",
    "greater_than_or_equal_to": "at least",
    "greater_than": "above",
    "less_than_or_equal_to": "at most",
    "str_matches": "matches",
}


def _rule(check: pa.Check) -> str:
    """A check in words, from its name and argument."""
    (argument,) = check.statistics.values()
    shown = f"`{argument}`" if check.name == "str_matches" else argument
    return f"{_RULES[str(check.name)]} {', '.join(argument) if check.name == 'isin' else shown}"


def data_dictionary() -> str:
    """`docs/data-dictionary.md`, made from this module; a test fails where the file is stale."""
    lines = [
        "# Data dictionary",
        "",
        "Made by `resilience docs data-dictionary`; do not edit. Times are UTC in microseconds, durations are",
        "float minutes named `*_min`. Missing is null, never zero.",
    ]
    for name, (model, keys) in TABLES.items():
        lines += [
            "",
            f"## {name}",
            "",
            " ".join((model.__doc__ or "").split()),
            "",
            f"Key: {', '.join(keys)}.",
            "",
        ]
        lines += ["| column | type | unit | may be missing | meaning | rule |", "|---|---|---|---|---|---|"]
        for column, spec in model.to_schema().columns.items():
            rules = "; ".join(_rule(check) for check in spec.checks)
            kind = str(spec.dtype).replace("string[pyarrow]", "str")
            unit = (spec.metadata or {}).get("unit", "")
            lines.append(
                f"| {column} | {kind} | {unit} | {'yes' if spec.nullable else 'no'} | {spec.description} | {rules} |"
            )
    return "\n".join(lines) + "\n"
