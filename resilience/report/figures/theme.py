"""How every figure looks: colours, type, sizes, axes, and labels that cannot be mistaken for markup.

Colours are Okabe and Ito's, safe for colour-blind readers, and seen on white and on near-black alike; backgrounds are
transparent and the page sets the colour of text, so that a figure follows the reader's light or dark. Colour is never
the only sign. Every text that came from a report is escaped by `label`: plotly reads a subset of HTML.
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
CYCLE = [BLUE, RED, GREEN, ORANGE, PURPLE, SKY, GREY]
_TITLE = 24  # characters of an axis title that a phone has room for
_LINE = 18  # pixels
DASHES = ["solid", "dash", "dot", "dashdot", "longdash", "longdashdot"]


def label(text: Any, width: int = 0) -> str:
    """`text` made safe for a plotly label, wrapped at `width` characters where it is given."""
    words = " ".join(str(text).split())
    if len(words) > 300:
        words = words[:299] + "…"
    lines = textwrap.wrap(words, width) if width else [words]
    return "<br>".join(html.escape(line, quote=False) for line in lines or [""])


def styled(figure: go.Figure, *, height: int, x: str = "", y: str = "") -> go.Figure:
    """`figure` in the theme, `height` pixels high, with the titles of its axes; changed in place and returned."""
    title = textwrap.wrap(x, _TITLE)
    figure.update_layout(
        height=height + _LINE * max(len(title) - 1, 0),
        margin={"l": 8, "r": 8, "t": 44, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "system-ui, sans-serif", "size": 13},
        legend={
            "orientation": "h",
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            "x": 0,
            "xref": "container",
        },
        hoverlabel={"align": "left"},
        template="none",
    )
    axis = {"automargin": True, "gridcolor": "rgba(128,128,128,.25)", "zeroline": False, "linecolor": GREY}
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis)
    if x:
        figure.update_xaxes(title_text="<br>".join(title))
    if y:
        figure.update_yaxes(title_text=y)
    return figure


def times(at: pd.Series, zone: str) -> list[str]:
    """Local clock times; plotly draws naive ISO strings as they stand."""
    return at.dt.tz_convert(zone).dt.strftime("%Y-%m-%dT%H:%M:%S").tolist()


def local(at: pd.Timestamp, zone: str) -> str:
    """The same of one moment."""
    return at.tz_convert(zone).strftime("%Y-%m-%dT%H:%M:%S")


def draw_nothing() -> None:
    """Draw a figure and forget it: what plotly and pandas import on first use is then imported."""
    figure = styled(make_subplots(rows=2, cols=1, subplot_titles=["", ""]), height=100, x="x", y="y")
    at, line = pd.Series([0.0]), {"color": GREY, "width": 1}
    figure.add_scatter(x=at, y=at, error_x={"array": at}, line=line, marker={"line": line}, row=1, col=1)
    figure.add_bar(x=at, y=at, marker={"line": line}, row=2, col=1)
    figure.add_hline(y=0, line=line, annotation={"text": "", "font": {"size": 11}}, row=1, col=1)
    figure.add_vrect(x0=0, x1=1, row="all", col=1)
    figure.to_plotly_json()
    at.to_frame().to_dict("records")


_TICKS = {
    0.5: "30 s", 1: "1 min", 2: "2 min", 5: "5 min", 10: "10 min", 20: "20 min", 30: "30 min", 60: "1 h", 120: "2 h",
    240: "4 h", 480: "8 h", 960: "16 h", 1440: "1 day", 2880: "2 days", 5760: "4 days", 10080: "1 week", 20160: "2 weeks",
    40320: "4 weeks", 80640: "8 weeks", 161280: "16 weeks", 525600: "1 year",
}  # fmt: skip


def duration_axis(minutes: Any, *, most: int = 7) -> dict[str, Any]:
    """A logarithmic axis labelled as people say durations, with `most` labels about evenly apart: 4 beside each other on a
    phone."""
    low, high = float(np.nanmin(minutes)) / 1.3, float(np.nanmax(minutes)) * 1.3
    inside = [tick for tick in _TICKS if low <= tick <= high]
    ticks: list[float] = []
    for tick in inside[:: max(1, -(-len(inside) // most))]:
        if not ticks or tick >= ticks[-1] * (high / low) ** (0.9 / most):
            ticks.append(tick)
    return {
        "type": "log",
        "tickvals": ticks,
        "ticktext": [_TICKS[t] for t in ticks],
        "range": list(np.log10([low, high])),
    }
