"""What each service is expected to carry at any moment: local day, week and year, sales, holidays and growth."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from .marketplace import Service
from .world import FIRST, black_friday, local_fields

# Share of the mean at each local hour.
_CURVES = {
    "page": [0.46, 0.27, 0.16, 0.11, 0.10, 0.14, 0.31, 0.56, 0.82, 1.02, 1.14, 1.20,
             1.24, 1.22, 1.17, 1.17, 1.22, 1.30, 1.40, 1.58, 1.74, 1.66, 1.24, 0.79],
    "office": [0.08, 0.06, 0.05, 0.05, 0.07, 0.15, 0.45, 1.10, 1.95, 2.30, 2.35, 2.20,
               1.70, 1.95, 2.15, 2.05, 1.75, 1.20, 0.75, 0.55, 0.45, 0.35, 0.22, 0.12],
    "machine": [1.05, 1.25, 1.70, 1.85, 1.40, 1.00, 0.85, 0.85, 0.92, 0.98, 1.00, 1.00,
                0.98, 0.96, 0.95, 0.95, 0.95, 0.95, 0.93, 0.90, 0.88, 0.86, 0.88, 0.96],
}  # fmt: skip
_WEEK = {
    "page": [1.05, 1.0, 0.98, 0.98, 0.93, 0.92, 1.14],
    "office": [1.30, 1.28, 1.25, 1.22, 1.10, 0.45, 0.40],
    "machine": [1.02, 1.02, 1.02, 1.02, 1.02, 0.95, 0.95],
}
_FELT = {"page": 1.0, "machine": 0.5, "office": 0.25}  # how much of a sale reaches a service


@dataclass(frozen=True)
class Clock:
    """Times as the business sees them: weekday (0 = Monday), local hour with fraction, ordinal of the local date, and

    years since the beginning; each (times,)."""

    weekday: np.ndarray
    hour: np.ndarray
    day: np.ndarray
    years: np.ndarray

    @classmethod
    def of(cls, seconds: np.ndarray) -> Clock:
        """The clock at UTC `seconds`."""
        return cls(*local_fields(seconds), (seconds - FIRST.timestamp()) / (365.25 * 86400))


def load(service: Service, clock: Clock) -> np.ndarray:
    """Requests per second expected at `clock`. No noise."""
    curve = np.array(_CURVES[service.kind])
    daily = np.interp(clock.hour, np.arange(25), np.r_[curve, curve[0]]) / curve.mean()
    weekly = np.array(_WEEK[service.kind])[clock.weekday]
    shape = daily * weekly * season(clock.years) * _events(clock.day) ** _FELT[service.kind]
    return service.rps * shape * (1 + service.growth) ** clock.years


def busiest(kind: str) -> float:
    """Mean of the busiest local hour of an ordinary week, as a multiple of `Service.rps`."""
    curve = np.array(_CURVES[kind])
    middle = (curve + np.roll(curve, -1)) / 2  # the curve is drawn through the full hours
    return float(middle.max() / curve.mean() * max(_WEEK[kind]))


def season(years: np.ndarray) -> np.ndarray:
    """Factor of the time of year, most in early December."""
    of_year = (years + 151 / 365.25) % 1.0  # FIRST is the 152nd day of its year
    return 1 + 0.10 * np.cos(2 * np.pi * (of_year - 0.93))


def _events(day: np.ndarray) -> np.ndarray:
    """Factor of sales and holidays by ordinal of the local date."""
    factor = np.ones(len(day))
    for year in (2019, 2020, 2021):
        rush = black_friday(year).toordinal()
        factor[(day >= rush - 4) & (day < rush)] *= 1.25
        factor[day == rush] *= 2.5
        factor[(day > rush) & (day < rush + 3)] *= 1.7
        factor[day == rush + 3] *= 2.0
        factor[(day >= rush + 4) & (day < date(year, 12, 21).toordinal())] *= 1.25
        factor[(day >= date(year, 12, 24).toordinal()) & (day <= date(year, 12, 26).toordinal())] *= 0.55
        for month, first, last in ((1, 2, 4), (7, 1, 3), (9, 18, 20)):  # winter, summer and birthday sales
            factor[
                (day >= date(year, month, first).toordinal()) & (day <= date(year, month, last).toordinal())
            ] *= 1.4
    return factor
