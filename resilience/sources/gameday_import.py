"""Journals and a channel of one GameDay -> the draft of its gameday.yml, for a person to finish.

A message is placed with the experiment whose fault ran at that time, or else with the one that was named last; what
cannot be placed is kept as a comment. Nothing is guessed about who did what: every message is a note.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from ..errors import InputError
from . import gameday_draft, yaml_text
from .gameday_draft import NOTES, slug
from .gameday_values import Setting
from .slack_export import Channel, Message

_AFTER = timedelta(minutes=60)  # talk about an experiment goes on when its fault is gone
_MOST_UNPLACED = 200


def draft(
    title: str,
    day: Mapping[str, Any],
    journals: Sequence[Mapping[str, Any]],
    channel: Channel | None,
    zone: str,
) -> str:
    """The text of a gameday.yml. `journals`: what `chaos_journal.read` gave; `day`: known fields of the day itself.

    The date is that of `day`, else of the only local day on which anything happened. Raises InputError where that
    is not clear, or where the file would be larger than a gameday.yml may be.
    """
    where = ZoneInfo(zone)
    setting = Setting(_date(day, journals, channel, where), where)
    experiments = _keyed(journals)
    notes: list[str] = []
    if channel:
        messages = [m for m in channel.messages if _near(m.at, setting)]
        far = len(channel.messages) - len(messages)
        experiments = _voted(experiments, messages, notes)
        notes += _placed(experiments, [m for m in messages if not m.votes], setting)
        notes += [f"Not used of #{channel.name}: {what}." for what in channel.left_out]
        notes += [f"Not used of #{channel.name}: {far} messages more than 90 days from it."] if far else []
    known = {"title": title, "date": setting.day.isoformat(), "zone": zone, **day}
    if channel and channel.people:
        names = [name.replace(",", " ") for name in channel.names]
        known["roles"] = [{"role": "participant", "people": channel.people, "names": names,
                           NOTES: ["Who wrote or reacted; give villains, heroes and observers a role each."]}]  # fmt: skip
    known["experiments"] = [_in_order(_local(one, setting)) for one in experiments] or [{}]
    text = gameday_draft.write(
        {**known, NOTES: notes}, title=f"{title}: imported, to be finished", offered=False
    )
    if len(text.encode()) > yaml_text.MAX_BYTES:
        raise InputError(
            f"The file would have {len(text.encode()):,} bytes; {yaml_text.MAX_BYTES:,} is the limit.",
            remedy="Import fewer journals, or export only the days of the GameDay.",
        )
    return text


def _date(
    day: Mapping[str, Any], journals: Sequence[Mapping[str, Any]], channel: Channel | None, zone: ZoneInfo
) -> date:
    if "date" in day:
        return date.fromisoformat(str(day["date"]))
    times = [one["fault"]["started"] for one in journals if "fault" in one]
    times = times or [m.at for m in channel.messages] if channel else times
    days = sorted({at.astimezone(zone).date() for at in times})
    if len(days) == 1:
        return days[0]
    said = f"{len(days)} days, {days[0]} to {days[-1]}" if days else "no day"
    raise InputError(f"What was given tells of {said}.", remedy="Give --date, the local day of the GameDay.")


def _near(at: datetime, setting: Setting) -> bool:
    return abs((at.astimezone(setting.zone).date() - setting.day).days) <= 89


def _keyed(journals: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The experiments in order of their faults, each with a key of its own."""
    far = datetime.max.replace(tzinfo=ZoneInfo("UTC"))
    ordered = sorted(journals, key=lambda one: one["fault"]["started"] if "fault" in one else far)
    found: list[dict[str, Any]] = []
    for one in ordered:
        key = slug(one["experiment_key"], [known["experiment_key"] for known in found])
        found.append({**one, "experiment_key": key, "timeline": list(one.get("timeline", ()))})
    return found


def _voted(
    experiments: list[dict[str, Any]], messages: Sequence[Message], notes: list[str]
) -> list[dict[str, Any]]:
    """Each vote to the experiment that its message names; where there are no journals it begins one."""
    alone = not experiments
    for message in messages:
        if not message.votes:
            continue
        one = _named(experiments, message.text)
        if one is None and alone:
            title = message.text.split(" :")[0].strip(" :")[:100] or "Experiment"
            key = slug(title, [known["experiment_key"] for known in experiments])
            one = {
                "experiment_key": key,
                "title": title,
                "timeline": [],
                NOTES: ["From a vote in the channel."],
            }
            experiments.append(one)
        tally = ", ".join(f"{where} {n}" for where, n in message.votes.items())
        if one is None:
            notes.append(f"A vote that names no experiment ({tally}): {message.text[:200]}")
            continue
        if "vote" in one:
            notes.append(f"Another vote on {one['experiment_key']} ({tally}): {message.text[:200]}")
            continue
        one["vote"] = {"options": dict(message.votes)}
        if message.several:
            one[NOTES].append(f"{message.several} people voted for more than one place.")
        if not sum(message.votes.values()):
            one[NOTES].append("Nobody voted: say in vote.default what that meant.")
    return experiments


def _named(experiments: Sequence[dict[str, Any]], text: str) -> dict[str, Any] | None:
    said = text.casefold()
    return next(
        (e for e in experiments if e["title"].casefold() in said or e["experiment_key"] in said), None
    )


def _placed(experiments: list[dict[str, Any]], messages: Sequence[Message], setting: Setting) -> list[str]:
    """Adds each message of the day to a timeline; returns those that belong to none."""
    if not experiments:
        experiments.append(
            {
                "timeline": [],
                NOTES: ["Neither a journal nor a vote tells of experiments: all messages are here."],
            }
        )
    last: dict[str, Any] | None = experiments[0] if len(experiments) == 1 else None
    unplaced, elsewhere = [], 0
    for message in messages:
        if message.at.astimezone(setting.zone).date() != setting.day:
            elsewhere += 1
            continue
        if len(experiments) > 1:
            last = _named(experiments, message.text) or _running(experiments, message.at) or last
        line = {"at": message.at, "moment": "note", "text": message.text or "(no text)"}
        started = last and last.get("fault", {}).get("started")
        if last is None or (started and abs(message.at - started) > timedelta(hours=23)):
            unplaced.append(f"{setting.shown(message.at)} {message.text}")
        else:
            last["timeline"].append(line | ({"role": "bot"} if message.bot else {}))
    for one in experiments:
        one["timeline"].sort(key=lambda line: line["at"])
    told = [f"Messages that belong to no experiment: {len(unplaced)}."] if unplaced else []
    told += unplaced[:_MOST_UNPLACED]
    if len(unplaced) > _MOST_UNPLACED:
        told.append(f"... and {len(unplaced) - _MOST_UNPLACED} more.")
    return [*told, *([f"{elsewhere} messages of other days were not used."] if elsewhere else [])]


def _running(experiments: Sequence[dict[str, Any]], at: datetime) -> dict[str, Any] | None:
    """The last experiment whose fault had begun, up to an hour after its end."""
    begun = [e for e in experiments if "fault" in e and e["fault"]["started"] <= at]
    if not begun:
        return None
    fault = begun[-1]["fault"]
    return begun[-1] if at <= fault.get("ended", fault["started"]) + _AFTER else None


def _in_order(one: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in one.items() if value not in (None, "", [], {})}


def _local(value: Any, setting: Setting) -> Any:
    """`value` with every instant written as the clock of the GameDay's zone showed it."""
    if isinstance(value, datetime):
        return _clock(value, setting)
    if isinstance(value, dict):
        return {name: _local(part, setting) for name, part in value.items()}
    return [_local(part, setting) for part in value] if isinstance(value, list) else value


def _clock(at: datetime, setting: Setting) -> str:
    local = at.astimezone(setting.zone).replace(microsecond=0)
    other = local.replace(fold=1 - local.fold)
    return local.isoformat() if local.utcoffset() != other.utcoffset() else setting.shown(local)
