"""The panels of the page about capacity: the week, the room left, growth, what if, safe hours, what incidents cost."""

from __future__ import annotations

import pandas as pd

from ..analysis import dependencies
from ..analysis.capacity import Course, Exhaustion, Forecast, Headroom, Profile, SafeHours, WhatIf, impact
from ..analysis.grid import Spans
from ..analysis.movement import service_of
from ..errors import InputError
from .figures import capacity as figures
from .figures import incidents
from .panels import Panel, Panels, bullets, publish, table

_MOST = 15  # groups drawn in one figure; the table holds all


def _named(scopes: pd.Series) -> list[str]:
    return [service_of(str(scope)) or str(scope) for scope in scopes]


def week(found: Profile, metric: str, left_out: str) -> Panel:
    """The busiest scope's week as a map."""
    scope, rows, about = _busiest(found)
    missing = "cannot be counted" if pd.isna(about["n_missing"]) else f"{int(about['n_missing'])} missing"
    text = (
        f"The week of {scope}, the scope with the highest mean of {metric}: brighter is more, the median of each local hour "
        f"over {int(about['n']):,} values ({missing}, {int(about['n_excluded'])} left out). {left_out}"
    )
    return Panel(text, figures.week(rows, "p50"))


def spread(found: Profile, metric: str) -> Panel:
    """Median, 10-90 % band and largest value per hour of the week of the busiest scope."""
    scope, rows, _ = _busiest(found)
    text = (
        f"How far single weeks stray from the median of {scope}: the band holds 80 % of them, the dotted line is the "
        "largest ever seen in that hour. Growth over the years is part of the spread."
    )
    columns = {
        "hour_of_week": "Hour of week", "n": "n", "n_missing": "Missing", "p10": "10 %", "p50": "Median", "p90": "90 %",
        "max": "Largest",
    }  # fmt: skip
    return Panel(text, figures.band(rows, metric), table(rows, columns))


def _busiest(found: Profile) -> tuple[str, pd.DataFrame, pd.Series]:
    scopes = found.scopes.sort_values(["mean", "scope"], ascending=[False, True]).set_index("scope")
    scope = str(scopes.index[0])
    return scope, found.table[found.table["scope"] == scope], scopes.loc[scope]


def busiest(found: Profile) -> str:
    """The scope with the highest mean."""
    return _busiest(found)[0]


def room(carried: Headroom, left: Exhaustion) -> Panels:
    """Room left per service, and when it ends, the first to run out first."""
    publish({"text": left.text, "headroom": carried.text})
    rows = left.table.assign(group=_named(left.table["scope"]))
    columns = {
        "group": "Service", "limit": "Carries", "at_least": "At least", "busiest": "Busiest hour", "used": "Used",
        "state": "State", "from": "From", "to": "To", "since": "Since", "growth_pct": "Growth a year (%)",
        "growth_low": "Low (80 %)", "growth_high": "High (80 %)", "n_weeks": "Weeks", "error_pct": "Backtest error (%)",
        "reason": "Why not known",
    }  # fmt: skip
    shown = rows.assign(
        **{"from": _days(rows["earliest"]), "to": _days(rows["latest"]), "since": _days(rows["since"])},
        at_least=rows["at_least"].map({True: "yes", False: "no"}),
    )
    drawn = rows[rows["used"].notna()].sort_values(["at_least", "used"], ascending=[True, False])
    numbers = table(shown, columns, {"used": ".0%"})
    if drawn.empty:
        return Panels([Panel(f"{carried.text} {left.text}", table=numbers)])
    some = drawn.head(_MOST + 5)
    fullest = f" Drawn are the {len(some)} fullest of {len(rows)}." if len(some) < len(rows) else ""
    first = Panel(
        f"{carried.text} A dot beyond the line is a service whose ordinary week needs more than it carries.{fullest}",
        figures.room(some),
    )
    soon = rows[rows["state"] == "within the horizon"].head(_MOST)
    if soon.empty:
        return Panels([first, Panel(left.text, table=numbers)])
    end = (
        rows["latest"].max()
        if rows["latest"].notna().any()
        else soon["earliest"].max() + pd.Timedelta(days=90)
    )
    return Panels([first, Panel(left.text, figures.dates(soon.assign(end=end)), numbers)])


def _days(at: pd.Series) -> pd.Series:
    return at.dt.strftime("%Y-%m-%d")


def first_out(left: Exhaustion, fallback: str) -> str:
    """The scope that runs out next, else the fullest whose limit is known, else `fallback`."""
    rows = left.table[~left.table["at_least"]]
    soon = rows[rows["state"] == "within the horizon"]
    known = rows[rows["used"].notna()]
    return str((soon if len(soon) else known)["scope"].iloc[0]) if len(known) else fallback


def growth(left: Exhaustion, found: Course, unit: str) -> Panels:
    """The course of one scope, and the growth of all."""
    panels = [Panel(found.text, figures.course(found.table, found.limit, unit) if len(found.table) else None)]
    rows = left.table.dropna(subset="growth_pct").sort_values(
        "growth_pct", ascending=False, ignore_index=True
    )
    if len(rows):
        sure = int(((rows["growth_low"] > 0) | (rows["growth_high"] < 0)).sum())
        bars = rows.assign(group=_named(rows["scope"])).rename(
            columns={"growth_pct": "expected", "growth_low": "low", "growth_high": "high"}
        )
        some = bars if len(bars) <= 2 * _MOST else pd.concat([bars.head(_MOST), bars.tail(5)])
        few = (
            ""
            if len(some) == len(bars)
            else f" Drawn: the {_MOST} that grow fastest and the 5 that grow slowest."
        )
        text = (
            f"Growth per year with its 80 % interval, the season taken out: on {sure} of {len(rows)} scopes it can be told "
            f"from none.{few}"
        )
        panels.append(Panel(text, incidents.counts(some, "growth per year (%)", zero=False)))
    return Panels(panels)


def ahead(found: Forecast, unit: str, zone: str) -> Panel:
    """The weeks ahead of one scope, and how such forecasts went."""
    columns = {
        "scope": "Scope", "weeks_ahead": "Weeks ahead", "n_weeks": "Weeks tried", "n": "Values", "error": "Mean error",
        "naive_error": "Last week again", "gain_pct": "Smaller by (%)", "covered80": "Within 80 % (%)",
        "covered95": "Within 95 % (%)", "reason": "Why not",
    }  # fmt: skip
    drawn = found.table.dropna(subset="expected")
    return Panel(
        found.text, figures.ahead(drawn, unit, zone) if len(drawn) else None, table(found.backtest, columns)
    )


def what_if(found: WhatIf) -> Panel:
    """What would have broken in the last weeks."""
    rows = found.table.assign(group=_named(found.table["scope"]))
    columns = {
        "group": "Service", "state": "State", "capacity": "Would carry", "peak": "Peak asked", "used": "Peak / capacity",
        "over_min_per_week": "Minutes beyond, a week", "over_least": "Best week", "over_most": "Worst week",
        "carries_times": "Carries k times", "reason": "Why not known",
    }  # fmt: skip
    judged = rows[rows["state"].isin(["breaks", "holds"]) & rows["carries_times"].notna()]
    some = judged.sort_values("carries_times").head(_MOST).assign(times=found.times)
    if some.empty:
        return Panel(found.text, table=table(rows, columns))
    few = (
        f" Drawn are the {len(some)} with least room of {len(judged)} whose answer is known."
        if len(some) < len(judged)
        else ""
    )
    return Panel(found.text + few, figures.carries(some), table(rows, columns))


def windows(found: SafeHours, zone: str) -> Panel:
    """The hours of the week at which most of the services may be tried."""
    rows = found.table.assign(
        best=found.table["best_at"].dt.tz_convert(zone).dt.strftime("%a %Y-%m-%d %H:%M"),
        share=found.table["n_safe"] / found.table["n"].where(found.table["n"] > 0),
    )
    columns = {
        "target": "Service", "n": "Starts", "share": "Safe", "best": f"Most room ({zone})", "room": "Stays free",
        "closed_by": "What closes most others", "reason": "Why not judged",
    }  # fmt: skip
    numbers = table(rows, columns, {"share": ".0%", "room": ".0%"})
    if not found.table["n_safe"].any():
        return Panel(found.text, table=numbers)
    text = f"{found.text} Brighter: safe on more of them at that hour, over the weeks ahead."
    return Panel(text, figures.week(found.hours, "safe", ".0%"), numbers)


def cost(series: pd.DataFrame, of_incidents: pd.DataFrame, exclude: Spans, metric: str, zone: str) -> Panel:
    """What incidents cost, the dearest first."""
    try:
        found = impact(series, of_incidents, zone, metric=metric, exclude=exclude)
    except InputError as error:
        return Panel(f"What incidents cost was not measured: {error}")
    rows = found.table.assign(
        group=found.table["incident_id"] + " · " + pd.Series(_named(found.table["scope"].fillna("–")))
    )
    lost = rows[rows["verdict"] == "lost"].head(_MOST)
    columns = {
        "group": "Incident and service", "expected": "Expected", "lost": "Lost", "lost_low": "Low (95 %)",
        "lost_high": "High (95 %)", "lost_pct": "Of expected (%)", "came_back": "Came back in a day", "verdict": "Verdict",
        "n_missing": "Hours missing", "reason": "Why not measured",
    }  # fmt: skip
    return Panel(
        found.text, figures.losses(lost, metric) if len(lost) else None, table(rows.head(200), columns)
    )


def hidden(
    series: pd.DataFrame, edges: pd.DataFrame, of_incidents: pd.DataFrame, metric: str, zone: str
) -> Panel | Panels:
    """Pairs that move or fail together although nobody declares it."""
    try:
        found = dependencies.candidates(series, edges, of_incidents, metric=metric, zone=zone)
    except InputError as error:
        return Panel(f"Hidden dependencies were not looked for: {error}")
    columns = {
        "service": "Service", "follower": "Follower", "lag_h": "Hours later", "correlation": "Correlation",
        "together": "Incidents together", "expected": "By chance", "evidence": "Evidence",
    }  # fmt: skip
    if found.table.empty:
        return Panel(found.text)
    first = found.table.head(12)
    rest = f" The first {len(first)} stand here." if len(first) < len(found.table) else ""
    return Panels(
        [
            Panel(found.text + rest),
            Panel("", body=bullets(first["evidence"].tolist())),
            Panel("", table=table(found.table, columns)),
        ]
    )
