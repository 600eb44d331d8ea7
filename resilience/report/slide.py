"""One GameDay on one slide, 16:9, in words that a projector carries: a picture made of result.json alone.

Drawn without a screen and without the reader's settings, so that the same numbers give the same bytes.
"""

from __future__ import annotations

import io
import re
import threading
import warnings
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from ..analysis.briefing import VERDICTS as PLAIN
from ..plain_text import one_line
from .gameday_experiment import MARKS

WIDTH, HEIGHT, DPI = 1920, 1080, 120
_MOST_TEXT = 3000  # characters: more than a slide could ever hold
_LIST = 6  # experiments that are told one by one; more are counted
_INK, _SOFT, _LINE = "#1a1f26", "#4a5563", "#c9d1da"
_COLOURS = {"held": "#0b6e4f", "deviated": "#b3450b", "inconclusive": "#5b6470"}
_ANSWERS = (
    ("What we tried", "tried"), ("What happened", "happened"), ("What it means for customers", "customers"),
    ("What we do next", "next"),
)  # fmt: skip
_LARGEST, _SMALLEST = 17.0, 12.5  # points at 1080 lines: 28 and 21 of them
_ONE = threading.Lock()  # matplotlib's settings and fonts are shared by all threads


class _Box(NamedTuple):
    """Where text may stand: left, top and size in pixels, from the top left corner."""

    x: float
    y: float
    width: float
    height: float


def png(result: Mapping[str, Any]) -> bytes:
    """The slide of a GameDay's `result` (`GameDayResult.numbers`), as a PNG file of 1920 x 1080 pixels."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    out = io.BytesIO()
    with _ONE, warnings.catch_warnings(), matplotlib.rc_context():
        matplotlib.rcdefaults()
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # drawn as a box, which says as much
        figure = Figure(figsize=(WIDTH / DPI, HEIGHT / DPI), dpi=DPI, facecolor="white")
        FigureCanvasAgg(figure)
        _Slide(figure).draw(result)
        figure.savefig(out, format="png", metadata={"Software": None}, pil_kwargs={"compress_level": 3})
    return out.getvalue()


class _Slide:
    def __init__(self, figure: Any) -> None:
        self._figure = figure

    def draw(self, result: Mapping[str, Any]) -> None:
        day, brief, experiments = result["gameday"], result["brief"], result["experiments"]
        self._text(_Box(70, 44, 1780, 60), str(day["title"]), 30.0, bold=True, least=20.0)
        about = [str(day["held_on"]), "we broke things on purpose, to learn before customers have to"]
        about += ["simulated, a sample marketplace"] if result.get("simulated") else []
        self._text(_Box(70, 108, 1780, 40), " · ".join(about), 15.0, colour=_SOFT)
        self._rule(70, 158, 1780)
        size = min(_fitting(str(brief[part]), 1010, 158, _LARGEST) for _, part in _ANSWERS)
        for number, (question, part) in enumerate(_ANSWERS):
            top = 180 + 214 * number
            self._text(_Box(70, top, 1010, 32), question, 16.0, bold=True)
            self._text(_Box(70, top + 36, 1010, 160), str(brief[part]), size, least=size)
        if 0 < len(experiments) <= _LIST:
            self._listed(experiments)
        else:
            self._counted(experiments)
        said = "One GameDay is one observation of each: it shows what happened, not how often it will."
        self._text(_Box(70, 1040, 1780, 26), said, 11.5, colour=_SOFT)

    def _listed(self, experiments: list[Mapping[str, Any]]) -> None:
        step = 840 / len(experiments)
        for number, one in enumerate(experiments):
            top, verdict = 180 + step * number, one["verdict"]
            self._mark(1180, top + 20, verdict)
            size = _LARGEST + 1 if len(experiments) <= 4 else _LARGEST
            self._text(_Box(1220, top, 630, 32), str(one["title"]), size, bold=True)
            self._text(
                _Box(1220, top + 38, 630, 30), PLAIN[verdict], 14.0, colour=_COLOURS[verdict], bold=True
            )
            if step > 130:
                told = _Box(1220, top + 74, 630, step - 94)
                self._text(told, str(one["outcome_text"] or one["reason"] or ""), 13.0, colour=_SOFT)

    def _counted(self, experiments: list[Mapping[str, Any]]) -> None:
        top = 200.0
        for verdict in MARKS:
            number = sum(one["verdict"] == verdict for one in experiments)
            self._mark(1180, top + 36, verdict, 26.0)
            self._text(_Box(1230, top, 120, 80), str(number), 44.0, bold=True, colour=_COLOURS[verdict])
            self._text(_Box(1360, top + 22, 500, 60), PLAIN[verdict], 17.0)
            top += 150.0
        self._text(
            _Box(1180, top, 670, 80), f"{len(experiments)} experiments, each on the page.", 15.0, colour=_SOFT
        )

    def _mark(self, x: float, y: float, verdict: str, size: float = 20.0) -> None:
        self._put(
            x, y, MARKS[verdict], size, _COLOURS[verdict], bold=False, across="center", upright="center"
        )

    def _rule(self, x: float, y: float, width: float) -> None:
        from matplotlib.lines import Line2D

        across = [x / WIDTH, (x + width) / WIDTH]
        self._figure.add_artist(Line2D(across, [1 - y / HEIGHT] * 2, color=_LINE, linewidth=1.5))

    def _text(
        self,
        box: _Box,
        text: str,
        size: float,
        *,
        bold: bool = False,
        colour: str = _INK,
        least: float = _SMALLEST,
    ) -> None:
        """`text` in `box`, smaller where it is long, and cut with an ellipsis where it is longer still."""
        size = _fitting(text, box.width, box.height, size, bold=bold, least=min(least, size))
        lines, most = _wrapped(text, box.width, size, bold), max(int(box.height / _line(size)), 1)
        if len(lines) > most:
            lines = [*lines[: most - 1], _cut(lines[most - 1], box.width, size, bold)]
        for number, line in enumerate(lines):
            self._put(box.x, box.y + number * _line(size), line, size, colour, bold=bold)

    def _put(
        self, x: float, y: float, text: str, size: float, colour: str, *, bold: bool, across: str = "left",
        upright: str = "top",
    ) -> None:  # fmt: skip
        self._figure.text(
            x / WIDTH, 1 - y / HEIGHT, text, size=size, color=colour, weight="bold" if bold else "normal", ha=across,
            va=upright, parse_math=False,
        )  # fmt: skip


def _fitting(
    text: str,
    width: float,
    height: float,
    size: float,
    *,
    bold: bool = False,
    least: float = _SMALLEST,
) -> float:
    """The largest size, at most `size`, at which `text` fits; `least` where none does."""
    while size > least and len(_wrapped(text, width, size, bold)) * _line(size) > height:
        size -= 0.5
    return size


def _wrapped(text: str, width: float, size: float, bold: bool) -> list[str]:
    lines: list[str] = []
    left = 0.0  # pixels of the last line that are free
    space = _width(" ", size, bold)
    for word in one_line(text[:_MOST_TEXT]).split():
        wide = _width(word, size, bold)
        if wide > width:
            word = _cut(word, width, size, bold)
            wide = _width(word, size, bold)
        if lines and space + wide <= left:
            lines[-1] += f" {word}"
            left -= space + wide
        else:
            lines.append(word)
            left = width - wide
    return lines


def _cut(line: str, width: float, size: float, bold: bool) -> str:
    """`line` with an ellipsis, as much of it as fits."""
    line = line[:400]
    while line and _width(f"{line}…", size, bold) > width:
        line = line[: -max(len(line) // 10, 1)]
    return f"{line.rstrip()}…"


def _width(text: str, size: float, bold: bool) -> float:
    """Pixels of `text`, as the sum of its words, with a little to spare: letters of other sizes sit on other pixels."""
    return 1.02 * size / _LARGEST * sum(_drawn(part, bold) for part in re.split("( )", text) if part)


@lru_cache(maxsize=4096)
def _drawn(text: str, bold: bool) -> float:
    """Pixels of `text` at _LARGEST."""
    from matplotlib.backends.backend_agg import RendererAgg
    from matplotlib.font_manager import FontProperties

    font = FontProperties(size=_LARGEST, weight="bold" if bold else "normal")
    wide: float = RendererAgg(1, 1, DPI).get_text_width_height_descent(text, font, ismath=False)[0]
    return wide


def _line(size: float) -> float:
    """Height of a line in pixels."""
    return size * DPI / 72 * 1.28
