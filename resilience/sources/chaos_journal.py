"""A Chaos Toolkit journal as a drafted experiment: what the tool did and measured, and nothing that it cannot know.

The journal knows no heroes, no symptom and no cause: those stay empty. The steady-state hypothesis and the probes within
the method are told apart, because a journal may say `deviated: false` although a probe in the method got HTTP 500.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from ..errors import InputError
from ..failure_classes import FAILURE_CLASSES
from ..schema import ENVIRONMENTS
from .gameday_draft import NOTES, slug

MAX_BYTES = 20_000_000
_MOST = 200  # lines of a timeline; more is a log
_LONG = 300
_CALLED_OFF = ("aborted", "interrupted")


def read(path: Path, uri: str, *, times_in: str | None = None) -> dict[str, Any]:
    """The experiment that the journal at `path` records, as fields for `gameday_draft.write`, times aware.

    `times_in`: IANA zone of times that the journal gives without one, as releases before 1.20 do (they wrote UTC).
    Raises InputError: too large, no JSON, no journal, or a time without a zone where `times_in` is not given.
    """
    journal = _journal(path, uri)
    about, run = _mapping(journal.get("experiment")), _activities(journal.get("run"))
    clock = _Clock(uri, times_in)
    title = _text(about.get("title")) or "Experiment without a title"
    drafted: dict[str, Any] = {"experiment_key": _key(about, title), "title": title, **_tagged(about)}
    hypothesis = _mapping(about.get("steady-state-hypothesis"))
    normal = {"hypothesis": _text(hypothesis.get("title")), "probes": list(_probes(hypothesis))}
    if any(normal.values()):
        drafted["steady_state"] = {k: v for k, v in normal.items() if v}
    actions = [one for one in run if one.kind == "action"]
    undone = [one for one in _activities(journal.get("rollbacks")) if one.status == "succeeded"]
    if actions and (started := clock.read(actions[0].start)):
        ended = clock.read(undone[-1].end) if undone else None
        drafted["fault"] = {"started": started, **({"ended": ended} if ended and ended >= started else {})}
    status = _text(journal.get("status")) or "unknown"
    if not run:
        drafted["outcome"] = "not_run"
    elif status in _CALLED_OFF:
        drafted["outcome"] = "aborted"
    drafted["timeline"] = list(_timeline(run + _activities(journal.get("rollbacks")), clock))[:_MOST]
    drafted["outcome_text"] = outcome(journal)
    drafted[NOTES] = [
        f"From the journal {uri}. It knows nothing of heroes: fill symptom, targets and outcome."
    ]
    if "fault" in drafted and "ended" not in drafted["fault"]:
        drafted[NOTES].append("No rollback is in it, so when the fault ended is not known: add fault.ended.")
    return drafted


def outcome(journal: Mapping[str, Any]) -> str:
    """What the journal says came of it: its status, the hypothesis before and after, and probes within the method."""
    deviated = journal.get("deviated")
    said = "deviated" if deviated is True else "not deviated" if deviated is False else "deviation not told"
    states = _mapping(journal.get("steady_states"))
    parts = [f"Chaos Toolkit says {_text(journal.get('status')) or 'no status'}, {said}."]
    parts.append(
        f"Hypothesis before the fault: {_state(states.get('before'))}; after it: {_state(states.get('after'))}."
    )
    during = states.get("during")
    if isinstance(during, list) and during:
        failed = sum(_mapping(one).get("steady_state_met") is False for one in during)
        parts.append(f"While it lasted it was not met {failed} of {len(during)} times.")
    probes = [one for one in _activities(journal.get("run")) if one.kind == "probe"]
    bad = [f"{one.name} ({one.wrong})" for one in probes if one.wrong]
    if not probes:
        parts.append("There are no probes within the method.")
    else:
        names = f": {', '.join(bad[:10])}" if bad else ""
        parts.append(f"Probes within the method that failed: {len(bad)} of {len(probes)}{names}.")
    return " ".join(parts)


class _Activity:
    """One entry of `run` or `rollbacks`."""

    def __init__(self, entry: Mapping[str, Any]) -> None:
        activity = _mapping(entry.get("activity"))
        self.kind = _text(activity.get("type"))
        self.name = _text(activity.get("name")) or "without a name"
        self.status = _text(entry.get("status"))
        self.start, self.end = _text(entry.get("start")), _text(entry.get("end"))
        answered = _mapping(entry.get("output")).get("status")
        http = _mapping(activity.get("provider")).get("type") == "http" and isinstance(answered, int)
        self.wrong = (
            self.status or "no status"
            if self.status != "succeeded"
            else f"answered HTTP {answered}"
            if http and answered >= 400  # type: ignore[operator]
            else "outside its tolerance"
            if entry.get("tolerance_met") is False
            else ""
        )


class _Clock:
    """Times of one journal, none of them guessed."""

    def __init__(self, uri: str, times_in: str | None) -> None:
        self._uri, self._zone = uri, ZoneInfo(times_in) if times_in else None

    def read(self, text: str) -> datetime | None:
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            return None
        if at.tzinfo is None and self._zone is None:
            raise InputError(
                "Its times have no zone.",
                where=self._uri,
                remedy="Give --times-in UTC, which is what older releases of Chaos Toolkit wrote.",
            )
        at = at if at.tzinfo else at.replace(tzinfo=self._zone)
        return at if 2000 <= at.year < 2100 else None


def _journal(path: Path, uri: str) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(
                f"The journal has more than {MAX_BYTES:,} bytes.",
                where=uri,
                remedy="Cut the outputs of its probes.",
            )
        journal = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError:
        raise InputError(
            "This is not JSON.", where=uri, remedy="Give the journal.json that `chaos run` wrote."
        ) from None
    except OSError as error:
        raise InputError(
            f"This cannot be read: {error.strerror}.", where=uri, remedy="Check the path."
        ) from None
    if (
        not isinstance(journal, dict)
        or not isinstance(journal.get("experiment"), dict)
        or "run" not in journal
    ):
        raise InputError(
            "This is no Chaos Toolkit journal: it lacks experiment or run.",
            where=uri,
            remedy="Give the journal.json that `chaos run` wrote, not the experiment.",
        )
    return journal


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return " ".join(value.split())[:_LONG] if isinstance(value, str) else ""


def _mappings(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _activities(value: Any) -> list[_Activity]:
    return [_Activity(entry) for entry in _mappings(value)]


def _state(state: Any) -> str:
    met = _mapping(state).get("steady_state_met")
    if not isinstance(met, bool):
        return "not measured"
    probes = _mappings(_mapping(state).get("probes"))
    failed = [_Activity(one).name for one in probes if one.get("tolerance_met") is False]
    return "met" if met else f"not met ({', '.join(failed[:10])})" if failed else "not met"


def _key(about: Mapping[str, Any], title: str) -> str:
    for ours in _mappings(about.get("extensions")):
        if ours.get("name") == "resilience" and isinstance(ours.get("experiment_key"), str):
            return slug(ours["experiment_key"])
    return slug(title)


def _tagged(about: Mapping[str, Any]) -> dict[str, str]:
    """Failure class and environment of an experiment that `resilience plan --export` wrote: its tags."""
    tags = (
        [t for t in about.get("tags") or () if isinstance(t, str)]
        if isinstance(about.get("tags"), list)
        else []
    )
    if "resilience" not in tags:
        return {}
    known = {"failure_class": FAILURE_CLASSES, "environment": ENVIRONMENTS}
    return {name: tag for name, words in known.items() for tag in tags if tag in words}


def _probes(hypothesis: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Probes that call `resilience probe`, as exported experiments do: the only ones that name a series."""
    listed = hypothesis.get("probes")
    seen: set[str] = set()
    for one in map(_mapping, listed if isinstance(listed, list) else ()):
        words = _mapping(one.get("provider")).get("arguments")
        name = _text(one.get("name"))
        if (
            not name
            or name in seen
            or not isinstance(words, list)
            or not all(isinstance(w, str) for w in words)
        ):
            continue
        if words[:2] != ["resilience", "probe"] or len(words) < 6 or "--per-minute" in words:
            continue
        options = dict(zip(words[4::2], words[5::2], strict=False))
        try:
            limits = {side: float(options[f"--{side}"]) for side in ("low", "high") if f"--{side}" in options}
        except ValueError:
            continue
        if limits:
            seen.add(name)
            statistic = options.get("--statistic", "mean")
            yield {"name": name, "metric": words[2], "scope": words[3], "statistic": statistic, **limits}


def _timeline(run: list[_Activity], clock: _Clock) -> Iterator[dict[str, Any]]:
    first: datetime | None = None
    for one in run:
        at = clock.read(one.start)
        if at is None or (first and abs(at - first) >= timedelta(hours=24)):
            continue
        first = first or at
        came = f": {one.wrong}" if one.wrong else ""
        yield {
            "at": at,
            "moment": "note",
            "role": "Chaos Toolkit",
            "text": f"{one.kind or 'step'} {one.name}{came}",
        }
