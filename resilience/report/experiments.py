"""A plan, ready to run: Chaos Toolkit, AWS FIS and Chaos Mesh files, gameday.yml, briefings, the villain's calendar.

Files are written; nothing is executed. What only a team can know (namespaces, ids, numbers of replicas) is a named
variable of the experiment's configuration, read from the environment, and listed in the villain's sheet.
"""

from __future__ import annotations

import json
import re
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
from ..analysis.candidates import EDGE
from ..analysis.faults import Fault
from ..analysis.plan import Plan

FIRST_START = 10  # o'clock local, where no safe window was found
PAUSE_MIN = 25  # between two experiments
WORKSHOPS = (
    (10, "Choose the experiments from the plan; say which is out of the question and why"),
    (8, "Write prediction, steady state and abort conditions of each"),
    (6, "Try every fault and every rollback in an isolated account"),
    (4, "Dry run with the probes only; correct limits that ordinary traffic breaks"),
    (2, "Open the vote, invite the heroes, warn customer service"),
)
_VARIABLE = re.compile(r"\$\{([a-z_]+)\}")
_EXTRA = ("latency", "errors", "traffic")


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
    style: str = "informed",
    callers: Mapping[str, Sequence[str]] | None = None,
    backlog: Mapping[str, Backlog] | None = None,
    backlog_unit: str = "requests",
    simulated: bool = False,
) -> Export:
    """All files of a GameDay. `limits`: service -> `tolerances.limits`; `date` is its local day; `callers`: service ->
    who calls it; `backlog`: service -> what is expected to pile up."""
    known = [
        _About(
            row, faults[row.fault], limits.get(row.service), (callers or {}).get(row.service, ()),
            (backlog or {}).get(row.service),
        )
        for row in plan.chosen.itertuples()
    ]  # fmt: skip
    starts = _starts(plan.chosen, date, zone, plan.rules.minutes)
    files: dict[str, str] = {
        "gameday.yml": _gameday(
            known, starts, gameday_id, title, date, zone, style, plan.rules.minutes, simulated, backlog_unit
        ),
        "calendar.ics": _calendar(gameday_id, title, date, zone, starts, plan.rules.minutes),
        "README.md": _readme(known, starts, title, date, zone, plan),
    }
    for number, (about, start) in enumerate(zip(known, starts, strict=True), 1):
        base = f"{number}-{about.key}"
        files[f"{base}/experiment.json"] = _dump(chaostoolkit(about, plan.rules.minutes))
        files[f"{base}/hero-briefing.md"] = _briefing(about, number, start, zone, style, plan.rules.minutes)
        files[f"{base}/villain-sheet.md"] = _sheet(about, number, start, zone, plan.rules.minutes)
        if manifest := chaosmesh(about, plan.rules.minutes):
            files[f"{base}/chaos-mesh.yml"] = yaml.safe_dump(manifest, sort_keys=False)
        if template := fis(about, plan.rules.minutes):
            files[f"{base}/fis-template.json"] = _dump(template)
    return Export(dict(sorted(files.items())))


def write(given: Export, folder: Path) -> list[Path]:
    """Write the files under `folder`, each whole or not at all; returns their paths."""
    written = []
    for name, text in given.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        part.write_text(text, encoding="utf-8", newline="\n")
        part.replace(path)
        written.append(path)
    return written


class _About:
    """One chosen experiment with what its files say."""

    def __init__(
        self,
        row: Any,
        fault: Fault,
        limits: pd.DataFrame | None,
        callers: Sequence[str],
        backlog: Backlog | None,
    ) -> None:
        self.row, self.fault, self.callers, self.backlog = row, fault, list(callers), backlog
        self.target = str(row.service)
        self.edge = row.kind == EDGE
        self.limits = limits if limits is not None else pd.DataFrame(columns=["probe"])
        self.key = _slug(
            f"{self.target}-{row.follower}-depends" if self.edge else f"{self.target}-{fault.key}"
        )
        self.symptom = fault.says(fault.symptom, self.target)
        self.prediction = fault.says(fault.prediction, self.target)
        if self.edge:
            self.prediction = (
                f"{row.follower} keeps working while {self.target} is slow: no dependency is declared"
            )

    @property
    def hypothesis(self) -> str:
        if not len(self.limits):
            return (
                f"{self.target} stays within what is usual at that hour; its series were too short for limits"
            )
        said = []
        for probe in self.limits.itertuples():
            bound = f"at most {probe.high:g}" if pd.notna(probe.high) else f"at least {probe.low:g}"
            said.append(f"{probe.probe} {bound} {probe.unit if pd.notna(probe.unit) else ''}".rstrip())
        return "While the fault lasts: " + ", ".join(said)


def chaostoolkit(about: _About, minutes: float) -> dict[str, Any]:
    """A Chaos Toolkit experiment (its format 1.0): probes call `resilience probe`, which exits 0 inside the limits,

    1 outside them and 2 where there is no data, so that missing data never counts as steady.
    """
    probes = [_probe(row, minutes) for row in about.limits.itertuples()]
    inject = _steps(about, about.fault.method, about.fault.title)
    undo = _steps(about, about.fault.rollback or _undo(about), "Roll back: " + about.fault.title.lower())
    wait = {"after": int(minutes * 60)}
    inject[-1] = {**inject[-1], "pauses": wait}
    observed = [{**probe, "name": f"{probe['name']}, at the end of the box"} for probe in probes]
    used = sorted(set(_VARIABLE.findall(json.dumps([inject, undo]))))
    return {
        "version": "1.0.0",
        "title": f"{about.fault.title}: {about.target}",
        "description": f"{about.prediction}. {about.row.reason}",
        "tags": ["resilience", str(about.row.failure_class), str(about.row.environment)],
        "contributions": {"reliability": "high", "availability": "high"},
        "configuration": {
            name: {"type": "env", "key": name.upper(), "default": f"set-{name.replace('_', '-')}"} for name in used
        },
        "steady-state-hypothesis": {"title": about.hypothesis, "probes": probes},
        "method": [*inject, *observed],
        "rollbacks": undo,
        "extensions": [
            {
                "name": "resilience",
                "experiment_key": about.key,
                "abort": _aborts(about),
                "files": [
                    *(["chaos-mesh.yml"] if "manifest" in about.fault.method else []),
                    *(["fis-template.json"] if about.fault.fis else []),
                ],
            }
        ],
    }  # fmt: skip


def _probe(row: Any, minutes: float) -> dict[str, Any]:
    arguments = [
        "resilience",
        "probe",
        str(row.metric),
        str(row.scope),
        "--statistic",
        str(row.statistic),
        "--minutes",
        f"{min(minutes, 20):g}",
    ]
    for name in ("low", "high"):
        if pd.notna(getattr(row, name)):
            arguments += [f"--{name}", f"{getattr(row, name):g}"]
    if str(row.unit).endswith("/min"):
        arguments += ["--per-minute"]
    return {
        "type": "probe",
        "name": str(row.probe),
        "tolerance": 0,
        "provider": {"type": "process", "path": "env", "arguments": arguments, "timeout": 60},
    }


def _steps(about: _About, how: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Actions of a method or rollback as programs to run, by `env`: found on the day, not on the machine that plans."""
    if "by hand" in how:
        path, arguments = "resilience", ["confirm", about.fault.says(str(how["by hand"]), about.target)]
    elif "manifest" in how:
        path, arguments = "kubectl", ["apply", "-f", "chaos-mesh.yml"]
    elif "delete" in how:
        path, arguments = "kubectl", ["delete", "--ignore-not-found", "-f", "chaos-mesh.yml"]
    else:
        path = str(how["command"])
        arguments = shlex.split(about.fault.says(str(how["arguments"]), shlex.quote(about.target)))
    timeout = 3600 if path == "resilience" else 300
    return [
        {
            "type": "action",
            "name": name,
            "provider": {
                "type": "process",
                "path": "env",
                "arguments": [path, *arguments],
                "timeout": timeout,
            },
        }
    ]


def _undo(about: _About) -> dict[str, Any]:
    return (
        {"delete": True}
        if "manifest" in about.fault.method
        else {"by hand": f"Undo what was done to {about.target}"}
    )


def chaosmesh(about: _About, minutes: float) -> dict[str, Any] | None:
    """A Chaos Mesh object of the fault, where it is made by one; the selector is by the label `app`."""
    method = about.fault.method
    if "manifest" not in method:
        return None
    how = {"mode": "all", **method.get("mode", {})}
    spec = {
        **how,
        "selector": {"labelSelectors": {"app": about.target}},
        "duration": f"{int(minutes)}m",
        **method["spec"],
    }
    if method["manifest"] == "PodChaos":
        spec.pop("duration")  # a pod that was killed stays so; the object has no use for a length
    return {
        "apiVersion": "chaos-mesh.org/v1alpha1",
        "kind": method["manifest"],
        "metadata": {"name": about.key[:60], "labels": {"made-by": "resilience"}},
        "spec": spec,
    }


_RESOURCES = {
    "pods": ("Pods", "aws:eks:pod"), "instances": ("Instances", "aws:ec2:instance"),
    "clusters": ("Clusters", "aws:rds:cluster"),
}  # fmt: skip


def fis(about: _About, minutes: float) -> dict[str, Any] | None:
    """Input of AWS FIS' CreateExperimentTemplate, where the fault has an action there; ids in angle
    brackets are the team's."""
    how = about.fault.fis
    if not how:
        return None
    name, resource = _RESOURCES[how["target"]]
    parameters = {
        key: _VARIABLE.sub(lambda m: f"<{m[1]}>", str(value)) for key, value in how["parameters"].items()
    }
    if (
        resource == "aws:eks:pod"
        and how["actionId" if "actionId" in how else "action"] != "aws:eks:pod-delete"
    ):
        parameters["duration"] = f"PT{int(minutes)}M"
    target: dict[str, Any] = {"resourceType": resource, "selectionMode": how.get("selection", "ALL")}
    if resource == "aws:eks:pod":
        target["parameters"] = {
            "clusterIdentifier": "<cluster>", "namespace": "<namespace>", "selectorType": "labelSelector",
            "selectorValue": f"app={about.target}",
        }  # fmt: skip
    else:
        target["resourceTags"] = {"service": about.target, "may-be-broken": "yes"}
    return {
        "clientToken": about.key[:64],
        "description": f"{about.fault.title}: {about.target}"[:512],
        "targets": {"target": target},
        "actions": {
            "fault": {
                "actionId": how["action"],
                "description": about.prediction[:512],
                "parameters": parameters,
                "targets": {name: "target"},
            }
        },
        "stopConditions": [
            {"source": "aws:cloudwatch:alarm", "value": "<arn of the alarm on " + about.target + ">"}
        ],
        "roleArn": "<arn of the role that FIS assumes>",
        "tags": {"made-by": "resilience", "experiment": about.key},
    }


def _aborts(about: _About) -> list[str]:
    found = [
        f"{row.probe} is twice as far from usual as its limit for five minutes"
        for row in about.limits.itertuples()
    ]
    return [*found, "A real incident is declared anywhere", "Customer service reports orders that fail"]


def _gameday(
    known: Sequence[_About], starts: Sequence[datetime], gameday_id: str, title: str, date: pd.Timestamp, zone: str,
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
            one["backlog"] = {"expected": float(round(about.backlog.peak)), "unit": backlog_unit}
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


def _yaml_probes(about: _About) -> list[dict[str, Any]]:
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


def _briefing(about: _About, number: int, start: datetime, zone: str, style: str, minutes: float) -> str:
    """What the heroes get: Slack's mrkdwn, ready to paste."""
    production = about.row.environment == "production"
    lines = [
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


def _did_you_know(about: _About) -> str:
    if about.callers:
        shown = ", ".join(about.callers[:4])
        more = f" and {len(about.callers) - 4} more" if len(about.callers) > 4 else ""
        return f"{about.target} is called by {shown}{more}."
    return f"nobody has declared that anything calls {about.target}."


def _sheet(about: _About, number: int, start: datetime, zone: str, minutes: float) -> str:
    """What the villains fill in and keep to."""
    method = json.dumps(chaostoolkit(about, minutes), sort_keys=True)
    variables = list(dict.fromkeys(_VARIABLE.findall(method)))
    backlog = (
        about.backlog.text if about.backlog
        else "not known: no traffic of it is in the store. Write down what you expect"
    )  # fmt: skip
    reached = "no declared call leads to it, so how far it reaches is not known"
    if about.row.blast:
        reached = (
            f"{int(about.row.blast)} services call it, directly or not: first {', '.join(about.callers[:8])}"
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
        f"- **Rollback:** {_said(about, about.fault.rollback or _undo(about))}",
        "- **Rollback tested on:** ____ by ____ (no date, no experiment)",
        "- **Abort owner:** ____ (one person, in the channel, hands free)",
        f"- **Abort when:** {'; '.join(_aborts(about))}",
        f"- **Warned:** customer service ____, on-call of {', '.join([about.target, *about.callers[:3]])} ____",
        "",
        "## To run",
        "",
        "```",
        "chaos validate experiment.json",
        "chaos run --dry=activities experiment.json",
        "chaos run experiment.json   # on the day, by the abort owner",
        "```",
    ]  # fmt: skip
    if variables:
        lines += ["", "Set before: " + ", ".join(f"`{name.upper()}`" for name in variables) + "."]
    return "\n".join(lines) + "\n"


def _said(about: _About, how: Mapping[str, Any]) -> str:
    if "by hand" in how:
        return about.fault.says(str(how["by hand"]), about.target)
    step = _steps(about, how, "")[0]["provider"]
    return f"`{shlex.join(step['arguments'])}`"


def _starts(chosen: pd.DataFrame, date: pd.Timestamp, zone: str, minutes: float) -> list[datetime]:
    """Local start of each experiment: its safe window where that lies on the day, else one after the other from ten."""
    local = ZoneInfo(zone)
    base = datetime(date.year, date.month, date.day, FIRST_START, tzinfo=local)
    found: list[datetime] = []
    for place, at in enumerate(chosen["starts_at"]):
        own = (
            at.tz_convert(zone).to_pydatetime()
            if pd.notna(at) and at.tz_convert(zone).date() == base.date()
            else None
        )
        planned = base + pd.Timedelta(minutes=(minutes + PAUSE_MIN) * place)
        found.append(own or planned.replace(tzinfo=local))
    return found


def _calendar(
    gameday_id: str, title: str, date: pd.Timestamp, zone: str, starts: Sequence[datetime], minutes: float
) -> str:
    """iCalendar (RFC 5545): fortnightly villains' workshops back from the day, and the experiments."""
    local = ZoneInfo(zone)
    day = datetime(date.year, date.month, date.day, 14, tzinfo=local)
    events = [(day - pd.Timedelta(weeks=w), 90.0, f"Villains: {what}", f"w{w}") for w, what in WORKSHOPS]
    events += [(start, minutes, f"{title}: experiment {n}", f"e{n}") for n, start in enumerate(starts, 1)]
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//resilience//plan//EN"]
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
    known: Sequence[_About], starts: Sequence[datetime], title: str, date: pd.Timestamp, zone: str, plan: Plan
) -> str:
    lines = [
        f"# {title}",
        "",
        plan.text,
        "",
        f"{date:%A %d %B %Y}, {zone}. Nothing in this folder was run.",
        "",
    ]
    for number, (about, start) in enumerate(zip(known, starts, strict=True), 1):
        lines.append(
            f"{number}. **{start:%H:%M}** {about.fault.title} at {about.target} ({about.row.environment}): "
            f"`{number}-{about.key}/`"
        )
    lines += [
        "",
        (
            "Complete `gameday.yml` on the day, copy it, alone, to `data/gamedays/<id>/` and run `resilience "
            "ingest`; `resilience ledger` then shows what moved."
        ),
    ]
    return "\n".join(lines) + "\n"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:80].strip("-") or "experiment"


def _dump(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
