"""Every table: its columns, types, units, meaning and rules. Written once; the data dictionary is made from it.

Times are UTC in microseconds. Durations are float minutes and named ``*_min``. Missing is null, never zero.
"""

from __future__ import annotations

from .checks import check, frame
from .columns import Table
from .dictionary import data_dictionary
from .tables import GAMEDAY_TABLES, TABLES, dtypes, key
from .words import (
    AUDIENCES,
    CALENDAR_KINDS,
    COMPONENTS,
    DATE_FROM,
    DETECTED_BY,
    ENVIRONMENTS,
    EXPERIMENT_MOMENTS,
    FACTOR_KINDS,
    KINDS,
    LINKED_BY,
    MOMENTS,
    NOTE_KINDS,
    OUTCOMES,
    ROLLUPS,
    STATISTICS,
    STYLES,
)

__all__ = [
    "AUDIENCES",
    "CALENDAR_KINDS",
    "COMPONENTS",
    "DATE_FROM",
    "DETECTED_BY",
    "ENVIRONMENTS",
    "EXPERIMENT_MOMENTS",
    "FACTOR_KINDS",
    "GAMEDAY_TABLES",
    "KINDS",
    "LINKED_BY",
    "MOMENTS",
    "NOTE_KINDS",
    "OUTCOMES",
    "ROLLUPS",
    "STATISTICS",
    "STYLES",
    "TABLES",
    "Table",
    "check",
    "data_dictionary",
    "dtypes",
    "frame",
    "key",
]
