"""What a person sees, in the order they see it: a sentence, its figure, its data.

A notebook cell shows a panel; JupyterLab and the exported page draw the same outputs. Everything that came from
a report is escaped here, once, where HTML is made.
"""

from __future__ import annotations

import html
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd

from .. import workspace
from ..plain_text import count as count

RESULT_MIME = "application/vnd.resilience.result+json"
ROOT_VARIABLE = (
    "RESILIENCE_ROOT"  # of the environment: where the workspace lies, as seen from the page that is made
)
_PLOTLY_MIME = "application/vnd.plotly.v1+json"


@dataclass(frozen=True)
class Panel:
    """HTML of its own, then a sentence above a figure or a drawing, then its numbers as a table folded below it."""

    text: str
    figure: Any = None
    table: str = ""
    body: str = ""
    drawing: str = ""

    def _ipython_display_(self) -> None:
        if self.body:
            show_html(self.body, "")
        if self.text:
            show_html(finding(self.text), self.text)
        if self.figure is not None:
            show_figure(self.figure, self.text)
        if self.drawing:
            show_html(f'<figure><div class="scroll">{self.drawing}</div></figure>', self.text)
        if self.table:
            show_html(
                f'<details class="data"><summary>The numbers behind it</summary>{self.table}</details>', ""
            )


@dataclass(frozen=True)
class Panels:
    """Several panels, one below the other."""

    panels: Sequence[Panel]

    def _ipython_display_(self) -> None:
        for panel in self.panels:
            panel._ipython_display_()


def finding(text: str) -> str:
    """What is seen and how sure it is. Of a long text the first sentences lead; what qualifies them follows, smaller."""
    first, rest = led(text)
    more = f' <span class="more">{escape(rest)}</span>' if rest else ""
    return f'<p class="finding">{escape(first)}{more}</p>'


_SENTENCE = re.compile(r"(?<=[.!?]) +(?=[A-Z0-9\"“`'])")
_WHOLE, _LEAD = 300, 210  # characters that are read at a glance, and that lead where there are more


def led(text: str) -> tuple[str, str]:
    """The sentences that lead, at least one, and the others: none of a text that is short."""
    if len(text) <= _WHOLE:
        return text, ""
    first, *others = _SENTENCE.split(text)
    while others and len(first) + len(others[0]) < _LEAD:
        first = f"{first} {others.pop(0)}"
    return first, " ".join(others)


def show_html(markup: str, plain: str) -> None:
    """Display HTML made by this package; `plain` is what a reader without HTML gets."""
    from IPython.display import display

    display({"text/html": markup, "text/plain": plain}, raw=True)


def show_figure(figure: Any, label: str) -> None:
    """Display a plotly figure by its own mimetype, with the sentence as its accessible name."""
    from IPython.display import display

    payload = figure.to_plotly_json()
    payload["layout"]["meta"] = {"label": label}
    payload["config"] = {
        "responsive": True,
        "displaylogo": False,
        "modeBarButtonsToRemove": ["lasso2d", "select2d"],
    }
    display({_PLOTLY_MIME: _jsonable(payload), "text/plain": f"[figure] {label}"}, raw=True)


def publish(numbers: Mapping[str, Any]) -> None:
    """Hand the report's numbers to the renderer, which writes them to result.json."""
    from IPython.display import display

    display({RESULT_MIME: dict(numbers), "text/plain": "(numbers written to result.json)"}, raw=True)


def escape(text: Any) -> str:
    """`text` as HTML text: white space folded, control and direction-override characters dropped."""
    folded = " ".join(str(text).split())
    kept = "".join(
        c
        for c in folded
        if c.isprintable() and c not in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    )
    return html.escape(kept)


def known(value: Any) -> bool:
    """Whether a cell holds something."""
    return not (value is None or (not isinstance(value, list | dict) and pd.isna(value)))


def anchor(name: str) -> str:
    """HTML that a link to `name` on the same page leads to."""
    return f'<span id="{name}"></span>'


def banner(tables: Mapping[str, pd.DataFrame]) -> Panel:
    """Says so where any row of the given tables is simulated; shows nothing otherwise."""
    if any("simulated" in rows and bool(rows["simulated"].any()) for rows in tables.values()):
        publish({"simulated": True})
        return Panel(
            "", body='<p class="simulated">Simulated: this page is made from a sample marketplace.</p>'
        )
    return Panel("")


def root() -> str:
    """Relative address of the workspace from what is shown: a page that is rendered, else the notebook's own folder.

    JupyterLab's address of a notebook ends in its folder, so that the same relative address works there.
    """
    return os.environ.get(ROOT_VARIABLE) or _root_from(Path.cwd())


@cache
def _root_from(here: Path) -> str:
    place = workspace.find(here).root
    return Path(os.path.relpath(place, here)).as_posix() if (place / workspace.CONFIG).is_file() else ".."


def report_link(uri: Any, base: str | None = None) -> str:
    """Address of a report as seen from what is shown (`base`, else see `root`); empty where `uri` cannot be followed."""
    text = str(uri or "")
    if text.startswith(("https://", "http://")):
        return quote(text, safe=":/?&=#%+,;@~()!$*'")
    relative = (
        text and not text.startswith("/") and ":" not in text.split("/")[0] and ".." not in text.split("/")
    )
    return f"{root() if base is None else base}/{quote(text)}" if relative else ""


def table(
    rows: pd.DataFrame,
    columns: Mapping[str, str],
    formats: Mapping[str, str] | None = None,
    link: str | None = None,
) -> str:
    """HTML table of `columns` (column -> heading); numbers by `formats` (default 4 digits), missing as a dash.

    Cells of the column `link` hold the address of a report and lead to it.
    """
    formats = formats or {}
    numeric = {c for c in columns if pd.api.types.is_numeric_dtype(rows[c]) and rows[c].dtype != bool}
    head = "".join(
        f'<th scope="col"{" class=num" if c in numeric else ""}>{escape(name)}</th>'
        for c, name in columns.items()
    )
    shown = []
    for record in rows[list(columns)].to_dict("records"):
        cells = []
        for c in columns:
            value = record[c]
            text = format(value, formats.get(c, ".4g")) if c in numeric and known(value) else value
            shown_text = escape(text) if known(value) else "–"
            if c == link and known(value) and (address := report_link(value)):
                shown_text = f'<a href="{html.escape(address, quote=True)}">{shown_text}</a>'
            cells.append(f"<td{' class=num' if c in numeric else ''}>{shown_text}</td>")
        shown.append(f"<tr>{''.join(cells)}</tr>")
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="table"><table><thead><tr>'
        f"{head}</tr></thead><tbody>{''.join(shown)}</tbody></table></div>"
    )


def facts(pairs: Sequence[tuple[str, Any]]) -> str:
    """HTML list of name and value; pairs whose value is missing are left out."""
    rows = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in pairs if known(value)
    )
    return f"<dl>{rows}</dl>" if rows else ""


def bullets(items: Sequence[str]) -> str:
    """HTML list of sentences."""
    return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>" if items else ""


def _jsonable(value: Any) -> Any:
    """Plain lists, text and numbers; a missing number is null, never NaN, which is not JSON."""
    convert: Callable[[Any], Any] = _jsonable
    if isinstance(value, dict):
        return {str(k): convert(v) for k, v in value.items()}
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [convert(v) for v in value]
    if isinstance(value, float):
        return round(value, 6) if value - value == 0 else None
    return None if value is pd.NaT or value is pd.NA else value
