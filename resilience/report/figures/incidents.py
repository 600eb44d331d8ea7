"""Figures of many incidents: every one a dot, then counts and medians with their intervals."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from .theme import BLUE, GREEN, GREY, PURPLE, RED, duration_axis, label, styled

_DETECTED = {
    "monitor": (BLUE, "circle"),
    "colleague": (GREEN, "square"),
    "customer": (RED, "diamond"),
    "partner": (PURPLE, "cross"),
    "unknown": (GREY, "circle-open"),
}


def counts(table: pd.DataFrame, x: str, *, zero: bool = True) -> go.Figure:
    """A dot per group with its interval, unknown drawn hollow. Columns: group, expected, low, high (may be null)."""
    rows = table.sort_values("expected", ascending=False, kind="stable")
    names = [label(g, 30) for g in rows["group"]]
    lines = max((name.count("<br>") + 1 for name in names), default=1)
    figure = go.Figure()
    figure.add_scatter(
        x=rows["expected"], y=names, mode="markers",
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
    else:
        figure.add_vline(x=0, line={"color": GREY, "width": 1.5})
    if rows["expected"].max() <= 5 and pd.api.types.is_integer_dtype(rows["expected"]):
        figure.update_xaxes(dtick=1)  # there is no half of an incident
    return styled(figure, height=120 + max(28, 17 * lines) * len(rows), x=x)


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
        figure.update_yaxes(**duration_axis(table[y]))
    else:
        often = table[y].value_counts(ascending=True).index
        order = [
            label(v) for v in sorted(often, key="unknown".__ne__)
        ]  # unknown lowest, the commonest on top
        figure.update_yaxes(categoryorder="array", categoryarray=order)
    return styled(figure, height=460, y=y_title)


def medians(table: pd.DataFrame) -> go.Figure:
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
    figure.update_xaxes(**duration_axis(bounds, most=4))
    figure.update_yaxes(autorange="reversed")
    return styled(figure, height=120 + 30 * max(len(rows), 1), x="median and 95 % interval")


def contenders(table: pd.DataFrame) -> go.Figure:
    """What is chosen (filled) among what is not (hollow), best first. Columns: group, value, low, high, taken, why."""
    names = [label(g, 30) for g in table["group"]]
    lines = max(name.count("<br>") + 1 for name in names)
    figure = go.Figure()
    for taken, name, colour, symbol in (
        (True, "chosen", BLUE, "circle"),
        (False, "passed over", GREY, "circle-open"),
    ):
        mine = (table["taken"] == taken).to_numpy()
        rows = table[mine]
        figure.add_scatter(
            x=rows["value"], y=[n for n, here in zip(names, mine, strict=True) if here], mode="markers", name=name,
            marker={"symbol": symbol, "size": 12, "color": colour, "line": {"width": 2}},
            error_x={"type": "data", "array": rows["high"] - rows["value"],
                     "arrayminus": rows["value"] - rows["low"], "color": colour, "thickness": 1.5},
            text=[label(why, 50) for why in rows["why"]],
            hovertemplate="%{x:.3g}<br>%{text}<extra>%{y}</extra>",
        )  # fmt: skip
    figure.update_yaxes(autorange="reversed", categoryorder="array", categoryarray=list(dict.fromkeys(names)))
    figure.update_xaxes(rangemode="tozero")
    return styled(
        figure,
        height=140 + max(28, 17 * lines) * len(table),
        x="weighted minutes a year that a test is about",
    )
