"""A plan, ready to run: Chaos Toolkit, AWS FIS and Chaos Mesh files, gameday.yml, briefings, the villain's calendar.

Files are written; nothing is executed. What only a team can know (namespaces, ids, numbers of replicas) is a named
variable of the experiment's configuration, read from the environment, and listed in the villain's sheet.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import yaml

from ..analysis.backlog import Backlog
from ..analysis.candidates import called_by
from ..analysis.faults import Fault
from ..analysis.plan import Plan
from ..errors import InputError
from ..files import write_whole
from .experiment_tools import (
    VARIABLE,
    About,
    aborts,
    chaosmesh,
    chaostoolkit,
    dump,
    fis,
    steps,
    usual_rollback,
    watched,
)

WORKSHOPS = (
    (10, "Choose the experiments from the plan; say which is out of the question and why"),
    (8, "Write prediction, steady state and abort conditions of each"),
    (6, "Try every fault and every rollback in an isolated account"),
    (4, "Dry run with the probes only; correct limits that ordinary traffic breaks"),
    (2, "Open the vote, invite the heroes, warn customer service"),
)


@dataclass(frozen=True)
class Export:
    """Files by name relative to the folder: text as it is to be written."""

    files: Mapping[str, str]


def export(
    plan: Plan,
    faults: Mapping[str, Fault],
    limits: Mapping[str, pd.DataFrame],
    *,
    gameday_id: str,
    title: str,
    date: pd.Timestamp,
    zone: str,
    begins: Mapping[str, pd.Timestamp],
    style: str = "informed",
    callers: Mapping[str, Sequence[str]] | None = None,
    backlog: Mapping[str, Backlog] | None = None,
    backlog_unit: str = "requests",
    simulated: bool = False,
) -> Export:
    """All files of a GameDay, its experiments numbered as they follow one another. `limits`: service ->
    `tolerances.limits`, of the follower where a dependency is to be found out; `date` is its local day; `begins`: service ->
    when its experiment begins (`programme.starts`); `callers`: service -> who calls it; `backlog`: service -> what is
    expected to pile up."""
    known = sorted(
        (
            About(
                row, faults[row.fault], limits.get(watched(row)), (callers or {}).get(row.service, ()),
                (backlog or {}).get(row.service),
            )
            for row in plan.chosen.itertuples()
        ),
        key=lambda about: begins[about.target],
    )  # fmt: skip
    starts = [begins[about.target].to_pydatetime() for about in known]
    files: dict[str, str] = {
        "gameday.yml": _gameday(
            known, starts, gameday_id, title, date, zone, style, plan.rules.minutes, simulated, backlog_unit
        ),
        "calendar.ics": _calendar(gameday_id, title, date, zone, starts, plan),
        "README.md": _readme(known, starts, gameday_id, title, date, zone, plan),
    }
    for number, (about, start) in enumerate(zip(known, starts, strict=True), 1):
        base = f"{number}-{about.key}"
        files[f"{base}/experiment.json"] = dump(chaostoolkit(about, plan.rules.minutes))
        files[f"{base}/hero-briefing.md"] = _briefing(about, number, start, zone, style, plan.rules.minutes)
        files[f"{base}/villain-sheet.md"] = _sheet(about, number, start, zone, plan.rules.minutes)
        if manifest := chaosmesh(about, plan.rules.minutes):
            files[f"{base}/chaos-mesh.yml"] = yaml.safe_dump(manifest, sort_keys=False)
        if template := fis(about, plan.rules.minutes):
            files[f"{base}/fis-template.json"] = dump(template)
    return Export(dict(sorted(files.items())))


def write(given: Export, folder: Path) -> list[Path]:
    """Write the files under `folder`, each whole or not at all, its README last; returns their paths.

    Raises InputError where no folder can be made, or where something else lies there: notes that people made are not
    overwritten, and an experiment of another plan is not left among these.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"No folder can be made here: {error.strerror}.", where=str(folder), remedy="Name another place."
        ) from error
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.suffix == ".part":  # of a run that was killed
            path.unlink()
        elif path.is_file() and (name not in given.files or path.read_bytes() != given.files[name].encode()):
            raise InputError(
                f"{name} of this folder is not what would be written: it was filled in, or is of another plan.",
                where=str(folder),
                remedy="Name a folder that does not exist yet.",
            )
    written = []
    for name in sorted(given.files, key=lambda name: (name == "README.md", name)):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, given.files[name])
        written.append(path)
    return written


def _gameday(
    known: Sequence[About], starts: Sequence[datetime], gameday_id: str, title: str, date: pd.Timestamp, zone: str,
    style: str, minutes: float, simulated: bool, backlog_unit: str,
) -> str:  # fmt: skip
    """A gameday.yml that `resilience ingest` reads as it is, and the observers complete on the day."""
    environments = [about.row.environment for about in known]
    usual = max(dict.fromkeys(environments), key=environments.count) if environments else "isolated"
    experiments = []
    for about in known:
        one: dict[str, Any] = {
            "experiment_key": about.key,
            "title": f"{about.fault.title}: {about.target}",
            "symptom": about.symptom,
            "targets": [about.target],
            "failure_class": about.row.failure_class if not about.edge else about.fault.classes[0],
            "environment": about.row.environment,
            "planned_min": float(minutes),
            "prediction": about.prediction,
            "steady_state": {"hypothesis": about.hypothesis, "probes": _yaml_probes(about)},
            "outcome": "not_run",
        }
        if not one["steady_state"]["probes"]:
            one["steady_state"].pop("probes")
        if about.backlog:
            one["backlog"] = {"expected": float(f"{about.backlog.peak:.3g}"), "unit": backlog_unit}
        experiments.append(one)
    day: dict[str, Any] = {
        "title": title,
        "date": f"{date:%Y-%m-%d}",
        "zone": zone,
        "style": style,
        "environment": usual,
        "summary": "Planned from the rehearsal ledger: what costs most and was never shown to hold.",
        "experiments": experiments,
    }
    if simulated:
        day["simulated"] = True
    head = (
        f"# {gameday_id}: written by `resilience plan`, to be completed by the observers on the day.\n"
        "# Still missing: vote, fault (started, ended), timeline, communication, surprises, learnings, actions.\n"
        "# Until a fault is written down, the outcome of every experiment stays not_run. `resilience "
        "gameday new` shows every field.\n"
    )
    return head + yaml.safe_dump(day, sort_keys=False, allow_unicode=True, width=110)


def _yaml_probes(about: About) -> list[dict[str, Any]]:
    found = []
    for row in about.limits.itertuples():
        if str(row.unit).endswith("/min"):
            continue  # a count per minute depends on the interval that is recorded on the day
        one: dict[str, Any] = {
            "name": row.probe,
            "metric": row.metric,
            "scope": row.scope,
            "statistic": row.statistic,
        }
        one |= {name: float(getattr(row, name)) for name in ("low", "high") if pd.notna(getattr(row, name))}
        found.append(one)
    return found


def _briefing(about: About, number: int, start: datetime, zone: str, style: str, minutes: float) -> str:
    """What the heroes get: Slack's mrkdwn, ready to paste."""
    production = about.row.environment == "production"
    lines = [
        *(["(Unannounced: post this when it begins, not before.)", ""] if style == "uninformed" else []),
        f"*Experiment {number}* · {start:%A %d %B, %H:%M} ({zone})",
        "",
        f"*Symptom:* {about.symptom}",
        f"*Where to look:* {about.target}" + (f" and {about.row.follower}" if about.edge else ""),
        f"*You have:* {minutes:g} minutes to find out why, and to make it work again",
        "*How to stop it:* write STOP in this channel; the abort owner ends it at once, no questions asked",
    ]
    if production:
        lines += [
            "",
            "*Vote:* :one: production  :two: staging  :three: an isolated account",
            "*No vote means staging.* Production is chosen by people, not by silence",
        ]
    lines += ["", f"*Did you know?* {_did_you_know(about)}"]
    return "\n".join(lines) + "\n"


def _did_you_know(about: About) -> str:
    if about.callers:
        shown = ", ".join(about.callers[:4])
        more = f" and {len(about.callers) - 4} more" if len(about.callers) > 4 else ""
        return f"{about.target} is called by {shown}{more}."
    return f"nobody has declared that anything calls {about.target}."


def _sheet(about: About, number: int, start: datetime, zone: str, minutes: float) -> str:
    """What the villains fill in and keep to."""
    method = json.dumps(chaostoolkit(about, minutes), sort_keys=True)
    variables = list(dict.fromkeys(VARIABLE.findall(method)))
    backlog = (
        about.backlog.text if about.backlog
        else "not known: no traffic of it is in the store. Write down what you expect"
    )  # fmt: skip
    reached = called_by(int(about.row.blast))
    reached += (
        f": first {', '.join(about.callers[:8])}" if about.callers else ", so how far it reaches is not known"
    )
    lines = [
        f"# Villain's sheet {number}: {about.fault.title} at {about.target}",
        "",
        (f"- **When:** {start:%A %d %B %Y %H:%M} {zone}, {minutes:g} minutes, then "
        f"{about.fault.recover_min:g} to recover. {about.row.window}"),
        f"- **Where:** {about.row.environment}",
        f"- **Why this one:** {about.row.reason}",
        f"- **Prediction, written before:** {about.prediction}",
        f"- **Steady state:** {about.hypothesis}",
        f"- **Blast radius:** by design one {about.fault.reach}; {reached}",
        f"- **Expected backlog:** {backlog}",
        f"- **Rollback:** {_said(about, about.fault.rollback or usual_rollback(about))}",
        "- **Rollback tested on:** ____ by ____ (no date, no experiment)",
        "- **Abort owner:** ____ (one person, in the channel, hands free)",
        f"- **Abort when:** {'; '.join(aborts(about))}",
        f"- **Warned:** customer service ____, on-call of {', '.join([about.target, *about.callers[:3]])} ____",
        "",
        "## To run, in this folder",
        "",
        "```",
        "chaos validate experiment.json",
        "chaos run --dry=activities experiment.json",
        "chaos run experiment.json   # on the day, by the abort owner",
        "```",
    ]  # fmt: skip
    if variables:
        lines += ["", "Set before: " + ", ".join(f"`{name.upper()}`" for name in variables) + "."]
    if '"kubectl"' in method:
        lines += [
            "",
            "`kubectl` acts on its current context: look at `kubectl config current-context` first.",
        ]
    if about.fault.fis:
        lines += [
            "",
            "`fis-template.json` does the same by AWS FIS; what stands in angle brackets is yours to replace.",
        ]
    return "\n".join(lines) + "\n"


def _said(about: About, how: Mapping[str, Any]) -> str:
    if "by hand" in how:
        return about.fault.says(str(how["by hand"]), about.target)
    step = steps(about, how, "")[0]["provider"]
    return f"`{shlex.join(step['arguments'])}`"


def _workshops(date: pd.Timestamp, zone: str) -> list[tuple[datetime, str, str]]:
    """The villains' workshops, fortnightly back from the local day `date`: when, what for, and a key."""
    day = datetime(date.year, date.month, date.day, 14, tzinfo=ZoneInfo(zone))
    return [(day - pd.Timedelta(weeks=weeks), what, f"w{weeks}") for weeks, what in WORKSHOPS]


def _calendar(
    gameday_id: str, title: str, date: pd.Timestamp, zone: str, starts: Sequence[datetime], plan: Plan
) -> str:
    """iCalendar (RFC 5545): the villains' workshops that lie ahead of the plan, and the experiments."""
    minutes = plan.rules.minutes
    events = [
        (at, 90.0, f"Villains: {what}", key) for at, what, key in _workshops(date, zone) if at > plan.as_of
    ]
    events += [(start, minutes, f"{title}: experiment {n}", f"e{n}") for n, start in enumerate(starts, 1)]
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//resilience//plan//EN"]
    day = datetime(date.year, date.month, date.day, 14, tzinfo=ZoneInfo(zone))
    stamp = pd.Timestamp(day).tz_convert("UTC").strftime("%Y%m%dT%H%M%SZ")
    for start, length, what, name in events:
        begin = pd.Timestamp(start).tz_convert("UTC")
        lines += [
            "BEGIN:VEVENT", f"UID:{gameday_id}-{name}@resilience", f"DTSTAMP:{stamp}", f"DTSTART:{begin:%Y%m%dT%H%M%SZ}",
            f"DTEND:{begin + pd.Timedelta(minutes=length):%Y%m%dT%H%M%SZ}", f"SUMMARY:{_ics(what)}", "END:VEVENT",
        ]  # fmt: skip
    return "\r\n".join(piece for line in [*lines, "END:VCALENDAR"] for piece in _folded(line)) + "\r\n"


def _ics(text: str) -> str:
    return text.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,").replace("\n", " ")


def _folded(line: str) -> list[str]:
    """Content lines of at most 75 octets, continued by a space."""
    pieces, rest = [], line
    while len(rest.encode()) > 74:
        cut = 74
        while len(rest[:cut].encode()) > 74:
            cut -= 1
        pieces.append(rest[:cut])
        rest = " " + rest[cut:]
    return [*pieces, rest]


def _readme(
    known: Sequence[About], starts: Sequence[datetime], gameday_id: str, title: str, date: pd.Timestamp, zone: str,
    plan: Plan,
) -> str:  # fmt: skip
    """What it is, and the one table that whoever must say yes looks at."""
    lines = [
        f"# {title}",
        "",
        plan.text,
        "",
        f"{date:%A %d %B %Y}, {zone}, {plan.rules.minutes:g} minutes each. Nothing in this folder was run.",
        "",
        "| | begins | what | where | could reach | piles up at most | yes, by |",
        "|---|---|---|---|---|---|---|",
    ]
    for number, (about, start) in enumerate(zip(known, starts, strict=True), 1):
        piled = f"{float(f'{about.backlog.peak:.3g}'):,.0f}" if about.backlog else "not known"
        cells = [
            f"[{number}]({number}-{about.key}/villain-sheet.md)", f"{start:%a %d %b, %H:%M}",
            f"{about.fault.title} at {about.target}", str(about.row.environment), called_by(int(about.row.blast)),
            piled, "____",
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
    lines += [
        "",
        "How each ends, and when it is stopped early, stands in its villain's sheet. No experiment without a yes, a tested "
        "rollback and an abort owner.",
    ]
    if late := [f"{what} ({at:%d %B})" for at, what, _ in _workshops(date, zone) if at <= plan.as_of]:
        lines += [
            "",
            f"Too late for its own workshop, so it belongs into the first one left: {'; '.join(late)}.",
        ]
    lines += [
        "",
        f"Complete `gameday.yml` on the day, copy it, alone, to `data/gamedays/{gameday_id}/` and run `resilience ingest`; "
        "`resilience ledger` then shows what moved.",
    ]
    return "\n".join(lines) + "\n"
