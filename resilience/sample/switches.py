"""Other worlds from the same code: what people write down, and what GameDays change, as switches. And two sizes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

# The morning after the first GameDay: whatever a switch changes, it changes then, where it is easily mistaken
# for an effect of the GameDay.
CHANGE = datetime(2020, 12, 11, tzinfo=UTC)
SIZES = {"small": (36, 180), "full": (150, 300)}  # services, and reports that the base world has, about
OFFSET = (0.3, 0.9)  # a start that is recorded late is late by this share of the true time to detect


@dataclass(frozen=True)
class Switches:
    """Pairs hold for incidents that start before and after `CHANGE`.

    `late`: share of reports whose recorded start is later than the true one. `capture`: share of minor incidents
    (SEV4) that get a report at all. `detect`: factor on the true time to detect, besides what GameDays do.
    `effects`: whether GameDays change detection and rates. `hidden_edges`: whether undeclared dependencies exist.
    """

    late: tuple[float, float] = (0.45, 0.45)
    capture: tuple[float, float] = (0.6, 0.6)
    detect: tuple[float, float] = (1.0, 1.0)
    effects: bool = True
    hidden_edges: bool = True

    def at(self, pair: tuple[float, float], when: datetime) -> float:
        """The half of `pair` that holds at `when`."""
        return pair[when >= CHANGE]


# No effect at all. The worlds in which reporting changes start from it: nothing true may change in them unasked.
PLACEBO = Switches(effects=False)
WORLDS: dict[str, Switches] = {
    "base": Switches(),
    "placebo": PLACEBO,
    "recording-earlier": replace(PLACEBO, late=(0.45, 0.05)),
    "recording-later": replace(PLACEBO, late=(0.45, 0.9)),
    "recording-earlier-detection-halved": replace(PLACEBO, late=(0.45, 0.05), detect=(1.0, 0.5)),
    "capture-rising": replace(PLACEBO, capture=(0.3, 0.8)),
    "no-hidden-edges": Switches(hidden_edges=False),
}


def periods(switches: Switches, first: datetime, last: datetime) -> list[dict[str, Any]]:
    """What held before and after `CHANGE`, ready for the truth. The second period ends at `last`, exclusive."""
    return [
        {
            "from": f"{start:%Y-%m-%dT%H:%M:%S}Z",
            "to": f"{end:%Y-%m-%dT%H:%M:%S}Z",
            "capture_of_minor": switches.capture[i],
            "start_recorded_late": {"share": switches.late[i], "share_of_time_to_detect": list(OFFSET)},
            "detect_factor": switches.detect[i],
        }
        for i, (start, end) in enumerate(((first, CHANGE), (CHANGE, last)))
    ]
