"""The panels of the pages about the whole history: failure classes, times."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..analysis import intervals
from ..analysis.causes import Causes, Distribution
from ..analysis.times import Times
from .figures import incidents as figures
from .panels import Panel, publish, table

_MOST = 15  # groups drawn in one figure; the table holds all


def classes(found: Distribution) -> Panel:
    """Expected incidents per failure class, unknown among them."""
    publish({"text": found.text, "classes": found.table.round(4).to_dict("records")})
    rows = found.table.rename(columns={"failure_class": "group"})
    columns = {"group": "Failure class", "expected": "Expected incidents", "low": "Low", "high": "High"}
    return Panel(
        found.text,
        figures.counts(rows, "incidents, each counted by how likely the class is"),
        table(rows, columns),
    )


def class_dots(incidents: pd.DataFrame, found: Causes) -> Panel:
    """Every incident a dot in the row of its class, over time."""
    rows = incidents.merge(found.table, on="incident_id")
    dated = rows[rows["started_at"].notna()]
    undated = len(rows) - len(dated)
    text = (
        f"Every one of {len(dated)} incidents that has a start is a dot in the row of its likeliest class; shape and colour "
        f"say who found it. {undated} without a known start are in the table only."
    )
    columns = {
        "incident_id": "Incident", "title": "Title", "day": "Started", "failure_class": "Class",
        "probability": "Probability",
        "second_class": "Second", "decided_by": "Decided by", "phrases": "What moved it", "source_uri": "Report",
    }  # fmt: skip
    listed = rows.assign(day=rows["started_at"].dt.strftime("%Y-%m-%d")).sort_values("day", ascending=False)
    return Panel(text, figures.incident_dots(dated, "failure_class", "", log=False), table(listed, columns))


def services(touched: pd.DataFrame) -> Panel:
    """Incidents per service with an interval. `touched`: one row per incident and service."""
    counts = touched["service"].dropna().value_counts()
    if counts.empty:
        return Panel("No report names the services it touched: incidents per service are not measured.")
    bounds = [intervals.poisson_count(int(n)) for n in counts]
    rows = pd.DataFrame(
        {
            "group": counts.index,
            "expected": counts.to_numpy(),
            "low": [b.low for b in bounds],
            "high": [b.high for b in bounds],
        }
    )
    rows = rows.sort_values(["expected", "group"], ascending=[False, True], ignore_index=True)
    without = int(touched["service"].isna().sum())
    nameless = f" {without} report(s) name no service." if without else ""
    text = (
        f"{touched['incident_id'].nunique()} incidents touched {len(rows)} services; an incident can touch several, so the "
        f"counts overlap. {rows['group'].iloc[0]} had most ({rows['expected'].iloc[0]}); where intervals overlap, the order "
        f"may be chance.{nameless} Drawn: the first {min(_MOST, len(rows))}."
    )
    columns = {"group": "Service", "expected": "Incidents", "low": "Low (95 %)", "high": "High (95 %)"}
    return Panel(text, figures.counts(rows.head(_MOST), "incidents, 95 % interval"), table(rows, columns))


def summary(found: Times) -> Panel:
    """Median per group with its interval, and every other figure in the table."""
    rows = found.table
    publish(
        {
            "text": found.text,
            f"times_{found.clock.name}": rows.replace(np.inf, np.nan)
            .round(4)
            .astype(object)
            .where(rows.notna(), None)
            .to_dict("records"),
        }
    )
    columns = {
        "group": "Group", "n": "n", "n_open": "Open", "n_missing": "Missing", "missing_reasons": "Why missing",
        "median_min": "Median (min)", "median_low": "Low", "median_high": "High",
        "geomean_min": "Geometric mean (min)", "geomean_low": "Low", "geomean_high": "High",
        "mean_min": "Mean (min)", "mean_low": "Low", "mean_high": "High",
        "km_median_min": "Median with open ones (min)", "km_median_low": "Low", "km_median_high": "High",
        "restricted_min": "Mean up to the limit (min)", "restricted_low": "Low", "restricted_high": "High",
        "restricted_to_min": "Limit (min)", "total_min": "Total of n (min)",
    }  # fmt: skip
    reached = [c for c in rows if str(c).startswith("km_")]
    shown = rows.assign(**{c: rows[c].map(_reached) for c in reached})
    if len(rows) < 2 or not rows["median_min"].notna().any():  # one group is told by the sentence
        return Panel(found.text, table=table(shown, columns))
    return Panel(found.text, figures.medians(rows), table(shown, columns))


def _reached(value: float) -> str | None:
    """Minutes as the tables show them, or 'not reached'."""
    return None if np.isnan(value) else "not reached" if np.isinf(value) else f"{value:.4g}"
