"""Small worlds with known answers, shared by tests."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from resilience import schema

START = pd.Timestamp("2021-03-04 10:00", tz="UTC")


def minutes(count: int) -> pd.Timedelta:
    return pd.Timedelta(minutes=count)


def series(
    values: np.ndarray, *, metric: str = "latency", scope: str = "service:a", start: Any = START
) -> pd.DataFrame:
    """One point a minute from an hour before `start`."""
    at = pd.date_range(start - minutes(60), periods=len(values), freq="min").as_unit("us")
    common = {
        "metric": metric,
        "scope": scope,
        "interval_s": 60.0,
        "rollup": "avg",
        "unit": "s",
        "source": "test",
    }
    return schema.frame("series", pd.DataFrame({"at": at, "value": values, **common}))


def gameday(points: pd.DataFrame | None = None, **experiment: Any) -> dict[str, pd.DataFrame]:
    """One GameDay with one experiment: fault at START for 20 minutes, latency of service:a must stay under 1 s."""
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in schema.GAMEDAY_TABLES}
    key = {"gameday_id": "day", "experiment_key": "exp"}
    rows["gamedays"] = [
        {
            "gameday_id": "day", "title": "A day",
            "held_on": START.normalize(), "zone": "Europe/Berlin", "style": "informed",
            "environment": "production", "simulated": False, "source_uri": "day/gameday.yml",
        }
    ]  # fmt: skip
    rows["experiments"] = [
        {
            **key, "position": 1, "title": "Slow", "symptom": "Pages are slow", "failure_class": "capacity",
            "environment": "production", "planned_min": 20.0,
            "fault_started_at": START, "fault_ended_at": START + minutes(20),
            "outcome": "solved", **experiment,
        }
    ]  # fmt: skip
    rows["experiment_targets"] = [{**key, "service": "a"}]
    rows["experiment_probes"] = [
        {
            **key,
            "probe": "latency",
            "metric": "latency",
            "scope": "service:a",
            "statistic": "mean",
            "low": None,
            "high": 1.0,
        }
    ]
    rows["experiment_events"] = [
        {
            **key,
            "position": 0,
            "moment": "alerted",
            "at": START + minutes(4),
            "role": "hero",
            "text": "saw it",
        },
        {
            **key,
            "position": 1,
            "moment": "mitigated",
            "at": START + minutes(15),
            "role": "hero",
            "text": "fixed it",
        },
    ]
    tables = {name: schema.frame(name, given) for name, given in rows.items()}
    return {**tables, "series": schema.frame("series") if points is None else points}
