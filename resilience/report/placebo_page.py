"""One figure of random dates, as a drawing that needs no script: a page of its own, a panel, or bars in a terminal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..analysis.placebo import CUT, Placebo
from .export import HTML
from .panels import Panel, escape, finding, publish

_LOW, _HIGH = -0.9, 3.0  # changes drawn; what lies beyond is drawn at the edge and said
_BINS = 36
_W, _H, _LEFT, _RIGHT, _TOP, _BASE = 720, 300, 16, 16, 74, 246


@dataclass(frozen=True)
class Bars:
    """Counts of random dates by change, on a scale on which half and double are equally far from no change."""

    edges: np.ndarray
    counts: np.ndarray
    beyond: int


def bars(found: Placebo) -> Bars:
    """`edges` are changes (shares). The scale is logarithmic, and one edge is the cut by a tenth."""
    changes = found.dates["change"].to_numpy()
    inside = np.clip(changes, _LOW, _HIGH)
    top = float(np.quantile(np.abs(np.log1p(inside)), 0.995))
    if found.real is not None:
        top = max(top, abs(float(np.log1p(np.clip(found.real["change"], _LOW, _HIGH)))))
    cut = abs(np.log1p(-CUT))
    top = max(top, 1.5 * cut)
    step = max(2 * top / _BINS, cut / 4)
    step = cut / max(round(cut / step), 1) if step <= cut else step
    below = np.arange(-cut, -top - step, -step)[::-1]
    edges = np.concatenate([below, np.arange(-cut + step, top + step, step)])
    counts, _ = np.histogram(np.clip(np.log1p(inside), edges[0], edges[-1]), bins=edges)
    beyond = int(((np.log1p(inside) < edges[0]) | (np.log1p(inside) > edges[-1])).sum())
    return Bars(np.expm1(edges), counts, beyond)


def svg(found: Placebo) -> str:
    """The drawing. Colours are the page's; shape and words say the same: cuts are dark, the real date is a line."""
    drawn = bars(found)
    edges = np.log1p(drawn.edges)
    width = _W - _LEFT - _RIGHT

    def x(log: float) -> float:
        return _LEFT + width * (log - edges[0]) / (edges[-1] - edges[0])

    tallest = max(int(drawn.counts.max()), 1)
    cut = np.log1p(-CUT)
    parts = []
    for low, high, count in zip(edges[:-1], edges[1:], drawn.counts, strict=True):
        if count:
            tall = (_BASE - _TOP) * count / tallest
            kind = "cut" if high <= cut + 1e-9 else "rest"
            said = f"{np.expm1(low):+.0%} to {np.expm1(high):+.0%}: {count} dates"
            parts.append(
                f'<rect class="{kind}" x="{x(low) + 0.5:.1f}" y="{_BASE - tall:.1f}" width="{x(high) - x(low) - 1:.1f}" '
                f'height="{tall:.1f}"><title>{said}</title></rect>'
            )
    for change in (-0.75, -0.5, -0.25, -CUT, 0.0, 0.33, 1.0, 2.0):
        at = np.log1p(change)
        if edges[0] <= at <= edges[-1] and (
            change in (0.0, -CUT) or (abs(x(at) - x(cut)) > 44 and abs(x(at) - x(0)) > 30)
        ):
            words = "no change" if change == 0 else f"{change:+.0%}"
            anchor = {0.0: "start", -CUT: "end"}.get(change, "middle")
            parts.append(
                f'<line class="tick" x1="{x(at):.1f}" x2="{x(at):.1f}" y1="{_BASE}" y2="{_BASE + 5}"/>'
            )
            parts.append(f'<text x="{x(at):.1f}" y="{_BASE + 20}" text-anchor="{anchor}">{words}</text>')
    parts.append(f'<line class="axis" x1="{_LEFT}" x2="{_W - _RIGHT}" y1="{_BASE}" y2="{_BASE}"/>')
    parts.append(
        f'<text class="soft" x="{_W / 2}" y="{_BASE + 48}" text-anchor="middle">'
        "change of the mean from before to after</text>"
    )
    parts.append(
        f'<text class="strong" x="{_LEFT}" y="20">{found.cuts:.0%} of dates: a cut by {CUT:.0%} or more (dark)</text>'
    )
    if found.real is not None:
        at = x(float(np.clip(np.log1p(max(found.real["change"], -0.999)), edges[0], edges[-1])))
        anchor = "end" if at > _W / 2 else "start"
        parts.append(f'<line class="real" x1="{at:.1f}" x2="{at:.1f}" y1="{_TOP - 18}" y2="{_BASE}"/>')
        parts.append(
            f'<text class="realtext" x="{at + (-6 if anchor == "end" else 6):.1f}" y="{_TOP - 22}" text-anchor="{anchor}">'
            f"{found.real['at']:%Y-%m-%d}: {found.real['change']:+.0%}</text>"
        )
    return (
        f'<svg class="placebo" viewBox="0 0 {_W} {_H}" role="img" aria-label="{escape(found.text)}">'
        f"{''.join(parts)}</svg>"
    )


STYLE = (
    "svg.placebo{width:100%;height:auto;font:15px system-ui,sans-serif;fill:currentColor}"
    ".placebo .cut{fill:#0072B2}.placebo .rest{fill:#0072B2;opacity:.32}.placebo .axis,.placebo .tick{stroke:currentColor}"
    ".placebo .real{stroke:#D55E00;stroke-width:3;stroke-dasharray:7 4}.placebo .realtext,.placebo .strong{font-weight:650}"
    ".placebo .soft{opacity:.75}"
    "@media (max-width:34rem){svg.placebo{font-size:25px}}"
)


def panel(found: Placebo) -> Panel:
    """The figure under its sentence, for a notebook."""
    publish({f"placebo_{found.clock.name}": numbers(found)})
    return Panel(found.text, drawing=f"<style>{STYLE}</style>{svg(found)}")


def numbers(found: Placebo) -> dict[str, object]:
    """What is published: the share of cuts, the real date's change and place, the smallest change. No verdict: a page
    has one, the claim's."""
    plain = {
        "cuts_by_a_tenth": round(found.cuts, 4),
        "random_dates": len(found.dates),
        "smallest_fall": [None if np.isnan(v) else round(float(v), 4) for v in found.smallest],
        "text": found.text,
    }
    if found.real is None:
        return plain
    return plain | {
        "date": f"{found.real['at']:%Y-%m-%d}",
        "change": round(float(found.real["change"]), 4),
        "random_dates_as_low": round(found.as_low, 4),
    }


def page(
    found: Placebo, title: str, source: str, notes: tuple[str, ...] = (), *, home: str | None = None
) -> str:
    """A whole page: the sentence, the figure, the claim. No network, no script. `home`: the gallery's address."""
    from jinja2 import Environment, FileSystemLoader

    template = Environment(loader=FileSystemLoader(HTML), autoescape=True, trim_blocks=True).get_template(
        "placebo.html.j2"
    )
    css = (HTML / "page.css").read_text(encoding="utf-8")
    html: str = template.render(
        title=title, css=css + STYLE, svg=svg(found), found=found, source=source, notes=notes,
        claim=found.claim, cut=f"{CUT:.0%}", home=home, finding=finding,
    )  # fmt: skip
    return html + "\n"


def terminal(found: Placebo, width: int = 46) -> str:
    """The same figure in text: a row per range of change, the real date marked."""
    drawn = bars(found)
    step = max(1, -(-len(drawn.counts) // 16))
    logs, lines = np.log1p(drawn.edges), []
    real = None if found.real is None else float(np.log1p(max(found.real["change"], -0.999)))
    starts = list(range(0, len(drawn.counts), step))
    tallest = max((int(drawn.counts[i : i + step].sum()) for i in starts), default=1) or 1
    for i in starts:
        end = min(i + step, len(drawn.counts))
        count = int(drawn.counts[i:end].sum())
        low, high = np.expm1(logs[i]), np.expm1(logs[end])
        first, last = i == starts[0], end == len(drawn.counts)
        here = real is not None and (logs[i] <= real or first) and (real < logs[end] or last)
        mark = "  <- the date asked about" if here else ""
        lines.append(f"{low:+6.0%} to {high:+6.0%} {'█' * round(width * count / tallest)} {count}{mark}")
    return "\n".join(lines)
