"""Instants as people write them. A time without a date or a zone is not guessed: `Instant.lack` says what it lacks."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from .report_words import MONTHS, WEEKDAYS, any_of

YEARS = range(1600, 2200)
"""Wide, since collections hold old incidents too; outside, a year is taken for a slip."""
AMBIGUOUS = frozenset({"AST", "BST", "CST", "IST", "SST"})
"""Abbreviations that name several zones, e.g. CST: Chicago or China."""

# As written, all year round: a report that says CET in July means +01:00.
_FIXED = {
    "Z": 0, "UTC": 0, "GMT": 0, "WET": 0, "WEST": 1, "CET": 1, "CEST": 2, "EET": 2, "EEST": 3, "MSK": 3, "JST": 9,
    "MEZ": 1, "MESZ": 2,
    "EST": -5, "EDT": -4, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7,
}  # fmt: skip
_SEASONAL = {"ET": "America/New_York", "PT": "America/Los_Angeles"}
_OFFSET = r"[+-](?:0?\d|1[0-4])(?::?[0-5]\d)?(?!\d|:\d)"
_ZONE = re.compile(
    rf"(?:(?:UTC|GMT|utc|gmt) ?(?P<shift>{_OFFSET})|(?P<offset>[+-]\d\d(?::?\d\d)?)(?!\d|:\d|-)"
    r"|(?P<name>[A-Z][A-Za-z_]{1,20}/[A-Z][A-Za-z_/+-]{1,40})|(?P<short>[A-Z]{1,4}|utc|gmt))(?![\w])"
)
_ZONE_WITHIN = re.compile(rf"(?<![\w+/-])(?:{_ZONE.pattern})")
# no word begins within another: looked at first, so that long words are passed quickly
_MONTH = rf"(?<![^\W\d_])(?:{any_of(MONTHS)})\b\.?"
_WEEKDAY = rf"(?:(?<![^\W\d_])(?:{any_of(WEEKDAYS)})\b\.?,?\s{{1,3}})?"
_ORDINAL = r"(?:st|nd|rd|th|er)?\.?"
_DATE = re.compile(
    rf"{_WEEKDAY}(?:"
    r"(?P<iso>\d{4}[-/]\d{1,2}[-/]\d{1,2})(?!\d)|(?P<num>\d{1,2}[./-]\d{1,2}[./-]\d{4})(?!\d)"
    rf"|(?P<day>\d{{1,2}}){_ORDINAL}[\s-]{{1,3}}(?:(?:of|de)\s{{1,3}})?(?P<month>{_MONTH}),?[\s-]{{1,3}}(?:de\s)?"
    rf"(?P<year>\d{{4}})(?!\d)|(?P<month2>{_MONTH})\s{{1,3}}(?P<day2>\d{{1,2}})(?:st|nd|rd|th)?,?\s{{1,3}}"
    r"(?P<year2>\d{4})(?!\d))",
    re.IGNORECASE,
)
_YEARLESS = re.compile(
    rf"{_WEEKDAY}(?:(?P<day>\d{{1,2}}){_ORDINAL}\s{{1,3}}"
    rf"(?:(?:of|de)\s{{1,3}})?(?P<month>{_MONTH})|(?P<month2>{_MONTH})\s{{1,3}}(?P<day2>\d{{1,2}})(?:st|nd|rd|th)?)(?!\w|:\d)",
    re.IGNORECASE,
)
_MONTH_YEAR = re.compile(rf"(?<![\w.])({_MONTH}),?\s{{1,3}}((?:19|20)\d\d)(?!\d)", re.IGNORECASE)
_NUMBERS = re.compile(r"(?<![\d/-])(\d{1,2})([/-])(\d{1,2})\2(\d{4})(?![\d/-])")
_TO = re.compile(r"(?:\b(?:to|until|till|through|and)|[-–—])\s{0,3}\Z")
# 14:05, 14:05:59.1, 2:05 PM, 2pm, 14:05 Uhr, 14h05; 14.05 only before Uhr, 1405 only before a zone
_CLOCK = re.compile(
    r"(?:(?P<h>\d{1,2}):(?P<m>\d{2})(?::(?P<s>\d{2})(?:[.,](?P<f>\d{1,9}))?)?(?!\d|:\d|:?\?)"
    r"(?:\s?(?:(?P<half>[AaPp])\.?[Mm]\b\.?|Uhr\b|uur\b))?|(?P<h2>\d{1,2})\s?(?P<half2>[AaPp])\.?[Mm]\b\.?"
    r"|(?P<h3>[01]\d|2[0-3])(?P<m3>[0-5]\d)(?=\s?(?:Z|UTC|GMT|CES?T)\b)"
    r"|(?P<h4>[01]?\d|2[0-3])(?:\.(?P<m4>[0-5]\d)\s?(?:Uhr|uur)\b"
    r"|\s?h\s?(?P<m5>[0-5]\d)(?!\w|\s(?:later|after|long|plus|de)\b)))"
)
# 14:??, --:--, HH:mm, 2022-05-??, 2021/22-??-??
_PARTIAL = re.compile(
    r"(?=[\d?xHhMmY/:-]{0,15}[?-])(?:[\d?xyYMD/]{4,7}-[\d?xMD]{1,2}-[\d?xMD]{1,2}\s{0,3})?"
    r"(?:[\d?xHh-]{1,2}:[\d?xMm-]{1,2})?|[Hh]{2}:[Mm]{2}|\d{1,2}:(?:[Mm]{2}|[Xx]{2})"
)
_APPROXIMATE = re.compile(
    r"(?:~|≈|(?:ca\.?|circa|around|about|approx\.?|approximately|at|gegen|um|vers|à|hacia|a las)\s)\s{0,3}",
    re.IGNORECASE,
)
_JOIN = re.compile(
    r"\s{0,5}(?:T(?=\d)|[-–—]\s{1,3}|,?\s{0,3}"
    r"(?:(?:at|beginning|starting|around|about|approximately|approx\.|kl\.?|um|gegen|à|vers|a las|sobre las)\s{1,3}){0,3}"
    r"~?)?"
)
_RANGE = re.compile(r"\s{0,3}~?\s{0,3}(?:-|–|—|to\b|until\b)\s{0,3}")
_DATE_AFTER = re.compile(r"(?:,?\s{1,3}on|,|(?=\s{1,3}\())\s{1,3}\(?")
_MINUS = re.compile(r"-\d\d:?\d\d(?!\d|:\d)")
_END = re.compile(r"[\d?-]{1,2}:[\d?-]{2}")
_BLANK = re.compile(r"\s{0,3}")
_OPEN = re.compile(r"\s{0,3}[(\[]?")
_SEPARATOR = re.compile(r"\s{0,5}[-–—:|,.)]{0,2}\s{1,5}|[-–—:|,]\s{0,5}")

_BRACKETED = re.compile(r"\s{0,3}(?:\[([^\[\]]{3,60})\]|\(([^()]{3,60})\))\s{0,3}[-–—:|]?\s{0,3}")


@dataclass(frozen=True)
class Instant:
    """A time read from the start of a text.

    `at` is UTC, or None with `lack` the reason: 'zone', 'date', 'clock' or a sentence. `stated` is what was read, ''
    where the text does not start with a time; `rest` is what follows. `day` is the date that was written there,
    `clock` the clock time, `note` what else the date rests on.
    """

    at: datetime | None
    lack: str | None
    stated: str
    rest: str
    day: date | None = None
    clock: time | None = None
    note: str | None = None


@dataclass(frozen=True)
class Order:
    """Which comes first in dates such as 03/04/2021, and the date in the same file that shows it."""

    day_first: bool
    shown_by: str


def zone(text: str) -> tzinfo | None:
    """The zone that `text` names as a whole: UTC, CET, +02:00, UTC+2, Europe/Berlin. None where it names none."""
    found = _ZONE.fullmatch(text.strip()[:80])
    return _zone(found) if found else None


def zones_in(text: str) -> list[tzinfo]:
    """Each different zone named in `text`, such as a heading or a column's name."""
    found: dict[str, tzinfo] = {}
    for match in _ZONE_WITHIN.finditer(text[:300]):
        if len(match["offset"] or "+00:00") == 6 and match["short"] != "Z" and (known := _zone(match)):
            found.setdefault(str(known), known)
    return list(found.values())


def day_in(text: str, order: Order | None = None) -> date | None:
    """The one date named in `text`, such as a heading; None where there is none, a span, or it is ambiguous."""
    head = text[:300]
    matches = [
        m for m in _DATE.finditer(head) if not head[m.start() - 1 : m.start()].isalnum() or not m.start()
    ]
    found = {_day(match, order)[0] for match in matches}
    span = any(_TO.search(head, 0, match.start()) for match in matches)
    return found.pop() if len(found) == 1 and not span else None


def order_in(text: str) -> Order | None:
    """Whether day or month comes first in the numeric dates of a file, where its dates prove one and not the other.

    A date proves it that is possible one way only, or that a date with its month in words or ISO also names.
    """
    named = {_day(m)[0] for m in _DATE.finditer(text[:1_000_000]) if not m["num"]}
    proofs: dict[bool, str] = {}
    for match in _NUMBERS.finditer(text[:1_000_000]):
        one, two, year = int(match[1]), int(match[3]), int(match[4])
        day_first, month_first = _date(year, two, one), _date(year, one, two)
        if bool(day_first) != bool(month_first):
            proofs.setdefault(bool(day_first), match[0])
        elif (day_first in named) != (month_first in named):
            proofs.setdefault(day_first in named, match[0])
    return Order(*proofs.popitem()) if len(proofs) == 1 else None


def month_in(text: str) -> date | None:
    """The middle of the one month with its year that `text` names, as 'June 2023' does; None where it names none or two."""
    found = {
        date(int(match[2]), MONTHS[match[1].lower().rstrip(".")], 15)
        for match in _MONTH_YEAR.finditer(text[:1000])
    }
    return found.pop() if len(found) == 1 else None


def is_yearless(text: str) -> bool:
    """True where `text` is a day and month on their own, such as 'Tuesday, September 14 (UTC)'."""
    found = _YEARLESS.match(text.strip()[:60])
    return (
        found is not None
        and re.fullmatch(r"[\s.:]*(?:\([^()]{0,20}\))?[\s.:]*", text.strip()[found.end() :]) is not None
    )


def yearless(text: str, near: date) -> date | None:
    """Of the day and month at the start of `text`, the date nearest to `near`."""
    found = _YEARLESS.match(text.strip()[:60])
    return _nearest(found, near) if found else None


def starts_with_time(text: str) -> bool:
    """True where `text` starts with a date or clock time, known or partly unknown."""
    return bool(read(text).stated)


def day_with_clocks(sentence: str, order: Order | None = None) -> date | None:
    """The one day of a sentence that holds clock times; None where it names another, or they fall as past midnight."""
    head = sentence[:300]
    clocks = [_time(match) for match in _CLOCK.finditer(head)]
    rising = [clock for clock in clocks if clock]
    day = day_in(head, order) if clocks and rising == sorted(rising) else None
    others = {(_month(m), int(m["day"] or m["day2"])) for m in _YEARLESS.finditer(head)}
    return day if day and others <= {(day.month, day.day)} else None


def first_time_in(sentence: str) -> int | None:
    """Place of the only clock time in a sentence, or of the date right before it; None where there is none or two."""
    head = sentence[:1000]
    clocks = [m.start() for m in _CLOCK.finditer(head) if not head[: m.start()][-1:].strip("~([ ")]
    if len(clocks) != 1:
        return None
    for pattern in (_DATE, _YEARLESS):
        for match in pattern.finditer(head, 0, clocks[0]):
            if _after(_JOIN, head, match.end()) == clocks[0]:
                return match.start()
    return clocks[0]


def read(
    text: str,
    *,
    day: date | None = None,
    within: tzinfo | None = None,
    order: Order | None = None,
    near: date | None = None,
) -> Instant:
    """The instant at the start of plain `text`; `day` and `within` (a zone) hold where it states none itself.

    `order` is the file's, for dates such as 03/04/2021. A date without a year is the one nearest to `day`, else to
    `near`, the middle of a month: it must lie in that month or touch it.
    Of a range, the start is read. A local time that its zone skips or repeats names no instant.
    """
    if bracketed := _BRACKETED.match(text[:80]):
        found = read(bracketed[1] or bracketed[2], day=day, within=within, order=order, near=near)
        whole = found.clock is not None and not found.rest.strip(" .")
        rest = text[bracketed.end() :].strip()
        return (
            replace(found, stated=bracketed[0].strip(), rest=rest) if whole else Instant(None, None, "", text)
        )
    head = text[:200]
    at = begin = _after(_APPROXIMATE, head, len(head) - len(head.lstrip()))
    written = why = note = None
    date_match = _DATE.match(head, at)
    short = None if date_match else _YEARLESS.match(head, at)
    if short and _CLOCK.match(head, _after(_JOIN, head, short.end())):
        at = _after(_JOIN, head, short.end())
        written, day = _yearless(short, day, near), None
        note = "year taken from the date nearest by" if written else None
    if date_match:
        written, why = _day(date_match, order)
        if written and order and (numbers := _NUMBERS.match(date_match["num"] or "")):
            both = int(numbers[1]) <= 12 and int(numbers[3]) <= 12
            note = f"{'day' if order.day_first else 'month'} first, as in {order.shown_by}" if both else None
        at = date_match.end()
        joined = _after(_JOIN, head, at)
        at = joined if _CLOCK.match(head, joined) else at
    if clock := _CLOCK.match(head, at):
        at = clock.end()
        iso = (
            clock["s"] or head[clock.start() - 1 : clock.start()] == "T"
        )  # then -08:00 is an offset, not an end
        if not (iso and _MINUS.match(head, at)) and (until := _RANGE.match(head, at)):
            at = _end_of_range(head, until.end()) or at
        at += head[at : at + 1] == "~"
    else:
        partial = _PARTIAL.match(head, _after(_BLANK, head, at))
        if partial and partial[0] and (not date_match or ":" in partial[0]):
            at = partial.end()
    if at == begin:
        return Instant(None, None, "", text)
    own, unclear, at = _own_zone(head, at) if clock else (None, None, at)
    if clock and not date_match and not short and (after := _DATE_AFTER.match(head, at)):
        date_match = _DATE.match(head, after.end())
        if date_match:  # 07:05 UTC on 25 January 2023
            (written, why), at = _day(date_match, order), date_match.end()
            at += after[0][-1:] == "(" and head[at : at + 1] == ")"
        elif (day or near) and "on" in after[0] and (short := _YEARLESS.match(head, after.end())):
            written, day, at = _yearless(short, day, near), None, short.end()
            note = "year taken from the date nearest by" if written else None
    stated, rest = head[:at].strip(), text[_after(_SEPARATOR, text, at) :].strip()
    on = written if date_match else written or day
    where = own or within
    moment = _time(clock) if clock else None
    lack = why or unclear or ("clock" if not clock else None if moment else "it is on no clock")
    lack = lack or ("date" if on is None else "zone" if where is None else None)
    if lack or on is None or moment is None or where is None:
        return Instant(None, lack, stated, rest, written, moment, note)
    instant, lack = _instant(datetime.combine(on, moment), where)
    return Instant(instant, lack, stated, rest, written, moment, note)


def _after(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return match.end() if match else at


def _zone(match: re.Match[str]) -> tzinfo | None:
    if written := match["shift"] or match["offset"]:
        digits = written[1:].replace(":", "")
        hours, minutes = (digits[:-2], digits[-2:]) if len(digits) > 2 else (digits, "0")
        if int(hours) > 14 or int(minutes) > 59:
            return None
        return timezone((1 if written[0] == "+" else -1) * timedelta(hours=int(hours), minutes=int(minutes)))
    if name := match["name"] or _SEASONAL.get(match["short"] or ""):
        return ZoneInfo(name) if name in _names() else None
    hours_east = _FIXED.get((match["short"] or "").upper())
    return None if hours_east is None else timezone(timedelta(hours=hours_east))


@lru_cache(maxsize=1)
def _names() -> frozenset[str]:
    return frozenset(available_timezones())


def _end_of_range(head: str, at: int) -> int | None:
    if end_day := _DATE.match(head, at):
        at = _after(_JOIN, head, end_day.end())
    end = _CLOCK.match(head, at) or _END.match(head, at)
    return end.end() if end else None


def _own_zone(head: str, at: int) -> tuple[tzinfo | None, str | None, int]:
    """Zone written right after a clock time, or why it is unclear, and where it ends."""
    opened = _OPEN.match(head, at)
    start = opened.end() if opened else at
    match = _ZONE.match(head, start)
    # apart from the clock an offset must be complete: '10:03 -02 nodes' is none
    if not match or (match["offset"] and start > at and len(match["offset"]) < 5):
        return None, None, at
    end = match.end()
    if opened and opened[0][-1:] in ("(", "["):
        if head[end : end + 1] not in (")", "]"):
            return None, None, at
        end += 1
    if (known := _zone(match)) is not None:
        return known, None, end
    if match["short"] in AMBIGUOUS:
        return None, f"{match['short']} names several zones", end
    return None, None, at


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _month(match: re.Match[str]) -> int:
    return MONTHS[(match["month"] or match["month2"]).lower().rstrip(".")]


def _day(match: re.Match[str], order: Order | None = None) -> tuple[date | None, str | None]:
    """The date of a match of _DATE, or why there is none."""
    if iso := match["iso"]:
        parts = [int(part) for part in re.split("[-/]", iso)]
    elif num := match["num"]:
        first, second, year = (int(part) for part in re.split("[./-]", num))
        if "." not in num and first <= 12 and second <= 12 and first != second:
            if order is None:
                return None, "day and month could be either way round"
            first, second = (first, second) if order.day_first else (second, first)
        parts = [year, second, first] if second <= 12 else [year, first, second]
    else:
        parts = [int(match["year"] or match["year2"]), _month(match), int(match["day"] or match["day2"])]
    found = _date(parts[0], parts[1], parts[2])
    if found is None:
        return None, "it is not in the calendar"
    return (found, None) if found.year in YEARS else (None, f"the year {found.year} cannot be right")


def _yearless(match: re.Match[str], day: date | None, near: date | None) -> date | None:
    if day or near is None:
        return _nearest(match, day) if day else None
    found = _nearest(match, near)
    return found if found and abs(found - near) <= timedelta(days=45) else None


def _nearest(match: re.Match[str], near: date) -> date | None:
    """Of a day and month, the date nearest to `near`."""
    days = [_date(near.year + i, _month(match), int(match["day"] or match["day2"])) for i in (-1, 0, 1)]
    return min((day for day in days if day), key=lambda day: abs(day - near), default=None)


def _time(match: re.Match[str]) -> time | None:
    hour = int(match["h"] or match["h2"] or match["h3"] or match["h4"])
    minute = int(match["m"] or match["m3"] or match["m4"] or match["m5"] or 0)
    if half := match["half"] or match["half2"]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half in "pP" else 0)
    try:
        return time(hour, minute, int(match["s"] or 0), int((match["f"] or "0").ljust(6, "0")[:6]))
    except ValueError:
        return None


def _instant(local: datetime, where: tzinfo) -> tuple[datetime | None, str | None]:
    early, late = (local.replace(tzinfo=where, fold=fold) for fold in (0, 1))
    if early.utcoffset() == late.utcoffset():
        return early.astimezone(UTC), None
    if early.astimezone(UTC).astimezone(where).replace(tzinfo=None) != local:
        return None, f"the clocks of {where} jumped over it"
    return None, f"it happened twice in {where}"
