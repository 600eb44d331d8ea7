"""The panels of the page about capacity: the week, the room left, growth, what if, safe hours, what incidents cost."""

from __future__ import annotations

import pandas as pd

from ..analysis import dependencies
from ..analysis.capacity import Course, Exhaustion, Forecast, Headroom, Profile, SafeHours, WhatIf, impact
from ..analysis.exhaustion import window
from ..analysis.grid import Spans
from ..analysis.movement import how_many, owner
from ..analysis.profile import DAYS
from ..errors import InputError
from .figures import capacity as figures
from .figures import incidents
from .panels import Panel, Panels, bullets, count, publish, table

_MOST = 15  # groups drawn in one figure; the table holds all


def _named(scopes: pd.Series) -> list[str]:
    return [owner(str(scope)) for scope in scopes]


def _services(n: int) -> str:
    return count(n, "service")


def rests_on(found: Profile, metric: str, left_out: str) -> Panel:
    """What every figure of the page is made from, and what was left out of it."""
    rows = found.scopes
    missing = rows["n_missing"].sum(min_count=1)
    text = (
        f"{_services(len(rows))} of {metric}, {rows['first'].min():%Y-%m-%d} to {rows['last'].max():%Y-%m-%d}: "
        f"{rows['n'].sum():,} values used, {'-' if pd.isna(missing) else f'{missing:,.0f}'} missing (never read as zero), "
        f"{rows['n_excluded'].sum():,} left out. {left_out}{found.aside}"
    )
    return Panel(text)


def week(found: Profile, metric: str) -> Panel:
    """The busiest scope's week as a map, and how peaked every scope is."""
    scope, rows, about = _busiest(found)
    missing = "gaps not countable" if pd.isna(about["n_missing"]) else f"{int(about['n_missing']):,} missing"
    text = (
        f"The week of {owner(scope)}, which has the highest mean of {metric}: brighter is more, the median of each local "
        f"hour over {int(about['n']):,} values ({missing}, {int(about['n_excluded']):,} left out). Its highest hour is "
        f"{about['peak_to_mean']:.1f} times its mean"
    )
    if pd.notna(about["excluded_max"]):
        text += f"; of what was left out, sales among it, {about['excluded_max'] / about['mean']:.1f} times"
    columns = {
        "group": "Service", "mean": "Mean", "max": "Highest", "peak_to_mean": "Highest / mean", "n": "Values",
        "n_missing": "Missing", "n_excluded": "Left out", "excluded_max": "Highest left out", "busiest": "Busiest hour",
    }  # fmt: skip
    every = found.scopes.sort_values("peak_to_mean", ascending=False, ignore_index=True)
    hour = every["busiest_hour"]
    every = every.assign(
        group=_named(every["scope"]),
        busiest=[
            f"{DAYS[h // 24][:3]} {h % 24:02d}:00" if h >= 0 else None for h in hour.fillna(-1).astype(int)
        ],
    )
    return Panel(f"{text}.", figures.week(rows, "p50"), table(every, columns))


def spread(found: Profile, unit: str) -> Panel:
    """Median, 10-90 % band and largest value per hour of the week of the busiest scope."""
    scope, rows, about = _busiest(found)
    text = (
        f"How far single weeks stray from the median of {owner(scope)} ({int(about['n']):,} values): the band holds 80 % of "
        "them, the dotted line is the largest ever seen in that hour. Growth over the years is part of the spread."
    )
    columns = {
        "hour_of_week": "Hour of week", "n": "n", "n_missing": "Missing", "p10": "10 %", "p50": "Median", "p90": "90 %",
        "max": "Largest",
    }  # fmt: skip
    return Panel(text, figures.band(rows, unit), table(rows, columns))


def per(series: pd.DataFrame) -> str:
    """Words for the unit of `series`: 'hits per hour'."""
    row = series.iloc[0]
    unit = "" if pd.isna(row["unit"]) else str(row["unit"])
    if row["rollup"] not in ("sum", "count"):
        return unit
    minutes = row["interval_s"] / 60
    every = "hour" if minutes == 60 else "minute" if minutes == 1 else f"{minutes:g} minutes"
    unit = "request" if unit == "req" else unit
    return f"{unit}{'s' * bool(unit and not unit.endswith('s'))} per {every}".strip()


def _busiest(found: Profile) -> tuple[str, pd.DataFrame, pd.Series]:
    scopes = found.scopes.sort_values(["mean", "scope"], ascending=[False, True]).set_index("scope")
    scope = str(scopes.index[0])
    return scope, found.table[found.table["scope"] == scope], scopes.loc[scope]


def busiest(found: Profile) -> str:
    """The scope with the highest mean."""
    return _busiest(found)[0]


def room(carried: Headroom, left: Exhaustion) -> Panels:
    """Room left per service, and when it ends, the first to run out first."""
    short = _in_short(left.table)
    publish({"text": short, "dates": left.text, "headroom": carried.text})
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
    numbers = table(shown, columns, {"used": ".0%"})
    drawn = rows[rows["used"].notna()].sort_values(["at_least", "used"], ascending=[True, False])
    if drawn.empty:
        return Panels([Panel(short), Panel(f"{carried.text} {left.text}", table=numbers)])
    some = drawn.head(2 * _MOST).merge(carried.table[["scope", "low", "high"]], on="scope", how="left")
    text = (
        "The busiest hour of an ordinary week as a share of what each service carries: right of the line it needs more. "
        f"Bars are 95 % intervals of what it carries. {carried.goal or carried.text}"
    )
    text += f" Drawn are the {len(some)} fullest." if len(some) < len(rows) else ""
    panels = [Panel(short), Panel(text, figures.room(some))]
    soon = rows[rows["state"] == "within the horizon"].head(_MOST)
    if soon.empty:
        return Panels([*panels, Panel(left.rests_on, table=numbers)])
    end = (
        rows["latest"].max()
        if rows["latest"].notna().any()
        else soon["earliest"].max() + pd.Timedelta(days=90)
    )
    every = rows[rows["state"] == "within the horizon"]
    again = int(every["since"].notna().sum())
    text = (
        f"When the next {len(soon)} of {len(every)} will need all that they carry: a bar holds the date 8 times in 10, the "
        f"diamond is the likeliest. {left.rests_on}"
    )
    text += f" {again} of them needed more before, in another season." if again else ""
    return Panels([*panels, Panel(text, figures.dates(soon.assign(end=end)), numbers)])


def _in_short(rows: pd.DataFrame) -> str:
    """What `rows` of `Exhaustion.table` come to, for people who read nothing else."""
    known, least = rows["limit"].notna() & ~rows["at_least"], rows["limit"].notna() & rows["at_least"]
    over, soon, unseen = (
        rows["state"] == name for name in ("exhausted", "within the horizon", "beyond what was seen")
    )
    ahead = f"within {rows['horizon_weeks'].max()} weeks"
    if known.any():
        says = (
            f"{int(known.sum())} of {how_many(rows['scope'])} were seen to break their objective under load, so what they "
            f"carry is known: {int(over.sum())} already need more than that in the busiest hour of an ordinary week, "
            f"{int(soon.sum())} may {ahead}."
        )
    else:
        says = f"None of {how_many(rows['scope'])} was seen to break its objective under load, so no limit is known."
    if soon.any():
        says += f" Next: {owner(str(rows.loc[soon, 'scope'].iloc[0]))}, {window(rows[soon].iloc[0])}."
    if least.any():
        says += (
            f" {'The other ' if known.any() else ''}{int(least.sum())} were never at their limit: they carry at least the "
            "most that was asked of them, and nobody knows how much more"
        )
        says += f"; {int(unseen.sum())} of them will be asked for more {ahead}" if unseen.any() else ""
        says += ", and a load test would tell." if unseen.any() else "."
    if rest := int((~known & ~least).sum()):
        says += f" Of {rest} nothing can be said."
    return says


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
            "Growth per year once the season is taken out, with the range that holds it 8 times in 10; left of the line "
            f"load shrinks. It can be told from none on {sure} of {how_many(rows['scope'])}.{few}"
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
    text = f"{', '.join(_named(found.backtest['scope'].unique()))}: {found.text}"
    return Panel(
        text, figures.ahead(drawn, unit, zone) if len(drawn) else None, table(found.backtest, columns)
    )


def what_if(as_was: WhatIf, gone: WhatIf, more: WhatIf, instances: int) -> Panel:
    """How many services break as load rises, with the load as it was, one instance gone, and a multiple of it marked."""
    rows = as_was.table.assign(group=_named(as_was.table["scope"])).sort_values(
        "carries_times", ignore_index=True
    )
    others = {"gone": gone, "more": more}
    for name, other in others.items():
        state = other.table[["scope", "state", "over_min_per_week"]]
        rows = rows.merge(state, on="scope", suffixes=("", f"_{name}"))
    judged = rows[rows["carries_times"].notna()]
    known = ~judged["at_least"]
    columns = {
        "group": "Service", "carries_times": "Carries k times its highest load", "at_least": "At least",
        "state": "As it was", "over_min_per_week": "Minutes beyond, a week", "state_gone": f"One of {instances} gone",
        "over_min_per_week_gone": "Minutes, one gone", "state_more": f"{more.times:g} times",
        "over_min_per_week_more": f"Minutes, {more.times:g} times", "reason": "Why not known",
    }  # fmt: skip
    numbers = table(rows.assign(at_least=rows["at_least"].map({True: "yes", False: "no"})), columns)
    if judged.empty:
        return Panel(as_was.text, table=numbers)
    breaks = [int((found.table["state"] == "breaks").sum()) for found in (as_was, gone, more)]
    text = (
        f"The last ordinary weeks again, with more load. Of {_services(int(known.sum()))} whose limit is known {breaks[0]} "
        f"were asked for more than they carry in some hour; with one of {instances} instances gone it would have been "
        f"{breaks[1]}, at {more.times:g} times the load {breaks[2]}."
    )
    if not known.all():
        text += f" Pale: of {int((~known).sum())} more only the highest load carried is known, beyond which they may hold."
    text += " Retries and failover that a fault brings are not in it."
    marks = {1.0: "as it was", more.times: f"{more.times:g}x"}
    if instances > 1:
        marks[instances / (instances - 1)] = f"1 of {instances} gone"
    return Panel(text, figures.breaking(judged, marks), numbers)


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
    unit = per(series).partition(" per ")[0] or metric
    return Panel(
        found.text, figures.losses(lost, unit) if len(lost) else None, table(rows.head(200), columns)
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
