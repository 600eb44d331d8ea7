"""Executed notebook -> one HTML file that needs no network, plots included."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

PLOTLY_MIME = "application/vnd.plotly.v1+json"
_exporting = threading.Lock()  # reports are made side by side, by one exporter
HTML = Path(str(resources.files("resilience.report"))) / "html"


@dataclass(frozen=True)
class Page:
    """What the page says of itself beside the notebook's outputs."""

    title: str
    notebook: str
    version: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    tables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    failure: str = ""


def to_html(notebook: Any, page: Page) -> str:
    """The page as text. Scripts may run only if the page's own policy names their hash."""
    script = (HTML / "draw.js").read_text(encoding="utf-8").strip()
    figures = sum(
        PLOTLY_MIME in output.get("data", {}) for c in notebook.cells for output in c.get("outputs", [])
    )
    policy = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    about = {
        **{name: getattr(page, name) for name in page.__dataclass_fields__},
        "css": (HTML / "page.css").read_text(encoding="utf-8"),
        "script": script,
        "script_hash": policy,
        "figures": figures,
        "plotly": _plotly() if figures else "",
    }
    with _exporting:
        html, _ = _exporter().from_notebook_node(notebook, resources={"page": about})
    return "\n".join(line.rstrip() for line in str(html).splitlines() if line.strip()) + "\n"


@cache
def _exporter() -> Any:
    """nbconvert's, made once: it compiles its templates anew for each, which costs as much as a page."""
    from nbconvert import HTMLExporter
    from nbconvert.utils.base import NbConvertBase
    from traitlets.config import Config

    config = Config()
    config.NbConvertBase.display_data_priority = [PLOTLY_MIME, *NbConvertBase.display_data_priority.default()]
    return HTMLExporter(
        config=config,
        template_name="html",
        template_file="index.html.j2",
        extra_template_basedirs=[str(HTML.parent)],
        filters={"figure_id": _figure_id, "figure_json": _figure_json},
        exclude_input=True,
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        exclude_anchor_links=True,
    )


@cache
def _plotly() -> str:
    """The installed plotly.js, packed; mtime 0 keeps it the same bytes each time."""
    from plotly.offline import get_plotlyjs

    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), 9, mtime=0)).decode()


def _figure_json(figure: Mapping[str, Any]) -> str:
    """JSON that cannot end its script element."""
    text = json.dumps(figure, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return (
        text.replace("&", "\\u0026")
        .replace("<", "\\u003c")
        .replace("\u2028", "\\u2028")
        .replace("\u2029", "\\u2029")
    )


def _figure_id(figure: Mapping[str, Any]) -> str:
    return "figure-" + hashlib.sha256(_figure_json(figure).encode()).hexdigest()[:16]
