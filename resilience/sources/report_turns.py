"""Days told without a full date: Tuesday, the next day, +1d, Day 2, 14 September; before, behind or above a time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta

from . import report_clocks
from .report_words import WEEKDAYS, any_of

_MOST = 4  # days from one line to the next that a weekday can tell
_COUNTS = {"one": 1, "two": 2, "three": 3, "a": 1}
_TURN = (
    rf"(?P<weekday>{any_of(WEEKDAYS)})\b\.?"
    r"(?:\s(?:night|morning|afternoon|evening)\b)?"
    r"|(?P<next>(?:next|following)\s(?:day|morning|afternoon|evening)|day\safter|lendemain"
    r"|(?:nächste[rn]?|folgenden?)\s(?:tag|morgen)|folgetag|día\ssiguiente)\b"
    r"|\+\s?(?P<plus>\d)\s?(?:d|days?)\b|D\s?\+\s?(?P<dplus>\d)\b"
    r"|(?P<later>[1-9]|one|two|three|a)\sdays?\s(?:later|after)\b"
    r"|(?:day|tag|jour|día)\s(?P<number>[1-9]\d?)\b"
)
_LED = r"(?:on\s|the\s|am\s|le\s|al\s){0,2}"
_BEFORE = re.compile(
    rf"\s{{0,3}}{_LED}(?:{_TURN})(?:\s{{0,2}}[,:–—-])?(?:\s(?:at|um|à|a las))?\s{{1,3}}(?=~?\d)", re.I
)
_BARE = _TURN.replace("?P<", "?P<o_")  # the same without brackets
_BEHIND = re.compile(
    rf"\s{{0,2}}(?:\(\s?{_LED}(?:{_TURN}|\+(?P<bare>\d))\s?\)|{_LED}(?:{_BARE}))[\s,:–—-]{{0,4}}", re.I
)
_ABOVE = re.compile(rf"\W{{0,3}}{_LED}(?:{_TURN})\s{{0,3}}(?:[:,–—(-].{{0,80}})?\Z", re.I)


@dataclass(frozen=True)
class Turn:
    """One of: a weekday (0 is Monday), days after the last, the number of a day from the first, a day without its year."""

    weekday: int | None = None
    after: int | None = None
    number: int | None = None
    yearless: str | None = None


def before(text: str) -> tuple[Turn | None, int]:
    """The turn right before a clock time at the start of `text`, and where it ends."""
    match = _BEFORE.match(text[:80])
    return (_turn(match), match.end()) if match else (None, 0)


def behind(rest: str) -> tuple[Turn | None, int]:
    """The turn right behind a clock time, where `rest` begins. Not in 'next day delivery fails': without brackets it needs
    an article or what ends it, a weekday 'on'."""
    match = _BEHIND.match(rest[:80])
    if match is None:
        return None, 0
    words = match[0].strip().lower()
    led = re.match(r"on\s" if match["o_weekday"] else r"(?:the|on|am|le|al)\s", words)
    ended = words[0] in "(+" or not words[-1].isalnum() or match.end() == len(rest)
    if not led and (words[0] != "(" if match["o_weekday"] else not ended):
        return None, 0
    return _turn(match), match.end()


def above(text: str) -> Turn | None:
    """The turn that a heading, or a line or cell on its own, makes for what follows."""
    if match := _ABOVE.match(text[:120]):
        return _turn(match)
    return Turn(yearless=text) if report_clocks.is_yearless(text) else None


def _turn(match: re.Match[str]) -> Turn:
    said = {name.removeprefix("o_"): value for name, value in match.groupdict().items() if value}
    if weekday := said.get("weekday"):
        return Turn(weekday=WEEKDAYS[weekday.lower()])
    if number := said.get("number"):
        return Turn(number=int(number))
    later = said.get("plus") or said.get("dplus") or said.get("bare") or said.get("later") or "1"
    return Turn(after=_COUNTS.get(later.lower()) or int(later))


def resolve(
    turn: Turn, day: date | None, *, first: date | None, begun: bool, falls: bool = False
) -> date | None:
    """The day that `turn` means after `day`, None where that is not certain.

    `first` is the report's own day, `begun` whether a line of the timeline stands above, `falls` whether it runs
    backwards. A weekday lies at most four days on; before the first line it may only be that of `day` or of its neighbours.
    """
    if turn.number is not None:
        return first and first + timedelta(days=turn.number - 1)
    if day is None:
        return None
    if turn.after is not None:
        return day + timedelta(days=turn.after)
    if turn.yearless is not None:
        return report_clocks.yearless(turn.yearless, day)
    ahead = ((turn.weekday or 0) - day.weekday()) % 7
    if falls and ahead:
        return day - timedelta(days=7 - ahead)
    if begun and ahead > _MOST:
        return None  # as likely the day before, of a timeline that runs backwards
    if not begun and ahead > 1:
        return day - timedelta(days=1) if ahead == 6 else None
    return day + timedelta(days=ahead)
