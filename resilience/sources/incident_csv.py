"""Any CSV of incidents -> `incidents`, by the names of its columns: one row per incident, a start and an end or a duration.

For a quick question of a file that is in no store. What is kept in a store is read by `reports` and `trackers`.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pandas as pd

from .. import schema
from ..errors import InputError
from . import incident_cells as cells

MAX_BYTES = 200_000_000
# Of several columns that match, the first name listed here wins. Names are compared without fillers and unit.
_NAMES: dict[str, tuple[str, ...]] = {
    "started_at": (
        "started", "start", "impact_start", "impact_started", "outage_start", "began", "begin", "beginning", "beginn",
        "anfang", "occurred", "created", "opened", "open", "reported", "declared", "date", "datum", "day",
    ),
    "detected_at": ("detected", "detection", "alerted"),
    "acknowledged_at": ("acknowledged", "ack", "acked"),
    "mitigated_at": ("mitigated", "mitigation", "impact_end", "impact_ended", "outage_end"),
    "resolved_at": (
        "resolved", "resolution", "restored", "recovered", "fixed", "end", "ended", "ende", "finished", "stop", "stopped",
        "behoben", "closed", "close",
    ),
    "severity": ("severity", "sev", "priority", "prio", "urgency", "impact", "schweregrad"),
    "detected_by": ("detected_by", "found_by", "detection_method", "detection_source"),
    "incident_id": ("id", "key", "issue_key", "number", "incident", "reference", "public_id", "ticket", "nummer"),
    "title": ("title", "summary", "name", "short_description", "description", "titel"),
    "kind": ("kind",),
}  # fmt: skip
_LASTED: dict[str, tuple[str, ...]] = {
    "stated_detect_min": ("ttd", "mttd", "stated_detect", "to_detect", "to_detection", "detect"),
    "stated_restore_min": (
        "ttr", "mttr", "stated_restore", "to_restore", "to_resolve", "to_resolution", "to_recover", "to_recovery", "restore",
        "duration", "outage_duration", "impact_duration", "downtime", "outage", "length", "dauer", "ausfallzeit", "minutes",
        "hours", "seconds",
    ),
}  # fmt: skip
_UNITS = {
    **dict.fromkeys(("minutes", "minute", "mins", "min", "minuten"), 1.0),
    **dict.fromkeys(("hours", "hour", "hrs", "h", "stunden"), 60.0),
    **dict.fromkeys(("seconds", "second", "secs", "sec", "s", "sekunden"), 1 / 60),
    **dict.fromkeys(("days", "d", "tage"), 1440.0),
}
_FILLERS = {
    "incident",
    "at",
    "on",
    "time",
    "timestamp",
    "ts",
    "datetime",
    "in",
    "utc",
    "gmt",
    "local",
    "zeit",
}
_MOMENTS = ("started_at", "detected_at", "acknowledged_at", "mitigated_at", "resolved_at")


@dataclass(frozen=True)
class Incidents:
    """`incidents` as in the schema; `columns`: which column was read as what; `notes`: what was taken for granted "
    "or lost."""

    incidents: pd.DataFrame
    columns: dict[str, str]
    notes: tuple[str, ...]


def read(path: str | Path) -> Incidents:
    """Incidents of a CSV with a header line, separated by commas, semicolons, tabs or bars.

    Raises InputError: no such file, no CSV, no column that is a start or none that is an end or a duration, dates whose
    order of day and month nothing in the file shows, durations without a unit, starts that cannot be read.
    """
    file = Path(path)
    notes: list[str] = []
    raw = _table(file, notes)
    columns, lasted = _recognised(raw)
    if "started_at" not in columns or not (lasted or {"resolved_at", "mitigated_at"} & columns.keys()):
        missing = "resolved_at" if "started_at" in columns else "started_at"
        raise InputError(
            "No column says when an incident "
            f"{'began' if missing == 'started_at' else 'ended, or how many minutes it took'}.",
            where=file.name,
            remedy=f"Name one {missing}, in the first line. The file has: {', '.join(map(str, raw.columns[:20]))}.",
        )
    made = _moments(raw, columns, file.name, notes)
    for field, (name, unit) in lasted.items():
        if (
            unit is not None or "resolved_at" not in columns
        ):  # an end says it better than a number without a unit
            made[field] = cells.minutes(cells.plain(raw[name]), name, unit, file.name, notes)
            columns[field] = name
    for field in ("severity", "title", "incident_id", "detected_by", "kind"):
        if field in columns:
            made[field] = raw[columns[field]].str.strip().replace("", None)
    return Incidents(_incidents(pd.DataFrame(made, index=raw.index), file.name, notes), columns, tuple(notes))


def _table(file: Path, notes: list[str]) -> pd.DataFrame:
    """Every cell as text; rows without any are left out."""
    try:
        if file.stat().st_size > MAX_BYTES:
            raise InputError(
                "The file is larger than 200 MB.", where=file.name, remedy="Export incidents only."
            )
        text = _decoded(file.read_bytes(), notes)
        told = re.match(r"sep=(.)\r?\n", text)  # Excel's own first line
        text = text[told.end() :] if told else text
        head = text.partition("\n")[0]
        separator = told[1] if told else max(",;\t|", key=head.count)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", pd.errors.ParserWarning)
            raw = pd.read_csv(
                StringIO(text), sep=separator, dtype=str, keep_default_na=False, index_col=False
            )
        if any(issubclass(one.category, pd.errors.ParserWarning) for one in said):
            notes.append("Rows have more cells than the header line; what stands beyond it is not read.")
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"It cannot be read as a CSV of incidents: {reason}.",
            where=file.name,
            remedy="Give a CSV in UTF-8.",
        ) from None
    return raw[(raw != "").any(axis=1)]


def _decoded(data: bytes, notes: list[str]) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        notes.append("The file is not in UTF-8 and is read as Windows-1252.")
        return data.decode("cp1252", errors="replace")


def _recognised(raw: pd.DataFrame) -> tuple[dict[str, str], dict[str, tuple[str, float | None]]]:
    """Column of each field; column of each duration, with the minutes of the unit that its name holds, if any."""
    timed: dict[str, tuple[str, float | None]] = {}
    named: dict[str, str] = {}
    for header in reversed([str(name) for name in raw]):
        spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", header).lower()
        words = re.sub(r"[^a-z0-9äöüß]+", " ", spaced).split()
        unit = next((_UNITS[w] for w in (*words[-1:], *words[:1]) if w in _UNITS), None)
        root = "_".join(w for w in words if w not in _FILLERS and w not in _UNITS) or "_".join(words)
        timed[root] = (header, unit)
        if unit is None:
            named[root] = header
    columns = {
        f: next(named[n] for n in names if n in named)
        for f, names in _NAMES.items()
        if named.keys() & {*names}
    }
    lasted = {
        f: next(timed[n] for n in names if n in timed)
        for f, names in _LASTED.items()
        if timed.keys() & {*names}
    }
    return columns, lasted


def _moments(
    raw: pd.DataFrame, columns: dict[str, str], where: str, notes: list[str]
) -> dict[str, pd.Series]:
    """UTC moments by field. Times of day take the date of another column, and past midnight the day after."""
    texts = {field: cells.plain(raw[columns[field]]) for field in _MOMENTS if field in columns}
    clocks = [field for field, text in texts.items() if cells.clock_only(text)]
    if clocks:
        days = [str(name) for name in raw if re.search(r"(?i)\b(date|day|datum)\b|_date|date_", str(name))]
        days = [name for name in days if not cells.clock_only(cells.plain(raw[name]))]
        given = cells.plain(raw[days[0]]) if days else texts["started_at"]
        if "started_at" in clocks and not days:
            raise InputError(
                f"{columns['started_at']} holds times of day, and no column a date.",
                where=where,
                remedy="Write times as 2021-04-03 14:30.",
            )
        day = given.str.extract(r"^(\S+)", expand=False).fillna("")
        for field in clocks:
            texts[field] = (day + " " + texts[field]).where((texts[field] != "") & (day != ""), "")
    first = cells.day_first({columns[field]: text for field, text in texts.items()}, where)
    made = {field: cells.moments(text, columns[field], first, notes) for field, text in texts.items()}
    for field in clocks:
        late = made[field] < made["started_at"]
        made[field] = made[field].mask(late, made[field] + pd.Timedelta(days=1))
        if late.any():
            notes.append(
                f"{int(late.sum())} times of {columns[field]} before the start are taken for the next day's."
            )
    said, known = (texts["started_at"] != "").sum(), made["started_at"].notna().sum()
    if known < 0.5 * said:
        raise InputError(
            f"{columns['started_at']}: {said - known} of {said} times cannot be read, such as "
            f"{texts['started_at'][made['started_at'].isna() & (texts['started_at'] != '')].iloc[0][:30]!r}.",
            where=where,
            remedy="Write times as 2021-04-03 14:30, with +01:00 for a zone.",
        )
    return made


def _incidents(made: pd.DataFrame, name: str, notes: list[str]) -> pd.DataFrame:
    place = pd.Series([f"row {i + 2}" for i in range(len(made))], index=made.index, dtype="str")
    ids = made["incident_id"].fillna(place) if "incident_id" in made else place
    twice = ids.duplicated()
    if twice.any():
        notes.append(
            f"{int(twice.sum())} rows repeat an id, first {ids[twice].iloc[0]}: only the first of each is used."
        )
    kind = made["kind"].str.lower() if "kind" in made else pd.Series("real", index=made.index)
    other = kind[kind.notna() & (kind != "") & ~kind.isin(schema.KINDS)]
    if len(other):
        notes.append(
            f"{len(other)} rows of another kind, first {other.iloc[0][:30]!r}, are taken for real incidents."
        )
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
