"""Cells of somebody's CSV -> moments and minutes. What can be read two ways is refused or counted, never guessed."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from ..errors import InputError
from .report_clocks import YEARS

EMPTY = ("", "-", "?", "n/a", "na", "none", "null", "unknown", "nan", "nat")
_NUMERIC_DATE = re.compile(r"\A(\d{1,2})([/.-])(\d{1,2})\2(\d{4}|\d{2})(?!\d)(.*)", re.DOTALL)
_CLOCK_ONLY = r"\d{1,2}:\d{2}(?::\d{2})?(?:\s*[ap]\.?m\.?)?"
_CLOCK = re.compile(
    r"(?<![\d:.+-])(\d{1,2})(:\d{2}(?::\d{2}(?:\.\d+)?)?)(?:\s*([ap])\.?m\b\.?)?", re.IGNORECASE
)
_ZONED = r"(?:Z|UTC|GMT|[+-]\d{2}:?\d{2})$"
_WORDED = r"(?i)\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b"
_PARTS = re.compile(
    r"(?i)\s*(?:(\d+(?:\.\d+)?)\s*d(?:ays?)?)?[\s,]*(?:(\d+(?:\.\d+)?)\s*h(?:ours?|rs?)?)?[\s,]*"
    r"(?:(\d+(?:\.\d+)?)\s*m(?:in(?:ute)?s?)?)?[\s,]*(?:(\d+(?:\.\d+)?)\s*s(?:ec(?:ond)?s?)?)?\s*"
)
_COLONS = re.compile(r"\s*(?:(\d+)\s*d(?:ays?)?[\s,]+)?(\d+):(\d{2}):(\d{2})(?:\.\d+)?\s*")


def plain(cells: pd.Series) -> pd.Series:
    """Cells as text without surrounding space; '' for what people write where nothing is known."""
    text = cells.astype("str").str.strip()
    return text.mask(text.str.lower().isin(EMPTY), "")


def day_first(columns: dict[str, pd.Series], where: str) -> bool:
    """Whether 03/04/2021 is the third of April, by what any date of the `columns` shows; they are taken to agree."""
    parts = pd.concat([text.str.extract(_NUMERIC_DATE) for text in columns.values()])
    first, second = (pd.to_numeric(parts[i]) for i in (0, 2))
    if parts[0].notna().any() and (first > 12).any() == (second > 12).any():
        name, sample = next(
            (name, text[known].iloc[0])
            for name, text in columns.items()
            if (known := text.str.extract(_NUMERIC_DATE)[0].notna()).any()
        )
        both = (first > 12).any()
        why = (
            "both orders of day and month occur" if both else "nothing shows whether day or month comes first"
        )
        raise InputError(
            f"{name}: {why}, as in {sample[:30]!r}.", where=where, remedy="Write dates as 2021-04-03."
        )
    return bool((first > 12).any())


def clock_only(text: pd.Series) -> bool:
    """Whether a column holds times of day without a date."""
    said = text[text != ""]
    return bool(len(said)) and bool(said.str.fullmatch(_CLOCK_ONLY, flags=re.IGNORECASE).mean() > 0.5)


def moments(text: pd.Series, name: str, day: bool, notes: list[str]) -> pd.Series:
    """UTC in microseconds. A time without a zone is read as UTC and told: a duration within one zone stays what it is.

    Read are ISO 8601, seconds or milliseconds since 1970, dates in numbers (`day` first or not) and with a month's name.
    """
    iso = _iso_order(text, day).str.replace(_CLOCK, _written_out, regex=True)
    iso = iso.str.replace(r"\s*(?:UTC|GMT)$", "Z", regex=True)
    digits = iso.str.fullmatch(r"\d{10}(?:\.\d+)?|\d{13}")
    seconds = pd.to_numeric(iso.where(digits), errors="coerce")
    found = pd.to_datetime(seconds.where(seconds < 1e11, seconds / 1000), unit="s", utc=True)
    found = found.fillna(pd.to_datetime(iso.mask(digits), format="ISO8601", utc=True, errors="coerce"))
    # Otherwise only what cannot be taken for another date: a month in words, or the year first; no zone by name (CET).
    worded = iso.str.contains(_WORDED, regex=True)
    named = iso.str.contains(r"\d\s+[A-Z]{3,5}$", regex=True)
    for sure in (worded & ~named, ~worded & ~named & iso.str.match(r"(?:19|20)\d\d[/.]")):
        rest = found.isna() & sure
        if rest.any():
            found[rest] = pd.to_datetime(iso[rest], format="mixed", utc=True, errors="coerce")
    naive = int((found.notna() & ~digits & ~iso.str.contains(_ZONED, regex=True)).sum())
    if naive:
        notes.append(f"{naive} times of {name} carry no zone and are read as UTC.")
    lost(text, found, name, notes)
    wrong = found.notna() & ~found.dt.year.isin(
        YEARS
    )  # such as 0001 and 9999, which exports write for "none"
    if wrong.any():
        notes.append(
            f"{int(wrong.sum())} times of {name} are of a year that cannot be right, first {text[wrong].iloc[0][:30]!r}: "
            "not recorded."
        )
    return found.mask(wrong).dt.as_unit("us")


def minutes(text: pd.Series, name: str, unit: float | None, where: str, notes: list[str]) -> pd.Series:
    """Minutes of '90', '1,5', '1:30:00', '1h 30m' or '2 days'; a bare number counts `unit` minutes.

    Raises InputError where there are bare numbers and no `unit`: minutes and hours look alike.
    """
    number = _number(text)
    bare = number.notna()
    if unit is None and bare.any():
        raise InputError(
            f"{name}: nothing says whether {text[bare].iloc[0]!r} is minutes, hours or seconds.",
            where=where,
            remedy="Put the unit into the column's name: duration_minutes, duration_hours or duration_seconds.",
        )
    colons, parts = (
        text.str.extract(_COLONS),
        text.str.extract(f"^{_PARTS.pattern.replace('(?i)', '')}$", flags=re.IGNORECASE),
    )
    clock = colons.apply(pd.to_numeric).fillna(0) @ np.array([1440, 60, 1, 1 / 60])
    said = parts.apply(pd.to_numeric).fillna(0) @ np.array([1440, 60, 1, 1 / 60])
    whole = text.str.fullmatch(_COLONS)
    found = (number * (unit or 1.0)).fillna(clock.where(whole)).fillna(said.where(parts.notna().any(axis=1)))
    found = found.where(np.isfinite(found) & (found >= 0))
    lost(text, found, name, notes)
    return found.astype(float)


def lost(text: pd.Series, found: pd.Series, name: str, notes: list[str]) -> None:
    """Count the cells that say something that was not understood."""
    unread = found.isna() & (text != "")
    if unread.any():
        notes.append(
            f"{int(unread.sum())} cells of {name} cannot be read, first {text[unread].iloc[0][:30]!r}."
        )


def _number(text: pd.Series) -> pd.Series:
    """Numbers with a decimal point or comma; commas that all stand before three digits part thousands."""
    commas = text[text.str.contains(",", regex=False)]
    thousands = bool(len(commas)) and commas.str.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?").all()
    found: pd.Series = pd.to_numeric(
        text.str.replace(",", "" if thousands else ".", regex=False), errors="coerce"
    )
    return found


def _iso_order(text: pd.Series, day: bool) -> pd.Series:
    """03/04/2021 as 2021-04-03 where `day` comes first, else as 2021-03-04; 03/04/21 likewise. Other text stays."""
    parts = text.str.extract(_NUMERIC_DATE)
    known = parts[0].notna() & text.str.match(_NUMERIC_DATE) & ((parts[1] != "-") | (parts[3].str.len() == 4))
    dom, month = (parts[0], parts[2]) if day else (parts[2], parts[0])
    year = parts[3].where(parts[3].str.len() == 4, "20" + parts[3])
    iso = year + "-" + month.str.zfill(2) + "-" + dom.str.zfill(2)
    return text.mask(known, iso + parts[4])


def _written_out(said: re.Match[str]) -> str:
    """'2:30 PM' as 14:30, and 2:30 as 02:30."""
    hour = int(said[1]) % 12 + 12 * (said[3].lower() == "p") if said[3] else int(said[1])
    return f"{hour:02}{said[2]}"
