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
_SYMBOLS = {"alerted": "triangle-up", "diagnosed": "diamond", "mitigated": "circle"}
_MOMENT_COLOURS = {"alerted": ORANGE, "diagnosed": PURPLE, "mitigated": BLUE}
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


def heroes(table: pd.DataFrame) -> go.Figure:
    """Per experiment: its time box as a bar, the minutes of alert, diagnosis and mitigation as marks."""
    names = [label(f"{row.position}. {row.title}", 26) for row in table.itertuples()]
    figure = go.Figure()
    figure.add_bar(
        y=names, x=table["planned_min"], orientation="h", name="time box", width=0.5, hoverinfo="x",
        marker={"color": "rgba(128,128,128,.22)", "line": {"color": GREY, "width": 1}},
    )  # fmt: skip
    for moment, symbol in _SYMBOLS.items():
        figure.add_scatter(
            y=names, x=table[f"{moment}_min"], mode="markers", name=moment,
            marker={"symbol": symbol, "size": 13, "color": _MOMENT_COLOURS[moment], "line": {"width": 1, "color": "#fff"}},
            hovertemplate="%{x:.0f} min<extra>" + moment + "</extra>",
        )  # fmt: skip
    open_ = table[table["censored"]]
    if len(open_):
        figure.add_scatter(
            y=[names[i] for i in open_.index], x=open_["planned_min"], mode="markers", name="not solved in the box",
            marker={"symbol": "x-thin-open", "size": 14, "color": RED, "line": {"width": 3}},
            hovertemplate="still open at %{x:.0f} min<extra></extra>",
        )  # fmt: skip
    figure.update_yaxes(autorange="reversed")
    figure.update_layout(barmode="overlay")
    figure.update_xaxes(rangemode="tozero")
    return _styled(figure, height=140 + 58 * len(table), x="minutes after the fault")


def probes(
    panels: list[dict[str, Any]], fault: tuple[Any, Any], events: pd.DataFrame, zone: str
) -> go.Figure:
    """One row of axes per series: points, tolerance band, fault window shaded, the heroes' moments as lines.

    Each of `panels` has title, points (at, value), unit, low, high, and expected (a level predicted before).
    """
    figure = make_subplots(
        rows=len(panels), cols=1, shared_xaxes=True, vertical_spacing=min(0.12, 0.3 / len(panels)),
        subplot_titles=[label(panel["title"], 60) for panel in panels],
    )  # fmt: skip
    for row, panel in enumerate(panels, 1):
        points = panel["points"]
        figure.add_scatter(
            x=_times(points["at"], zone), y=points["value"].astype("float32").round(4), mode="lines+markers",
            marker={"size": 3}, line={"color": BLUE, "width": 1.6}, connectgaps=False, showlegend=False,
            hovertemplate="%{x|%H:%M} · %{y:.4g}<extra></extra>", row=row, col=1,
        )  # fmt: skip
        for bound, dash in (("low", "dash"), ("high", "dash"), ("expected", "dot")):
            value = panel.get(bound)
            if value is not None and not pd.isna(value):
                colour = ORANGE if bound == "expected" else RED
                figure.add_hline(
                    y=value, line={"color": colour, "dash": dash, "width": 1.6}, row=row, col=1,
                    annotation={
                        "text": {"low": "lowest allowed", "high": "highest allowed", "expected": "predicted"}[bound],
                        "font": {"size": 11, "color": colour},
                        "yanchor": "top" if bound == "low" else "bottom",
                    },
                    annotation_position="top left",
                )  # fmt: skip
        figure.update_yaxes(title_text=label(panel["unit"] or "", 18), rangemode="tozero", row=row, col=1)
    figure.add_vrect(
        x0=_local(fault[0], zone),
        x1=_local(fault[1], zone),
        fillcolor=GREY,
        opacity=0.16,
        line_width=0,
        row="all",
        col=1,
    )
    for event in events[events["moment"].isin(_SYMBOLS)].itertuples():
        figure.add_vline(
            x=_local(event.at, zone), row="all", col=1,
            line={"color": _MOMENT_COLOURS[event.moment], "width": 1.5, "dash": "dashdot"},
        )  # fmt: skip
        figure.add_scatter(
            x=[_local(event.at, zone)], y=[0], mode="markers", name=event.moment,
            marker={"symbol": _SYMBOLS[event.moment], "size": 10, "color": _MOMENT_COLOURS[event.moment]},
            hovertemplate="%{x|%H:%M}<extra>" + event.moment + "</extra>", row=len(panels), col=1,
        )  # fmt: skip
    figure.update_xaxes(tickformat="%H:%M")
    figure = _styled(figure, height=90 + 190 * len(panels))
    figure.update_annotations(font_size=12)
    figure.update_layout(margin={"t": 64})
    return figure


def scores(table: pd.DataFrame, zone: str) -> go.Figure:
    """Running score of each team, as steps. Teams keep the order of the file: this is not a ranking."""
    figure = go.Figure()
    for i, (team, rows) in enumerate(table.sort_values(["at", "position"]).groupby("team", sort=True)):
        figure.add_scatter(
            x=_times(rows["at"], zone), y=rows["points"].cumsum(), mode="lines+markers", name=label(team),
            line={"shape": "hv", "color": _CYCLE[i % 7], "dash": _DASHES[i % 6]},
            text=[label(reason, 50) for reason in rows["reason"].fillna("")],
            hovertemplate="%{x|%H:%M} · %{y} points<br>%{text}<extra>%{fullData.name}</extra>",
        )  # fmt: skip
    figure.update_xaxes(tickformat="%H:%M")
    return _styled(figure, height=360, y="points so far")


def survey(table: pd.DataFrame) -> go.Figure:
    """Mean answer before and after, per question, as a share of the best possible answer."""
    figure = go.Figure()
    questions = [label(q, 34) for q in table["question"]]
    for moment, symbol, colour in (("before", "circle-open", GREY), ("after", "circle", BLUE)):
        rows = table[table["moment"] == moment]
        figure.add_scatter(
            x=rows["score"], y=[q for q, m in zip(questions, table["moment"], strict=True) if m == moment],
            mode="markers", name=moment, marker={"symbol": symbol, "size": 13, "color": colour, "line": {"width": 2}},
            customdata=rows[["answered", "asked"]],
            hovertemplate="%{x:.1f}, %{customdata[0]} of %{customdata[1]} answered<extra>" + moment + "</extra>",
        )  # fmt: skip
    figure.update_xaxes(range=[0, float(np.nanmax(table["scale_max"].fillna(table["score"]))) * 1.05])
    figure.update_yaxes(autorange="reversed")
    return _styled(figure, height=130 + 60 * table["question"].nunique(), x="mean answer")


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
