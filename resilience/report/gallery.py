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

_GAMEDAYS = ("GameDays", "Newest first. Each page says what was tried, what happened and how sure that is.")
_ANALYSES = ("The whole history", "Incidents and traffic, read from all reports and series in the store.")

_OTHERS = {
    "ledger.html": "The rehearsal ledger: what fails, what was rehearsed, what nobody has tried",
    "placebo.html": "How often would a date on which nothing happened look like an improvement?",
}


def write(reports: Path, title: str) -> Path:
    """Write the gallery of `reports` and return its path; the same reports give the same bytes."""
    from jinja2 import Environment, FileSystemLoader

    cards = [_card(folder) for folder in sorted(reports.iterdir()) if _is_report(folder)]
    days = sorted((c for c in cards if c["held_on"]), key=lambda c: (c["held_on"], c["id"]), reverse=True)
    others = [c for c in cards if not c["held_on"]]
    template = Environment(loader=FileSystemLoader(HTML), autoescape=True, trim_blocks=True).get_template(
        "gallery.html.j2"
    )
    script = (HTML / "gallery.js").read_text(encoding="utf-8").strip()
    page = template.render(
        title=title,
        css="".join((HTML / name).read_text(encoding="utf-8") for name in ("page.css", "gallery.css")),
        sections=[(*_GAMEDAYS, days), (*_ANALYSES, others)],
        simulated=any(card["simulated"] for card in cards),
        marks=MARKS,
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        filters=[
            ("year", "Year", sorted({card["year"] for card in days}, reverse=True)),
            ("style", "Told in advance", sorted({card["style"] for card in days if card["style"]})),
            ("verdict", "Verdict", [v for v in VERDICTS if any(v in card["found"] for card in days)]),
        ],
        others=[(name, words) for name, words in _OTHERS.items() if (reports / name).is_file()],
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
    meta = [str(day[name]) for name in ("held_on", "style", "environment") if day.get(name)]
    return {
        "id": folder.name,
        "title": day.get("title") or provenance.get("title") or folder.name,
        "held_on": day.get("held_on", ""),
        "meta": " · ".join(meta),
        "year": str(day.get("held_on", ""))[:4],
        "style": str(day.get("style", "")),
        "verdicts": verdicts,
        "found": [verdict for verdict, count in verdicts.items() if count],
        "experiments": [
            (one["experiment_key"], one["title"], one["verdict"])
            for one in result.get("experiments", [])
            if {"experiment_key", "title", "verdict"} <= one.keys()
        ],
        "text": result.get("text", ""),
        "simulated": bool(result.get("simulated")),
        "failure": failure.get("error", ""),
        "report": (folder / "report.html").exists(),
    }


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
