"""Any CSV of incidents -> `incidents`, by the names of its columns: one row per incident, a start and an end or minutes.

For a quick question of a file that is in no store. What is kept in a store is read by `reports` and `trackers`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from .. import schema
from ..errors import InputError

MAX_BYTES = 200_000_000
# Of several columns that match, the first name listed here wins.
_NAMES: dict[str, tuple[str, ...]] = {
    "started_at": (
        "started_at", "started", "start", "start_time", "start_date", "incident_start", "impact_start", "impact_started_at",
        "began", "begin", "begin_time", "occurred_at", "created_at", "created", "created_on", "opened_at", "opened",
        "open_time", "reported_at", "reported", "declared_at", "date",
    ),
    "detected_at": ("detected_at", "detected", "detection_time", "time_detected", "alerted_at"),
    "acknowledged_at": ("acknowledged_at", "acknowledged", "ack_at"),
    "mitigated_at": ("mitigated_at", "mitigated", "mitigation_time", "impact_end", "impact_ended_at"),
    "resolved_at": (
        "resolved_at", "resolved", "resolution_time", "resolved_on", "restored_at", "recovered_at", "end", "ended",
        "ended_at", "end_time", "end_date", "incident_end", "finished_at", "closed_at", "closed", "closed_on", "close_time",
    ),
    "severity": ("severity", "sev", "priority", "urgency", "impact"),
    "detected_by": ("detected_by", "found_by", "detection_method", "detection_source"),
    "incident_id": (
        "incident_id", "id", "key", "issue_key", "number", "incident", "incident_number", "reference", "public_id",
    ),
    "title": ("title", "summary", "name", "short_description", "description"),
    "kind": ("kind",),
}  # fmt: skip
_MINUTES = {
    "stated_detect_min": ("ttd_min", "stated_detect_min", "time_to_detect_min", "detect_min", "ttd_minutes"),
    "stated_restore_min": (
        "ttr_min", "stated_restore_min", "time_to_restore_min", "restore_min", "duration_min", "duration_minutes", "minutes",
        "mttr_min", "ttr_minutes",
    ),
}  # fmt: skip
_HOURS = ("duration_h", "duration_hours", "hours", "ttr_h", "ttr_hours")
_MOMENTS = ("started_at", "detected_at", "acknowledged_at", "mitigated_at", "resolved_at")
_SLASHED = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4})(.*)", re.DOTALL)
_EMPTY = ("", "-", "?", "n/a", "na", "none", "null", "unknown")


@dataclass(frozen=True)
class Incidents:
    """`incidents` as in the schema; `columns`: which column was read as what; `notes`: what was taken for granted "
    "or lost."""

    incidents: pd.DataFrame
    columns: dict[str, str]
    notes: tuple[str, ...]


def read(path: str | Path) -> Incidents:
    """Incidents of a CSV in UTF-8 with a header line, separated by commas, semicolons or tabs.

    Raises InputError: no such file, no CSV, no column that is a start or none that is an end or minutes, dates whose order
    of day and month nothing in the file shows.
    """
    file = Path(path)
    try:
        if file.stat().st_size > MAX_BYTES:
            raise InputError(
                "The file is larger than 200 MB.", where=file.name, remedy="Export incidents only."
            )
        head = file.open("rb").readline(65536).decode("utf-8-sig")
        separator = max(",;\t", key=head.count)
        raw = pd.read_csv(file, sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"It cannot be read as a CSV of incidents: {reason}.",
            where=file.name,
            remedy="Give a CSV in UTF-8.",
        ) from None
    headers = {
        re.sub(r"[^a-z0-9]+", "_", str(name).lower()).strip("_"): str(name) for name in reversed(list(raw))
    }
    columns = {
        field: headers[n]
        for field, names in {**_NAMES, **_MINUTES}.items()
        for n in reversed(names)
        if n in headers
    }
    hours = next((headers[n] for n in _HOURS if n in headers), None)
    has_minutes = hours is not None or "stated_restore_min" in columns or "stated_detect_min" in columns
    if "started_at" not in columns or not (
        has_minutes or "resolved_at" in columns or "mitigated_at" in columns
    ):
        missing = "started_at" if "started_at" not in columns else "resolved_at"
        raise InputError(
            f"No column says when an incident "
            f"{'began' if missing == 'started_at' else 'ended, or how many minutes it took'}.",
            where=file.name,
            remedy=f"Name one of them {missing}. The file has: {', '.join(map(str, raw.columns[:20]))}.",
        )
    notes: list[str] = []
    made = {m: _times(raw[columns[m]], columns[m], file.name, notes) for m in _MOMENTS if m in columns}
    for field in _MINUTES:
        if field in columns:
            made[field] = _numbers(raw[columns[field]], columns[field], notes)
    if hours is not None and "stated_restore_min" not in made:
        made["stated_restore_min"] = _numbers(raw[hours], hours, notes) * 60
        columns["stated_restore_min"] = hours
    for field in ("severity", "title", "incident_id", "detected_by", "kind"):
        if field in columns:
            made[field] = raw[columns[field]].str.strip().replace("", None)
    return Incidents(_incidents(pd.DataFrame(made, index=raw.index), file.name, notes), columns, tuple(notes))


def _incidents(made: pd.DataFrame, name: str, notes: list[str]) -> pd.DataFrame:
    place = pd.Series([f"row {i + 2}" for i in range(len(made))], index=made.index, dtype="str")
    ids = made["incident_id"].fillna(place) if "incident_id" in made else place
    twice = ids.duplicated()
    if twice.any():
        notes.append(
            f"{int(twice.sum())} rows repeat an id, first {ids[twice].iloc[0]}: only the first of each is used."
        )
    kind = made["kind"].str.lower() if "kind" in made else pd.Series("real", index=made.index)
    found = made.get("detected_by", pd.Series("unknown", index=made.index)).str.lower()
    rows = made.assign(
        incident_id=ids,
        title=made["title"].fillna(ids) if "title" in made else ids,
        kind=kind.where(kind.isin(schema.KINDS), "real"),
        detected_by=found.where(found.isin(schema.DETECTED_BY), "unknown"),
        text="",
        simulated=False,
        source="csv",
        source_uri=name,
    )
    return schema.frame("incidents", rows[~twice].reset_index(drop=True))


def _numbers(cells: pd.Series, name: str, notes: list[str]) -> pd.Series:
    text = cells.str.strip()
    found = pd.to_numeric(text.str.replace(",", ".", regex=False), errors="coerce")
    found = found.where(np.isfinite(found) & (found >= 0))
    _lost(text, found, name, notes)
    return found.astype(float)


def _times(cells: pd.Series, name: str, where: str, notes: list[str]) -> pd.Series:
    """UTC in microseconds. A time without a zone is read as UTC and told: a duration within one zone stays what it is."""
    text = cells.str.strip()
    text = text.where(~text.str.lower().isin(_EMPTY), "")
    iso = _iso_order(text, name, where)
    digits = iso.str.fullmatch(r"\d{10}|\d{13}")
    seconds = pd.to_numeric(iso.where(digits), errors="coerce")
    seconds = seconds.where(seconds < 1e11, seconds / 1000)
    found = pd.to_datetime(seconds, unit="s", utc=True)
    found = found.fillna(pd.to_datetime(iso.mask(digits), format="ISO8601", utc=True, errors="coerce"))
    rest = found.isna() & (iso != "")
    if rest.any():
        found[rest] = pd.to_datetime(iso[rest], format="mixed", utc=True, errors="coerce")
    zoned = digits | iso.str.contains(r"(?:Z|UTC|GMT|[+-]\d{2}:?\d{2})$", regex=True)
    naive = int((found.notna() & ~zoned).sum())
    if naive:
        notes.append(f"{naive} times of {name} carry no zone and are read as UTC.")
    _lost(text, found, name, notes)
    return found.dt.as_unit("us")


def _iso_order(text: pd.Series, name: str, where: str) -> pd.Series:
    """03/04/2021 as 2021-04-03 or 2021-03-04, by what another date of the column shows."""
    parts = text.str.extract(_SLASHED)
    slashed = parts[0].notna()
    if not slashed.any():
        return text
    first, second = (pd.to_numeric(parts.loc[slashed, i]) for i in (0, 2))
    if (first > 12).any() == (second > 12).any():
        both = (first > 12).any()
        why = (
            "both orders of day and month occur" if both else "nothing shows whether day or month comes first"
        )
        raise InputError(
            f"{name}: {why}, as in {text[slashed].iloc[0][:30]!r}.",
            where=where,
            remedy="Write dates as 2021-04-03.",
        )
    day, month = (parts[0], parts[2]) if (first > 12).any() else (parts[2], parts[0])
    iso = parts[3] + "-" + month.str.zfill(2) + "-" + day.str.zfill(2) + parts[4]
    return iso.where(slashed, text)


def _lost(text: pd.Series, found: pd.Series, name: str, notes: list[str]) -> None:
    lost = found.isna() & ~text.str.lower().isin(_EMPTY)
    if lost.any():
        notes.append(f"{int(lost.sum())} cells of {name} cannot be read, first {text[lost].iloc[0][:30]!r}.")
