"""What GameDays change: how soon incidents are detected, and how often what was rehearsed still happens."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from . import gamedays

# After an experiment deviated, somebody repaired what it showed; one that held taught people where to look.
# Verdict -> factor on the rate of its cells, factor on the time to detect in them.
_LEARNT = {"deviated": (0.35, 0.6), "held": (1.0, 0.85), "inconclusive": (1.0, 1.0)}
_OVERALL = {gamedays.VACCINE: 0.8, gamedays.CHAOTIC: 0.85}


@dataclass(frozen=True)
class Cell:
    """A failure class at a service that a GameDay touched: from `since` on, incidents are `rate` times as frequent

    and take `detect` times as long to detect."""

    gameday_id: str
    experiment_key: str
    failure_class: str
    service: str
    since: datetime
    rate: float
    detect: float


@dataclass(frozen=True)
class Effects:
    """`overall`: (GameDay, since, factor on every time to detect), in order of time; and the cells."""

    overall: tuple[tuple[str, datetime, float], ...]
    cells: tuple[Cell, ...]

    def detect(self, failure_class: str, service: str, at: datetime) -> float:
        """Factor on the time to detect of an incident that starts at `at`."""
        factor = 1.0
        for _, since, times in self.overall:
            factor *= times if at >= since else 1.0
        for cell in self._of(failure_class, service, at):
            factor *= cell.detect
        return factor

    def rate(self, failure_class: str, service: str, at: datetime) -> float:
        """Factor on the rate of incidents in a cell."""
        factor = 1.0
        for cell in self._of(failure_class, service, at):
            factor *= cell.rate
        return factor

    def _of(self, failure_class: str, service: str, at: datetime) -> list[Cell]:
        return [
            c
            for c in self.cells
            if c.failure_class == failure_class and c.service == service and at >= c.since
        ]


def of_gamedays(on: bool) -> Effects:
    """What both GameDays change; with `on` false every factor is 1."""
    cells, overall = [], []
    for name in gamedays.DAYS:
        since = max(end for _, _, end in gamedays.faults(name))
        overall.append((name, since, _OVERALL[name] if on else 1.0))
        for experiment in gamedays.story(name)["experiments"]:
            key = experiment["experiment_key"]
            rate, detect = _LEARNT[gamedays.VERDICTS[name, key]] if on else (1.0, 1.0)
            cells += [
                Cell(name, key, experiment["failure_class"], target, since, rate, detect)
                for target in experiment["targets"]
            ]
    return Effects(tuple(overall), tuple(cells))
