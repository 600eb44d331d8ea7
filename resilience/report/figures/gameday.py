"""Figures of one GameDay: the heroes' clocks, the series around a fault, scores, surveys."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from .theme import BLUE, CYCLE, DASHES, GREY, ORANGE, PURPLE, RED, label, local, styled, times

_SYMBOLS = {"alerted": "triangle-up", "diagnosed": "diamond", "mitigated": "circle"}
_MOMENT_COLOURS = {"alerted": ORANGE, "diagnosed": PURPLE, "mitigated": BLUE}


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
    return styled(figure, height=140 + 58 * len(table), x="minutes after the fault")


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
            x=times(points["at"], zone), y=points["value"].astype("float32").round(4), mode="lines+markers",
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
        x0=local(fault[0], zone),
        x1=local(fault[1], zone),
        fillcolor=GREY,
        opacity=0.16,
        line_width=0,
        row="all",
        col=1,
    )
    for event in events[events["moment"].isin(_SYMBOLS)].itertuples():
        figure.add_vline(
            x=local(event.at, zone), row="all", col=1,
            line={"color": _MOMENT_COLOURS[event.moment], "width": 1.5, "dash": "dashdot"},
        )  # fmt: skip
        figure.add_scatter(
            x=[local(event.at, zone)], y=[0], mode="markers", name=event.moment,
            marker={"symbol": _SYMBOLS[event.moment], "size": 10, "color": _MOMENT_COLOURS[event.moment]},
            hovertemplate="%{x|%H:%M}<extra>" + event.moment + "</extra>", row=len(panels), col=1,
        )  # fmt: skip
    figure.update_xaxes(tickformat="%H:%M")
    figure = styled(figure, height=90 + 190 * len(panels))
    figure.update_annotations(font_size=12)
    figure.update_layout(margin={"t": 64})
    return figure


def scores(table: pd.DataFrame, zone: str) -> go.Figure:
    """Running score of each team, as steps. Teams keep the order of the file: this is not a ranking."""
    figure = go.Figure()
    for i, (team, rows) in enumerate(table.sort_values(["at", "position"]).groupby("team", sort=True)):
        figure.add_scatter(
            x=times(rows["at"], zone), y=rows["points"].cumsum(), mode="lines+markers", name=label(team),
            line={"shape": "hv", "color": CYCLE[i % 7], "dash": DASHES[i % 6]},
            text=[label(reason, 50) for reason in rows["reason"].fillna("")],
            hovertemplate="%{x|%H:%M} · %{y} points<br>%{text}<extra>%{fullData.name}</extra>",
        )  # fmt: skip
    figure.update_xaxes(tickformat="%H:%M")
    return styled(figure, height=360, y="points so far")


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
    return styled(figure, height=130 + 60 * table["question"].nunique(), x="mean answer")
