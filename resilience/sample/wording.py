"""What the writers of reports say: the scenarios of each class and the voices, in two halves that share no sentence."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import yaml

HALVES = ("one", "two")


@dataclass(frozen=True)
class Scenario:
    """One way in which something goes wrong, as templates with the slots {s} {d} {n} {pct} {ver} {clock}."""

    title: str
    cause: str
    because: tuple[str, ...]
    fix: str
    todo: tuple[str, ...]
    second: str | None = None
    only: tuple[str, ...] = ()  # services that it can happen to; empty is any


@cache
def _load(name: str) -> dict[str, Any]:
    text = resources.files(__package__).joinpath("wording", f"{name}.yml").read_text(encoding="utf-8")
    return yaml.safe_load(text)  # our own file, not a user's


@cache
def scenarios(half: str, failure_class: str) -> tuple[Scenario, ...]:
    return tuple(
        Scenario(
            row["title"], row["cause"], tuple(row["because"]), row["fix"], tuple(row["todo"]), row.get("second"),
            tuple(row.get("for", ())),
        )
        for row in _load(f"causes_{half}")[failure_class]
    )  # fmt: skip


def fitting(half: str, failure_class: str, service: str) -> list[int]:
    """Scenarios that can happen to `service`: those written for it, else those that can happen to any."""
    known = scenarios(half, failure_class)
    made_for = [i for i, s in enumerate(known) if service in s.only]
    general = [i for i, s in enumerate(known) if not s.only]
    return made_for if made_for and failure_class == "third-party" else made_for + general


def voice(half: str) -> dict[str, Any]:
    return _load("voices")[half]


def loss(half: str, service: str) -> str:
    """What customers felt while `service` did not work."""
    thing = service.rpartition("-")[0].replace("-", " ") or service  # made-up services are a thing and a part
    fallback = {"one": f"everything about {thing} was missing", "two": f"{thing} functions unavailable"}
    return str(voice(half)["loss"].get(service, fallback[half]))
