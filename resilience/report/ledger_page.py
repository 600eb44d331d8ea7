"""reports/ledger.html: the matrix, the evidence of its cells and the plan on one page, without script and without plotly."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from ..analysis.backlog import Backlog
from ..analysis.ledger import Ledger
from ..analysis.plan import Plan
from .ledger_panels import CSS, matrix_html
from .panels import escape, finding
from .plan_panels import cards_html, rejected


def page(
    book: Ledger,
    plan: Plan | None,
    title: str,
    *,
    simulated: bool,
    incidents: pd.DataFrame | None = None,
    queues: Mapping[str, Backlog] | None = None,
    zone: str = "UTC",
) -> str:
    """The whole page. `incidents`: see `ledger_panels.matrix`; `queues` and `zone`: see `plan_panels.cards`."""
    css = (Path(__file__).parent / "html" / "page.css").read_text(encoding="utf-8")
    banner = (
        '<p class="simulated">Simulated: this page is made from a sample marketplace.</p>'
        if simulated
        else ""
    )
    proposed = ""
    if plan is not None:
        why = f"<details><summary>Why not the others?</summary>{rejected(plan).body}</details>"
        proposed = f"<h2>What should we rehearse next?</h2>{cards_html(plan, queues, zone)}{why}"
    policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}: rehearsal ledger</title>\n"
        f"<style>{css}\n{CSS}</style>\n</head>\n<body>\n"
        '<a class="skip" href="#main">Skip to the ledger</a><header><nav aria-label="Reports">'
        '<a href="index.html">All reports</a></nav></header>\n'
        f'<main id="main"><h1>What fails, and what have we rehearsed?</h1>{banner}{finding(book.text)}'
        f"<h2>Which cells were never rehearsed?</h2>{matrix_html(book, incidents, '..')}{proposed}</main>\n"
        "</body>\n</html>\n"
    )
