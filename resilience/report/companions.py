"""What lies beside a GameDay's page, made of its result.json alone: a table for customer service, and a slide."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from ..analysis.briefing import CUSTOMER_FACING, WHERE
from ..analysis.briefing import VERDICTS as PLAIN
from ..plain_text import one_line
from . import slide

TABLE, SLIDE = "customer-service.csv", "slide.png"
COLUMNS = (
    "Date", "From", "To", "Time zone", "What was tried", "Where", "Could customers notice?", "What they may have noticed",
    "What was measured", "What happened", "Told to customer service and customers", "What we do next",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def beside(result: Mapping[str, Any]) -> dict[str, bytes]:
    """Files by name for a report that published `result`; none for one that is no GameDay's."""
    if not {"gameday", "brief", "experiments", "messages"} <= result.keys():
        return {}
    return {TABLE: table(result), SLIDE: slide.png(result)}


def table(result: Mapping[str, Any]) -> bytes:
    """One row per experiment, in the words of the page's first screen, as a spreadsheet opens it (UTF-8 with its mark).

    A cell that a spreadsheet would take for a formula begins with an apostrophe.
    """
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\r\n")
    rows.writerow(COLUMNS)
    told = {one["experiment_key"]: one for one in result["brief"]["experiments"]}
    for one in result["experiments"]:
        rows.writerow([_cell(value) for value in _row(result, one, told[one["experiment_key"]])])
    return b"\xef\xbb\xbf" + out.getvalue().encode("utf-8", "replace")


def _row(result: Mapping[str, Any], one: Mapping[str, Any], told: Mapping[str, Any]) -> tuple[Any, ...]:
    day, ran = result["gameday"], one["outcome"] != "not_run"
    zone = ZoneInfo(day["zone"])
    started = pd.Timestamp(one["fault_started_at"]) if one["fault_started_at"] else None
    minutes = one["fault_min"]
    ended = started + pd.Timedelta(minutes=minutes) if started is not None and minutes is not None else None
    live = one["environment"] == "production"
    could = (
        "not run" if not ran else "no" if not live else "yes" if one["verdict"] == "deviated" else "perhaps"
    )
    messages = [
        f"{_clock(message['at'], zone)} to {message['audience']}: {message['text']}".strip()
        for message in result["messages"]
        if message["experiment_key"] == one["experiment_key"]
        and str(message["audience"] or "").strip().lower() in CUSTOMER_FACING
    ]
    return (
        day["held_on"], _clock(started, zone), _clock(ended, zone), day["zone"], one["title"], WHERE[one["environment"]],
        could, one["symptom"] if live and ran else "", PLAIN[one["verdict"]] if ran else "", told["happened"],
        " | ".join(messages) or "nothing on record", told["next"],
    )  # fmt: skip


def _clock(at: Any, zone: ZoneInfo) -> str:
    return "" if at is None else f"{pd.Timestamp(at).tz_convert(zone):%H:%M}"


def _cell(value: Any) -> str:
    text = one_line(str(value or ""))
    return f"'{text}" if text.startswith(_FORMULA) else text
