"""Incident reports as three houses write them, each with two hands."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import numpy as np

from . import wording
from .world import MINUTE, ZONE, Incident, World, own


@dataclass(frozen=True)
class Content:
    """What a report says, before a house gives it its form."""

    incident: Incident
    title: str
    summary: str
    impact: str
    detection: str
    cause: str
    factors: list[str]
    fix: str
    timeline: list[tuple[datetime, str, str]]  # when, moment or "", text
    actions: list[tuple[str, str, str]]  # text, owner, state
    lessons: dict[str, list[str]]

    def known(self, moment: str) -> datetime | None:
        """When, or None where the report does not say."""
        return self.incident.recorded(moment)


def write(folder: Path, world: World) -> None:
    """One Markdown file per incident, and one more for each that somebody told a second time."""
    folder.mkdir(parents=True, exist_ok=True)
    houses = {"front-matter": _front_matter, "key-value": _key_value, "sre-book": _sre_book}
    for incident in (*world.incidents, *world.duplicates):
        rng = own(world.seed, incident.number, 8 if incident.duplicate_of is None else 9)
        name, text = houses[incident.style](_content(rng, world, incident))
        (folder / name).write_bytes(text.encode())


def words(span: timedelta) -> str:
    """A duration as people write it: '1 day 2 hours 5 minutes'."""
    minutes = int(span / MINUTE)
    parts = [(minutes // 1440, "day"), (minutes // 60 % 24, "hour"), (minutes % 60, "minute")]
    said = [f"{n} {unit}{'' if n == 1 else 's'}" for n, unit in parts if n]
    return " ".join(said) or "0 minutes"


def _content(rng: np.random.Generator, world: World, incident: Incident) -> Content:
    voice = wording.voice(incident.half)
    scenario = wording.scenarios(incident.half, incident.failure_class)[incident.scenario]
    service = world.service(incident.services[0])
    others = [*service.calls, *incident.services[1:]] or [
        "event-bus" if service.name != "event-bus" else "catalog"
    ]
    started = incident.started + MINUTE * incident.late_min
    slots = {
        "s": service.name,
        "d": _one(rng, others),
        "n": str(int(rng.integers(2, 10))),
        "pct": str(int(rng.integers(6, 49))),
        "hit": str(int(rng.integers(2, 9)) * (1, 2, 5, 9)[4 - incident.severity]),
        "k": f"{int(rng.lognormal(8.0 - 0.9 * incident.severity, 0.7)) * 10 + 40}",
        "ver": f"{rng.integers(2, 9)}.{rng.integers(0, 40)}.{rng.integers(0, 9)}",
        "clock": f"{started.astimezone(ZONE):%H:%M}",
        "team": incident.teams[-1],
        "loss": wording.loss(incident.half, service.name),
        "length": words(incident.ended - started) if incident.ended else "more than two days",
    }

    def fill(template: str) -> str:
        text = template.format_map(slots)
        return text if template.startswith("{") else text[:1].upper() + text[1:]

    unknown = fill(_one(rng, voice["unknown"]))
    detection = fill(_one(rng, voice["detection"][incident.found_by]))
    todo = [fill(t) for t in (*scenario.todo, _one(rng, voice["habit"]))]
    if not incident.cause_stated:
        todo = todo[-1:]
    owners = [f"{team} team" for team in incident.teams] + ["on-call lead"]
    states = ("open", "open", "done", "done", "in progress")
    return Content(
        incident,
        fill(scenario.title if incident.cause_stated else _one(rng, voice["titles"])),
        fill(_one(rng, voice["summary"])),
        fill(_one(rng, voice["impact"])),
        detection,
        fill(scenario.cause) if incident.cause_stated else unknown,
        [fill(b) for b in scenario.because] if incident.cause_stated else [],
        fill(scenario.fix) if incident.cause_stated else fill(voice["gone"]),
        _timeline(rng, incident, voice, fill, detection, scenario),
        [(text, _one(rng, owners), _one(rng, states)) for text in todo],
        {kind: [fill(_one(rng, voice[kind]))] for kind in ("well", "wrong", "lucky")},
    )


def _timeline(
    rng: np.random.Generator,
    incident: Incident,
    voice: dict[str, Any],
    fill: Callable[[str], str],
    detection: str,
    scenario: wording.Scenario,
) -> list[tuple[datetime, str, str]]:
    moments = voice["moments"]
    said = {
        "started": fill(moments["started"]),
        "detected": detection.rstrip("."),
        "acknowledged": fill(moments["acknowledged"]),
        "mitigated": fill(scenario.fix if incident.cause_stated else voice["gone"]),
        "resolved": fill(moments["resolved"]),
    }
    held = replace(incident, slipped_days=0)  # only the head of a report is dated wrongly
    lines = [(at, moment, text) for moment, text in said.items() if (at := held.recorded(moment)) is not None]
    until = incident.mitigated or incident.acknowledged + timedelta(hours=30)
    room = int((until - incident.acknowledged) / MINUTE)
    for place in rng.permutation(len(voice["notes"]))[: int(rng.integers(1, 4))]:
        if room > 2:
            at = incident.acknowledged + MINUTE * int(rng.integers(1, room))
            lines.append((at, "", fill(voice["notes"][place])))
    order = {
        moment: place
        for place, moment in enumerate(("started", "detected", "acknowledged", "", "mitigated", "resolved"))
    }
    return sorted(lines, key=lambda line: (line[0], order[line[1]]))


def _one(rng: np.random.Generator, options: Any) -> str:
    return str(options[int(rng.integers(len(options)))])


def _slug(text: str) -> str:
    plain = "".join(c if c.isascii() and c.isalnum() else "-" for c in text.lower())
    return "-".join(part for part in plain.split("-") if part)[:48].strip("-")


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    cells = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def _bullets(items: list[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def _sections(*pairs: tuple[str, str], level: int = 2) -> str:
    return "\n\n".join(f"{'#' * level} {head}\n\n{body}" for head, body in pairs if body)


def _front_matter(c: Content) -> tuple[str, str]:
    """YAML front matter with ISO times, then sections. Hand one writes local offsets, hand two UTC."""
    one, i = c.incident.half == "one", c.incident
    zone: tzinfo = ZONE if one else UTC

    def iso(at: datetime | None) -> str:
        return "" if at is None else f" {at.astimezone(zone).isoformat().replace('+00:00', 'Z')}"

    head = [
        f"id: {i.incident_id}",
        f"title: {json.dumps(c.title, ensure_ascii=False)}",
        f"status: {'closed' if i.ended else 'open'}",
        f"severity: SEV{i.severity}",
        f"services: [{', '.join(i.services)}]",
        f"teams: [{', '.join(i.teams)}]",
        *(f"{m}:{iso(c.known(m))}" for m in ("started", "detected", "acknowledged", "mitigated", "resolved")),
        f"detected_by: {i.found_by}",
        "simulated: true",
    ]
    if one:
        times = _bullets(
            [f"{at.astimezone(ZONE).isoformat(timespec='minutes')} {text}" for at, _, text in c.timeline]
        )
        todo = _bullets(
            [f"[{'x' if state == 'done' else ' '}] {text} ({owner})" for text, owner, state in c.actions]
        )
        pairs = [("Summary", c.summary), ("Impact", c.impact), ("Root cause", c.cause)]
        pairs += [
            ("Contributing factors", _bullets(c.factors)),
            ("Timeline", times),
            ("Detection", c.detection),
        ]
        pairs += [("Resolution", f"{c.fix}." if i.mitigated else ""), ("Action items", todo)]
        pairs += [("Lessons learned", _bullets(c.lessons["well"] + c.lessons["wrong"]))]
    else:
        times = _table(("UTC", "Event"), [(f"{at:%Y-%m-%d %H:%M}", text) for at, _, text in c.timeline])
        pairs = [
            ("SUMMARY", c.summary),
            ("IMPACT", c.impact),
            ("CONTRIBUTING FACTORS", _bullets([c.cause, *c.factors])),
        ]
        pairs += [("TIMELINE", times), ("DETECTION", c.detection)]
        pairs += [("ACTION ITEMS", _table(("Action", "Owner", "State"), c.actions))]
        pairs += [("LESSONS", _bullets(c.lessons["wrong"] + c.lessons["lucky"]))]
    body = _sections(*pairs, level=2 if one else 3)
    lines = "\n".join(head)
    return f"{i.incident_id}-{_slug(c.title)}.md", f"---\n{lines}\n---\n\n# {c.title}\n\n{body}\n"


def _key_value(c: Content) -> tuple[str, str]:
    """`**Key:** value` lines and a table of times. Hand one writes Berlin time and says CET or CEST, hand two UTC."""
    one, i = c.incident.half == "one", c.incident
    shift = (i.started.astimezone(ZONE).utcoffset() or timedelta()) if one else timedelta()
    zone = ("CEST" if shift > timedelta(hours=1) else "CET") if one else "UTC"

    def clock(at: datetime | None) -> str:
        return ("?" if one else "N/A") if at is None else f"{at + shift:%Y-%m-%d %H:%M}"

    found = {"monitor": "monitoring", "colleague": "a colleague", "customer": "customers"}
    keys = ("Started", "Detected", "Acknowledged", "Mitigated", "Resolved")
    head = [
        ("Incident ID" if one else "ID", i.incident_id), ("Severity", f"SEV{i.severity}"),
        ("Services", ", ".join(i.services)), ("Teams", ", ".join(i.teams)),
        *((key, clock(c.known(key.lower()))) for key in keys),
        ("Detected by", found[i.found_by] if one else i.found_by), ("Simulated", "yes"),
    ]  # fmt: skip
    rows = [(clock(at), text) for at, _, text in c.timeline]
    times = f"All times in {zone}.\n\n" + _table(
        ("Time", "What happened") if one else ("Time", "Event"), rows
    )
    actions = [
        f"{text} ({owner}, {state})" if one else f"{owner}: {text} [{state}]"
        for text, owner, state in c.actions
    ]
    pairs = [("Summary", c.summary), ("Impact", c.impact)]
    pairs += [("Root Cause" if one else "Cause", c.cause), ("Contributing Factors", _bullets(c.factors))]
    pairs += [("Timeline", times), ("Detection", c.detection), ("Action Items", _bullets(actions))]
    pairs += [("Lessons Learned", _bullets(c.lessons["well"] + c.lessons["wrong"]))]
    lines = "\n".join(f"**{key}:** {value}  " for key, value in head)
    began = i.started + MINUTE * i.late_min + shift
    return (
        f"{began:%Y-%m-%d}-{i.incident_id.lower()}.md",
        f"# {c.title}\n\n{lines}\n\nAll times in {zone}.\n\n{_sections(*pairs)}\n",
    )


def _sre_book(c: Content) -> tuple[str, str]:
    """Sections after the SRE book, a table of facts, and durations stated in words, by hand."""
    one, i = c.incident.half == "one", c.incident
    began = i.started + MINUTE * i.late_min
    shift = timedelta() if one else (began.astimezone(ZONE).utcoffset() or timedelta())
    zone = "UTC" if one else "CEST" if shift > timedelta(hours=1) else "CET"
    facts = [
        ("Incident ID" if one else "ID", i.incident_id), ("Date", f"{began + shift:%Y-%m-%d}"), ("Status", "Complete"),
        ("Severity", f"SEV{i.severity}"), ("Services", ", ".join(i.services)), ("Teams", ", ".join(i.teams)),
    ]  # fmt: skip
    if one:
        facts.append(("Detected by", i.found_by))
    label = {
        "started": "Start",
        "detected": "Detection",
        "mitigated": "Mitigation",
        "resolved": "Resolved" if one else "Recovery",
    }
    rows = [
        (f"{at + shift:%Y-%m-%d %H:%M}", f"**{label[moment]}:** {text}" if moment in label else text)
        for at, moment, text in c.timeline
    ]
    assert i.ended is not None  # noqa: S101  this house only writes once it is over
    stats = [
        f"Responders: {2 + len(i.services)}",
        f"Time to detection: {words(i.detected - began)}",
        f"Time to recovery: {words(i.ended - began + MINUTE * i.stated_off_min)}",
        "Simulated: yes",
    ]
    lessons = "\n\n".join(
        f"### {head}\n\n{_bullets(c.lessons[kind])}"
        for head, kind in (
            ("What went well", "well"),
            ("What went wrong", "wrong"),
            ("Where we got lucky", "lucky"),
        )
    )
    body = _sections(
        ("Summary", c.summary), ("Impact", c.impact), ("Root Causes" if one else "Root Causes and Trigger", c.cause),
        ("Contributing Factors", _bullets(c.factors)), ("Resolution", f"{c.fix}."), ("Detection", c.detection),
        ("Action Items", _table(("Action Item", "Owner", "State"), c.actions)),
        ("Lessons Learned", lessons),
        ("Timeline", f"All times in {zone}.\n\n" + _table((f"Date and time ({zone})", "Event"), rows)),
        ("Stats", _bullets(stats)),
    )  # fmt: skip
    return f"{i.incident_id.lower()}.md", f"# {c.title}\n\n{_table(('Field', 'Value'), facts)}\n\n{body}\n"
