"""Figures of capacity: the week, the room left, dates, growth, what if, safe hours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from .theme import BLUE, GREY, RED, label, styled


def week(table: pd.DataFrame, column: str, form: str = ".4g") -> go.Figure:
    """Heatmap of the week: hour of the day against weekday. `table` has hour_of_week 0..167 and `column`."""
    grid = table.set_index("hour_of_week")[column].reindex(range(168)).to_numpy(dtype=float).reshape(7, 24)
    figure = go.Figure(
        go.Heatmap(
            z=np.round(grid, 3), x=list(range(24)), y=["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"],
            colorscale="Cividis", colorbar={"thickness": 14, "tickformat": form if form != ".4g" else ""}, xgap=1, ygap=1,
            hovertemplate=f"%{{y}} %{{x}}:00 · %{{z:{form}}}<extra></extra>", hoverongaps=False,
        )
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed")
    return styled(figure, height=330, x="hour of the day")


def band(table: pd.DataFrame, unit: str) -> go.Figure:
    """Median of each hour of the week with the 10-90 % band and the largest value seen."""
    rows = table.sort_values("hour_of_week")
    x = rows["hour_of_week"]
    figure = go.Figure()
    _shade(figure, x, rows["p10"], rows["p90"], "10-90 % of weeks")
    figure.add_scatter(x=x, y=rows["p50"], mode="lines", line={"color": BLUE, "width": 2}, name="median")
    figure.add_scatter(
        x=x, y=rows["max"], mode="lines", line={"color": RED, "width": 1, "dash": "dot"}, name="largest seen"
    )
    figure.update_xaxes(
        tickvals=list(range(0, 168, 24)), ticktext=["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    )
    figure.update_yaxes(rangemode="tozero")
    return styled(figure, height=340, y=unit)


def room(table: pd.DataFrame) -> go.Figure:
    """Share of its limit that each service's busiest hour needs; the line is all of it. Columns: group, used, at_least,

    busiest, and low, high of the limit (may be null)."""
    figure = go.Figure()
    for least, name, symbol in (
        (False, "limit known", "circle"),
        (True, "limit at least this", "circle-open"),
    ):
        rows = table[table["at_least"] == least]
        if rows.empty:
            continue
        figure.add_scatter(
            x=100 * rows["used"], y=[label(g, 30) for g in rows["group"]], mode="markers", name=name,
            marker={"size": 11, "symbol": symbol, "color": [RED if u >= 1 else BLUE for u in rows["used"]]},
            error_x={
                "type": "data", "array": 100 * (rows["busiest"] / rows["low"] - rows["used"]),
                "arrayminus": 100 * (rows["used"] - rows["busiest"] / rows["high"]), "color": GREY, "thickness": 1.5,
            },
            hovertemplate="%{x:.0f} %<extra>%{y}</extra>",
        )  # fmt: skip
    figure.add_vline(x=100, line={"color": GREY, "dash": "dash", "width": 1.5})
    figure.update_yaxes(
        autorange="reversed", categoryorder="array", categoryarray=[label(g, 30) for g in table["group"]]
    )
    figure.update_xaxes(rangemode="tozero", ticksuffix=" %")
    return styled(figure, height=130 + 26 * len(table), x="share of what it carries")


def dates(table: pd.DataFrame) -> go.Figure:
    """When each service runs out: 80 % interval and likeliest date. Columns: group, earliest, likely, latest, end."""
    figure = go.Figure()
    names = [label(g, 30) for g in table["group"]]
    open_end = table["latest"].isna()
    for name, low, high, unsure in zip(
        names, table["earliest"], table["latest"].fillna(table["end"]), open_end, strict=True
    ):
        figure.add_scatter(
            x=[f"{low:%Y-%m-%d}", f"{high:%Y-%m-%d}"], y=[name, name], mode="lines+markers", showlegend=False,
            line={"color": BLUE, "width": 6}, marker={"symbol": ["line-ns", "triangle-right" if unsure else "line-ns"],
            "size": 10, "color": BLUE}, hovertemplate="%{x}<extra>%{y}</extra>",
        )  # fmt: skip
    known = table["likely"].notna()
    figure.add_scatter(
        x=table.loc[known, "likely"].dt.strftime("%Y-%m-%d").tolist(), y=[n for n, k in zip(names, known, strict=True) if k],
        mode="markers", showlegend=False, marker={"size": 10, "color": RED, "symbol": "diamond"},
        hovertemplate="likeliest %{x}<extra>%{y}</extra>",
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed", categoryorder="array", categoryarray=names)
    return styled(figure, height=130 + 26 * len(table), x="date")


def course(table: pd.DataFrame, limit: float, unit: str) -> go.Figure:
    """The busiest hour of each week, what is expected, and the limit. Columns: at, asked, expected, low, high."""
    at = table["at"].dt.strftime("%Y-%m-%d").tolist()
    figure = go.Figure()
    _shade(figure, at, table["low"], table["high"], "80 % of what is expected")
    figure.add_scatter(
        x=at, y=table["expected"], mode="lines", line={"color": BLUE, "width": 2}, name="expected"
    )
    figure.add_scatter(
        x=at, y=table["asked"], mode="markers", marker={"color": GREY, "size": 5}, name="one week"
    )
    if limit > 0:
        figure.add_scatter(
            x=[at[0], at[-1]],
            y=[limit, limit],
            mode="lines",
            line={"color": RED, "width": 2, "dash": "dash"},
            name="limit",
        )
    figure.update_yaxes(rangemode="tozero")
    return styled(figure, height=360, y=unit)


def ahead(table: pd.DataFrame, unit: str, zone: str) -> go.Figure:
    """The weeks ahead with both intervals. `table`: at, expected, low80, high80, low95, high95 of one scope."""
    at = table["at"].dt.tz_convert(zone).dt.strftime("%Y-%m-%dT%H:%M:%S").tolist()
    figure = go.Figure()
    for share, opacity in ((95, 0.14), (80, 0.28)):
        _shade(figure, at, table[f"low{share}"], table[f"high{share}"], f"{share} %", opacity)
    figure.add_scatter(
        x=at, y=table["expected"], mode="lines", line={"color": BLUE, "width": 1.5}, name="expected"
    )
    figure.update_yaxes(rangemode="tozero")
    return styled(figure, height=340, y=unit)


def breaking(table: pd.DataFrame, marks: Mapping[float, str]) -> go.Figure:
    """How many services are asked for more than they carry at k times the load. Columns: carries_times, at_least.

    `marks`: k -> what it stands for. Those of which only the highest load carried is known are stacked on top, paler.
    """
    most = 1.25 * max(marks)
    known = np.sort(table.loc[~table["at_least"], "carries_times"].to_numpy(dtype=float))
    vague = np.sort(table.loc[table["at_least"], "carries_times"].to_numpy(dtype=float))
    k = np.unique(np.r_[0.0, known[known < most], vague[vague < most], most])
    sure, maybe = np.searchsorted(known, k, side="right"), np.searchsorted(vague, k, side="right")
    figure = go.Figure()
    x = np.round(k, 3)
    figure.add_scatter(
        x=x, y=sure, mode="lines", line={"shape": "hv", "width": 1.5, "color": RED}, fill="tozeroy",
        fillcolor="rgba(213,94,0,.45)", name="more than they carry",
        hovertemplate="%{x:.2f} times: %{y}<extra>more than they carry</extra>",
    )  # fmt: skip
    if len(vague):
        figure.add_scatter(
            x=x, y=sure + maybe, mode="lines", line={"shape": "hv", "width": 1.5, "color": GREY, "dash": "dot"},
            fill="tonexty", fillcolor="rgba(128,128,128,.22)", name="more than ever before: may hold", customdata=maybe,
            hovertemplate="%{x:.2f} times: %{customdata}<extra>more than ever before: may hold</extra>",
        )  # fmt: skip
    for at, text in marks.items():
        figure.add_vline(
            x=at, line={"color": GREY, "dash": "dash", "width": 1.5}, annotation_text=label(text),
            annotation_position="top left", annotation_textangle=-90, annotation_font_size=12,
        )  # fmt: skip
    figure.update_yaxes(range=[0, 1.35 * max(len(table), 1)])  # the marks' words stand above
    figure.update_xaxes(range=[min(0.8, float(k[1]) if len(k) > 1 else 0.8), most])
    return styled(figure, height=360, x="times the load", y="services")


def losses(table: pd.DataFrame, unit: str) -> go.Figure:
    """What each incident lost with its range. Columns: group, lost, lost_low, lost_high."""
    figure = go.Figure()
    figure.add_scatter(
        x=table["lost"], y=[label(g, 40) for g in table["group"]], mode="markers", marker={"size": 10, "color": RED},
        error_x={
            "type": "data", "array": table["lost_high"] - table["lost"], "arrayminus": table["lost"] - table["lost_low"],
            "color": GREY, "thickness": 1.5,
        },
        hovertemplate="%{x:,.3s}<extra>%{y}</extra>",
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed")
    figure.update_xaxes(rangemode="tozero")
    return styled(figure, height=120 + 28 * len(table), x=f"{unit} lost (95 %)")


def _shade(
    figure: go.Figure, x: Sequence[Any], low: pd.Series, high: pd.Series, name: str, opacity: float = 0.22
) -> None:
    """Add the span between `low` and `high`, in the legend as `name`."""
    edge = {"x": x, "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
    figure.add_scatter(y=high, showlegend=False, **edge)
    figure.add_scatter(y=low, fill="tonexty", fillcolor=f"rgba(0,114,178,{opacity:g})", name=name, **edge)
