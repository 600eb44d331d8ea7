"""Tables -> plotly figures. The only place that knows plotly.

Colours are Okabe and Ito's, safe for colour-blind readers, and never the only sign: shapes and words repeat them.
Every text that came from a report is escaped: plotly reads a subset of HTML in labels.
"""

from __future__ import annotations

import html
import textwrap
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

BLUE, ORANGE, GREEN, RED, PURPLE, SKY, GREY = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#767676",
)  # fmt: skip
_CYCLE = [BLUE, RED, GREEN, ORANGE, PURPLE, SKY, GREY]
_DASHES = ["solid", "dash", "dot", "dashdot", "longdash", "longdashdot"]
_DETECTED = {
    "monitor": (BLUE, "circle"),
    "colleague": (GREEN, "square"),
    "customer": (RED, "diamond"),
    "partner": (PURPLE, "cross"),
    "unknown": (GREY, "circle-open"),
}


def label(text: Any, width: int = 0) -> str:
    """`text` made safe for a plotly label, wrapped at `width` characters where it is given."""
    words = " ".join(str(text).split())
    if len(words) > 300:
        words = words[:299] + "…"
    lines = textwrap.wrap(words, width) if width else [words]
    return "<br>".join(html.escape(line, quote=False) for line in lines or [""])


def _styled(figure: go.Figure, *, height: int, x: str = "", y: str = "") -> go.Figure:
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 44, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "system-ui, sans-serif", "size": 13},
        legend={"orientation": "h", "y": 1, "yref": "container", "yanchor": "top", "x": 0},
        hoverlabel={"align": "left"},
        template="none",
    )
    axis = {"automargin": True, "gridcolor": "rgba(128,128,128,.25)", "zeroline": False, "linecolor": GREY}
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis)
    if x:
        figure.update_xaxes(title_text=x)
    if y:
        figure.update_yaxes(title_text=y)
    return figure


def _times(at: pd.Series, zone: str) -> list[str]:
    """Local clock times; plotly draws naive ISO strings as they stand."""
    return at.dt.tz_convert(zone).dt.strftime("%Y-%m-%dT%H:%M:%S").tolist()


def _local(at: pd.Timestamp, zone: str) -> str:
    return at.tz_convert(zone).strftime("%Y-%m-%dT%H:%M:%S")


def draw_nothing() -> None:
    """Draw an empty figure and forget it: what plotly imports on first use is then imported."""
    figure = _styled(make_subplots(rows=1, cols=1), height=100)
    figure.add_scatter(x=[0], y=[0])
    figure.to_plotly_json()


_TICKS = {
    0.5: "30 s", 1: "1 min", 2: "2 min", 5: "5 min", 10: "10 min", 20: "20 min", 30: "30 min", 60: "1 h", 120: "2 h",
    240: "4 h", 480: "8 h", 960: "16 h", 1440: "1 day", 2880: "2 days", 5760: "4 days", 10080: "1 week", 20160: "2 weeks",
    40320: "4 weeks", 80640: "8 weeks", 161280: "16 weeks", 525600: "1 year",
}  # fmt: skip


def _duration_axis(minutes: Any) -> dict[str, Any]:
    """A logarithmic axis labelled as people say durations, with as many labels as there is room for."""
    low, high = float(np.nanmin(minutes)) / 1.3, float(np.nanmax(minutes)) * 1.3
    inside = [tick for tick in _TICKS if low <= tick <= high]
    ticks = inside[:: max(1, -(-len(inside) // 7))]
    return {
        "type": "log",
        "tickvals": ticks,
        "ticktext": [_TICKS[t] for t in ticks],
        "range": list(np.log10([low, high])),
    }


def counts(table: pd.DataFrame, x: str, *, zero: bool = True) -> go.Figure:
    """A dot per group with its interval, unknown drawn hollow. Columns: group, expected, low, high (may be null)."""
    rows = table.sort_values("expected", ascending=False, kind="stable")
    figure = go.Figure()
    figure.add_scatter(
        x=rows["expected"], y=[label(g) for g in rows["group"]], mode="markers",
        marker={
            "size": 11, "color": [GREY if g == "unknown" else BLUE for g in rows["group"]],
            "symbol": ["circle-open" if g == "unknown" else "circle" for g in rows["group"]],
        },
        error_x={"type": "data", "array": rows["high"] - rows["expected"],
                 "arrayminus": rows["expected"] - rows["low"], "color": GREY, "thickness": 1.5},
        hovertemplate="%{x:.3g}<extra>%{y}</extra>",
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed")
    if zero:
        figure.update_xaxes(rangemode="tozero")
    return _styled(figure, height=120 + 28 * len(rows), x=x)


def incident_dots(table: pd.DataFrame, y: str, y_title: str, *, log: bool) -> go.Figure:
    """Every incident a dot: started_at against column `y`, by who found it; hover names the report."""
    figure = go.Figure()
    for who, (colour, symbol) in _DETECTED.items():
        rows = table[table["detected_by"] == who]
        if rows.empty:
            continue
        figure.add_scatter(
            x=rows["started_at"].dt.strftime("%Y-%m-%dT%H:%M:%S").tolist(),
            y=[label(v) for v in rows[y]] if rows[y].dtype == "str" else rows[y],
            mode="markers", name=f"found by {who}" if who != "unknown" else "found by: unknown",
            marker={"color": colour, "symbol": symbol, "size": 8, "opacity": 0.85},
            text=[f"{label(i)} · {label(t, 50)}" for i, t in zip(rows["incident_id"], rows["title"], strict=True)],
            hovertemplate="%{text}<br>%{x|%Y-%m-%d} · %{y}<extra></extra>",
        )  # fmt: skip
    if log:
        figure.update_yaxes(**_duration_axis(table[y]))
    else:
        figure.update_yaxes(categoryorder="category descending")
    return _styled(figure, height=460, y=y_title)


def medians(table: pd.DataFrame, x: str) -> go.Figure:
    """Median with its interval per group, logarithmic. Columns: group, n, median_min, median_low, median_high."""
    rows = table[table["median_min"].notna()].copy()
    columns = ["median_min", "median_low", "median_high"]
    rows[columns] = bounds = rows[columns].clip(
        lower=0.5
    )  # a recorded zero has no place on a logarithmic axis
    figure = go.Figure()
    figure.add_scatter(
        x=rows["median_min"], y=[label(f"{g} (n={n})") for g, n in zip(rows["group"], rows["n"], strict=True)],
        mode="markers", marker={"size": 11, "color": BLUE},
        error_x={"type": "data", "array": rows["median_high"] - rows["median_min"],
                 "arrayminus": rows["median_min"] - rows["median_low"], "color": GREY, "thickness": 1.5},
        hovertemplate="%{x:.0f} min<extra>%{y}</extra>",
    )  # fmt: skip
    figure.update_xaxes(**_duration_axis(bounds))
    figure.update_yaxes(autorange="reversed")
    return _styled(figure, height=120 + 30 * max(len(rows), 1), x=x)


def week(table: pd.DataFrame, column: str) -> go.Figure:
    """Heatmap of the week: hour of the day against weekday. `table` has hour_of_week 0..167 and `column`."""
    grid = table.set_index("hour_of_week")[column].reindex(range(168)).to_numpy(dtype=float).reshape(7, 24)
    figure = go.Figure(
        go.Heatmap(
            z=np.round(grid, 3), x=list(range(24)), y=["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"],
            colorscale="Cividis", colorbar={"thickness": 14}, xgap=1, ygap=1,
            hovertemplate="%{y} %{x}:00 · %{z:.4g}<extra></extra>", hoverongaps=False,
        )
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed")
    return _styled(figure, height=330, x="hour of the day")


def band(table: pd.DataFrame, unit: str) -> go.Figure:
    """Median of each hour of the week with the 10-90 % band and the largest value seen."""
    rows = table.sort_values("hour_of_week")
    x = rows["hour_of_week"]
    figure = go.Figure()
    figure.add_scatter(
        x=x, y=rows["p90"], mode="lines", line={"width": 0}, showlegend=False, hoverinfo="skip"
    )
    figure.add_scatter(
        x=x, y=rows["p10"], mode="lines", line={"width": 0}, fill="tonexty", fillcolor="rgba(0,114,178,.22)",
        name="10-90 % of weeks", hoverinfo="skip",
    )  # fmt: skip
    figure.add_scatter(x=x, y=rows["p50"], mode="lines", line={"color": BLUE, "width": 2}, name="median")
    figure.add_scatter(
        x=x, y=rows["max"], mode="lines", line={"color": RED, "width": 1, "dash": "dot"}, name="largest seen"
    )
    figure.update_xaxes(
        tickvals=list(range(0, 168, 24)), ticktext=["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    )
    figure.update_yaxes(rangemode="tozero")
    return _styled(figure, height=340, y=unit)
