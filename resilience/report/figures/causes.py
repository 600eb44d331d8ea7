"""Figures of failure classes: where they fall, and incidents after deployments."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from .theme import BLUE, GREY, RED, label, styled


def grid(table: pd.DataFrame, row: str, column: str, value: str, *, x: str = "") -> go.Figure:
    """Numbers in cells: darker is more, and every cell that rounds to more than 0 says its number. Order as given."""
    rows, columns = list(dict.fromkeys(table[row])), list(dict.fromkeys(table[column]))
    wide = table.pivot_table(index=row, columns=column, values=value, aggfunc="sum").reindex(
        index=rows, columns=columns
    )
    values = wide.to_numpy(dtype=float)
    most = max(float(np.nanmax(values)), 1e-9)
    figure = go.Figure(
        go.Heatmap(
            z=np.round(values, 2), x=[label(c) for c in columns], y=[label(r) for r in rows],
            colorscale=[[0, "rgba(0,114,178,0.02)"], [1, "rgba(0,114,178,0.75)"]], showscale=False, zmin=0, zmax=most,
            text=[["" if not v >= 0.5 else f"{v:.0f}" for v in line] for line in values], texttemplate="%{text}",
            xgap=2, ygap=2, hovertemplate="%{y} · %{x}: %{z:.1f}<extra></extra>", hoverongaps=False,
        )
    )  # fmt: skip
    figure.update_xaxes(tickangle=-60, showgrid=False, dtick=1, tickfont={"size": 11})
    figure.update_yaxes(autorange="reversed", showgrid=False)
    return styled(figure, height=150 + 26 * len(rows), x=x)


def against_chance(table: pd.DataFrame, x: str) -> go.Figure:
    """Per group what was counted (dot with interval) above what chance does (bar). Columns: group, observed, low, high,
    expected, chance_low, chance_high."""
    figure = go.Figure()
    names = [label(g, 24) for g in table["group"]]
    figure.add_bar(
        y=names, x=table["chance_high"] - table["chance_low"], base=table["chance_low"], orientation="h", width=0.4,
        name="moved deployments, 95 % of draws",
        marker={"color": "rgba(128,128,128,.35)", "line": {"color": GREY, "width": 1}},
        hovertemplate="chance: %{base:.0f} to %{x:.0f}<extra></extra>",
    )  # fmt: skip
    figure.add_scatter(
        y=names, x=table["expected"], mode="markers", name="their mean",
        marker={"symbol": "line-ns-open", "size": 20, "color": GREY, "line": {"width": 3}},
        hovertemplate="%{x:.1f}<extra>mean of draws</extra>",
    )  # fmt: skip
    figure.add_scatter(
        y=names, x=table["observed"], mode="markers", name="as it was", marker={"size": 12, "color": [
            RED if v == "more" else BLUE for v in table["verdict"]]},
        error_x={"type": "data", "array": table["high"] - table["observed"],
                 "arrayminus": table["observed"] - table["low"], "color": GREY, "thickness": 1.5},
        hovertemplate="%{x:.0f}<extra>as it was</extra>",
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed")
    figure.update_xaxes(rangemode="tozero")
    return styled(figure, height=170 + 60 * len(table), x=x)
