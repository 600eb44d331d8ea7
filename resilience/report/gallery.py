"""reports/index.html: every report that stands in the folder, from what each says of itself."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

from ..analysis.steady_state import VERDICTS
from ..files import write_whole
from .export import HTML
from .gameday_experiment import MARKS
from .panels import led

_GAMEDAYS = (
    "What did each GameDay show?",
    "Newest first. Held: what was measured stayed within its limits while we broke things. Deviated: it left them.",
)
_ASKED = (
    (
        "What keeps failing, and are we getting better?",
        "From every incident report on record; drills are never counted among them.",
        ("failure-classes", "time-to-restore", "placebo.html"),
    ),
    (
        "What should we rehearse next?",
        "What fails, joined to what has been rehearsed.",
        ("next-experiments", "ledger.html"),
    ),
    ("How much room is left?", "From the series of every service.", ("capacity",)),
)
"""Question, what it is answered from, and the pages that answer it, in the order in which they are read."""
_OTHERS = ("Other pages", "")
_PAGES = {
    "ledger.html": (
        "The rehearsal ledger",
        "Every failure class at every service: what it costs, when it was last rehearsed, and what nobody has tried.",
    ),
    "placebo.html": (
        "Would it have happened anyway?",
        "How often a date on which nothing happened looks like an improvement, in this history.",
    ),
}
"""Pages that are no folder: what they are called here, and what they tell."""
_STYLES = {"informed": "announced", "uninformed": "unannounced"}


def write(reports: Path, title: str) -> Path:
    """Write the gallery of `reports` and return its path; the same reports give the same bytes."""
    from jinja2 import Environment, FileSystemLoader

    cards = [_card(folder) for folder in sorted(reports.iterdir()) if _is_report(folder)]
    days = sorted((c for c in cards if c["held_on"]), key=lambda c: (c["held_on"], c["id"]), reverse=True)
    others = {c["id"]: c for c in cards if not c["held_on"]}
    others |= {name: _page(name, *told) for name, told in _PAGES.items() if (reports / name).is_file()}
    asked = [(*head, [others.pop(name) for name in names if name in others]) for *head, names in _ASKED]
    template = Environment(loader=FileSystemLoader(HTML), autoescape=True, trim_blocks=True).get_template(
        "gallery.html.j2"
    )
    script = (HTML / "gallery.js").read_text(encoding="utf-8").strip()
    page = template.render(
        title=title,
        css="".join((HTML / name).read_text(encoding="utf-8") for name in ("page.css", "gallery.css")),
        sections=[(*_GAMEDAYS, days), *asked, (*_OTHERS, list(others.values()))],
        simulated=any(card["simulated"] for card in cards),
        marks=MARKS,
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        filters=[
            ("year", "Year", sorted({card["year"] for card in days}, reverse=True)),
            ("style", "Announced", sorted({card["style"] for card in days if card["style"]})),
            ("verdict", "Verdict", [v for v in VERDICTS if any(v in card["found"] for card in days)]),
        ],
    )
    path = reports / "index.html"
    write_whole(path, page + "\n")
    return path


def _is_report(folder: Path) -> bool:
    wanted = ("report.html", "failure.html")
    return (
        folder.is_dir()
        and not folder.name.startswith(".")
        and any((folder / name).exists() for name in wanted)
    )


def _card(folder: Path) -> dict[str, Any]:
    provenance, result, failure = (
        _json(folder / f"{name}.json") for name in ("provenance", "result", "failure")
    )
    day = result.get("gameday", {})
    verdicts = {verdict: result.get("verdicts", {}).get(verdict, 0) for verdict in VERDICTS}
    style = _STYLES.get(str(day.get("style", "")), str(day.get("style", "")))
    meta = [str(part) for part in (day.get("held_on"), style, day.get("environment")) if part]
    return {
        "id": folder.name,
        "title": day.get("title") or provenance.get("title") or folder.name,
        "held_on": day.get("held_on", ""),
        "meta": " · ".join(meta),
        "year": str(day.get("held_on", ""))[:4],
        "style": style,
        "verdicts": verdicts,
        "found": [verdict for verdict, count in verdicts.items() if count],
        "experiments": [
            (one["experiment_key"], one["title"], one["verdict"])
            for one in result.get("experiments", [])
            if {"experiment_key", "title", "verdict"} <= one.keys()
        ],
        "text": led(str(result.get("text", "")))[0],
        "simulated": bool(result.get("simulated")),
        "failure": failure.get("error", ""),
        "address": f"{folder.name}/report.html" if (folder / "report.html").exists() else "",
    }


def _page(name: str, title: str, text: str) -> dict[str, Any]:
    """The card of a page that says nothing of itself in a file beside it."""
    return {"id": name, "title": title, "text": text, "address": name}


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
