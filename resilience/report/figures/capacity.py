"""Figures of a week of traffic."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from .theme import BLUE, RED, styled


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
    return styled(figure, height=330, x="hour of the day")


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
    return styled(figure, height=340, y=unit)
