"""Figures of times: every incident a dot that leads to its report, signals, claims, what reports state, drills."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from .incidents import incident_dots
from .theme import BLUE, GREEN, GREY, ORANGE, RED, duration_axis, label, styled


def linked_dots(table: pd.DataFrame, links: Sequence[str]) -> go.Figure:
    """Every incident a dot over time, logarithmic minutes; where `links` has an address, the dot leads there."""
    figure = incident_dots(table, "minutes", "duration", log=True)
    known = [bool(address) for address in links]
    figure.add_scatter(
        x=table.loc[known, "started_at"].dt.strftime("%Y-%m-%dT%H:%M:%S").tolist(), y=table.loc[known, "minutes"],
        mode="text", showlegend=False, hoverinfo="skip", cliponaxis=False,
        text=[f'<a href="{label(address).replace(chr(34), "%22")}">●</a>' for address in links if address],
        customdata=[address for address in links if address],
        textfont={"size": 14, "color": "rgba(0,0,0,0.01)"},
    )  # fmt: skip
    return figure


def signals(table: pd.DataFrame, centre: float, low: float, high: float) -> go.Figure:
    """Durations in order of time with their natural limits; signals are ringed. Columns: began, minutes, signal."""
    shown = table.assign(minutes=table["minutes"].clip(lower=0.5))
    figure = go.Figure()
    figure.add_scatter(
        x=shown["began"].dt.strftime("%Y-%m-%dT%H:%M:%S").tolist(), y=shown["minutes"], mode="markers", name="incident",
        marker={"size": 6, "color": BLUE}, text=[label(i) for i in shown["incident_id"]],
        hovertemplate="%{text}<br>%{x|%Y-%m-%d} · %{y:.0f} min<extra></extra>",
    )  # fmt: skip
    for kind, (symbol, colour) in zip(
        sorted(shown["signal"].dropna().unique()),
        (("circle-open", RED), ("square-open", ORANGE)),
        strict=False,
    ):
        rows = shown[shown["signal"] == kind]
        figure.add_scatter(
            x=rows["began"].dt.strftime("%Y-%m-%dT%H:%M:%S").tolist(), y=rows["minutes"], mode="markers", name=label(kind),
            marker={"size": 13, "symbol": symbol, "color": colour, "line": {"width": 2}}, hoverinfo="skip",
        )  # fmt: skip
    for value, dash in ((low, "dash"), (centre, "solid"), (high, "dash")):
        if np.isfinite(value):
            figure.add_hline(y=max(value, 0.5), line={"color": GREY, "dash": dash, "width": 1.4})
    bounds = [v for v in (low, high) if np.isfinite(v)]
    figure.update_yaxes(**duration_axis(np.clip([*shown["minutes"], *bounds], 0.5, None)))
    return styled(figure, height=400, y="duration")


def changes(table: pd.DataFrame) -> go.Figure:
    """Ratio after / before with its interval per comparison, 1 is no change. Columns: comparison, role, effect, "
    "low, high."""
    rows = table[table["effect"].notna()]
    figure = go.Figure()
    for role, symbol, colour in (("primary", "diamond", RED), ("exploratory", "circle-open", GREY)):
        part = rows[rows["role"] == role]
        figure.add_scatter(
            x=part["effect"], y=[label(c, 30) for c in part["comparison"]], mode="markers", name=role,
            marker={"size": 12, "symbol": symbol, "color": colour},
            error_x={"type": "data", "array": part["high"] - part["effect"], "arrayminus": part["effect"] - part["low"],
                     "color": colour, "thickness": 1.6},
            hovertemplate="%{x:.2f} times<extra>%{y}</extra>",
        )  # fmt: skip
    figure.add_vline(x=1, line={"color": GREY, "dash": "dot", "width": 1.5})
    low, high = float(rows["low"].min()) / 1.1, float(rows["high"].max()) * 1.1
    ticks = [t for t in (0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 4, 8, 16) if low <= t <= high]
    figure.update_xaxes(
        type="log",
        range=list(np.log10([low, high])),
        tickvals=ticks,
        ticktext=[f"x {t:g}" if t != 1 else "same" for t in ticks],
    )
    figure.update_yaxes(autorange="reversed")
    return styled(figure, height=130 + 44 * len(rows), x="ratio, after to before")


def stated(table: pd.DataFrame) -> go.Figure:
    """Share of reports that state each component, before and after. Columns: component, share_before, share_after."""
    rows = table.sort_values("share_before", kind="stable")
    figure = go.Figure()
    names = [label(c) for c in rows["component"]]
    for side, symbol, colour in (("before", "circle-open", GREY), ("after", "circle", GREEN)):
        figure.add_scatter(
            x=100 * rows[f"share_{side}"], y=names, mode="markers", name=side,
            marker={"size": 11, "symbol": symbol, "color": colour, "line": {"width": 2}}, customdata=rows[f"n_{side}"],
            hovertemplate="%{x:.0f} % of %{customdata} reports<extra>" + side + "</extra>",
        )  # fmt: skip
    figure.update_xaxes(range=[-3, 103])
    return styled(figure, height=120 + 24 * len(rows), x="reports stating it (%)")


def drills(table: pd.DataFrame, curve: pd.DataFrame) -> go.Figure:
    """Share of experiments not over by then, per style, and every experiment a dot on top; open ones are crosses."""
    figure = go.Figure()
    styles = sorted(table["style"].unique())
    for i, style in enumerate(styles):
        colour = (BLUE, ORANGE)[i % 2]
        steps, dots = curve[curve["style"] == style], table[table["style"] == style]
        end = float(dots["planned_min"].max())
        figure.add_scatter(
            x=[*steps["minutes"], end], y=100 * np.append(steps["left"], steps["left"].iloc[-1]), mode="lines",
            name=f"{label(style)}: not over yet", line={"shape": "hv", "color": colour, "dash": ("solid", "dash")[i % 2]},
            hovertemplate="%{y:.0f} % after %{x:.0f} min<extra></extra>",
        )  # fmt: skip
        for over, symbol, word in ((True, "circle", "over"), (False, "x", "not within the box")):
            part = dots[dots["over"] == over]
            if part.empty:
                continue
            figure.add_scatter(
                x=part["lasted_min"], y=[-7.0 - 7 * i] * len(part), mode="markers", name=f"{label(style)}: {word}",
                marker={"size": 11, "symbol": symbol, "color": colour}, text=[label(t, 40) for t in part["title"]],
                hovertemplate="%{text}<br>%{x:.0f} min<extra></extra>",
            )  # fmt: skip
    figure.update_xaxes(rangemode="tozero")
    figure.update_yaxes(range=[-9 - 7 * len(styles), 103], tickvals=[0, 25, 50, 75, 100])
    return styled(figure, height=380, x="minutes after the fault", y="experiments not over (%)")
