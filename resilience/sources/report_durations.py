"""Durations as people write them: "19 hours 43 minutes.", "1h 50m", "0:07", "11 Days", "96h (estimated)"."""

from __future__ import annotations

import re
from dataclasses import dataclass

_MINUTES = {"w": 10080.0, "d": 1440.0, "h": 60.0, "m": 1.0, "s": 1 / 60}
_WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_COUNT = {"a": 1, "an": 1} | {word: i for i, word in enumerate(_WORDS, 1)}
_PART = re.compile(
    rf"(\d{{1,7}}(?:[.,]\d{{1,6}})?|(?:an?|{'|'.join(_WORDS)})(?=\s))\s*"
    r"(weeks?|w|days?|d|hours?|hrs?|h|minutes?|mins?|m|seconds?|secs?|s)(?![a-z])\.?(?:\s*(?:,|&|and\b)\s*(?=\w)|\s*)"
)
_CLOCK = re.compile(r"(\d{1,4}):([0-5]\d)(?::([0-5]\d))?\s*(?:h|hrs|hours)?")
_ISO = re.compile(r"p(?:(\d{1,5})d)?(?:t(?:(\d{1,5})h)?(?:(\d{1,7})m)?(?:(\d{1,9})s)?)?")
_REMARK = re.compile(r"\s{0,5}\(([^()]{0,200})\)$")
_ABOUT = (
    r"~|≈|ca\.|ca\b|circa\b|about\b|around\b|approx\.|approx\b|approximately\b|roughly\b|almost\b|nearly\b"
    r"|estimated\b"
)
_LEAD = re.compile(rf"(?:{_ABOUT})\s*")
_TRAIL = re.compile(r"\s{0,5}(?:~|,?\s?(?:estimated|approx\.?|approximately))$")
_BOUND = re.compile(
    r"[<>≤≥]|(?:less|more|longer|at|up|under|over|within|max|min)\b\.?\s*(?:than|least|most|to)?\s"
)
_RANGE = re.compile(r"\d\s{0,3}[a-z]{0,8}\s{0,3}(?:-|–|—|to|or)\s{0,3}\d")
_NOTHING = re.compile(
    r"(?:\?+|-+|–|—|x{2,}|y{2,}|z{2,}|n\.?/?a\.?|tb[dac]|todo|none|null|unknown|not (?:known|applicable|available))?"
)


@dataclass(frozen=True)
class Duration:
    """`minutes`, or None. `doubt` is None where it can be relied on; `absent` where the author gave no value."""

    minutes: float | None
    doubt: str | None = None
    absent: bool = False


def is_placeholder(text: str) -> bool:
    """True for '', '?', 'N/A', 'TBD', 'XXX' and the like: the author stated no value."""
    return len(text) < 40 and _NOTHING.fullmatch(text.strip().rstrip(".").lower()) is not None


def read(text: str, unit: str | None = None) -> Duration:
    """Minutes stated by `text`. A number without a unit counts in `unit` ('w', 'd', 'h', 'm', 's') if given.

    'H:MM' is hours and minutes. A range, a bound ('less than 5 min') or anything not wholly understood is
    None with the reason; an estimate is its value with a doubt. Zero is zero.
    """
    words = text.strip().lower()
    if is_placeholder(words):
        return Duration(None, "it states no duration", absent=True)
    if len(words) > 300:
        return Duration(None, "it is not a duration")
    doubt = None
    words = words.rstrip(" .;")
    if remark := _REMARK.search(words):
        words = words[: remark.start()].rstrip(" .;")
        estimate = re.search(rf"estimate|{_ABOUT}|\?", remark[1])
        doubt = "it is an estimate" if estimate else "its remark in brackets is not understood"
    rest = _TRAIL.sub("", _LEAD.sub("", words, count=1))
    if rest != words:
        doubt = "it is an estimate"
    minutes = _minutes(rest, unit)
    if minutes is not None:
        return Duration(minutes, doubt)
    if _BOUND.match(rest):
        return Duration(None, "it is a bound, not a duration")
    if _RANGE.search(rest):
        return Duration(None, "it is a range, not one duration")
    if re.fullmatch(r"\d{1,9}(?:[.,]\d{1,6})?", rest):
        return Duration(None, "it has no unit")
    return Duration(None, "it is not understood")


def _minutes(words: str, unit: str | None) -> float | None:
    if clock := _CLOCK.fullmatch(words):
        hours, minutes, seconds = (int(part or 0) for part in clock.groups())
        return hours * 60 + minutes + seconds / 60
    if (iso := _ISO.fullmatch(words)) and any(iso.groups()):
        return sum(int(part or 0) * _MINUTES[kind] for part, kind in zip(iso.groups(), "dhms", strict=True))
    if unit and re.fullmatch(r"\d{1,7}(?:\.\d{1,6})?", words):
        return float(words) * _MINUTES[unit]
    total, last, at = 0.0, float("inf"), 0
    while part := _PART.match(words, at):
        number, size = part[1], _MINUTES[part[2][0]]
        # "1,415 minutes" may be 1415 or 1.415; units must go down, so that "5 minutes 3 minutes" is refused
        if re.fullmatch(r"\d{1,3},\d{3}", number) or size >= last:
            return None
        count = _COUNT[number] if number in _COUNT else float(number.replace(",", "."))
        total, last, at = total + count * size, size, part.end()
    return total if 0 < at == len(words) else None
