"""The panels of the page about times: random dates first, then every incident, then what can be claimed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ..analysis import agreement as stated_and_derived
from ..analysis import claims, clocks, drills, recording, signals, times
from ..analysis import placebo as random_dates
from ..errors import InputError
from ..moments import moment
from . import placebo_page
from .figures import causes as maps
from .figures import incidents as incident_figures
from .figures import times as figures
from .panels import Panel, Panels, publish, report_link, table


def day(date: str, gamedays: pd.DataFrame) -> pd.Timestamp | None:
    """First day of the later period to judge: as given, else the day after the first GameDay, else none."""
    if date:
        return pd.Timestamp(moment(date))
    return None if gamedays.empty else claims.after(gamedays["held_on"].min())


def placebo(incidents: pd.DataFrame, at: pd.Timestamp | None, clock: str) -> Panel:
    """What random dates "achieve", beside the date that is asked about. The verdict on it is `change`'s alone."""
    try:
        return placebo_page.panel(random_dates.placebo(incidents, at, clock))
    except InputError as error:
        return Panel(f"Random dates cannot be drawn: {error}")


def found_by(incidents: pd.DataFrame) -> Panel:
    """Who noticed first: customers' share stands first."""
    found = times.found_by(incidents)
    if found.n:
        first = found.table.iloc[0]
        share = {
            "n": found.n,
            "count": int(first["n"]),
            "low": round(first["low"], 4),
            "high": round(first["high"], 4),
        }
        publish({"found_by_customers": share})
    columns = {
        "detected_by": "Found by",
        "n": "Incidents",
        "share": "Share",
        "low": "Low (95 %)",
        "high": "High (95 %)",
    }
    if not found.n:
        return Panel(found.text)
    shares = ["share", "low", "high"]
    bars = found.table.assign(group=found.table["detected_by"], **{c: 100 * found.table[c] for c in shares})
    drawn = incident_figures.counts(
        bars.rename(columns={"share": "expected"}), "share of incidents (%), 95 % interval"
    )
    return Panel(found.text, drawn, table(found.table, columns))


def dots(incidents: pd.DataFrame, clock: str) -> Panel:
    """Every incident a dot that leads to its report: when it started and how long it took."""
    rows = incidents.reset_index(drop=True)
    found = clocks.durations(rows, clock)
    rows = rows.assign(minutes=found["minutes"], basis=found["basis"], reason=found["reason"])
    drawn = rows[rows["minutes"].notna() & rows["started_at"].notna()].reset_index(drop=True)
    which = clocks.clock_of(clock)
    text = (
        f"Every one of {len(drawn)} incidents with a start and a {which.title.lower()} ({which.definition}) is a dot; "
        "click it "
        f"for its report. The scale is logarithmic. {len(rows) - len(drawn)} of {len(rows)} cannot be drawn; the "
        "table says why."
    )
    columns = {
        "incident_id": "Incident", "title": "Title", "day": "Started", "minutes": "Minutes", "basis": "Basis",
        "reason": "Why not used", "detected_by": "Found by", "source_uri": "Report",
    }  # fmt: skip
    listed = rows.assign(day=rows["started_at"].dt.strftime("%Y-%m-%d")).sort_values("day", ascending=False)
    shown = drawn.assign(
        minutes=drawn["minutes"].clip(lower=0.5)
    )  # a recorded zero has no place on a log scale
    figure = (
        figures.linked_dots(shown, [report_link(uri) for uri in shown["source_uri"]]) if len(shown) else None
    )
    return Panel(text, figure, table(listed, columns, link="source_uri"))


def onsets(store: Any, incidents: pd.DataFrame, anchored: bool) -> pd.DataFrame | None:
    """When the series show that each began, where that was asked for: it reads every series that could tell."""
    from .. import views

    return views.onsets(store, incidents) if anchored else None


def change(
    incidents: pd.DataFrame, at: pd.Timestamp | None, clock: str, onset: pd.DataFrame | None = None
) -> Panel:
    """The claim about one date, and the exploratory comparisons beside it."""
    if at is None:
        return Panel("No GameDay and no date is given: there is nothing to compare before and after.")
    before, after, undated = claims.split(incidents, at)
    found = claims.compare(before, after, clock, onsets=onset)
    publish({"text": found.text, f"change_{clock}": {"date": f"{at:%Y-%m-%d}", **_numbers(found)}})
    columns = {
        "comparison": "Comparison", "role": "Role", "n_before": "n before", "n_after": "n after",
        "geomean_before_min": "Geometric mean before (min)", "geomean_after_min": "after (min)", "effect": "Ratio",
        "low": "Low (95 %)", "high": "High (95 %)", "p_value": "p", "p_adjusted": "p adjusted", "verdict": "Verdict",
    }  # fmt: skip
    says = [
        found.text,
        f"All {len(before)} incidents begun before {at:%Y-%m-%d} against all {len(after)} since.",
    ]
    if undated:
        says.append(f"{undated} incidents have no date and are in neither period.")
    drawn = figures.changes(found.table) if found.table["effect"].notna().any() else None
    return Panel(" ".join(says), drawn, table(found.table, columns))


def _numbers(found: claims.Claim) -> dict[str, Any]:
    def plain(value: float) -> float | None:
        return round(float(value), 4) if np.isfinite(value) else None

    first = found.table.iloc[0]
    return {
        "verdict": found.verdict,
        "effect": plain(found.effect),
        "interval": [plain(v) for v in found.interval],
        "p_value": plain(found.p_value),
        "smallest_fall": [plain(v) for v in found.mde],
        "n": [int(first["n_before"]), int(first["n_after"])],
        "reason": found.reason,
    }


def look_here(incidents: pd.DataFrame, clock: str) -> Panel:
    """Signals of the XmR chart: where to read a report."""
    found = signals.xmr(incidents, clock)
    rows = found.table[found.table["signal"].notna()].merge(
        incidents[["incident_id", "title", "source_uri"]], on="incident_id"
    )
    rows = rows.assign(day=rows["began"].dt.strftime("%Y-%m-%d"))
    columns = {
        "incident_id": "Incident", "title": "Title", "day": "Began", "minutes": "Minutes", "signal": "Signal",
        "source_uri": "Report",
    }  # fmt: skip
    if not np.isfinite(found.centre):
        return Panel(found.text)
    drawn = figures.signals(found.table, found.centre, found.low, found.high)
    return Panel(found.text, drawn, table(rows, columns, link="source_uri") if len(rows) else "")


def reporting(incidents: pd.DataFrame, quality: pd.DataFrame, gamedays: pd.DataFrame) -> Panels:
    """What reports state: quarter by quarter, and in the two months before and after each GameDay."""
    if quality.empty:
        return Panels(
            [
                Panel(
                    "No report whose components are known: whether people report as they did is not measured."
                )
            ]
        )
    panels = [_over_time(recording.components(incidents, quality))]
    columns = {
        "component": "Component", "n_before": "n before", "share_before": "Share before", "n_after": "n after",
        "share_after": "Share after", "low": "Difference, low", "high": "high",
    }  # fmt: skip
    for name, rows in recording.around(incidents, quality, gamedays).groupby("gameday_id", sort=False):
        before, after = int(rows["n_before"].max()), int(rows["n_after"].max())
        text = f"Around {name}: {before} reports of the two months before, {after} of the two months after."
        if min(before, after) < clocks.MIN_N:
            few = f"{text} {clocks.MIN_N} of each are needed to hold them side by side."
            panels.append(Panel(few, table=table(rows, columns)))
            continue
        moved = rows[(rows["low"] > 0) | (rows["high"] < 0)]
        text += (
            f" {len(moved)} of {len(rows)} components are stated more or less often by more than their interval allows"
            f"{': ' + ', '.join(moved['component']) if len(moved) else ''}; one in twenty would by chance."
        )
        panels.append(Panel(text, figures.stated(rows), table(rows, columns)))
    return Panels(panels)


def _over_time(shares: pd.DataFrame) -> Panel:
    """Which components reports state, per quarter: the quarters of few reports are in the table only."""
    enough = shares[(shares["n"] >= clocks.MIN_N) & (shares["quarter"] != "(undated)")]
    columns = {
        "quarter": "Quarter", "component": "Component", "n": "Reports", "present": "State it", "share": "Share",
        "low": "Low (95 %)", "high": "High (95 %)",
    }  # fmt: skip
    quarters = sorted(enough["quarter"].unique())
    if len(quarters) < 2:
        return Panel(
            "Fewer than two quarters hold ten reports: no course over time.", table=table(shares, columns)
        )
    shares_of = enough.groupby("component")["share"]
    uneven = (shares_of.max() - shares_of.min()).sort_values(ascending=False, kind="stable").index
    ordered = enough.assign(percent=100 * enough["share"]).set_index("component").loc[uneven].reset_index()
    least = ordered[ordered["component"] == uneven[0]].set_index("quarter")["share"]
    text = (
        f"What reports state, in percent, in the {len(quarters)} quarters of ten reports or more. The least even is "
        f"{uneven[0]}: {least[quarters[0]]:.0%} in {quarters[0]}, {least[quarters[-1]]:.0%} in {quarters[-1]}. A "
        "figure made from what other reports state is one of other incidents."
    )
    return Panel(text, maps.grid(ordered, "component", "quarter", "percent"), table(shares, columns))


def agreement(incidents: pd.DataFrame, timeline: pd.DataFrame, clock: str) -> Panel:
    """What reports state themselves beside what their moments give, per year, and where the two disagree."""
    found = stated_and_derived.beside(incidents, clock, timeline)
    publish({f"agreement_{clock}": found.text})
    columns = {
        "year": "Year", "n": "Reports", "n_stated": "State it", "median_stated_min": "Median stated (min)",
        "n_derived": "Give both moments", "median_derived_min": "Median derived (min)",
        "n_timeline": "Have a timeline", "median_timeline_min": "Median first to last line (min)",
    }  # fmt: skip
    off = found.disagreements.merge(incidents[["incident_id", "source_uri"]], on="incident_id")
    apart = {
        "incident_id": "Incident", "stated_min": "Stated (min)", "derived_min": "Derived (min)",
        "timeline_min": "Timeline (min)", "apart_min": "Apart (min)", "source_uri": "Report",
    }  # fmt: skip
    tables = table(found.table, columns) + (table(off, apart, link="source_uri") if len(off) else "")
    return Panel(found.text, table=tables)


def starts(incidents: pd.DataFrame, onset: pd.DataFrame | None) -> Panel:
    """Recorded starts beside the onsets of the series."""
    if onset is None:
        return Panel(
            "Starts are as people recorded them. `resilience compare --anchored --clock detect --date DATE` begins each "
            "where its series first moved, without which a change in recording cannot be told from one in detection; "
            "on this page, anchored = True in the notebook's first cell does."
        )
    found = recording.against_reality(incidents, onset)
    publish({"anchored": {"n": found.n, "anchored": found.anchored}})
    columns = {
        "incident_id": "Incident", "recorded_min": "Detect as recorded (min)", "start_late_min": "Start late by (min)",
        "start_late_low": "Low", "start_late_high": "High", "true_min": "Detect from onset (min)", "true_low": "Low",
        "true_high": "High", "bound": "Bound",
    }  # fmt: skip
    drawn = incident_figures.medians(found.medians) if found.medians["n"].min() else None
    return Panel(found.text, drawn, table(found.table, columns))


def rehearsed(
    gamedays: pd.DataFrame, experiments: pd.DataFrame, events: pd.DataFrame, clock: str = "mitigate"
) -> Panel:
    """Times of drills, apart from incidents: every experiment a dot, and survival to the time box."""
    found = drills.times(gamedays, experiments, events, clock)
    if found.table.empty:
        return Panel(found.text)
    columns = {
        "gameday_id": "GameDay", "title": "Experiment", "style": "Style", "outcome": "Outcome", "planned_min": "Time "
        "box (min)",
        "minutes": "Minutes",
    }  # fmt: skip
    return Panel(found.text, figures.drills(found.table, found.curve), table(found.table, columns))
