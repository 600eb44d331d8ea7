"""docs/gameday-file.md, made from the models: an example that is read, the rules, and every field."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from .gameday_fields import Part, part_in
from .gameday_file import GameDayFile
from .gameday_values import Kind

_HEAD = """\
# The GameDay file

Made by `resilience docs gameday-file`; do not edit.

A GameDay is one file, `data/gamedays/<id>/gameday.yml`, that a person writes. The name of its folder is its id:
lower-case letters, digits and hyphens, at most 80, for example `2020-12-10-vaccine-our-system`. From this file, and from
the metrics of that day, `resilience render <id>` makes the report. Everything the report says about people, votes,
predictions and outcomes comes from here; it invents nothing. What you leave out is reported as unknown, never as zero.

`resilience gameday new <id>` writes the file with every field, to be filled; `resilience gameday import <id>` drafts it from
Chaos Toolkit journals and a Slack export ([commands](commands.md#resilience-gameday)).

The words: *villains* prepare the experiments and inject a *fault*; *heroes* are told a *symptom* and some *targets*, and
have a *time box* to investigate, find and fix. A *probe* says in numbers what normal is; whether it stayed so is the
*verdict*.

## A complete example

Every field that there is. Start from it and delete what you do not need; only what the tables below call required must stay.

```yaml
"""

_RULES = """```

## How to write it

- A **group** is a set of fields: indented `key: value` lines, or `{key: value, key: value}`. Each item of a **list**
  begins with `- `; a short list may be written `[one, two]`.
- **Text** with a colon and a blank, or with a blank and `#`, must stand in quotes: without them YAML makes a key of the
  first and drops what follows the second. So must a text that is a number, `true`, `false` or `null`.
- **Clock times** are local to `zone`: `"11:20"` or `"11:20:30"` on `date`; `2020-12-11T00:10` on another day, as after
  midnight. An hour that the clocks skipped in spring is refused. One that they repeated in autumn needs its offset:
  `2020-10-25T02:30+01:00`.
- **Numbers** have no quotes, no unit and no separators: `20000`, `0.4`.
- A field **left out**, or `null`, means: not known. A list left out is empty.
- The file is UTF-8, at most 256 kB, without anchors, aliases and tags (`&`, `*`, `!`).

## What is refused, and what is only told

A file with an error is not read at all; the other GameDays are. Each error is listed by `resilience problems`, with its
line and what to do. Errors are unknown keys, missing required keys, values that are not what the tables below say, and
what cannot be true:

- a GameDay that ends before it starts, lasts more than 7 days, or starts more than a day from its `date`;
- a score outside `starts` to `ends` (where these are missing: the day of `date`, or 24 hours from `starts`);
- a fault that ended before it started;
- an alert, diagnosis or mitigation before the fault started, or any line more than 24 hours from its start;
- a fault or a line more than 24 hours from the GameDay, a message more than 90 days from it;
- more answers than people asked, a mean of no answers, or one above `scale_max`;
- a probe without `low` and `high`, or with `low` above `high`;
- `worked` or `load` of a fallback that was not `exercised`, a load without its unit;
- a role, a question and moment, an `experiment_key`, a target or a probe that stands twice.

What is missing or doubtful is listed too, but the file is read as it stands, and the report says what it cannot know:

- missing: attendance, any experiment, a probe, a fault's start or end, a mitigation although solved, the time of a message,
  the scale of a mean, what no vote means;
- contradictory: executed elsewhere than voted, solved only after the time box, not solved although mitigated within it,
  `not_run` with a fault, a fault outside `starts` to `ends`, more names than people.

Checks between parts (a score against the end of the day) come once each part by itself is right.
"""


def example() -> str:
    """The commented gameday.yml that uses every field."""
    return (files(__package__) / "gameday_example.yml").read_text(encoding="utf-8")


def documentation() -> str:
    """docs/gameday-file.md; a test fails where the file differs."""
    places: dict[type[Part], list[str]] = {GameDayFile: []}
    for part, place in _parts(GameDayFile, ""):
        places.setdefault(part, []).append(f"`{place}`")
    sections = [_section(part, ", ".join(names) or "The file") for part, names in places.items()]
    return _HEAD + example() + _RULES + "".join(sections)


def _parts(part: type[Part], place: str) -> Iterator[tuple[type[Part], str]]:
    """Every part within `part`, and where it stands, in the order of the file."""
    for name, field in part.model_fields.items():
        if inner := part_in(field.annotation):
            yield inner, f"{place}{name}"
            yield from _parts(inner, f"{place}{name}.")


def _section(part: type[Part], title: str) -> str:
    lines = ["", f"## {title}", "", " ".join((part.__doc__ or "").split()), ""]
    lines.append("| field | type | unit | required | meaning | in the report | example |")
    lines.append("|---|---|---|---|---|---|---|")
    hints = get_type_hints(part, include_extras=True)
    for name, field in part.model_fields.items():
        extra: Any = field.json_schema_extra
        unit, needed = extra.get("unit", ""), "yes" if field.is_required() else "no"
        sample = "see below" if part_in(hints[name]) else f"`{(field.examples or [''])[0]}`"
        cells = (
            f"`{name}`",
            kind_of(hints[name]),
            unit,
            needed,
            field.description or "",
            extra["report"],
            sample,
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def kind_of(hint: Any) -> str:
    """What a type is called, for people: the names of `Kind`."""
    if get_origin(hint) is Annotated:
        inner, *rest = get_args(hint)
        return next((mark.name for mark in rest if isinstance(mark, Kind)), None) or kind_of(inner)
    if get_origin(hint) is list:
        return f"list of {kind_of(get_args(hint)[0])}s".replace("texts", "text")
    if get_origin(hint) is dict:
        return "numbers by environment: " + kind_of(get_args(hint)[1])
    if isinstance(hint, type) and issubclass(hint, Part):
        return "group"
    return next(kind_of(inner) for inner in get_args(hint) if inner is not type(None))
