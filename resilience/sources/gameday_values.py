"""How one written value of a gameday.yml is read: text, numbers, dates, zones and local clock times.

A value that does not fit is refused with what is wrong and what to write instead.
"""

from __future__ import annotations

import math
import re
import zoneinfo
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from difflib import get_close_matches
from functools import lru_cache, partial
from types import MappingProxyType
from typing import Any, cast
from zoneinfo import ZoneInfo

from pydantic import GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

SLUG = r"[a-z0-9][a-z0-9-]{0,79}"
YEARS = range(2000, 2100)
MOST = 1_000_000_000  # people, votes; far above any, and safe in an int64 that passes through float64
_CLOCK = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?")
_FULL = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})?"
)
_WRITE_CLOCK = 'Write "11:20" or "11:20:30" for the GameDay\'s own date, 2020-12-11T00:10 for another.'


@dataclass(frozen=True)
class Setting:
    """The local date and zone that the clock times of a file refer to."""

    day: date
    zone: ZoneInfo
    settled: bool = (
        True  # False: a stand-in where the file's own date or zone is wrong, so no verdict on times
    )

    def shown(self, at: datetime) -> str:
        """`at` as a person would write it in the file."""
        local = at.astimezone(self.zone)
        clock = local.strftime("%H:%M:%S" if local.second else "%H:%M")
        return clock if local.date() == self.day else f"{local.date()}T{clock}"


@dataclass(frozen=True)
class Kind:
    """How a written value is read, for pydantic, and what the documentation calls it."""

    name: str
    read: Callable[[Any, ValidationInfo], Any]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(self.read)


def wrong(what: str, remedy: str) -> PydanticCustomError:
    """An error for pydantic that carries its remedy."""
    return PydanticCustomError("refused", "{what}", {"what": what, "remedy": remedy})


def shown(value: Any) -> str:
    """A written value, short enough for a message."""
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    if value is None:
        return "empty"
    text = repr(value) if isinstance(value, str) else str(value).lower()
    return text if len(text) <= 60 else text[:59] + "…"


def guess(written: str, known: Iterable[str]) -> str:
    """'Did you mean x? ' where a known word is close, else nothing."""
    words = {word.casefold(): word for word in known}
    close = get_close_matches(written[:80].casefold(), words, n=1)
    return f"Did you mean {words[close[0]]}? " if close else ""


def text(value: Any, info: ValidationInfo) -> str:
    if isinstance(value, str):
        if not value.strip():
            raise wrong("There is no text.", "Write something, or leave the key out where it may be missing.")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise wrong("Half of a surrogate pair is not text.", "Remove the \\ud8xx escape.") from None
        return value
    if isinstance(value, dict):
        raise wrong(
            "This is a mapping, not text.",
            "Put the whole text in quotes: without them, a colon and a space make a key.",
        )
    if value is None or isinstance(value, list):
        raise wrong(f"This is {shown(value)}, not text.", "Write one text, in quotes.")
    raise wrong(
        f"{shown(value)} is not text.",
        f'Put it in quotes: "{shown(value)}"; YAML reads it as something else.',
    )


def slug(value: Any, info: ValidationInfo) -> str:
    written = text(value, info)
    if not re.fullmatch(SLUG, written):
        better = re.sub(r"[^a-z0-9]+", "-", written[:200].lower()).strip("-")[:80].strip("-")
        raise wrong(
            f"{shown(written)} is not a key.",
            "Use lower-case letters, digits and hyphens, at most 80, starting with a letter or digit"
            + (f", such as {better}." if better else "."),
        )
    return written


def one_of(options: tuple[str, ...], formerly: Mapping[str, str] = MappingProxyType({})) -> Kind:
    """A word out of `options`, or one that `formerly` stood for one of them."""

    def read(value: Any, info: ValidationInfo) -> str:
        if isinstance(value, str):
            value = formerly.get(value, value)
        if isinstance(value, str) and value in options:
            return value
        close = guess(value, options) if isinstance(value, str) else ""
        raise wrong(
            f"{shown(value)} is not one of the known words.", f"{close}Write one of: {', '.join(options)}."
        )

    return Kind("one of " + ", ".join(f"`{option}`" for option in options), read)


def _number(value: Any, info: ValidationInfo, *, low: float, above: bool, high: float, whole: bool) -> float:
    noun = "a whole number" if whole else "a number"
    if isinstance(value, str):
        raise wrong(
            f"{shown(value)} is text, not {noun}.", "Write digits only, without quotes, unit, blank or comma."
        )
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise wrong(f"{shown(value)} is not {noun}.", f"Write {noun}, such as 20.")
    if whole and not isinstance(value, int):
        raise wrong(f"{shown(value)} is not {noun}.", "Write it without a fraction.")
    if value < low or (above and value == low):
        raise wrong(
            f"{shown(value)} is too small.", f"It must be {'more than' if above else 'at least'} {low:g}."
        )
    if value > high:
        raise wrong(f"{shown(value)} is too large.", f"It must be at most {high:,.0f}.")
    return value


def number(*, low: float = -math.inf, above: bool = False, high: float = math.inf) -> Kind:
    """A finite number from `low` (not included where `above`) to `high`."""
    read = partial(_number, low=low, above=above, high=high, whole=False)
    return Kind(
        "number" + (f", more than {low:g}" if above else f", {low:g} or more" if low == 0 else ""), read
    )


COUNT = Kind("whole number, 0 or more", partial(_number, low=0, above=False, high=MOST, whole=True))


def truth(value: Any, info: ValidationInfo) -> bool:
    if isinstance(value, bool):
        return value
    raise wrong(f"{shown(value)} is neither true nor false.", "Write true or false, without quotes.")


def calendar_date(value: Any, info: ValidationInfo | None = None) -> date:
    remedy = "Write year-month-day, such as 2020-12-10."
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        raise wrong(f"{shown(value)} is not a date.", remedy)
    try:
        day = date.fromisoformat(value)
    except ValueError:
        raise wrong(f"{value} is not in the calendar.", remedy) from None
    if day.year not in YEARS:
        raise wrong(f"The year {day.year} cannot be right.", f"It must be {YEARS[0]} to {YEARS[-1]}.")
    return day


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def zone(value: Any, info: ValidationInfo | None = None) -> str:
    if isinstance(value, str) and value in _zones():
        return value
    city = [
        name for name in _zones() if isinstance(value, str) and name.endswith("/" + value.replace(" ", "_"))
    ]
    close = "" if not isinstance(value, str) else guess(value, sorted(_zones()))
    if city:
        close = f"Did you mean {min(city)}? "
    raise wrong(f"{shown(value)} is not a time zone.", f"{close}Write an IANA name, such as Europe/Berlin.")


def clock(value: Any, info: ValidationInfo) -> datetime:
    """A local time of `info.context`, a Setting, as an instant in UTC.

    A time that the zone skips or repeats is refused: it names no instant, or two.
    """
    if not isinstance(value, str):
        raise wrong(f"{shown(value)} is not a time.", _WRITE_CLOCK)
    setting: Setting = cast(Setting, info.context)
    short = _CLOCK.fullmatch(value)
    if not short and not _FULL.fullmatch(value):
        raise wrong(f"{shown(value)} is not a time.", _WRITE_CLOCK)
    try:
        if short:
            hour, minute, second = (int(part or 0) for part in short.groups())
            local = datetime(setting.day.year, setting.day.month, setting.day.day, hour, minute, second)
        else:
            local = datetime.fromisoformat(value)
    except ValueError:
        raise wrong(f"{value} is not on any clock or calendar.", _WRITE_CLOCK) from None
    if local.year not in YEARS:
        raise wrong(f"The year {local.year} cannot be right.", f"It must be {YEARS[0]} to {YEARS[-1]}.")
    if local.tzinfo:
        return local.astimezone(UTC)
    early, late = (local.replace(tzinfo=setting.zone, fold=fold) for fold in (0, 1))
    if early.utcoffset() == late.utcoffset():
        return early.astimezone(UTC)
    if early.astimezone(UTC).astimezone(setting.zone).replace(tzinfo=None) != local:
        raise wrong(
            f"{value} did not exist on {local.date()} in {setting.zone.key}: the clocks jumped over it.",
            "Write the time that the clocks showed, such as an hour later.",
        )
    raise wrong(
        f"{value} happened twice on {local.date()} in {setting.zone.key}: the clocks were set back.",
        f"Write the offset too: {early.isoformat()} is the first, {late.isoformat()} the second.",
    )
