"""The catalogue of faults: what can be broken on purpose, where, for how long, and which failure classes that rehearses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import yaml

from ..errors import InputError

ENVIRONMENTS = ("production", "staging", "isolated")
REACHES = ("instance", "service", "dependency", "zone")
MOVES = ("latency", "errors", "traffic")
_NEEDED = frozenset(
    {
        "title",
        "classes",
        "environments",
        "reach",
        "least_min",
        "recover_min",
        "moves",
        "symptom",
        "prediction",
        "method",
    }
)
_MAY = _NEEDED | {"rollback", "fis", "takes"}


@dataclass(frozen=True)
class Fault:
    """One way to break a service; the packaged `faults.yml` says what each field means. Durations are minutes."""

    key: str
    title: str
    classes: tuple[str, ...]
    environments: tuple[str, ...]
    reach: str
    least_min: float
    recover_min: float
    moves: tuple[str, ...]
    symptom: str
    prediction: str
    method: Mapping[str, Any]
    rollback: Mapping[str, Any] | None = None
    fis: Mapping[str, Any] | None = None
    takes: float = 0.0

    def says(self, template: str, target: str) -> str:
        """`template` with the target's name in it; names are data, so nothing else is substituted."""
        return template.replace("{target}", target)


@cache
def packaged() -> tuple[Fault, ...]:
    """The catalogue that comes with the package."""
    text = resources.files("resilience").joinpath("faults.yml").read_text(encoding="utf-8")
    return parse(text, "faults.yml", trusted=True)


def parse(text: str, where: str, *, trusted: bool = False) -> tuple[Fault, ...]:
    """Faults of a catalogue in YAML. Raises InputError naming the fault and the field that cannot be used.

    A `trusted` text is read by the parser in C, which is ten times as fast and runs out of stack on a hostile one.
    """
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader) if trusted else yaml.SafeLoader
    try:
        given = yaml.load(text, Loader=loader)  # noqa: S506 (both are safe loaders)
    except yaml.YAMLError as error:
        raise InputError(
            f"This is not YAML: {error}.", where=where, remedy="Correct the line that is named."
        ) from error
    faults = given.get("faults") if isinstance(given, dict) else None
    if not isinstance(faults, dict) or not faults:
        raise InputError("There is no `faults` mapping.", where=where, remedy="See the packaged faults.yml.")
    return tuple(_fault(str(key), fields, where) for key, fields in faults.items())


def _fault(key: str, fields: Any, where: str) -> Fault:
    def refuse(what: str, remedy: str) -> InputError:
        return InputError(f"Fault {key!r}: {what}.", where=where, remedy=remedy)

    if not isinstance(fields, dict):
        raise refuse("it is not a mapping", f"Give it {', '.join(sorted(_NEEDED))}.")
    if wrong := sorted(map(str, set(fields) - _MAY)):
        raise refuse(f"unknown field {', '.join(wrong)}", f"It may have {', '.join(sorted(_MAY))}.")
    if missing := sorted(_NEEDED - set(fields)):
        raise refuse(f"no {', '.join(missing)}", "Add it.")
    for name, allowed in (("environments", ENVIRONMENTS), ("moves", MOVES)):
        if not isinstance(fields[name], list) or not fields[name] or set(fields[name]) - set(allowed):
            raise refuse(f"{name} is {fields[name]!r}", f"List some of {', '.join(allowed)}.")
    if not isinstance(fields["classes"], list) or not fields["classes"]:
        raise refuse("classes is empty", "List the failure classes that it rehearses.")
    if fields["reach"] not in REACHES:
        raise refuse(f"reach is {fields['reach']!r}", f"Use one of {', '.join(REACHES)}.")
    for name in ("least_min", "recover_min"):
        if not isinstance(fields[name], int | float) or isinstance(fields[name], bool) or fields[name] < 0:
            raise refuse(f"{name} is {fields[name]!r}", "Give minutes.")
    takes = fields.get("takes", 0.0)
    if not isinstance(takes, int | float) or isinstance(takes, bool) or not 0 <= takes <= 1:
        raise refuse(f"takes is {takes!r}", "Give a share of the capacity, from 0 to 1.")
    return Fault(
        key, str(fields["title"]), tuple(map(str, fields["classes"])), tuple(fields["environments"]), fields["reach"],
        float(fields["least_min"]), float(fields["recover_min"]), tuple(fields["moves"]), str(fields["symptom"]),
        str(fields["prediction"]), fields["method"], fields.get("rollback"), fields.get("fis"),
        float(takes),
    )  # fmt: skip
