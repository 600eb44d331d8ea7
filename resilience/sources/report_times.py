"""When an incident started, was detected, ... resolved: stated fields first, then unambiguous timeline lines."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo

from ..schema import MOMENTS
from . import report_clocks, report_durations, report_turns
from .report_clocks import Order
from .report_days import NIGHT, Base
from .report_durations import is_placeholder
from .report_fields import Fact
from .report_prose import Span
from .report_timeline import Event

Tell = Callable[..., None]
"""Adds a problem: kind, message, remedy, and optionally line and field."""

ZONE_REMEDY = (
    "Write the zone once, such as 'All times in UTC.' or `zone: Europe/Copenhagen` in the front matter, "
    "or an offset behind each time."
)
_WRITE = "Write `{name}:` with date, time and zone, such as 2020-11-04 13:13 CET."
_TOLERANCE_MIN = 1.0
_OPEN = re.compile(
    r"(?:still )?(?:on-?going|open|unresolved|in progress|not yet\b.{0,40}|pending)\.?", re.IGNORECASE
)
_AGAIN = re.compile(r"[/=(]\s{0,3}([^()]{4,60}?)\s{0,3}\)?")
# duration: from, to (METHODS: clocks)
DERIVED = {
    "stated_detect_min": ("started_at", "detected_at"),
    "stated_repair_min": ("detected_at", "mitigated_at"),
    "stated_restore_min": ("started_at", "resolved_at"),
}
_ORDER = [("started_at", f"{m}_at") for m in MOMENTS[1:]] + [
    ("detected_at", "acknowledged_at"),
    ("detected_at", "mitigated_at"),
    ("detected_at", "resolved_at"),
    ("declared_at", "resolved_at"),
    ("acknowledged_at", "resolved_at"),
    ("mitigated_at", "resolved_at"),
]
_DURATION_OF = {
    "detected_at": "stated_detect_min",
    "resolved_at": "stated_restore_min",
    "mitigated_at": "mitigate_min",
}


@dataclass
class Times:
    """Lifecycle times by column, UTC or None, and stated durations by column, in minutes or None."""

    at: dict[str, datetime | None]
    minutes: dict[str, float | None]
    origin: dict[str, tuple[str, int]]
    """Column -> where its value stands, in words, and the line."""


_OPTIONAL = ("declared", "acknowledged")  # moments that many houses never write


def read(
    stated: dict[str, list[Fact]],
    events: list[Event],
    zone: tzinfo | None,
    tell: Tell,
    base: Base | None = None,
    order: Order | None = None,
    span: Span | None = None,
) -> Times:
    """Times and durations of one report. Every null and every disagreement is told. `base` dates bare clock times.

    `span` of the impact, by a sentence, holds where neither a field nor a timeline says when it began or ended.
    """
    durations = {name: list(stated.get(name, [])) for name in (*DERIVED, "mitigate_min")}
    places = _Places(zone, base, order, span)
    known = [event.at for event in events if event.at]
    if len(known) > 1 and known[0] > known[-1] and known == sorted(known, reverse=True):
        events = events[::-1]  # newest first
    at = {f"{moment}_at": _moment(moment, stated, durations, events, places, tell) for moment in MOMENTS}
    minutes = {name: _duration(name, facts, tell) for name, facts in durations.items()}
    _compare(at, minutes, durations, tell)
    where = places.origin | {
        name: (f"{facts[0].key}, line {facts[0].line}", facts[0].line)
        for name, facts in durations.items()
        if facts and minutes[name] is not None
    }
    for first, second in _ORDER:
        one, two = at[first], at[second]
        if one and two and two < one:
            tell(
                "contradiction",
                f"{_name(second)} at {_show(two)} is before {_name(first)} at {_show(one)}.",
                "Correct whichever is wrong; a wrong date or zone is the usual reason.",
                line=where[second][1],
                field=second,
            )
    minutes.pop("mitigate_min")
    return Times(at, minutes, where)


class _Places:
    """Reads the times of fields, and remembers where each moment was found."""

    def __init__(
        self, zone: tzinfo | None, base: Base | None, order: Order | None, span: Span | None = None
    ) -> None:
        self._zone, self._base, self._order = zone, base, order
        self.span = span
        self.origin: dict[str, tuple[str, int]] = {}
        self._latest: datetime | None = None

    def read(self, fact: Fact) -> tuple[report_clocks.Instant, str]:
        """The instant of a field, and whence its date is where not from the field itself."""
        day = self._base.day if self._base else None
        within = fact.zone or self._zone
        instant = report_clocks.read(fact.value, day=day, within=within, order=self._order)
        if day and instant.clock and not instant.day:
            said, end = report_turns.behind(instant.rest)
            if said and said.after and not instant.rest[end:].strip(" ."):  # '11:30 UTC the next day'
                day += timedelta(days=said.after)
                moved = report_clocks.read(fact.value, day=day, within=within, order=self._order)
                return replace(
                    moved, rest=""
                ), f", date from {self._base.origin if self._base else 'it'} and its words"
        if instant.at and (again := _AGAIN.fullmatch(instant.rest)):  # '10:00 CEST / 08:00 UTC'
            other = report_clocks.read(again[1], day=instant.day or day, order=self._order)
            instant = replace(instant, rest="") if other.at == instant.at else instant
        if instant.day or not instant.at or not self._base:
            return instant, ""
        note = f", date from {self._base.origin}"
        if self._latest and self._latest - instant.at >= NIGHT:
            return replace(instant, at=instant.at + timedelta(days=1)), f"{note}, after midnight"
        return instant, note

    def found(self, column: str, at: datetime, where: str, line: int) -> datetime:
        self.origin[column] = (where, line)
        self._latest = max(at, self._latest) if self._latest else at
        return at


def _moment(
    moment: str,
    stated: dict[str, list[Fact]],
    durations: dict[str, list[Fact]],
    events: list[Event],
    places: _Places,
    tell: Tell,
) -> datetime | None:
    column = f"{moment}_at"
    found: list[tuple[datetime, Fact, str]] = []
    told = False
    # to close is a weaker word: it counts where nothing is said to be resolved
    facts = stated.get(column) or (stated.get("closed_at", []) if moment == "resolved" else [])
    for fact in facts:
        instant, note = places.read(fact)
        if not instant.stated:
            if moment in ("mitigated", "resolved") and _OPEN.fullmatch(fact.value):
                what = f"{fact.key}: {fact.value!r:.60}: by its own words the incident is not over."
                tell("missing", what, _write(moment), line=fact.line, field=column)
                return None
            if _is_duration(fact):
                durations[_DURATION_OF[column]].append(fact)
            elif is_placeholder(fact.value) or fact.sure:
                told = True
                kind = "missing" if is_placeholder(fact.value) else "unreadable"
                tell(
                    kind,
                    f"{fact.key}: {fact.value!r:.90} is no time.",
                    _write(moment),
                    line=fact.line,
                    field=column,
                )
        elif instant.at is None or not re.fullmatch(r"[\s.]*(?:\([^()]{0,200}\)\.?)?", instant.rest):
            told = True
            lack = "its text is not wholly understood" if instant.at else instant.lack or ""
            tell(*_lacking(f"{fact.key}: {fact.value!r:.90}", lack, moment), line=fact.line, field=column)
        else:
            found.append((instant.at, fact, note))
    for at, fact, _ in found[1:]:
        if at != found[0][0]:
            first = found[0]
            tell(
                "contradiction",
                f"{_name(column)} is stated twice: {first[1].value!r:.60} in line {first[1].line}, kept, and "
                f"{fact.value!r:.60}.",
                "Keep the right one of the two.",
                line=fact.line,
                field=column,
            )
    if found:
        at, fact, note = found[0]
        return places.found(column, at, f"{fact.key}, line {fact.line}{note}", fact.line)
    if not told and (known := _from_span(moment, events, stated, places)):
        return known
    one = _from_timeline(moment, events, told, tell)
    if one is None or one.at is None:
        return None
    return places.found(column, one.at, f"timeline, line {one.line}, date from {one.date_from}", one.line)


def _from_span(
    moment: str, events: list[Event], stated: dict[str, list[Fact]], places: _Places
) -> datetime | None:
    """Start and end of the impact by a sentence, where nothing else states or marks either of the two."""
    span = places.span
    if span is None or moment not in ("started", "mitigated"):
        return None
    other = any(event.moment in ("started", "mitigated") for event in events)
    if other or stated.get("started_at") or stated.get("mitigated_at"):
        return None
    at = span.began if moment == "started" else span.ended
    return places.found(f"{moment}_at", at, f"sentence, line {span.line}", span.line)


def _from_timeline(moment: str, events: list[Event], told: bool, tell: Tell) -> Event | None:
    """The line that marks `moment`. Of several, the first noticing counts, but no end does."""
    column = f"{moment}_at"
    marks = [event for event in events if event.moment == moment]
    if not marks:
        if not told and moment not in _OPTIONAL:
            tell(
                "missing",
                f"The report states no {_name(column)} time, and no timeline line marks it beyond doubt.",
                _write(moment),
                field=column,
            )
        return None
    one = marks[0]
    if moment in ("mitigated", "resolved"):
        later = [
            e
            for e in events[events.index(one) + 1 :]
            if e.moment in ("started", "detected", "declared", moment)
        ]
        if later:
            tell(
                "contradiction",
                f"The timeline marks {moment} in line {one.line} ({one.stated}), and goes on: line {later[0].line} "
                f"({later[0].stated}) marks {later[0].moment}.",
                f"State which end counts. {_write(moment)}",
                line=one.line,
                field=column,
            )
            return None
    if one.at is None and one.stated is None:
        what = f"Timeline line {one.line} marks {moment}, but holds no time."
        tell("missing", what, _write(moment), line=one.line, field=column)
    elif one.at is None:
        tell(*_lacking(f"Timeline line {one.line} marks {moment}, but {one.stated!r:.60}", one.lack or "date", moment),
             line=one.line, field=column)  # fmt: skip
    return one


def _is_duration(fact: Fact) -> bool:
    return fact.field in _DURATION_OF and report_durations.read(fact.value, fact.unit).minutes is not None


def _lacking(what: str, lack: str, moment: str) -> tuple[str, str, str]:
    """Kind, message and remedy for a time that is not known for `lack`."""
    if lack == "zone":
        return "missing", f"{what} has no time zone.", ZONE_REMEDY
    if lack in ("date", "clock"):
        noun = "date" if lack == "date" else "clock time with hour and minute"
        return "missing", f"{what} has no {noun}.", _write(moment)
    return "unreadable", f"{what} cannot be used: {lack}.", _write(moment)


def _duration(column: str, facts: list[Fact], tell: Tell) -> float | None:
    """Minutes of the first fact that states some; others that differ are told."""
    kept: tuple[float, Fact] | None = None
    field = column if column in DERIVED else "mitigated_at"
    for fact in facts:
        read = report_durations.read(fact.value, fact.unit)
        if read.doubt:
            kind = "missing" if read.absent or read.minutes is not None else "unreadable"
            tell(
                kind,
                f"{fact.key}: {fact.value!r:.90}: {read.doubt}.",
                "Write the exact duration with its units, such as 1 hour 5 minutes.",
                line=fact.line,
                field=field,
            )
        if read.minutes is None:
            continue
        if kept is None:
            kept = (read.minutes, fact)
        elif abs(kept[0] - read.minutes) > _TOLERANCE_MIN:
            tell(
                "contradiction",
                f"{fact.key} is {fact.value!r:.60}, but line {kept[1].line} says {kept[1].value!r:.60}, which is kept.",
                "Keep the right one of the two.",
                line=fact.line,
                field=field,
            )
    return kept[0] if kept else None


def _compare(
    at: dict[str, datetime | None], minutes: dict[str, float | None], facts: dict[str, list[Fact]], tell: Tell
) -> None:
    """Stated against derived durations, and stated durations that are missing altogether."""
    for column, (first, second) in (DERIVED | {"mitigate_min": ("started_at", "mitigated_at")}).items():
        begin, end, value = at[first], at[second], minutes[column]
        field = column if column in DERIVED else "mitigated_at"
        line = facts[column][0].line if facts[column] else None
        if value is not None and begin and end:
            derived = (end - begin).total_seconds() / 60
            if abs(derived - value) > _TOLERANCE_MIN:
                tell(
                    "contradiction",
                    f"{facts[column][0].key} is stated as {value:g} min, but {_name(first)} {_show(begin)} to "
                    f"{_name(second)} {_show(end)} is {derived:g} min.",
                    "Correct the duration or the times; both are kept as stated.",
                    line=line,
                    field=field,
                )
        elif value is not None and column == "mitigate_min":
            tell(
                "skipped",
                f"{facts[column][0].key} is {value:g} min; no column holds it without start and mitigation times.",
                "Write the start and mitigation times.",
                line=line,
                field=field,
            )
        elif (
            value is None
            and not facts[column]
            and not (begin and end)
            and column
            in (
                "stated_detect_min",
                "stated_restore_min",
            )
        ):
            words = "time to detection" if column == "stated_detect_min" else "time to recovery"
            tell(
                "missing",
                f"The report states no {words}, and no times from which it follows.",
                f"Write '{words.capitalize()}: 25 minutes', or the times themselves.",
                field=column,
            )


def _write(moment: str) -> str:
    return _WRITE.format(name=moment)


def _name(column: str) -> str:
    return column.removesuffix("_at")


def _show(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M UTC") if not at.second else at.strftime("%Y-%m-%d %H:%M:%S UTC")
