"""The figures of the GameDay page. They stay small: a page of thirty experiments is still an e-mail attachment."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from .theme import BLUE, CYCLE, DASHES, GREEN, GREY, ORANGE, PURPLE, RED, label, local, styled, times

_TITLE, _LINE = 44, 16  # characters of a chart's title that a phone has room for, and pixels of a line of it
_SYMBOLS = {"alerted": "triangle-up", "diagnosed": "diamond", "mitigated": "circle"}
_MOMENT_COLOURS = {"alerted": ORANGE, "diagnosed": PURPLE, "mitigated": BLUE}
_VERDICTS = {"held": ("circle", GREEN), "deviated": ("diamond", RED), "inconclusive": ("circle-open", GREY)}
_RELATIONS = {
    "target": ("circle", BLUE),
    "declared": ("square-open", GREY),
    "surprise": ("star", RED),
    "no graph": ("diamond-open", GREY),
}


def programme(table: pd.DataFrame, zone: str, *, by: str = "targets") -> go.Figure:
    """Every experiment a mark: when its fault began, with which verdict; a row per `by`, a column of `table`."""
    rows = table[table["fault_started_at"].notna()]
    figure = go.Figure()
    for verdict, (symbol, colour) in _VERDICTS.items():
        mine = rows[rows["verdict"] == verdict]
        if len(mine):
            figure.add_scatter(
                x=times(mine["fault_started_at"], zone), y=[label(t, 40) for t in mine[by]], mode="markers",
                name=verdict, marker={"symbol": symbol, "size": 14, "color": colour, "line": {"width": 1.5}},
                text=[f"{p}. {label(t, 50)}" for p, t in zip(mine["position"], mine["title"], strict=True)],
                hovertemplate="%{text}<br>%{x|%H:%M}<extra>" + verdict + "</extra>",
            )  # fmt: skip
    if by == "targets":
        figure.update_yaxes(categoryorder="category descending")
    else:  # as the programme runs
        order = list(dict.fromkeys(label(t, 40) for t in rows.sort_values("fault_started_at")[by]))
        figure.update_yaxes(categoryorder="array", categoryarray=order[::-1])
    figure.update_xaxes(tickformat="%H:%M", showgrid=True)
    return styled(figure, height=120 + 30 * rows[by].nunique(), x="when the fault began (local time)")


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
    panels: list[dict[str, Any]],
    fault: tuple[Any, Any],
    events: pd.DataFrame,
    zone: str,
    *,
    row_height: int = 190,
) -> go.Figure:
    """One row of axes per series: points, tolerance band, fault window shaded, the heroes' moments as lines.

    Each of `panels` has title, points (at, value), unit, low, high, and expected (a level predicted before).
    """
    titles = [label(panel["title"], _TITLE) for panel in panels]
    lines = max(title.count("<br>") for title in titles) + 1
    inside = row_height * len(panels) + _LINE * (lines - 1) * (
        len(panels) - 1
    )  # pixels, titles between rows included
    figure = make_subplots(
        rows=len(panels), cols=1, shared_xaxes=True, subplot_titles=titles,
        vertical_spacing=max(min(0.12, 0.3 / len(panels)), (10 + _LINE * lines) / inside if len(panels) > 1 else 0),
    )  # fmt: skip
    for row, panel in enumerate(panels, 1):
        figure.add_scatter(
            **_points(panel["points"], zone), mode="lines+markers",
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
        x0=local(fault[0], zone), x1=local(fault[1], zone), fillcolor=GREY, opacity=0.16, line_width=0, row="all", col=1
    )  # fmt: skip
    named: set[str] = set()
    for event in events[events["moment"].isin(_SYMBOLS)].itertuples():
        figure.add_vline(
            x=local(event.at, zone), row="all", col=1,
            line={"color": _MOMENT_COLOURS[event.moment], "width": 1.5, "dash": "dashdot"},
        )  # fmt: skip
        figure.add_scatter(
            x=[local(event.at, zone)], y=[0], mode="markers", name=event.moment, legendgroup=event.moment,
            showlegend=event.moment not in named,
            marker={"symbol": _SYMBOLS[event.moment], "size": 10, "color": _MOMENT_COLOURS[event.moment]}, cliponaxis=False,
            hovertemplate="%{x|%H:%M}<extra>" + event.moment + "</extra>", row=len(panels), col=1,
        )  # fmt: skip
        named.add(event.moment)
    figure.update_xaxes(tickformat="%H:%M")
    legend = 82 if len(named) > 2 else 64 if named else 28  # three moments take two lines on a phone
    above = legend + _LINE * (lines - 1)
    figure = styled(figure, height=26 + above + inside)
    figure.update_annotations(font_size=12)
    figure.update_layout(margin={"t": above})
    return figure


def _points(points: pd.DataFrame, zone: str) -> dict[str, Any]:
    """x and y of a series: as a start and a step where the points are evenly spaced, a quarter of the size."""
    values = points["value"].astype("float32").round(5)
    steps = points["at"].diff().dropna().unique()
    if len(steps) != 1:
        return {"x": times(points["at"], zone), "y": values}
    step = pd.Timedelta(steps[0])
    first, last = (points["at"].iloc[i].tz_convert(zone) for i in (0, -1))
    if first.utcoffset() != last.utcoffset():  # the clocks changed in between
        return {"x": times(points["at"], zone), "y": values}
    return {"x0": local(points["at"].iloc[0], zone), "dx": step / pd.Timedelta(milliseconds=1), "y": values}


def scores(table: pd.DataFrame, zone: str) -> go.Figure:
    """Running score of each team, as steps. Teams stand by name: this is not a ranking."""
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
    """Mean answer before and after, per question."""
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
    top = float(np.nanmax(table["scale_max"].fillna(table["score"])))
    figure.update_xaxes(range=[0, top * 1.05])
    figure.update_yaxes(autorange="reversed")
    return styled(
        figure, height=130 + 60 * table["question"].nunique(), x=f"mean answer (best possible: {top:g})"
    )


def blast(table: pd.DataFrame, titles: dict[str, str]) -> go.Figure:
    """Minutes from the fault until each service moved, with the range that the data leave. One row per service."""
    figure = go.Figure()
    names = [label(f"{titles[row.experiment_key]}: {row.service}", 44) for row in table.itertuples()]
    minute = pd.Timedelta(minutes=1)
    for relation, (symbol, colour) in _RELATIONS.items():
        here = (table["relation"] == relation).to_numpy()
        rows = table[here]
        if len(rows):
            figure.add_scatter(
                x=rows["after_min"], y=[n for n, mine in zip(names, here, strict=True) if mine], mode="markers",
                name={"declared": "declared connection", "surprise": "surprise: not declared"}.get(relation, relation),
                marker={"symbol": symbol, "size": 12, "color": colour},
                error_x={"type": "data", "array": (rows["latest"] - rows["at"]) / minute,
                         "arrayminus": (rows["at"] - rows["earliest"]) / minute, "color": GREY, "thickness": 1.2},
                hovertemplate="%{x:.0f} min<extra>%{y}</extra>",
            )  # fmt: skip
    figure.update_yaxes(autorange="reversed", categoryorder="array", categoryarray=list(dict.fromkeys(names)))
    lines = max(name.count("<br>") for name in names) + 1
    return styled(figure, height=130 + max(26, 17 * lines) * len(table), x="minutes after the fault began")


def cells(table: pd.DataFrame) -> go.Figure:
    """Incidents a year in each cell, before and after, each with its 95 % interval."""
    figure = go.Figure()
    names = [label(f"{row.failure_class} in {row.service}", 34) for row in table.itertuples()]
    for side, symbol, colour, shift in (
        ("before", "circle-open", GREY, -0.14),
        ("after", "circle", BLUE, 0.14),
    ):
        figure.add_scatter(
            x=table[side], y=[i + shift for i in range(len(table))], mode="markers", name=side,
            marker={"symbol": symbol, "size": 11, "color": colour, "line": {"width": 2}},
            error_x={"type": "data", "array": table[f"{side}_high"] - table[side],
                     "arrayminus": table[side] - table[f"{side}_low"], "color": colour, "thickness": 1.3},
            text=names, hovertemplate="%{x:.2g} a year<extra>%{text}, " + side + "</extra>",
        )  # fmt: skip
    figure.update_yaxes(tickvals=list(range(len(table))), ticktext=names, range=[len(table) - 0.5, -0.5])
    figure.update_xaxes(rangemode="tozero")
    return styled(figure, height=130 + 44 * len(table), x="real incidents a year")
